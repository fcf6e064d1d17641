//! Documents are read back by a parser of XML, and stand beside this file as they are to look.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use roxmltree::Node;

use super::*;

fn samples() -> impl Iterator<Item = Document<'static>> {
    Document::NAMES
        .into_iter()
        .map(|name| Document::sample(name).unwrap())
}

#[test]
fn a_template_has_a_place_for_each_value_and_for_nothing_else() {
    for document in samples() {
        let mut wanted = BTreeSet::new();
        let (name, mut rest) = document.parts();
        while let Some((_, name, after)) = placeholder(rest) {
            wanted.insert(name);
            rest = after;
        }
        assert!(!rest.contains("{{") && !rest.contains("}}"), "{name}");
        let has: BTreeSet<_> = document.values().iter().map(|(name, _)| *name).collect();
        assert_eq!(wanted, has, "{name}");
    }
}

#[test]
fn each_template_belongs_to_one_document() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("twiml");
    let files: BTreeSet<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let names: BTreeSet<_> = samples()
        .map(|document| format!("{}.xml", document.name()))
        .collect();
    assert_eq!(files, names);
}

#[test]
fn documents_look_as_they_did() {
    let golden = include_str!("golden.xml");
    let now: Vec<_> = samples()
        .map(|document| format!("<!-- {} -->\n{}", document.name(), document.render()))
        .collect();
    assert_eq!(now.join("\n"), golden, "is now:\n{}", now.join("\n"));
}

/// What Twilio knows of these verbs and nouns: attributes by element.
const SCHEMA: [(&str, &[&str]); 13] = [
    ("Response", &[]),
    ("Connect", &["action", "method"]),
    ("Stream", &["url", "statusCallback", "statusCallbackMethod"]),
    ("Parameter", &["name", "value"]),
    ("Redirect", &["method"]),
    ("Say", &["language"]),
    ("Hangup", &[]),
    ("Reject", &["reason"]),
    ("Dial", &["action", "method", "timeout"]),
    ("Number", &["url", "method"]),
    ("Sip", &["url", "method"]),
    ("Message", &[]),
    ("Pause", &["length"]),
];

#[test]
fn documents_hold_what_twilio_knows_and_nothing_that_leaves_a_caller_in_silence() {
    for document in samples() {
        let name = document.name();
        let text = document.render();
        assert!(text.chars().count() < DOCUMENT_CHARS_MAX, "{name}");
        let xml = roxmltree::Document::parse(&text).unwrap();
        assert_eq!(xml.root_element().tag_name().name(), "Response", "{name}");
        for element in xml.descendants().filter(Node::is_element) {
            let (_, attributes) = SCHEMA
                .iter()
                .find(|(known, _)| *known == element.tag_name().name())
                .unwrap_or_else(|| panic!("{name}: {element:?}"));
            for attribute in element.attributes() {
                assert!(
                    attributes.contains(&attribute.name()),
                    "{name}: {attribute:?}"
                );
            }
        }
        let verbs: Vec<_> = xml
            .root_element()
            .children()
            .filter(Node::is_element)
            .collect();
        // A pause at the end would be heard as a dead line, and a rejection counts in the first place only.
        assert_ne!(verbs.last().unwrap().tag_name().name(), "Pause", "{name}");
        let rejects = |verb: &Node| verb.tag_name().name() == "Reject";
        assert!(!verbs.iter().skip(1).any(rejects), "{name}");
        for verb in verbs
            .iter()
            .filter(|verb| ["Connect", "Dial"].contains(&verb.tag_name().name()))
        {
            // Where a stream ends without a question to us, the next verb asks it.
            assert!(verb.has_attribute("action"), "{name}");
            let next = verb.next_sibling_element().unwrap();
            assert_eq!(next.tag_name().name(), "Redirect", "{name}");
            assert_eq!(next.text(), verb.attribute("action"), "{name}");
        }
    }
}

/// What a parser should read where this was written.
fn readable(text: &str) -> String {
    let readable = |c| if escape::is_xml(c) { c } else { '\u{FFFD}' };
    text.chars().map(readable).collect()
}

proptest! {
    #[test]
    fn whatever_a_value_holds_is_read_back(
        token in any::<String>(),
        words in "[\\PC\\x00-\\x20<>&\"'\u{FFFE}\u{FFFF}\u{85}\u{2028}]{0,40}",
        action in any::<String>(),
    ) {
        let stream = Stream { token: &token, action: &action, ..sample_stream() };
        let document = Document::Fallback {
            words: Words { language: "en", words: &words },
            stream,
            resume: &token,
        };
        let text = document.render();
        let xml = roxmltree::Document::parse(&text).unwrap();
        let find = |name: &str| xml.descendants().find(|node| node.has_tag_name(name)).unwrap();
        prop_assert_eq!(find("Connect").attribute("action").unwrap(), readable(&action));
        prop_assert_eq!(find("Say").text().unwrap_or_default(), readable(&words));
        prop_assert_eq!(find("Redirect").text().unwrap_or_default(), readable(&action));
        prop_assert_eq!(find("Parameter").attribute("value").unwrap(), readable(&token));
        // Nothing that was given became an element.
        prop_assert_eq!(xml.descendants().filter(Node::is_element).count(), 8);
    }
}

fn sample_stream() -> Stream<'static> {
    match Document::sample("answer") {
        Some(Document::Answer(stream)) => stream,
        other => panic!("{other:?}"),
    }
}
