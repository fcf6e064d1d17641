//! Any message, by serde: what it says is what the message means, however unusual it is written.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use super::{Message, Scalar, read_mark};
use crate::carrier::twilio::Parameters;
use crate::core::audio::Frame;
use crate::core::call::input::{Key, Started};
use crate::core::fault::Refusal;
use crate::core::ids::{AccountSid, CallSid, StreamSid};

/// What a message says, read with a full JSON parser. [`super::read`] says the same and is faster for audio; this is public so
/// that tests can compare the two.
pub fn parse(text: &Bytes) -> Result<Message, Refusal> {
    // The event comes first, alone: an event that we do not know may have any shape.
    let Event { event } = json(text)?;
    match event.as_str() {
        "connected" => Ok(Message::Connected),
        "start" => start(&json(text)?),
        "media" => media(text),
        "mark" => {
            let message: MarkMessage<'_> = json(text)?;
            let stream = stream_sid(&message.stream_sid)?;
            Ok(Message::Mark(stream, read_mark(message.mark.name.as_str())))
        }
        "dtmf" => {
            let message: KeyMessage<'_> = json(text)?;
            let stream = stream_sid(&message.stream_sid)?;
            let key = key(message.dtmf.digit.as_str()).ok_or(Refusal::Malformed)?;
            Ok(Message::Key(stream, key))
        }
        "stop" => {
            let message: StopMessage<'_> = json(text)?;
            Ok(Message::Stop(stream_sid(&message.stream_sid)?))
        }
        _ => Ok(Message::Unknown),
    }
}

fn json<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(text).map_err(|_| Refusal::Malformed)
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event: Scalar<'a>,
}

#[derive(Deserialize)]
struct StartMessage<'a> {
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Option<Scalar<'a>>,
    #[serde(borrow)]
    start: Start<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    #[serde(borrow)]
    account_sid: Scalar<'a>,
    #[serde(borrow)]
    call_sid: Scalar<'a>,
    #[serde(borrow)]
    stream_sid: Option<Scalar<'a>>,
    #[serde(borrow)]
    media_format: MediaFormat<'a>,
    custom_parameters: Option<Parameters>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MediaFormat<'a> {
    #[serde(borrow)]
    encoding: Scalar<'a>,
    #[serde(borrow)]
    sample_rate: Scalar<'a>,
    /// Dialects that know mono only leave it out.
    #[serde(borrow)]
    channels: Option<Scalar<'a>>,
}

impl MediaFormat<'_> {
    fn is_ours(&self) -> bool {
        let encoding = self.encoding.as_str();
        let channels = self.channels.as_ref().map_or("1", Scalar::as_str);
        encoding.eq_ignore_ascii_case("audio/x-mulaw")
            && self.sample_rate.as_str() == "8000"
            && channels == "1"
    }
}

fn start(message: &StartMessage<'_>) -> Result<Message, Refusal> {
    let start = &message.start;
    let stream = match (&message.stream_sid, &start.stream_sid) {
        // It is written twice; nobody knows which one counts if they differ.
        (Some(outer), Some(inner)) if outer != inner => return Err(Refusal::WrongStream),
        (Some(sid), _) | (None, Some(sid)) => stream_sid(sid)?,
        (None, None) => return Err(Refusal::Malformed),
    };
    if !start.media_format.is_ours() {
        return Err(Refusal::ForeignFormat);
    }
    let started = Started {
        account: AccountSid::parse(start.account_sid.as_str()).ok_or(Refusal::Malformed)?,
        call: CallSid::parse(start.call_sid.as_str()).ok_or(Refusal::Malformed)?,
        stream,
    };
    let parameters = start.custom_parameters.clone().unwrap_or_default();
    Ok(Message::Start(started, parameters))
}

#[derive(Deserialize)]
struct MediaMessage<'a> {
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Scalar<'a>,
    #[serde(borrow)]
    media: Media<'a>,
}

#[derive(Deserialize)]
struct Media<'a> {
    #[serde(borrow)]
    track: Option<Scalar<'a>>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

fn media(text: &Bytes) -> Result<Message, Refusal> {
    let MediaMessage { stream_sid, media } = json(text)?;
    let stream = self::stream_sid(&stream_sid)?;
    // A stream that is forked off another call leg carries our own voice too: that is nobody's speech to answer.
    if media
        .track
        .is_some_and(|track| track.as_str().starts_with(OUTBOUND))
    {
        return Ok(Message::Unknown);
    }
    let payload = match media.payload {
        Cow::Borrowed(payload) => text.slice_ref(payload.as_bytes()),
        Cow::Owned(payload) => Bytes::from(payload), // It had escapes.
    };
    let frame = Frame::from_base64(payload).ok_or(Refusal::BadAudio)?;
    Ok(Message::Media(stream, frame))
}

/// How the tracks that are not the caller's begin.
pub(super) const OUTBOUND: &str = "outbound";

#[derive(Deserialize)]
struct MarkMessage<'a> {
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Scalar<'a>,
    #[serde(borrow)]
    mark: MarkName<'a>,
}

#[derive(Deserialize)]
struct MarkName<'a> {
    #[serde(borrow)]
    name: Scalar<'a>,
}

#[derive(Deserialize)]
struct KeyMessage<'a> {
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Scalar<'a>,
    #[serde(borrow)]
    dtmf: Dtmf<'a>,
}

#[derive(Deserialize)]
struct Dtmf<'a> {
    #[serde(borrow)]
    digit: Scalar<'a>,
}

fn key(digit: &str) -> Option<Key> {
    let mut characters = digit.chars();
    let key = Key::parse(characters.next()?.to_ascii_uppercase())?;
    characters.next().is_none().then_some(key)
}

#[derive(Deserialize)]
struct StopMessage<'a> {
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Scalar<'a>,
}

/// A text that is no stream's SID is in any case not this stream's.
fn stream_sid(sid: &Scalar<'_>) -> Result<StreamSid, Refusal> {
    StreamSid::parse(sid.as_str()).ok_or(Refusal::WrongStream)
}
