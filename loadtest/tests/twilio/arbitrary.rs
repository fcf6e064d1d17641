//! Whatever a server answers, nothing breaks and every call ends.

use loadtest::twilio::{
    fault::{FetchFault, StreamFault},
    note::StreamOver,
    twiml::Document,
};
use proptest::prelude::*;

use crate::world::{Fate, World, settings};

/// Something like a document: known and unknown names, attributes and texts in any nesting.
fn element() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "Say",
        "Play",
        "Pause",
        "Gather",
        "Dial",
        "Number",
        "Connect",
        "Stream",
        "Parameter",
        "Redirect",
        "Hangup",
        "Reject",
        "Record",
        "say",
        "Odd",
    ]);
    let attribute = prop::sample::select(vec![
        "",
        " action=\"/next\"",
        " url=\"wss://m.test/x\"",
        " url=\"wss://m.test/x?y\"",
        " length=\"9\"",
        " loop=\"0\"",
        " timeout=\"-1\"",
        " numDigits=\"99999999999\"",
        " finishOnKey=\"\"",
        " name=\"n\" value=\"v\"",
        " track=\"x\"",
        " reason=\"busy\"",
        " statusCallback=\"/s\"",
    ]);
    let text = prop::sample::select(vec![
        "",
        "/next",
        "words &amp; more",
        "\u{feff}ü",
        "https://x y",
    ]);
    let leaf = (name.clone(), attribute.clone(), text)
        .prop_map(|(name, attribute, text)| format!("<{name}{attribute}>{text}</{name}>"));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (
            name.clone(),
            attribute.clone(),
            prop::collection::vec(inner, 0..4),
        )
            .prop_map(|(name, attribute, inner)| {
                format!("<{name}{attribute}>{}</{name}>", inner.concat())
            })
    })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop::sample::select(vec![
        Fate::Over(StreamOver::Closed(None)),
        Fate::Over(StreamOver::Lost),
        Fate::NotOpened(StreamFault::Refused),
        Fate::HungUp,
    ])
}

proptest! {
    #[test]
    fn no_text_is_too_odd_to_be_read(text in "\\PC*", tail in "[<>/&;!\\[\\]A-Za-z\"= ]*") {
        let _read = Document::parse(&text);
        let _read = Document::parse(&format!("<Response>{text}</Response>"));
        let _read = Document::parse(&format!("<Response{tail}"));
        let _read = Document::parse(&format!("<Response>{tail}</Response>"));
    }

    #[test]
    fn every_call_ends_whatever_the_documents_say(
        answer in prop::collection::vec(element(), 0..5),
        next in prop::collection::vec(element(), 0..5),
        fallback in prop::collection::vec(element(), 0..3),
        fates in prop::collection::vec(fate(), 0..4),
        fails in any::<bool>(),
    ) {
        let mut world = World::new(settings())
            .with("/answer", &answer.concat())
            .with("/fallback", &fallback.concat())
            .fates(&fates);
        if fails {
            world = world.failing("/next", FetchFault::Connection);
        }
        let mut world = world.with("/next", &next.concat());
        prop_assert!(world.run().is_some());
    }
}

#[test]
fn a_document_that_is_a_bomb_is_refused() {
    let entities = "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><Response><Say>&b;</Say></Response>";
    assert_eq!(Document::parse(entities).unwrap_err().code, 12_100);
    let deep = format!(
        "<Response>{}{}</Response>",
        "<Say>".repeat(9_000),
        "</Say>".repeat(9_000)
    );
    let _read = Document::parse(&deep);
    let wide = format!("<Response>{}</Response>", "<Hangup/>".repeat(30_000));
    assert_eq!(Document::parse(&wide).unwrap_err().code, 12_100);
}
