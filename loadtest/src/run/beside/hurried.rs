//! Callers in a hurry: each comes in, presses its keys at fixed times without listening to a word, and is gone.
//!
//! Owns what such a call says. It costs next to nothing here, since what the server plays is thrown away unread and one silent frame a
//! second keeps the line alive: a storm of them can be measured beside callers who listen. Whether anything came of it is what their
//! phones got.

use std::{sync::Arc, time::Duration};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::Message;

use super::PATIENCE;
use crate::{
    drill::numbers,
    g711,
    net::{Socket, dial_with},
    plan::AUTH_TOKEN,
    twilio::{
        Account,
        address::Address,
        fetch::{Fetcher, Wanted},
        number::{Parties, Status},
        signature::AuthToken,
        twiml::{Document, Link, Method, Stream, Verb},
    },
};

/// From the start of the stream to the first key.
const FIRST_KEY: Duration = Duration::from_secs(1);
/// From one key to the next: the first may come before anything was offered.
const NEXT_KEY: Duration = Duration::from_secs(1);
/// How often.
const KEYS: u32 = 3;
/// From the last key to the end of the call.
const LINGER: Duration = Duration::from_millis(500);
/// Their numbers are behind those of all other callers.
const FIRST_NUMBER: u32 = 1_000_000;

/// What all of them have in common.
#[derive(Clone)]
pub(super) struct Hurry {
    pub(super) account: Arc<Account>,
    pub(super) voice: Address,
}

/// What a document says that goes on in a stream.
struct Way {
    stream: Stream,
    action: Option<Link>,
}

impl Hurry {
    /// One call, from the Voice URL to the last question; `None`: it came to no stream, or the stream was cut.
    pub(super) async fn call(&self, nth: u32) -> Option<()> {
        let (from, to) = (numbers::caller(FIRST_NUMBER + nth), "+12025550100");
        self.account.network.tally().call(&from, false);
        let seed = 0x5707_0000_0000 + u64::from(nth);
        let parties = Parties::of_seed(&self.account.sid, &from, to, seed);
        let document = self.ask(&self.voice, &parties, Status::Ringing).await?;
        let way = Way::of(&document)?;
        let signature = AuthToken::new(AUTH_TOKEN).sign(&way.stream.url);
        let headers = [("x-twilio-signature", signature.as_str())];
        let socket = dial_with(&way.stream.url, None, &headers).await.ok()?;
        live(socket, &parties, &way.stream).await?;
        // Twilio asks, whoever has hung up.
        let action = way.action.and_then(|link| Address::parse(&link.url))?;
        self.ask(&action, &parties, Status::Completed).await?;
        Some(())
    }

    async fn ask(&self, address: &Address, parties: &Parties, status: Status) -> Option<Document> {
        let fetcher = Fetcher {
            token: AuthToken::new(AUTH_TOKEN),
            tls: None,
            request_max: PATIENCE,
            idempotency_on_first: true,
        };
        let form = parties.form(status);
        let idempotency = format!("{:032x}", fastrand::u128(..));
        let wanted = Wanted {
            address,
            method: Method::Post,
            form: &form,
            idempotency: &idempotency,
        };
        let page = fetcher.fetch(wanted).await.into_page().ok()?;
        Document::parse(&page.body).ok()
    }
}

impl Way {
    fn of(document: &Document) -> Option<Self> {
        document.verbs.iter().find_map(|verb| match verb {
            Verb::Connect(connect) => Some(Self {
                stream: connect.stream.clone()?,
                action: connect.action.clone(),
            }),
            Verb::Say(_)
            | Verb::Play(_)
            | Verb::Pause(_)
            | Verb::Gather(_)
            | Verb::Dial(_)
            | Verb::Redirect(_)
            | Verb::Hangup
            | Verb::Reject { .. }
            | Verb::Other(_) => None,
        })
    }
}

/// The stream, from its start to the caller's end or the server's.
async fn live(mut socket: Socket, parties: &Parties, stream: &Stream) -> Option<()> {
    let call = &parties.call_sid;
    let sid = call.replacen("CA", "MZ", 1);
    let parameters = stream.parameters.iter();
    let parameters: serde_json::Map<_, Value> = parameters
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let account = &parties.account_sid;
    let connected = json!({"event": "connected", "protocol": "Call", "version": "1.0.0"});
    let start = json!({"event": "start", "sequenceNumber": "1", "streamSid": sid, "start": {
        "accountSid": account, "streamSid": sid, "callSid": call, "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": parameters,
    }});
    say(&mut socket, &connected).await?;
    say(&mut socket, &start).await?;
    let began = Instant::now();
    let silence = STANDARD.encode([g711::SILENCE; 160]);
    let key = json!({"event": "dtmf", "sequenceNumber": "2", "streamSid": sid,
        "dtmf": {"track": "inbound_track", "digit": "1"}});
    for nth in 0..KEYS {
        let due = began + FIRST_KEY + NEXT_KEY * nth;
        if !hear_nothing(&mut socket, due).await {
            return Some(()); // Everything was said.
        }
        let at = began.elapsed().as_millis().to_string();
        let frame = json!({"event": "media", "sequenceNumber": "2", "streamSid": sid,
            "media": {"track": "inbound", "chunk": "1", "timestamp": at, "payload": silence}});
        say(&mut socket, &frame).await?;
        say(&mut socket, &key).await?;
    }
    let last = began + FIRST_KEY + NEXT_KEY * KEYS + LINGER;
    if hear_nothing(&mut socket, last).await {
        let stop = json!({"event": "stop", "sequenceNumber": "3", "streamSid": sid,
            "stop": {"accountSid": account, "callSid": call}});
        say(&mut socket, &stop).await?;
        // Whether it says goodbye is its own affair.
        let _closed = timeout_at(Instant::now() + PATIENCE, socket.close(None)).await;
    }
    Some(())
}

/// Throws away what comes until then; `false`: the server has closed.
async fn hear_nothing(socket: &mut Socket, until: Instant) -> bool {
    loop {
        match timeout_at(until, socket.next()).await {
            Err(_elapsed) => return true,
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return false,
            Ok(Some(Ok(_))) => {}
        }
    }
}

async fn say(socket: &mut Socket, message: &Value) -> Option<()> {
    let text = Message::Text(message.to_string().into());
    socket.send(text).await.ok()
}
