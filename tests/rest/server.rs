//! A server that does what it is told, one request after the other, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringback::carrier::twilio::rest::{ApiHost, Credentials, Rest, RestLimits, RestSettings};
use ringback::core::ids::AccountSid;
use ringback::core::time::Instant;
use ringback::provider::tls::client_config;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reaction {
    /// Answers: status, further header lines, body.
    Answer(u16, &'static str, String),
    /// Reads it and says nothing.
    Hang,
    /// Reads it and resets the connection.
    Reset,
    /// Answers 201 and resets the connection in the middle of the body.
    ResetMidBody,
}

pub(crate) fn json(status: u16, body: &str) -> Reaction {
    Reaction::Answer(status, "", body.to_owned())
}

/// Twilio's words about an error.
pub(crate) fn error(status: u16, code: u32) -> Reaction {
    json(
        status,
        &format!(
            r#"{{"code":{code},"message":"To +15550100 …","more_info":"https://www.twilio.com/docs/errors/{code}","status":{status}}}"#
        ),
    )
}

/// One request as it came: its first line, headers in lower case, and body.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// A server with a reaction for each request that will come; to further ones it hangs.
    pub(crate) async fn new(reactions: impl IntoIterator<Item = Reaction>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            asked: Arc::default(),
        };
        let reactions = Arc::new(Mutex::new(reactions.into_iter().collect()));
        let serving = server.clone();
        #[expect(clippy::disallowed_methods, reason = "it goes with the test's runtime")]
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (serving, reactions) = (serving.clone(), Arc::clone(&reactions));
                tokio::spawn(async move { serving.serve(stream, &reactions).await });
            }
        });
        server
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: TcpStream, reactions: &Mutex<VecDeque<Reaction>>) {
        while let Some(asked) = read(&mut stream).await {
            self.asked.lock().unwrap().push(asked);
            let reaction = reactions.lock().unwrap().pop_front();
            match reaction.unwrap_or(Reaction::Hang) {
                Reaction::Answer(status, headers, body) => {
                    answer(&mut stream, status, headers, &body).await;
                }
                Reaction::Hang => std::future::pending().await,
                Reaction::Reset => return reset(stream),
                Reaction::ResetMidBody => {
                    let half = "HTTP/1.1 201 Created\r\ncontent-length: 1000\r\n\r\n{\"sid\":\"SM";
                    stream.write_all(half.as_bytes()).await.unwrap();
                    return reset(stream);
                }
            }
        }
    }
}

/// What is in flight is thrown away, and the peer is told so.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

pub(crate) async fn answer(
    stream: &mut (impl AsyncWrite + Unpin),
    status: u16,
    headers: &str,
    body: &str,
) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} Any\r\n{headers}content-length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// The next request; `None`: there is none.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head = loop {
        let mut byte = [0];
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") {
            break String::from_utf8(std::mem::take(&mut bytes)).unwrap();
        }
    };
    let (line, headers) = head.split_once("\r\n").unwrap();
    let length = headers.lines().find_map(|header| {
        header
            .to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    Some(Asked {
        line: line.to_owned(),
        headers: headers.to_owned(),
        body: String::from_utf8(body).unwrap(),
    })
}

pub(crate) fn account() -> AccountSid {
    AccountSid::parse(ACCOUNT).unwrap()
}

/// Rates that are in nobody's way.
pub(crate) fn settings(url: &str) -> RestSettings {
    let host = ApiHost::other(url).unwrap();
    let mut settings = RestSettings::new(host, Credentials::token(account(), "s3cret"));
    settings.limits = RestLimits {
        rings_per_second: 1_000,
        texts_per_second: 1_000,
        ..RestLimits::default()
    };
    // A busy machine must not fail a story that is not about time.
    settings.connect_timeout = Duration::from_secs(20);
    settings.timeout = Duration::from_secs(30);
    settings
}

/// A client whose time stands still.
pub(crate) fn rest(settings: RestSettings) -> Rest {
    let tls = client_config(None).unwrap();
    Rest::new(settings, (*tls).clone(), Box::new(|| Instant::ZERO))
}
