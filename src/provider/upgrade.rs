//! The WebSocket upgrade: one request, one answer, and what a refusal means.
//!
//! Our own loop around the library's parser, because a refusal's body tells an empty account from a busy minute, and the
//! library gives away only as much of it as came with the headers.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response, generate_request};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse as _;
use tokio_tungstenite::tungstenite::http::header::{CONTENT_LENGTH, RETRY_AFTER};
use tokio_tungstenite::tungstenite::http::{HeaderName, StatusCode};

use crate::core::fault::Fault;
use crate::provider::openai::errors::{Verdict, verdict};
use crate::provider::openai::quirks::Quirks;
use crate::provider::openai::wire::read::WireError;

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// As much of a refusal's body as is read.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// How long a refusal's body is waited for once its head is here.
const BODY_TIMEOUT: Duration = Duration::from_millis(500);

/// Asks for a WebSocket; on success gives the bytes that came after the answer, which are the first of the WebSocket.
pub(super) async fn upgrade<S>(
    stream: &mut S,
    request: Request,
    quirks: &Quirks,
) -> Result<Vec<u8>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // The request was made by the same library, and the key by ourselves.
    let (text, key) = generate_request(request).map_err(|_| Fault::RequestRejected)?;
    stream.write_all(&text).await.map_err(|_| CUT)?;
    stream.flush().await.map_err(|_| CUT)?;
    let (response, tail) = read_head(stream).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let body = read_body(stream, &response, tail).await;
        let retry_after = number(&response, RETRY_AFTER).map(Duration::from_secs);
        let status = response.status().as_u16();
        return Err(fault_of_refusal(status, retry_after, &body, quirks));
    }
    let accept = response.headers().get("sec-websocket-accept");
    if accept.is_none_or(|accept| accept.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
    {
        return Err(Fault::Garbled);
    }
    Ok(tail)
}

/// The connection ended without a word of the protocol.
const CUT: Fault = Fault::Closed { code: 1006 };

async fn read_head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(Response, Vec<u8>), Fault> {
    let mut buffer = Vec::with_capacity(2 * 1024);
    loop {
        let read = stream.read_buf(&mut buffer).await.map_err(|_| CUT)?;
        if read == 0 {
            return Err(CUT);
        }
        if let Some((bytes, response)) = Response::try_parse(&buffer).map_err(|_| Fault::Garbled)? {
            return Ok((response, buffer.split_off(bytes.min(buffer.len()))));
        }
        if buffer.len() > HEAD_BYTES_MAX {
            return Err(Fault::Garbled);
        }
    }
}

/// The body, as far as it comes soon; a part of one is better than none.
async fn read_body<S: AsyncRead + Unpin>(
    stream: &mut S,
    response: &Response,
    mut body: Vec<u8>,
) -> Vec<u8> {
    let length = number(response, CONTENT_LENGTH).and_then(|length| usize::try_from(length).ok());
    let wanted = length.unwrap_or(BODY_BYTES_MAX).min(BODY_BYTES_MAX);
    let rest = async {
        while body.len() < wanted {
            match stream.read_buf(&mut body).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
    };
    // Late or complete: what is here is what there is.
    tokio::time::timeout(BODY_TIMEOUT, rest).await.ok();
    body
}

/// What it means that an upgrade is answered with this status, `Retry-After` and body.
pub fn fault_of_refusal(
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
    quirks: &Quirks,
) -> Fault {
    let error = serde_json::from_slice::<Refusal<'_>>(json_part(body));
    let named = error.ok().and_then(|refusal| refusal.error);
    match named.map(|error| verdict(&error, quirks)) {
        Some(Verdict::Fault(Fault::RateLimited { .. })) => Fault::RateLimited { retry_after },
        Some(Verdict::Fault(fault)) => fault,
        Some(Verdict::Harmless | Verdict::AlreadyResponding | Verdict::Rejected) | None => {
            match status {
                401 => Fault::Unauthorized,
                402 => Fault::QuotaExhausted,
                // Without a body it comes from the network's edge, and passes.
                403 if !body.is_empty() => Fault::Unauthorized,
                404 => Fault::ModelNotFound,
                429 => Fault::RateLimited { retry_after },
                status => Fault::Refused { status },
            }
        }
    }
}

#[derive(serde::Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    error: Option<WireError<'a>>,
}

/// The object in a body: a chunked one has lengths around it.
fn json_part(body: &[u8]) -> &[u8] {
    let start = body.iter().position(|byte| *byte == b'{');
    let end = body.iter().rposition(|byte| *byte == b'}');
    match (start, end) {
        (Some(start), Some(end)) => body.get(start..=end).unwrap_or_default(),
        _ => body,
    }
}

fn number(response: &Response, header: HeaderName) -> Option<u64> {
    response
        .headers()
        .get(header)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}
