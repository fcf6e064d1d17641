//! The fast path of the model's audio and serde read the same, whatever comes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::openai::wire::audio::audio_delta;
use ringback::provider::openai::wire::read::{ServerEvent, read, read_with_serde};

use crate::openai::Line;

#[test]
fn what_servers_really_send_takes_the_fast_path() {
    for message in [
        r#"{"type":"response.output_audio.delta","event_id":"event_1","response_id":"resp_1","item_id":"item_1","output_index":0,"content_index":0,"delta":"AAAA"}"#,
        r#"{"type": "response.audio.delta", "event_id": "event_1", "response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0, "delta": "AAA="}"#,
        "{\n\t\"delta\" : \"AA==\" ,\r\n \"item_id\":\"i\", \"response_id\":\"r\", \"obfuscation\":null, \"final\":false, \"type\":\"response.output_audio.delta\" } ",
    ] {
        let message = Bytes::from_static(message.as_bytes());
        let fast = audio_delta(&message).unwrap_or_else(|| panic!("{message:?} is plain"));
        assert_eq!(read_with_serde(&message), Ok(ServerEvent::Audio(fast)));
    }
}

#[test]
fn what_is_not_plain_json_is_left_to_serde() {
    for message in [
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AA\/A"}"#,
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i\u0031","delta":"AAAA"}"#,
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAAA","x":{"delta":"BBBB"}}"#,
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAAA","x":-1.5e3}"#,
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"ü","delta":"AAAA"}"#,
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","content_index":null,"delta":""}"#,
    ] {
        let message = Bytes::from_static(message.as_bytes());
        assert_eq!(audio_delta(&message), None, "{message:?}");
        let event = read(&message);
        assert!(matches!(event, Ok(ServerEvent::Audio(_))), "{event:?}");
    }
}

#[test]
fn what_only_looks_like_audio_is_not_played() {
    for message in [
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAAA","delta":"BBBB"}"#,
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAAA"}}"#,
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAAA",}"#,
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAAA","x":01}"#,
        r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAAA","x":truer}"#,
        "{\"type\":\"response.output_audio.delta\",\"response_id\":\"r\",\"item_id\":\"i\n\",\"delta\":\"AAAA\"}",
        r#"{"type":"error","note":"\"type\":\"response.output_audio.delta\"","response_id":"r","item_id":"i","delta":"AAAA"}"#,
        r#"{"type":"x","type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAAA"}"#,
    ] {
        let message = Bytes::copy_from_slice(message.as_bytes());
        assert_eq!(audio_delta(&message), None, "{message:?}");
        let event = read(&message);
        assert!(!matches!(event, Ok(ServerEvent::Audio(_))), "{event:?}");
    }
}

#[test]
fn the_audio_is_a_part_of_the_message_and_no_copy() {
    let message = Bytes::from_static(
        br#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"//79/Pv6"}"#,
    );
    let frame = audio_delta(&message).unwrap().frame.unwrap();
    let mut text = bytes::BytesMut::new();
    frame.write_base64(&mut text);
    assert_eq!(&text[..], b"//79/Pv6");
    assert!(frame.to_raw() == [0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0xFA][..]);
    assert!(
        !message.is_unique(),
        "the frame shares the message's memory"
    );
}

/// Whatever a fast path says, serde must say as well; and `read` must say what serde says.
fn agree(message: &Bytes) -> Result<(), TestCaseError> {
    let full = read_with_serde(message);
    if let Some(fast) = audio_delta(message) {
        prop_assert_eq!(&Ok(ServerEvent::Audio(fast)), &full, "{:?}", message);
    }
    prop_assert_eq!(&read(message), &full, "{:?}", message);
    Ok(())
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,3}", 1 => "[ \u{a0}\u{b}]"]
}

/// A JSON string: mostly plain, at times with escapes, controls or another alphabet.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "\"[a-z_0-9]{0,8}\"",
        1 => Just(r#""\"type\":\"response.output_audio.delta\"""#.to_owned()),
        1 => Just(r#""i\u0074em\/1\\""#.to_owned()),
        1 => "\"[ -~é\u{0}-\u{1f}]{0,4}\"",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => text(),
        2 => "[0-9]{1,11}",
        1 => "-?[0-9]{1,3}(\\.[0-9])?(e[0-9])?",
        1 => prop_oneof![Just("null"), Just("true"), Just("false"), Just("nul"), Just("[]"), Just("{\"delta\":\"AAAA\"}")]
            .prop_map(str::to_owned),
    ]
}

fn delta() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(|raw| format!("\"{}\"", STANDARD.encode(raw))),
        1 => proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|raw| format!("\"{}\"", STANDARD.encode(raw).replace('/', "\\/"))),
        1 => "\"[A-Za-z0-9+/=]{0,9}\"",
        1 => value(),
    ]
}

fn field() -> impl Strategy<Value = (String, String)> {
    prop_oneof![
        3 => ("[a-z_]{1,6}", value()).prop_map(|(key, value)| (format!("\"{key}\""), value)),
        1 => prop_oneof![Just("\"typ\\u0065\""), Just("\"delta\\u0000\""), Just("\"itemid\""), Just("item_id")]
            .prop_flat_map(|key| value().prop_map(move |value| (key.to_owned(), value))),
        1 => prop_oneof![Just("type"), Just("item_id"), Just("response_id"), Just("content_index"), Just("delta")]
            .prop_flat_map(|key| value().prop_map(move |value| (format!("\"{key}\""), value))),
    ]
}

/// Messages around an audio delta: its fields in any order, odd spaces, escapes, strange values, more fields, at times a
/// field too few or twice.
fn message() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        5 => Just("\"response.output_audio.delta\"".to_owned()),
        3 => Just("\"response.audio.delta\"".to_owned()),
        1 => value(),
    ];
    let index = prop_oneof![4 => "[0-3]", 1 => value()];
    let named = |key: &str, value: String| (format!("\"{key}\""), value);
    let known = (kind, text(), text(), index, delta()).prop_map(
        move |(kind, response, item, index, delta)| {
            vec![
                named("type", kind),
                named("response_id", response),
                named("item_id", item),
                named("content_index", index),
                named("delta", delta),
            ]
        },
    );
    let more = proptest::collection::vec(field(), 0..4);
    let fields = (known, more, 0..24_usize)
        .prop_map(|(mut fields, more, lost)| {
            if lost < fields.len() {
                fields.remove(lost);
            }
            fields.extend(more);
            fields
        })
        .prop_shuffle();
    (fields, proptest::collection::vec(space(), 5), "[}x,]{0,1}").prop_map(
        |(fields, spaces, tail)| {
            let [before, colon, value, comma, after] = &spaces[..] else {
                unreachable!("five spaces");
            };
            let fields: Vec<_> = fields
                .into_iter()
                .map(|(key, text)| format!("{before}{key}{colon}:{value}{text}"))
                .collect();
            let end = if tail == "," { ",}" } else { "}" };
            let tail = if tail == "," { "" } else { &tail };
            format!(
                "{before}{{{}{comma}{end}{after}{tail}",
                fields.join(&format!("{comma},"))
            )
        },
    )
}

proptest! {
    #[test]
    fn both_paths_read_the_same(message in message()) {
        agree(&Bytes::from(message))?;
    }

    #[test]
    fn both_paths_read_the_same_after_a_few_bytes_changed(
        message in message(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut bytes = message.into_bytes();
        for (place, byte, what) in changes {
            let place = place.index(bytes.len());
            match what {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        agree(&Bytes::from(bytes))?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        messages in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                message().prop_map(String::into_bytes),
                proptest::sample::select(vec![
                    "session.created", "session.updated", "response.done", "response.created", "error",
                    "input_audio_buffer.committed", "response.output_item.done", "conversation.item.created",
                ]).prop_flat_map(|kind| (Just(kind), proptest::collection::vec(field(), 0..5)))
                    .prop_map(|(kind, fields)| {
                        let fields: Vec<_> = fields.iter().map(|(key, value)| format!(",{key}:{value}")).collect();
                        format!("{{\"type\":\"{kind}\"{}}}", fields.concat()).into_bytes()
                    }),
            ],
            0..8,
        ),
        number in 0..Dialect::ALL.len(),
    ) {
        let mut line = Line::ready(Dialect::ALL[number]);
        for message in messages {
            let event = line.hear_bytes(&Bytes::from(message));
            // What is printed of it is part of the promise, too.
            let printed = format!("{event:?}");
            prop_assert!(printed.len() < 500, "{}", printed);
        }
    }
}
