//! The REST interface over sockets, and what follows from what it took in.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Response, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use super::{Reply, Request, RestFault, answer, trouble_of};
use crate::twilio::{
    account::Account,
    form::Form,
    network::{Errand, post, ringing},
};

/// Connections at a time; further ones wait for one of them to end.
const CONNECTIONS_MAX: usize = 512;
/// Texts under way, phones that ring and calls at a time; further ones wait for one of them to end.
const ERRANDS_MAX: usize = 20_000;
/// The largest body that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Serves an account's REST interface, carries its texts and makes its calls, until it is dropped.
pub async fn serve(account: Arc<Account>, listener: TcpListener) -> Infallible {
    let mut connections = JoinSet::new();
    let mut errands = JoinSet::new();
    let network = Arc::clone(&account.network);
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                // A connection that failed before it was there is its client's to notice.
                if let Ok((tcp, _)) = accepted {
                    connections.spawn(converse(Arc::clone(&account), tcp));
                }
            }
            errand = network.next_errand(), if errands.len() < ERRANDS_MAX => {
                errands.spawn(run(Arc::clone(&account), errand));
            }
            Some(_ended) = connections.join_next() => {}
            Some(_done) = errands.join_next() => {}
        }
    }
}

async fn run(account: Arc<Account>, errand: Errand) {
    match errand {
        Errand::Deliver(delivering) => post::deliver(account, *delivering).await,
        Errand::Ring(placed) => ringing::ring(account, *placed).await,
        Errand::Accept(accepting) => {
            tokio::time::sleep(accepting.after).await;
            let reply = answer(&account, &accepting.request);
            // Whoever has asked may have given up.
            drop(accepting.reply.send(reply));
        }
    }
}

/// A request that is taken in late, whoever still waits for its answer.
#[derive(Debug)]
pub(in crate::twilio) struct Accepting {
    request: Request,
    after: Duration,
    reply: oneshot::Sender<Reply>,
}

/// The connection is cut in place of an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

/// One connection.
async fn converse(account: Arc<Account>, tcp: TcpStream) {
    let service = service_fn(|request| {
        let account = Arc::clone(&account);
        async move { respond(&account, request).await }
    });
    // It ends as its client ends it, or is cut: both are as they should be.
    let _ended = http1::Builder::new()
        .serve_connection(TokioIo::new(tcp), service)
        .await;
}

async fn respond(
    account: &Account,
    request: hyper::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let request = read(request).await?;
    let trouble = trouble_of(account, &request);
    let reply = if let Some(fault) = trouble.refused {
        failed(fault).await?
    } else {
        let reply = accept(account, request, trouble.effect_after).await?;
        if !trouble.answer_after.is_zero() {
            tokio::time::sleep(trouble.answer_after).await;
        }
        match trouble.fails {
            Some(fault) => failed(fault).await?,
            None => reply,
        }
    };
    let mut response = Response::builder()
        .status(reply.status)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = reply.retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    let body = Full::new(Bytes::from(reply.body.to_string()));
    response.body(body).map_err(|_| Cut)
}

/// Takes the request in: at once, or later, though its client may be gone by then.
async fn accept(account: &Account, request: Request, after: Duration) -> Result<Reply, Cut> {
    if after.is_zero() {
        return Ok(answer(account, &request));
    }
    let (reply, replied) = oneshot::channel();
    let accepting = Accepting {
        request,
        after,
        reply,
    };
    account.network.push(Errand::Accept(Box::new(accepting)));
    replied.await.map_err(|_gone| Cut)
}

/// What its client gets in place of a good answer.
async fn failed(fault: RestFault) -> Result<Reply, Cut> {
    match fault {
        RestFault::Hang | RestFault::HangAfterEffect => std::future::pending().await,
        RestFault::Error | RestFault::ErrorAfterEffect => {
            Ok(Reply::error(500, 20_500, "Internal Server Error"))
        }
        RestFault::Unavailable => Ok(Reply::error(503, 20_503, "Service Unavailable")),
        RestFault::TooMany => Ok(Reply::too_many(Some(1))),
        RestFault::TooManyBare => Ok(Reply::too_many(None)),
        RestFault::Reset | RestFault::ResetAfterEffect => Err(Cut),
    }
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Cut> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|_| Cut)?.to_bytes();
    let authorization = head.headers.get(header::AUTHORIZATION);
    Ok(Request {
        writes: head.method == Method::POST,
        path: head.uri.path().to_owned(),
        query: Form::parse(head.uri.query().unwrap_or_default().as_bytes()),
        form: Form::parse(&body),
        authorization: authorization
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
    })
}
