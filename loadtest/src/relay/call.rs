//! One relayed call: one task, two sockets.

use std::time::Duration;

use axum::extract::ws;
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{
    Relay,
    splice::{append, clear, mark, media, value},
};
use crate::net::{self, Socket};

/// A ping to the model each second, as a server that watches its model sends it.
const PING_EVERY: Duration = Duration::from_secs(1);
/// A mark after a delta, but not more often.
const MARK_EVERY: Duration = Duration::from_millis(200);

const SESSION_UPDATE: &str = concat!(
    r#"{"type":"session.update","event_id":"relay_1","session":{"type":"realtime","output_modalities":["audio"],"#,
    r#""instructions":"Answer the phone.","audio":{"input":{"format":{"type":"audio/pcmu"},"#,
    r#""turn_detection":{"type":"server_vad","silence_duration_ms":500,"create_response":true,"interrupt_response":true}},"#,
    r#""output":{"format":{"type":"audio/pcmu"},"voice":"marin"}}}}"#
);
const GREET: &str = r#"{"type":"response.create","event_id":"relay_2","response":{"instructions":"Greet the caller."}}"#;

/// Relays until either side is gone.
pub(super) async fn relay(mut carrier: ws::WebSocket, relay: &Relay) {
    let mut call = Call::default();
    let dialing = net::dial(&relay.model_url, relay.tls.clone());
    tokio::pin!(dialing);
    let mut model = loop {
        tokio::select! {
            dialed = &mut dialing => match dialed {
                Ok(model) => break model,
                Err(_refused) => return, // The caller hears it by the end of the stream.
            },
            // Audio that comes now is dropped; the start is not.
            message = carrier.recv() => match message {
                Some(Ok(ws::Message::Text(text))) => { call.on_carrier(text.as_str()); }
                Some(Ok(ws::Message::Binary(_) | ws::Message::Ping(_) | ws::Message::Pong(_))) => {}
                Some(Ok(ws::Message::Close(_)) | Err(_)) | None => return,
            },
        }
    };
    // Whatever ends the call, both sockets are gone afterwards: there is nobody to tell.
    let _ended = splice(&mut carrier, &mut model, &mut call).await;
    let _closed = tokio::join!(model.close(None), carrier.send(ws::Message::Close(None)));
}

async fn splice(
    carrier: &mut ws::WebSocket,
    model: &mut Socket,
    call: &mut Call,
) -> Result<(), Gone> {
    model.send(Message::text(SESSION_UPDATE)).await?;
    let mut pings = tokio::time::interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = carrier.recv() => {
                let message = message.ok_or(Gone)??;
                let ws::Message::Text(text) = message else { continue };
                match call.on_carrier(text.as_str()) {
                    FromCarrier::Audio(append) => model.send(Message::text(append)).await?,
                    FromCarrier::Nothing => {}
                    FromCarrier::Stop => return Ok(()),
                }
            }
            message = model.next() => {
                let message = message.ok_or(Gone)??;
                let Message::Text(text) = message else { continue };
                match call.on_model(text.as_str()) {
                    FromModel::Audio(media, None) => carrier.send(media).await?,
                    FromModel::Audio(media, Some(mark)) => {
                        carrier.feed(media).await?;
                        carrier.send(mark).await?;
                    }
                    FromModel::Clear(clear) => carrier.send(clear).await?,
                    FromModel::Ready => model.send(Message::text(GREET)).await?,
                    FromModel::Nothing => {}
                }
            }
            _ = pings.tick() => model.send(Message::Ping(bytes::Bytes::new())).await?,
        }
    }
}

/// A side is gone.
struct Gone;

impl From<axum::Error> for Gone {
    fn from(_: axum::Error) -> Self {
        Self
    }
}

impl From<tungstenite::Error> for Gone {
    fn from(_: tungstenite::Error) -> Self {
        Self
    }
}

enum FromCarrier {
    Audio(String),
    Nothing,
    Stop,
}

enum FromModel {
    Audio(ws::Message, Option<ws::Message>),
    Clear(ws::Message),
    Ready,
    Nothing,
}

/// The little that a relay remembers of a call.
#[derive(Default)]
struct Call {
    stream_sid: String,
    ready: bool,
    marks: u64,
    marked: Option<Instant>,
}

impl Call {
    fn on_carrier(&mut self, text: &str) -> FromCarrier {
        match value(text, "\"event\":\"") {
            Some("media") if self.ready => match value(text, "\"payload\":\"") {
                Some(payload) => FromCarrier::Audio(append(payload)),
                None => FromCarrier::Nothing,
            },
            Some("start") => {
                value(text, "\"streamSid\":\"")
                    .unwrap_or_default()
                    .clone_into(&mut self.stream_sid);
                FromCarrier::Nothing
            }
            Some("stop") => FromCarrier::Stop,
            Some(_) | None => FromCarrier::Nothing,
        }
    }

    fn on_model(&mut self, text: &str) -> FromModel {
        match value(text, "\"type\":\"") {
            Some("response.output_audio.delta") => match value(text, "\"delta\":\"") {
                Some(payload) => {
                    let media = ws::Message::text(media(&self.stream_sid, payload));
                    FromModel::Audio(media, self.mark())
                }
                None => FromModel::Nothing,
            },
            Some("input_audio_buffer.speech_started") => {
                FromModel::Clear(ws::Message::text(clear(&self.stream_sid)))
            }
            Some("session.updated") if !self.ready => {
                self.ready = true;
                FromModel::Ready
            }
            Some(_) | None => FromModel::Nothing,
        }
    }

    fn mark(&mut self) -> Option<ws::Message> {
        let now = Instant::now();
        if self.marked.is_some_and(|at| now - at < MARK_EVERY) {
            return None;
        }
        self.marked = Some(now);
        self.marks += 1;
        Some(ws::Message::text(mark(&self.stream_sid, self.marks)))
    }
}
