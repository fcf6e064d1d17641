//! Twilio's media stream: every message both ways, and everything that is refused.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use ringback::carrier::twilio::{PARAMETER_BYTES_MAX, PARAMETERS_MAX, Stream};
use ringback::core::audio::Frame;
use ringback::core::call::effect::CarrierCommand;
use ringback::core::call::input::{CarrierEvent, Key, Mark, Started};
use ringback::core::fault::Refusal;
use ringback::core::ids::{AccountSid, CallSid, StreamSid};
use serde_json::{Value, json};

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const CALL: &str = "CA00000000000000000000000000000002";
const STREAM: &str = "MZ00000000000000000000000000000003";
const OTHER_STREAM: &str = "MZ00000000000000000000000000000004";

const CONNECTED: &str = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
const START: &str = r#"{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC00000000000000000000000000000001","streamSid":"MZ00000000000000000000000000000003","callSid":"CA00000000000000000000000000000002","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"agent":"reception","token":"s3cret"}},"streamSid":"MZ00000000000000000000000000000003"}"#;
const MEDIA: &str = r#"{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"//8A"},"streamSid":"MZ00000000000000000000000000000003"}"#;
const DTMF: &str = r#"{"event":"dtmf","streamSid":"MZ00000000000000000000000000000003","sequenceNumber":"5","dtmf":{"track":"inbound_track","digit":"1"}}"#;
const MARK: &str = r#"{"event":"mark","sequenceNumber":"4","streamSid":"MZ00000000000000000000000000000003","mark":{"name":"g3-17"}}"#;
const STOP: &str = r#"{"event":"stop","sequenceNumber":"5","stop":{"accountSid":"AC00000000000000000000000000000001","callSid":"CA00000000000000000000000000000002"},"streamSid":"MZ00000000000000000000000000000003"}"#;

fn fresh() -> Stream {
    Stream::new(Arc::new([]))
}

fn started() -> Stream {
    let mut stream = fresh();
    assert!(matches!(say(&mut stream, START), CarrierEvent::Started(_)));
    stream
}

fn say(stream: &mut Stream, text: impl Into<String>) -> CarrierEvent {
    stream.receive(&Bytes::from(text.into()))
}

fn refused(refusal: Refusal) -> CarrierEvent {
    CarrierEvent::Refused(refusal)
}

fn frame(base64: &'static str) -> Frame {
    Frame::from_base64(Bytes::from_static(base64.as_bytes())).unwrap()
}

/// The message with one value replaced, which `path` points to.
fn with(message: &str, path: &str, value: Value) -> String {
    let mut message: Value = serde_json::from_str(message).unwrap();
    *message.pointer_mut(path).unwrap() = value;
    message.to_string()
}

/// The message without one member of the object that `path` points to.
fn without(message: &str, path: &str, member: &str) -> String {
    let mut message: Value = serde_json::from_str(message).unwrap();
    let object = message.pointer_mut(path).unwrap().as_object_mut().unwrap();
    object.remove(member).unwrap();
    message.to_string()
}

#[test]
fn a_stream_is_read_from_its_first_message_to_its_last() {
    let mut stream = fresh();
    assert_eq!(say(&mut stream, CONNECTED), CarrierEvent::Connected);
    let start = Started {
        account: AccountSid::parse(ACCOUNT).unwrap(),
        call: CallSid::parse(CALL).unwrap(),
        stream: StreamSid::parse(STREAM).unwrap(),
    };
    assert_eq!(say(&mut stream, START), CarrierEvent::Started(start));
    assert_eq!(say(&mut stream, MEDIA), CarrierEvent::Media(frame("//8A")));
    assert_eq!(
        say(&mut stream, DTMF),
        CarrierEvent::Key(Key::parse('1').unwrap())
    );
    let mark = Mark {
        generation: 3,
        number: 17,
    };
    assert_eq!(say(&mut stream, MARK), CarrierEvent::Mark(mark));
    assert_eq!(say(&mut stream, STOP), CarrierEvent::Stopped);
}

#[test]
fn what_is_sent_has_the_documented_fields_and_nothing_else() {
    let mark = Mark {
        generation: 3,
        number: 17,
    };
    let sent = [
        (
            CarrierCommand::Media(frame("//8A")),
            r#"{"event":"media","streamSid":"MZ00000000000000000000000000000003","media":{"payload":"//8A"}}"#,
        ),
        (
            CarrierCommand::Mark(mark),
            r#"{"event":"mark","streamSid":"MZ00000000000000000000000000000003","mark":{"name":"g3-17"}}"#,
        ),
        (
            CarrierCommand::Clear,
            r#"{"event":"clear","streamSid":"MZ00000000000000000000000000000003"}"#,
        ),
    ];
    let stream = started();
    for (command, expected) in sent {
        let mut text = BytesMut::from("before ");
        stream.write(&command, &mut text);
        assert_eq!(text, format!("before {expected}"));
    }
}

#[test]
fn the_parameters_of_the_document_come_with_the_start_once() {
    let mut stream = fresh();
    assert!(stream.take_parameters().is_empty());
    say(&mut stream, START);
    let parameters = stream.take_parameters();
    assert_eq!(parameters.get("agent"), Some("reception"));
    assert_eq!(parameters.get("token"), Some("s3cret"));
    assert_eq!(parameters.get("to"), None);
    assert!(stream.take_parameters().is_empty());
    assert!(!format!("{parameters:?}").contains("s3cret"));
}

#[test]
fn parameters_are_bounded_in_number_and_size() {
    let longest = "x".repeat(PARAMETER_BYTES_MAX - 3);
    let mut given = json!({"fit": longest, "too": format!("{longest}x"), "no": 5, "un": null});
    for i in 0..2 * PARAMETERS_MAX {
        given[format!("z{i:03}")] = json!("");
    }
    let mut stream = fresh();
    let text = with(START, "/start/customParameters", given);
    assert!(matches!(say(&mut stream, text), CarrierEvent::Started(_)));
    let parameters = stream.take_parameters();
    assert_eq!(parameters.len(), PARAMETERS_MAX);
    assert_eq!(parameters.get("fit"), Some(&*longest));
    assert_eq!(parameters.get("too"), None);
    assert_eq!(parameters.get("no"), Some("5"));
    assert_eq!(parameters.get("un"), None);
}

#[test]
fn a_start_may_be_written_in_many_ways() {
    let ways = [
        with(START, "/start/mediaFormat/sampleRate", json!("8000")),
        with(START, "/start/mediaFormat/sampleRate", json!(8000.0)),
        with(START, "/start/mediaFormat/channels", json!("1")),
        without(START, "/start/mediaFormat", "channels"),
        with(START, "/start/mediaFormat/encoding", json!("audio/x-MULAW")),
        with(START, "/sequenceNumber", json!(1)),
        with(START, "/start/tracks", json!({"of": "another kind"})),
        with(START, "/start/customParameters", json!(null)),
        without(START, "/start", "customParameters"),
        without(START, "/start", "streamSid"),
        without(START, "", "streamSid"),
        START.replace(',', " ,\r\n\t"),
    ];
    for text in ways {
        let event = say(&mut fresh(), text.clone());
        assert!(
            matches!(event, CarrierEvent::Started(_)),
            "{text}: {event:?}"
        );
    }
}

#[test]
fn a_start_that_is_not_ours_is_refused_for_its_reason() {
    let format = "/start/mediaFormat/encoding";
    let refusals = [
        (
            with(START, format, json!("audio/x-l16")),
            Refusal::ForeignFormat,
        ),
        (
            with(START, "/start/mediaFormat/sampleRate", json!(16000)),
            Refusal::ForeignFormat,
        ),
        (
            with(START, "/start/mediaFormat/channels", json!("2")),
            Refusal::ForeignFormat,
        ),
        (without(START, "/start", "mediaFormat"), Refusal::Malformed),
        (without(START, "/start", "accountSid"), Refusal::Malformed),
        (
            with(START, "/start/accountSid", json!("AC1")),
            Refusal::Malformed,
        ),
        (without(START, "/start", "callSid"), Refusal::Malformed),
        (
            with(START, "/start/callSid", json!(STREAM)),
            Refusal::Malformed,
        ),
        (without(START, "", "start"), Refusal::Malformed),
        (
            with(START, "/streamSid", json!(OTHER_STREAM)),
            Refusal::WrongStream,
        ),
        (
            without(&without(START, "", "streamSid"), "/start", "streamSid"),
            Refusal::Malformed,
        ),
    ];
    for (text, refusal) in refusals {
        let mut stream = fresh();
        assert_eq!(say(&mut stream, text.clone()), refused(refusal), "{text}");
        // The stream has not started by it.
        assert_eq!(say(&mut stream, MEDIA), refused(Refusal::BeforeStart));
    }
}

#[test]
fn only_the_accounts_that_are_listed_may_start() {
    let accounts: Arc<[AccountSid]> = Arc::new([AccountSid::parse(ACCOUNT).unwrap()]);
    let foreign = with(
        START,
        "/start/accountSid",
        json!("ACffffffffffffffffffffffffffffffff"),
    );
    let mut stream = Stream::new(Arc::clone(&accounts));
    assert_eq!(
        say(&mut stream, foreign.clone()),
        refused(Refusal::ForeignAccount)
    );
    assert!(matches!(say(&mut stream, START), CarrierEvent::Started(_)));
    assert!(matches!(
        say(&mut fresh(), foreign),
        CarrierEvent::Started(_)
    ));
}

#[test]
fn what_comes_out_of_order_or_for_another_stream_is_refused() {
    for text in [MEDIA, MARK, DTMF] {
        assert_eq!(
            say(&mut fresh(), text),
            refused(Refusal::BeforeStart),
            "{text}"
        );
    }
    assert_eq!(say(&mut fresh(), STOP), CarrierEvent::Stopped);

    let mut stream = started();
    let second = with(START, "/start/callSid", json!(CALL.replace('2', "5")));
    assert_eq!(say(&mut stream, second), refused(Refusal::SecondStart));
    for text in [MEDIA, MARK, DTMF, STOP] {
        for sid in [json!(OTHER_STREAM), json!("MZ"), json!(3)] {
            let text = with(text, "/streamSid", sid);
            assert_eq!(
                say(&mut stream, text.clone()),
                refused(Refusal::WrongStream),
                "{text}"
            );
        }
        let text = without(text, "", "streamSid");
        assert_eq!(
            say(&mut stream, text.clone()),
            refused(Refusal::Malformed),
            "{text}"
        );
    }
    assert_eq!(say(&mut stream, MEDIA), CarrierEvent::Media(frame("//8A")));
}

#[test]
fn audio_that_is_not_base64_is_refused_and_the_next_is_heard() {
    let mut stream = started();
    for payload in ["", "/", "//8", "//8A=", "//9=", "__8A", "//8A\n", "é8AA"] {
        let text = with(MEDIA, "/media/payload", json!(payload));
        assert_eq!(
            say(&mut stream, text),
            refused(Refusal::BadAudio),
            "{payload:?}"
        );
    }
    for payload in [json!(null), json!(5), json!(["//8A"])] {
        let text = with(MEDIA, "/media/payload", payload);
        assert_eq!(
            say(&mut stream, text.clone()),
            refused(Refusal::Malformed),
            "{text}"
        );
    }
    assert_eq!(say(&mut stream, MEDIA), CarrierEvent::Media(frame("//8A")));
}

#[test]
fn frames_of_any_length_are_heard() {
    let mut stream = started();
    for len in [1, 2, 3, 159, 160, 161, 4_000] {
        let sound = Frame::from_raw(Bytes::from(vec![0x7F; len]));
        let mut base64 = BytesMut::new();
        sound.write_base64(&mut base64);
        let payload = std::str::from_utf8(&base64).unwrap();
        let CarrierEvent::Media(heard) = say(&mut stream, MEDIA.replace("//8A", payload)) else {
            panic!("{len} bytes are refused");
        };
        assert_eq!(heard.to_raw(), sound.to_raw());
    }
}

#[test]
fn only_the_callers_track_is_heard() {
    let mut stream = started();
    for (track, heard) in [
        (json!("inbound"), true),
        (json!("inbound_track"), true),
        (json!(null), true),
        (json!("outbound"), false),
        (json!("outbound_track"), false),
    ] {
        let event = say(&mut stream, with(MEDIA, "/media/track", track.clone()));
        assert_eq!(matches!(event, CarrierEvent::Media(_)), heard, "{track}");
        assert_eq!(event == CarrierEvent::Unknown, !heard, "{track}");
    }
}

#[test]
fn keys_and_marks_that_do_not_exist_are_told_apart_from_garbage() {
    let mut stream = started();
    for (digit, key) in [
        (json!("*"), '*'),
        (json!("#"), '#'),
        (json!(7), '7'),
        (json!("d"), 'D'),
    ] {
        let key = CarrierEvent::Key(Key::parse(key).unwrap());
        assert_eq!(say(&mut stream, with(DTMF, "/dtmf/digit", digit)), key);
    }
    for digit in [json!(""), json!("12"), json!("E"), json!(12), json!(null)] {
        let text = with(DTMF, "/dtmf/digit", digit);
        assert_eq!(
            say(&mut stream, text.clone()),
            refused(Refusal::Malformed),
            "{text}"
        );
    }
    for name in [
        "",
        "my label",
        "g3",
        "g3-",
        "g-17",
        "g03-17",
        "g3-017",
        "g+3-17",
        "g3-17 ",
        "G3-17",
        "g3-17-1",
        "g4294967296-0",
        "3-17",
    ] {
        let text = with(MARK, "/mark/name", json!(name));
        assert_eq!(
            say(&mut stream, text),
            CarrierEvent::UnknownMark,
            "{name:?}"
        );
    }
    let unnamed = with(MARK, "/mark", json!({}));
    assert_eq!(say(&mut stream, unnamed), refused(Refusal::Malformed));
}

#[test]
fn events_that_we_do_not_know_are_ignored_in_any_shape() {
    let mut stream = started();
    for text in [
        r#"{"event":"speak"}"#,
        r#"{"event":"Media","media":7,"streamSid":[]}"#,
        r#"{"event":"clearedAudio","start":null,"mark":{"name":{}}}"#,
    ] {
        assert_eq!(say(&mut stream, text), CarrierEvent::Unknown, "{text}");
    }
}

#[test]
fn what_is_no_message_is_malformed() {
    let mut stream = started();
    let deep = format!(r#"{{"event":"media","x":{}"#, "[".repeat(60_000));
    for text in [
        "",
        " ",
        "{",
        "null",
        "\"media\"",
        "{}",
        r#"{"event":null}"#,
        r#"{"event":{"event":"media"}}"#,
        r#"{"event":"media"}"#,
        r#"{"event":"media","event":"media"}"#,
        "{\"event\":\"me\u{7}dia\"}",
        &deep,
        &MEDIA.replace('{', "["),
        &MEDIA.replace("},", ","),
        &format!("{MEDIA}{MEDIA}"),
        &format!("{MEDIA}\0"),
    ] {
        assert_eq!(
            say(&mut stream, text),
            refused(Refusal::Malformed),
            "{text:.80}"
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_ignored_and_never_panic(bytes: Vec<u8>) {
        let text = Bytes::from(bytes);
        for mut stream in [fresh(), started()] {
            let event = stream.receive(&text);
            prop_assert!(matches!(event, CarrierEvent::Refused(Refusal::Malformed)), "{:?}", event);
        }
    }

    #[test]
    fn damaged_messages_never_panic_and_never_start_a_second_stream(
        which in 0_usize..6,
        at: prop::sample::Index,
        cut in 0_usize..40,
        insert in "[\\[\\]{}:,\"\\\\0-9a-zé]{0,8}",
    ) {
        let mut bytes = [CONNECTED, START, MEDIA, DTMF, MARK, STOP][which].as_bytes().to_vec();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + cut);
        bytes.splice(at..end, insert.bytes());
        let text = Bytes::from(bytes);
        fresh().receive(&text);
        let event = started().receive(&text);
        prop_assert!(!matches!(event, CarrierEvent::Started(_)));
    }

    #[test]
    fn any_command_is_one_json_object_of_its_own_fields(
        sound in prop::collection::vec(any::<u8>(), 1..800),
        generation: u32,
        number: u32,
    ) {
        let frame = Frame::from_raw(Bytes::from(sound));
        let mut base64 = BytesMut::new();
        frame.write_base64(&mut base64);
        let payload = std::str::from_utf8(&base64).unwrap();
        let name = format!("g{generation}-{number}");
        let sent = [
            (
                CarrierCommand::Media(frame),
                json!({"event": "media", "streamSid": STREAM, "media": {"payload": payload}}),
            ),
            (
                CarrierCommand::Mark(Mark { generation, number }),
                json!({"event": "mark", "streamSid": STREAM, "mark": {"name": name}}),
            ),
            (CarrierCommand::Clear, json!({"event": "clear", "streamSid": STREAM})),
        ];
        for (command, expected) in sent {
            let mut text = BytesMut::new();
            started().write(&command, &mut text);
            prop_assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), expected);
        }
    }
}
