//! Asks the operators' listener of a running server: one request, one answer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use ringback::config::{Environment, OPERATOR_TOKEN};
use tokio::net::TcpStream;

use super::{EXIT_WRONG, say};

/// From the first packet to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A longer answer is none of ours: 32 providers with 16 keys each take 64 KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

const PORT: u16 = 9090;

/// Where the server is, and how one proves who one is.
#[derive(Args, Debug)]
pub(super) struct Operator {
    /// The server's `admin.listen`.
    #[arg(long, global = true, value_name = "URL", default_value_t = format!("http://127.0.0.1:{PORT}"))]
    admin: String,

    /// A file that holds the server's `admin.token`. Without it, the variable `RINGBACK_ADMIN_TOKEN` is asked.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Why there is no answer, in one sentence that says what to look at.
#[derive(Debug, thiserror::Error)]
pub(super) enum OperatorError {
    #[error("--admin {0} is no address of a server; allowed: http://HOST:PORT")]
    Url(String),
    #[error(
        "--admin {0}: the listener of operators speaks no TLS; go there through a tunnel, and name the tunnel's http:// end"
    )]
    Tls(String),
    #[error("the token in {0} is none: it must be one line of visible characters")]
    Token(String),
    #[error("--token-file {0} cannot be read: {1}")]
    TokenFile(String, std::io::Error),
    #[error(
        "nobody answers at {0} ({1}); does the server run, and is this its admin.listen? --admin URL names another"
    )]
    Unreachable(String, std::io::Error),
    #[error(
        "{0} does not answer within {seconds} s; is this the server's admin.listen?",
        seconds = TIMEOUT.as_secs()
    )]
    Slow(String),
    #[error(
        "{0} wants a token, or another one; put the server's admin.token into {OPERATOR_TOKEN}, or name its file by --token-file"
    )]
    Unauthorized(String),
    #[error("{1}")]
    Refused(StatusCode, String),
    #[error(
        "{0} does not answer as ringback {version} does; is this the server's admin.listen, and its version?",
        version = env!("CARGO_PKG_VERSION")
    )]
    Strange(String),
}

impl OperatorError {
    /// There is no such provider, but there are these.
    pub(super) fn no_provider(names: &[String]) -> Self {
        let names = names.join(", ");
        let sentence = format!("There is no such provider; there are: {names}.");
        Self::Refused(StatusCode::NOT_FOUND, sentence)
    }

    /// There is no such promise.
    pub(super) fn no_promise() -> Self {
        let sentence = "There is no such promise that is open.".to_owned();
        Self::Refused(StatusCode::NOT_FOUND, sentence)
    }

    /// Whether nobody is there.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self, Self::Unreachable(..))
    }

    /// Whether what was asked for is wrong, and not the way there.
    pub(super) fn is_wrong_request(&self) -> bool {
        match self {
            Self::Url(_)
            | Self::Tls(_)
            | Self::Token(_)
            | Self::TokenFile(..)
            | Self::Refused(StatusCode::NOT_FOUND, _) => true,
            Self::Unreachable(..)
            | Self::Slow(_)
            | Self::Unauthorized(_)
            | Self::Refused(..)
            | Self::Strange(_) => false,
        }
    }
}

impl Operator {
    /// What the server answers to a question, or to an order, which goes as the body.
    pub(super) fn ask(&self, path: &str, order: Option<String>) -> Result<Bytes, OperatorError> {
        let admin = || self.admin.clone();
        let (host, port) = self.place()?;
        let request = self.request(&host, port, path, order)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| OperatorError::Unreachable(admin(), error))?;
        let asked = async { tokio::time::timeout(TIMEOUT, exchange(&host, port, request)).await };
        let (status, body) = match runtime.block_on(asked) {
            Ok(Ok(answer)) => answer,
            Ok(Err(Failed::Connect(error))) => {
                return Err(OperatorError::Unreachable(admin(), error));
            }
            Ok(Err(Failed::Http)) => return Err(self.strange()),
            Err(_) => return Err(OperatorError::Slow(admin())),
        };
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::UNAUTHORIZED => Err(OperatorError::Unauthorized(admin())),
            status => {
                let sentence = String::from_utf8_lossy(&body).trim().to_owned();
                let is_ours = status.is_client_error() && sentence.lines().count() == 1;
                Err(if is_ours {
                    OperatorError::Refused(status, sentence)
                } else {
                    self.strange()
                })
            }
        }
    }

    /// The answer is not what it should be.
    pub(super) fn strange(&self) -> OperatorError {
        OperatorError::Strange(self.admin.clone())
    }

    fn place(&self) -> Result<(String, u16), OperatorError> {
        let wrong = || OperatorError::Url(self.admin.clone());
        let url: Uri = self.admin.parse().map_err(|_| wrong())?;
        match url.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(OperatorError::Tls(self.admin.clone())),
            Some(_) | None => return Err(wrong()),
        }
        let host = url.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(wrong)?;
        if url.path() != "/" || url.query().is_some() || self.admin.contains('@') {
            return Err(wrong());
        }
        Ok((host.to_owned(), url.port_u16().unwrap_or(PORT)))
    }

    fn request(
        &self,
        host: &str,
        port: u16,
        path: &str,
        order: Option<String>,
    ) -> Result<Request<Full<Bytes>>, OperatorError> {
        let method = if order.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{host}:{port}"))
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = self.token()? {
            request = request.header(AUTHORIZATION, token);
        }
        let body = Full::new(Bytes::from(order.unwrap_or_default()));
        let wrong = |_| OperatorError::Url(self.admin.clone());
        request.body(body).map_err(wrong)
    }

    fn token(&self) -> Result<Option<HeaderValue>, OperatorError> {
        let (place, text) = if let Some(path) = &self.token_file {
            (path.display().to_string(), Some(read(path)?))
        } else {
            let environment = Environment::of_process();
            let token = environment.operator_token().map(str::to_owned);
            (OPERATOR_TOKEN.to_owned(), token)
        };
        let Some(text) = text else {
            return Ok(None);
        };
        let value = HeaderValue::try_from(format!("Bearer {}", text.trim()));
        let mut value = value.map_err(|_| OperatorError::Token(place))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn read(path: &Path) -> Result<String, OperatorError> {
    let wrong = |error| OperatorError::TokenFile(path.display().to_string(), error);
    std::fs::read_to_string(path).map_err(wrong)
}

enum Failed {
    Connect(std::io::Error),
    Http,
}

async fn exchange(
    host: &str,
    port: u16,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Failed> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, port)).await;
    let stream = TokioIo::new(stream.map_err(Failed::Connect)?);
    let (mut sender, connection) = handshake(stream).await.map_err(|_| Failed::Http)?;
    let answer = async move {
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(|_| Failed::Http)?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| Failed::Http)?;
        Ok((head.status, body.to_bytes()))
    };
    // The connection only moves bytes: whatever goes wrong with it, the request is told.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

/// Prints what the server has told, or says why it has not: with 0, with 2 if an argument is wrong, else with 1.
pub(super) fn end(told: Result<String, OperatorError>) -> ExitCode {
    match told {
        Ok(text) => {
            print(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

/// Says why the server has told nothing.
pub(super) fn failed(error: &OperatorError) -> ExitCode {
    say(&error.to_string());
    if error.is_wrong_request() {
        ExitCode::from(EXIT_WRONG)
    } else {
        ExitCode::FAILURE
    }
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
pub(super) fn print(text: &str) {
    println!("{text}");
}
