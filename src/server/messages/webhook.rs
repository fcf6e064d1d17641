//! What a receiver is sent, how it is signed, and what its answer means.
//!
//! The signature is `t=SECONDS,v1=HEX`: HMAC-SHA256 over the seconds, a dot and the body, as they travel. How to verify it stands in
//! [`crate::docs::messages`]. Neither a number nor an address stands in an error.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode, redirect};
use ring::hmac;
use serde::Serialize;

use crate::audio::voice::VoiceFile;
use crate::config::Delivery;
use crate::core::ids::CallSid;
use crate::core::time::Utc;
use crate::provider::tls::client_config;
use crate::store::messages::MessageRecord;

/// The header of the signature.
const SIGNATURE: &str = "x-ringback-signature";

/// The longest time that an answer is believed to want us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// A receiver.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) delivery: Delivery,
    http: reqwest::Client,
}

/// Why a receiver did not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// Nobody takes anything there now: no other message is worth a try.
    #[error("the receiver is away ({why})")]
    Away {
        /// What was seen of it.
        why: Why,
        /// For how long it wants to be left alone.
        retry_after: Duration,
    },
    /// This message was refused.
    #[error("the receiver answers {0}")]
    This(u16),
}

/// What is seen of a receiver that is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Why {
    /// There is no connection.
    #[error("no connection")]
    Unreachable,
    /// It did not answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke")]
    Closed,
    /// It says so.
    #[error("it answers {0}")]
    Status(u16),
}

impl Hook {
    pub(super) fn new(delivery: Delivery) -> Self {
        let tls = client_config(None).expect("without a file there is none to be wrong");
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .timeout(delivery.timeout)
            .pool_idle_timeout(Duration::from_secs(10))
            // A signed message goes where it was to go.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("ringback/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("the client's settings are constant, and the TLS configuration is of the version that it knows");
        Self { delivery, http }
    }

    /// Posts a body.
    pub(super) async fn post(&self, body: Vec<u8>, now: Utc) -> Result<(), Refused> {
        let Delivery { url, secret, .. } = &self.delivery;
        let signature = sign(secret.expose(), now, &body);
        let request = self.http.post(url).header(SIGNATURE, signature);
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        let away = |why| Refused::Away {
            why,
            retry_after: Duration::ZERO,
        };
        match request.send().await {
            Ok(response) => judge(&response),
            Err(error) if error.is_timeout() => Err(away(Why::TimedOut)),
            Err(error) if error.is_connect() => Err(away(Why::Unreachable)),
            Err(_) => Err(away(Why::Closed)),
        }
    }
}

/// Only 2xx means that it was taken; its body is not read.
fn judge(response: &Response) -> Result<(), Refused> {
    let status = response.status();
    let is_away = status.is_server_error()
        || [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
        ]
        .contains(&status);
    if status.is_success() {
        Ok(())
    } else if is_away {
        Err(Refused::Away {
            why: Why::Status(status.as_u16()),
            retry_after: retry_after(response),
        })
    } else {
        Err(Refused::This(status.as_u16()))
    }
}

/// A date in it is not understood.
fn retry_after(response: &Response) -> Duration {
    let text = response.headers().get(RETRY_AFTER);
    let seconds = text.and_then(|text| text.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(RETRY_AFTER_MAX)
}

fn sign(secret: &str, now: Utc, body: &[u8]) -> String {
    let seconds = now.millis() / 1_000;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{seconds}.").as_bytes());
    context.update(body);
    let mut signature = format!("t={seconds},v1=");
    for byte in context.sign().as_ref() {
        write!(signature, "{byte:02x}").expect("a String takes everything");
    }
    signature
}

/// The body.
#[derive(Serialize)]
struct Posted<'a> {
    #[serde(rename = "type")]
    what: &'static str,
    version: u32,
    id: String,
    call: Option<&'a str>,
    agent: Option<&'a str>,
    called: Option<&'a str>,
    caller: Option<&'a str>,
    language: Option<&'a str>,
    at: String,
    duration_ms: u64,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Content<'a> {
    Audio(Sound),
    Transcript(&'a str),
}

#[derive(Serialize)]
struct Sound {
    #[serde(rename = "type")]
    media_type: &'static str,
    file: String,
    base64: String,
}

/// What is posted of a message: the same bytes for the same message, as long as the codec is the same.
pub(super) fn body(record: &MessageRecord, audio: &[u8]) -> Vec<u8> {
    let voice = VoiceFile::of_mulaw(audio);
    let sound = Sound {
        media_type: voice.media_type,
        file: format!("{}.{}", record.id, voice.extension),
        base64: STANDARD.encode(&voice.bytes),
    };
    posted("message", record, Content::Audio(sound))
}

/// What is posted of a message's words: the same bytes for the same message.
pub(super) fn transcript(record: &MessageRecord, words: &str) -> Vec<u8> {
    posted("message.transcribed", record, Content::Transcript(words))
}

fn posted(what: &'static str, record: &MessageRecord, content: Content<'_>) -> Vec<u8> {
    let posted = Posted {
        what,
        version: 1,
        id: record.id.to_string(),
        call: record.call.as_ref().map(CallSid::as_str),
        agent: record.agent.as_deref(),
        called: record.called.as_deref(),
        caller: record.caller.as_deref(),
        language: record.language.as_deref(),
        at: record.date(),
        duration_ms: u64::try_from(record.duration().as_millis()).unwrap_or(u64::MAX),
        content,
    };
    serde_json::to_vec(&posted).expect("texts and numbers are JSON")
}
