//! The scanner that finds the caller's audio accepts nothing that the full parser would read in another way.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use ringback::carrier::twilio::wire::{self, Message};

const STREAM: &str = r#""MZ00000000000000000000000000000003""#;
const PAYLOAD: &str = r#""//8A""#;

/// Both paths, compared. Answers whether the fast one took it.
fn compare(text: &Bytes) -> Result<bool, TestCaseError> {
    let scanned = wire::scan(text);
    let parsed = wire::parse(text);
    if let Some(message) = &scanned {
        prop_assert_eq!(parsed.as_ref(), Ok(message));
    }
    prop_assert_eq!(wire::read(text), parsed);
    Ok(scanned.is_some())
}

#[test]
fn the_documented_message_takes_the_fast_path_without_a_copy() {
    let text = format!(
        r#"{{"event":"media","sequenceNumber":"4","media":{{"track":"inbound","chunk":"2","timestamp":"5","payload":{PAYLOAD}}},"streamSid":{STREAM}}}"#
    );
    let text = Bytes::from(text);
    assert!(text.is_unique());
    let Some(Message::Media(_, frame)) = wire::scan(&text) else {
        panic!("the fast path gave up");
    };
    assert!(!text.is_unique(), "the frame is a copy");
    assert_eq!(frame.to_raw(), [0xFF, 0xFF, 0x00][..]);
}

#[test]
fn a_payload_that_only_looks_like_one_is_never_heard() {
    for extra in [
        r#""note":"\"media\":{\"payload\":\"AAAA\"}""#,
        r#""customParameters":{"payload":"AAAA"}"#,
        r#""payload":"AAAA""#,
        r#""x":["payload","AAAA",{"payload":"AAAA"}]"#,
        r#""x":"media\\","y":"payload""#,
    ] {
        for text in [
            format!(
                r#"{{{extra},"event":"media","media":{{"payload":"//8A"}},"streamSid":{STREAM}}}"#
            ),
            format!(
                r#"{{"event":"media","media":{{{extra},"payload":"//8A"}},"streamSid":{STREAM}}}"#
            )
            .replace(r#"{"payload":"AAAA","payload""#, r#"{"payload""#),
            format!(
                r#"{{"event":"media","media":{{"payload":"//8A"}},"streamSid":{STREAM},{extra}}}"#
            ),
        ] {
            let Ok(Message::Media(_, frame)) = wire::read(&Bytes::from(text.clone())) else {
                panic!("refused: {text}");
            };
            assert_eq!(frame.to_raw(), [0xFF, 0xFF, 0x00][..], "{text}");
        }
    }
}

proptest! {
    // Enough to meet every way that is known to fool the scanner: each check taken out of it fails here.
    #![proptest_config(ProptestConfig::with_cases(8_192))]

    #[test]
    fn usual_messages_take_the_fast_path(text in usual_message()) {
        let text = Bytes::from(text);
        prop_assert!(compare(&text)?, "the fast path gave up: {:?}", text);
    }

    #[test]
    fn both_paths_agree_on_unusual_messages(text in unusual_message()) {
        compare(&Bytes::from(text))?;
    }

    #[test]
    fn both_paths_agree_on_damaged_messages(
        text in unusual_message(),
        damages in prop::collection::vec(damage(), 0..4),
        after in select(vec!["", " ", "}", ",", "{}", "x", "\0"]),
    ) {
        let mut bytes = text.into_bytes();
        for (at, cut, insert) in damages {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + cut);
            bytes.splice(at..end, insert);
        }
        bytes.extend(after.bytes());
        compare(&Bytes::from(bytes))?;
    }
}

/// Where, how much is cut out, and what is put there.
fn damage() -> impl Strategy<Value = (Index, usize, Vec<u8>)> {
    let token = select(vec![
        "\"",
        "\\",
        "\\\"",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "0",
        "01",
        "1.5",
        "-1",
        "1e9",
        "null",
        "true",
        "\n",
        "\u{1}",
        "é",
        "=",
        "\"event\":",
        "\"payload\":",
        "\"media\":{",
        "\"media\"",
        "\"streamSid\":",
        "\\u0061",
    ]);
    let bytes = prop_oneof![
        4 => token.prop_map(|token| token.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    (any::<Index>(), 0_usize..12, bytes)
}

type Member = (String, String);

/// A `media` message as it is documented: its members in any order, with space anywhere, and numbers where strings were.
fn usual_message() -> impl Strategy<Value = String> {
    message(
        usual_value().boxed(),
        Just(r#""inbound""#.to_owned()).boxed(),
        Just(vec![]).boxed(),
        Just([true; 8]).boxed(),
    )
}

/// A `media` message with members that are strange, missing, repeated or too many.
fn unusual_message() -> impl Strategy<Value = String> {
    let track = select(vec![
        "inbound",
        "inbound",
        "inbound",
        "outbound",
        "outbound_track",
        "éa",
    ]);
    message(
        any_value(),
        track.prop_map(|track| format!("\"{track}\"")).boxed(),
        unusual_members(),
        prop::array::uniform8(prop::bool::weighted(0.95)).boxed(),
    )
}

/// `other` makes the values that the message does not depend on; `present` says which members there are.
fn message(
    other: BoxedStrategy<String>,
    track: BoxedStrategy<String>,
    extra: BoxedStrategy<Vec<Member>>,
    present: BoxedStrategy<[bool; 8]>,
) -> impl Strategy<Value = String> {
    let values = (payload(), track, [other.clone(), other.clone(), other]);
    (values, [extra.clone(), extra], present, space()).prop_flat_map(
        |((payload, track, [chunk, timestamp, sequence]), extra, present, space)| {
            let [mut inner, outer] = extra;
            let [a, b, c, d, rest @ ..] = present;
            inner.extend(keep(
                [a, b, c, d],
                [
                    member("payload", &payload),
                    member("chunk", &chunk),
                    member("timestamp", &timestamp),
                    member("track", &track),
                ],
            ));
            object(inner, space).prop_flat_map(move |media| {
                let mut outer = outer.clone();
                outer.extend(keep(
                    rest,
                    [
                        member("event", r#""media""#),
                        member("sequenceNumber", &sequence),
                        member("media", &media),
                        member("streamSid", STREAM),
                    ],
                ));
                object(outer, space)
            })
        },
    )
}

fn keep(present: [bool; 4], members: [Member; 4]) -> impl Iterator<Item = Member> {
    members
        .into_iter()
        .zip(present)
        .filter_map(|(member, present)| present.then_some(member))
}

fn member(name: &str, value: &str) -> Member {
    (format!("\"{name}\""), value.to_owned())
}

fn object(members: Vec<Member>, s: &'static str) -> impl Strategy<Value = String> {
    Just(members).prop_shuffle().prop_map(move |members| {
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, value)| format!("{s}{name}{s}:{s}{value}{s}"))
            .collect();
        format!("{s}{{{}}}{s}", members.join(","))
    })
}

fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", " ", "\r\n", "\t "])
}

/// Base64 of 1 to 240 bytes.
fn payload() -> impl Strategy<Value = String> {
    (
        "([A-Za-z0-9+/]{4}){0,79}",
        select(vec!["//8A", "//8=", "/w=="]),
    )
        .prop_map(|(body, end)| format!("\"{body}{end}\""))
}

/// What the documentation writes, or the same as a number.
fn usual_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u32>().prop_map(|n| format!("\"{n}\"")),
        (1..u64::MAX).prop_map(|n| n.to_string()),
        "[ !#-\\[\\]-~]{0,12}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn any_value() -> BoxedStrategy<String> {
    prop_oneof![
        3 => usual_value(),
        1 => select(vec![
            "0", "-1", "1.5", "1e400", "01", "null", "true", "tru", "[]", "{}", "[1,{\"payload\":\"AAAA\"}]",
            r#""\"payload\":\"AAAA\"""#, r#""\\""#, r#""\u00e9""#, "\"é\"", "\"\u{1}\"", r#""\x""#, "",
        ])
        .prop_map(str::to_owned),
    ]
    .boxed()
}

/// Members that repeat, contradict or imitate the message's own.
fn unusual_members() -> BoxedStrategy<Vec<Member>> {
    let name = select(vec![
        "event",
        "media",
        "streamSid",
        "payload",
        "track",
        "note",
        "\\u006dedia",
        "med\\ia",
        "paylo\\u0061d",
        "é",
        "",
    ]);
    let value = prop_oneof![
        any_value(),
        select(vec![
            r#""media""#,
            r#""mark""#,
            r#""outbound""#,
            PAYLOAD,
            r#""\/\/8A""#,
            r#""//8""#,
            STREAM,
            r#""MZ00000000000000000000000000000004""#,
            r#"{"payload":"AAAA"}"#,
            r#"{"chunk":"1"}"#,
        ])
        .prop_map(str::to_owned),
    ];
    let one = (name, value).prop_map(|(name, value)| member(name, &value));
    prop_oneof![
        1 => Just(vec![]),
        3 => prop::collection::vec(one, 1..3),
    ]
    .boxed()
}
