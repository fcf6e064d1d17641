//! The REST interface over sockets.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Method, Response, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Message, Reply, Request, RestFault, answer, fault_of, messages::STAGE};
use crate::twilio::{
    account::Account,
    address::Address,
    fetch::{Fetcher, Wanted},
    form::Form,
    twiml::Method as How,
};

/// Connections at a time; further ones wait for one of them to end.
const CONNECTIONS_MAX: usize = 512;
/// The largest body that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Serves an account's REST interface until it is dropped.
pub async fn serve(account: Arc<Account>, listener: TcpListener) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
            continue;
        }
        // A connection that failed before it was there is its client's to notice.
        if let Ok((tcp, _)) = listener.accept().await {
            connections.spawn(converse(Arc::clone(&account), tcp));
        }
    }
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

/// One connection, and the callbacks of what was asked on it.
async fn converse(account: Arc<Account>, tcp: TcpStream) {
    let (told, mut tells) = tokio::sync::mpsc::channel(64);
    let service = service_fn(|request| {
        let (account, told) = (Arc::clone(&account), told.clone());
        async move {
            let (response, message) = respond(&account, request).await?;
            if let Some(message) = message {
                // A sender of more texts than that waits for their callbacks.
                let _gone = told.send(message).await;
            }
            Ok::<_, Cut>(response)
        }
    });
    let serving = async {
        // It ends as its client ends it, or is cut: both are as they should be.
        let _ended = http1::Builder::new()
            .serve_connection(TokioIo::new(tcp), service)
            .await;
    };
    let mut callbacks = JoinSet::new();
    tokio::pin!(serving);
    loop {
        tokio::select! {
            () = &mut serving => break,
            Some(message) = tells.recv() => {
                callbacks.spawn(tell(Arc::clone(&account), message));
            }
        }
    }
    while let Ok(message) = tells.try_recv() {
        callbacks.spawn(tell(Arc::clone(&account), message));
    }
    while callbacks.join_next().await.is_some() {}
}

type Responded = (Response<Full<Bytes>>, Option<Message>);

async fn respond(account: &Account, request: hyper::Request<Incoming>) -> Result<Responded, Cut> {
    let request = read(request).await?;
    let fault = fault_of(account, &request);
    let reply = match fault {
        Some(fault) if !fault.has_effect() => None,
        Some(_) | None => Some(answer(account, &request)),
    };
    let created = reply.as_ref().and_then(|reply| created(account, reply));
    let reply = match (fault, reply) {
        (None, Some(reply)) => reply,
        (Some(RestFault::Hang | RestFault::HangAfterEffect), _) => std::future::pending().await,
        (Some(RestFault::Error | RestFault::ErrorAfterEffect), _) => {
            Reply::error(500, 20_500, "Internal Server Error")
        }
        (Some(RestFault::Unavailable), _) => Reply::error(503, 20_503, "Service Unavailable"),
        (Some(RestFault::TooMany), _) => Reply::too_many(),
        (Some(RestFault::Reset | RestFault::ResetAfterEffect), _) | (None, None) => {
            return Err(Cut);
        }
    };
    let mut response = Response::builder()
        .status(reply.status)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = reply.retry_after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    let body = Full::new(Bytes::from(reply.body.to_string()));
    Ok((response.body(body).map_err(|_| Cut)?, created))
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

/// The message that a reply has just taken in, if somebody wants to be told of it.
fn created(account: &Account, reply: &Reply) -> Option<Message> {
    let sid = reply.body.get("sid")?.as_str()?;
    let wanted = |message: &&Message| message.sid == sid && message.status_callback.is_some();
    let created = reply.status == 201;
    created.then(|| account.messages().newest().find(wanted).cloned())?
}

/// Tells how far a message has come, as it comes.
async fn tell(account: Arc<Account>, message: Message) {
    let Some(address) = message.status_callback.as_deref().and_then(Address::parse) else {
        return;
    };
    let fetcher = Fetcher {
        token: account.token.clone(),
        tls: account.tls.clone(),
        request_max: Duration::from_secs(15),
        idempotency_on_first: true,
    };
    for (stage, status) in [(1, "sent"), (2, "delivered")] {
        account
            .clock
            .wait_until(message.created + STAGE * stage)
            .await;
        let form = Form::new()
            .with("AccountSid", account.sid.clone())
            .with("MessageSid", message.sid.clone())
            .with("SmsSid", message.sid.clone())
            .with("MessageStatus", status)
            .with("SmsStatus", status)
            .with("To", message.to.clone())
            .with("From", message.from.clone());
        let idempotency = format!("{}-{status}", message.sid);
        let wanted = Wanted {
            address: &address,
            method: How::Post,
            form: &form,
            idempotency: &idempotency,
        };
        // Whoever cannot be told can ask.
        let _fetched = fetcher.fetch(wanted).await;
    }
}
