//! Twilio's media-stream messages, as the carrier writes and reads them.
//!
//! Owns the names on the wire. It writes exactly what the carrier writes, and reads as strictly as the carrier warns.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;

use super::{carried::Identity, report::Violation, settings::CarrierSettings};

/// The carrier's pen: it numbers what it writes.
#[derive(Debug)]
pub(super) struct Wire {
    account_sid: String,
    pub(super) call_sid: String,
    pub(super) stream_sid: String,
    /// What the document gave the stream; `None`: there is no document, and the settings say it.
    parameters: Option<BTreeMap<String, String>>,
    sequence: u64,
    chunk: u64,
    /// What stands around a number.
    quote: &'static str,
}

impl Wire {
    pub(super) fn new(settings: &CarrierSettings, rng: &mut fastrand::Rng) -> Self {
        let mut sid = |kind: &str| format!("{kind}{:032x}", rng.u128(..));
        Self {
            account_sid: sid("AC"),
            call_sid: sid("CA"),
            stream_sid: sid("MZ"),
            parameters: None,
            sequence: 0,
            chunk: 0,
            quote: if settings.numbers_as_strings {
                "\""
            } else {
                ""
            },
        }
    }

    /// The next stream begins, and says this of itself.
    pub(super) fn begin(&mut self, identity: Identity) {
        self.account_sid = identity.account_sid;
        self.call_sid = identity.call_sid;
        self.stream_sid = identity.stream_sid;
        self.parameters = Some(identity.parameters);
        (self.sequence, self.chunk) = (0, 0);
    }

    pub(super) fn connected() -> String {
        r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#.to_owned()
    }

    pub(super) fn start(&mut self, settings: &CarrierSettings) -> String {
        let parameters = self.parameters.clone();
        let parameters = parameters.unwrap_or_else(|| parameters_of(settings));
        let start = json!({
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": parameters,
        });
        self.finish(
            self.head("start", 1_024),
            format_args!(r#""start":{start}"#),
        )
    }

    /// A frame of the caller's, `at` this time from the start of the stream.
    pub(super) fn media(&mut self, at: Duration, frame: &[u8]) -> String {
        self.chunk += 1;
        let (chunk, at, q) = (self.chunk, at.as_millis(), self.quote);
        let mut text = self.head("media", 240 + frame.len() * 4 / 3);
        write(
            &mut text,
            format_args!(
                r#","media":{{"track":"inbound","chunk":{q}{chunk}{q},"timestamp":{q}{at}{q},"payload":""#
            ),
        );
        STANDARD.encode_string(frame, &mut text);
        text.push_str("\"}");
        self.tail(text)
    }

    pub(super) fn dtmf(&mut self, digit: char) -> String {
        let body = format_args!(r#""dtmf":{{"track":"inbound_track","digit":"{digit}"}}"#);
        self.finish(self.head("dtmf", 200), body)
    }

    pub(super) fn mark(&mut self, name: &str) -> String {
        let mark = json!({ "name": name });
        self.finish(self.head("mark", 200), format_args!(r#""mark":{mark}"#))
    }

    pub(super) fn stop(&mut self) -> String {
        let stop = json!({"accountSid": self.account_sid, "callSid": self.call_sid});
        self.finish(self.head("stop", 256), format_args!(r#""stop":{stop}"#))
    }

    fn head(&self, event: &str, capacity: usize) -> String {
        let mut text = String::with_capacity(capacity);
        let (sequence, q) = (self.sequence + 1, self.quote);
        write(
            &mut text,
            format_args!(r#"{{"event":"{event}","sequenceNumber":{q}{sequence}{q}"#),
        );
        text
    }

    fn finish(&mut self, mut text: String, body: std::fmt::Arguments<'_>) -> String {
        text.push(',');
        write(&mut text, body);
        self.tail(text)
    }

    fn tail(&mut self, mut text: String) -> String {
        self.sequence += 1;
        text.push_str(r#","streamSid":""#);
        text.push_str(&self.stream_sid);
        text.push_str("\"}");
        text
    }
}

/// What a stream without a document is given.
fn parameters_of(settings: &CarrierSettings) -> BTreeMap<String, String> {
    let mut parameters = settings.parameters.clone();
    parameters.insert("to".into(), settings.to.clone());
    parameters.insert("from".into(), settings.from.clone());
    if let Some(token) = &settings.token {
        parameters.insert("token".into(), token.clone());
    }
    parameters
}

fn write(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a string cannot fail");
}

/// What a server may ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// Play this base64.
    Media(Cow<'a, str>),
    /// Say when all before this was played.
    Mark(Cow<'a, str>),
    /// Forget what was not played.
    Clear,
}

/// Reads a message of the server's on the stream `stream_sid`.
pub(super) fn parse<'a>(text: &'a str, stream_sid: &str) -> Result<Command<'a>, Violation> {
    if !text.trim_ascii_start().starts_with('{') {
        // An array with the same fields would be read as well.
        return Err(wrong(text, ""));
    }
    let message: Message<'a> =
        serde_json::from_str(text).map_err(|error| wrong(text, &error.to_string()))?;
    let command = match (message.event.as_ref(), message.media, message.mark) {
        ("media", Some(media), None) => Command::Media(media.payload),
        ("mark", None, Some(mark)) => Command::Mark(mark.name),
        ("clear", None, None) => Command::Clear,
        ("media", None, _) | ("mark", _, None) => return Err(Violation::MissingField),
        ("media" | "mark" | "clear", _, _) => return Err(Violation::ExtraField),
        (_, _, _) => return Err(Violation::UnknownEvent),
    };
    if message.stream_sid != stream_sid {
        return Err(Violation::WrongStream);
    }
    Ok(command)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Cow<'a, str>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
    #[serde(borrow)]
    mark: Option<Mark<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Media<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// What is wrong with a message that could not be read.
fn wrong(text: &str, error: &str) -> Violation {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(text) else {
        return Violation::NotJson;
    };
    let known = ["media", "mark", "clear"];
    match value.get("event").map(serde_json::Value::as_str) {
        Some(Some(event)) if !known.contains(&event) => Violation::UnknownEvent,
        Some(_) if error.contains("unknown field") => Violation::ExtraField,
        Some(_) if !error.contains("missing field") => Violation::WrongType,
        Some(_) | None => Violation::MissingField,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(settings: &CarrierSettings) -> Wire {
        Wire::new(settings, &mut fastrand::Rng::with_seed(1))
    }

    #[test]
    fn messages_are_written_as_the_carrier_writes_them() {
        let settings = CarrierSettings {
            token: Some("se\"cret".into()),
            ..CarrierSettings::default()
        };
        let mut wire = wire(&settings);
        let (ac, ca, mz) = (
            wire.account_sid.clone(),
            wire.call_sid.clone(),
            wire.stream_sid.clone(),
        );
        let value = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
        assert_eq!(
            value(wire.start(&settings)),
            json!({"event": "start", "sequenceNumber": "1", "streamSid": mz, "start": {
                "accountSid": ac, "streamSid": mz, "callSid": ca, "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"from": "+12025550199", "to": "+12025550100", "token": "se\"cret"},
            }})
        );
        assert_eq!(
            wire.media(Duration::from_millis(25), &[0xff; 3]),
            format!(
                r#"{{"event":"media","sequenceNumber":"2","media":{{"track":"inbound","chunk":"1","timestamp":"25","payload":"////"}},"streamSid":"{mz}"}}"#
            )
        );
        assert_eq!(
            value(wire.dtmf('#')),
            json!({"event": "dtmf", "sequenceNumber": "3", "streamSid": mz, "dtmf": {"track": "inbound_track", "digit": "#"}})
        );
        assert_eq!(
            value(wire.mark("a\"b")),
            json!({"event": "mark", "sequenceNumber": "4", "streamSid": mz, "mark": {"name": "a\"b"}})
        );
        assert_eq!(
            value(wire.stop()),
            json!({"event": "stop", "sequenceNumber": "5", "streamSid": mz, "stop": {"accountSid": ac, "callSid": ca}})
        );
    }

    #[test]
    fn numbers_can_be_numbers() {
        let settings = CarrierSettings {
            numbers_as_strings: false,
            ..CarrierSettings::default()
        };
        let text = wire(&settings).media(Duration::ZERO, &[]);
        assert!(
            text.contains(
                r#""sequenceNumber":1,"media":{"track":"inbound","chunk":1,"timestamp":0,"#
            )
        );
    }

    #[test]
    fn what_the_carrier_would_warn_about_is_told_apart() {
        let parsed = |text: &str| parse(text, "MZ1").map(|command| format!("{command:?}"));
        let media = r#"{"event":"media","streamSid":"MZ1","media":{"payload":"\/w=="}}"#;
        assert_eq!(parsed(media).unwrap(), r#"Media("/w==")"#);
        assert!(parsed(r#"{"event":"clear","streamSid":"MZ1"}"#).is_ok());
        for (text, violation) in [
            ("{", Violation::NotJson),
            ("[]", Violation::MissingField),
            (r#"{"streamSid":"MZ1"}"#, Violation::MissingField),
            (r#"{"event":"clear"}"#, Violation::MissingField),
            (
                r#"{"event":"hangup","streamSid":"MZ1"}"#,
                Violation::UnknownEvent,
            ),
            (
                r#"{"event":"hangup","streamSid":"MZ1","x":1}"#,
                Violation::UnknownEvent,
            ),
            (
                r#"{"event":"clear","streamSid":"MZ2"}"#,
                Violation::WrongStream,
            ),
            (
                r#"{"event":"clear","streamSid":"MZ1","x":1}"#,
                Violation::ExtraField,
            ),
            (
                r#"{"event":"media","streamSid":"MZ1"}"#,
                Violation::MissingField,
            ),
            (
                r#"{"event":"mark","streamSid":"MZ1","mark":{}}"#,
                Violation::MissingField,
            ),
            (
                r#"{"event":"mark","streamSid":"MZ1","mark":{"name":1}}"#,
                Violation::WrongType,
            ),
            (
                r#"{"event":"media","streamSid":"MZ1","media":{"payload":"","track":"x"}}"#,
                Violation::ExtraField,
            ),
            (
                r#"{"event":"clear","streamSid":"MZ1","mark":{"name":"x"}}"#,
                Violation::ExtraField,
            ),
        ] {
            assert_eq!(parsed(text), Err(violation), "{text}");
        }
    }
}
