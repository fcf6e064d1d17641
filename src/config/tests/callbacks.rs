//! `[callbacks]` and `[texts]`: when callers are rung back, and in which words.

use std::time::Duration;

use super::{Folder, NO_AUTH, environment, problems};
use crate::config::{Callbacks, ConsentPolicy, PromiseDurability, Sender, TextName, load};
use crate::core::callback::settings::Settings;
use crate::zones::Daily;

/// All that it takes to ring somebody back, but the store.
const CARRIER: [(&str, &str); 4] = [
    ("TWILIO_ACCOUNT_SID", "AC000000000000000000000000000000a1"),
    ("TWILIO_AUTH_TOKEN", "first-token"),
    ("RINGBACK__TWILIO__PUBLIC_URL", "https://voice.example.com"),
    ("RINGBACK__TWILIO__REST", "auth_token"),
];

fn callbacks(folder: &str, text: &str) -> Option<Callbacks> {
    let folder = Folder::new(folder);
    let text = format!("[store]\npath = \"promises.redb\"\n{text}");
    let file = folder.write("file.toml", &text);
    load(Some(&file), &environment(&CARRIER)).unwrap().callbacks
}

#[test]
fn with_all_that_it_takes_callers_are_rung_back_by_the_ledgers_own_numbers() {
    let callbacks = callbacks("callbacks", "").unwrap();
    let ring_timeout = Duration::from_secs(90);
    let ledger = Settings {
        ring_timeout,
        ..Settings::default()
    };
    assert_eq!(callbacks.ledger, ledger);
    assert_eq!(callbacks.sender, Sender::Called);
    assert_eq!(callbacks.consent, ConsentPolicy::Ask);
    assert_eq!(callbacks.hours, Daily::default());
    assert!(callbacks.sends_texts && callbacks.detects_machines);
}

#[test]
fn without_what_it_takes_nobody_is_rung_back_and_to_insist_is_an_error() {
    let config = load(None, &environment(&CARRIER)).unwrap();
    assert!(config.callbacks.is_none(), "there is no store");
    assert!(callbacks("off", "[callbacks]\nenabled = \"off\"\n").is_none());
    let insist = "[callbacks]\nenabled = \"on\"\n";
    for (variables, text, lacks) in [
        (&CARRIER[..], insist.to_owned(), "store.path names no file"),
        (
            &CARRIER[..3],
            insist.to_owned(),
            "twilio.rest has no credentials",
        ),
        (
            &[("A", "1")],
            format!("{NO_AUTH}{insist}"),
            "public.auth is not \"twilio\"",
        ),
    ] {
        let told = problems("insist", &text, variables);
        let said = |problem: &String| {
            problem.contains("callbacks.enabled = \"on\"") && problem.contains(lacks)
        };
        assert!(told.iter().any(said), "{told:?}");
    }
}

#[test]
fn what_contradicts_itself_or_is_out_of_bounds_is_told_with_what_is_allowed() {
    for (line, part) in [
        ("hours_from = 20", "is not before callbacks.hours_until"),
        (
            "money_per_day = 3",
            "is less than the 3.30 that one promise may cost; allowed: at least 4",
        ),
        ("hours_from = 24", "0 to 23"),
        ("hours_until = 25", "1 to 24"),
        ("zone = \"Europe/Atlantis\"", "a zone of the IANA database"),
        ("from = \"555\"", "a number with its country"),
        ("allowed = [\"44\"]", "a calling code"),
        ("texts_per_second = 0", "1 to 1000"),
        ("consent = \"never\"", "\"ask\", \"implied\""),
        ("ring_again_after = \"1m\"", "6m to 24h"),
        ("rnig_seconds = 1", "did you mean callbacks.ring_seconds?"),
    ] {
        let text = format!("{NO_AUTH}[callbacks]\n{line}\n");
        let told = problems("contradiction", &text, &[("A", "1")]);
        let said = |problem: &String| problem.contains(part);
        assert!(told.iter().any(said), "{line}: {told:?}");
    }
}

#[test]
fn the_hours_may_be_all_that_there_are() {
    let read = callbacks("hours", "[callbacks]\nhours_from = 0\nhours_until = 24\n").unwrap();
    assert_eq!((read.hours.from, read.hours.until), (0, 24));
}

#[test]
fn senders_and_prefixes_are_read() {
    let service = format!("MG{:032x}", 7);
    let text = format!("[callbacks]\nfrom = \"{service}\"\nallowed = [\"+44\", \"+1\"]\n");
    let read = callbacks("service", &text).unwrap();
    assert_eq!(read.sender, Sender::Service(service));
    assert_eq!(read.ledger.destinations.allowed.len(), 2);
    let read = callbacks("number", "[callbacks]\nfrom = \"+14155550100\"\n").unwrap();
    assert!(matches!(read.sender, Sender::Number(_)));
    assert!(!format!("{read:?}").contains("4155550100"));
}

#[test]
fn an_agents_own_texts_are_held_to_what_a_text_can_be() {
    let agent = |texts: &str| {
        let folder = Folder::new("texts");
        let agent =
            format!("name = \"default\"\nnumbers = []\ninstructions = \"Be kind.\"\n{texts}");
        folder.write("agents/agent.toml", &agent);
        let settings = format!("agents_dir = \"agents\"\n{NO_AUTH}");
        let file = folder.write("settings.toml", &settings);
        let loaded = load(Some(&file), &environment(&[("A", "1")]));
        loaded.map(|config| config.agents.find(None, None).0.texts.clone())
    };
    let texts = agent("[texts]\nsoon = \"Right away!\"\n[texts.es]\nsoon = \"¡Ya!\"\n").unwrap();
    let say = |language| texts.say(Some(language), None, TextName::Soon, &[]);
    assert_eq!(
        (say("en"), say("es-MX")),
        ("Right away!".into(), "¡Ya!".into())
    );
    for (wrong, part) in [
        ("[texts]\npromise = \"We call.\"", "{reference} in promise"),
        ("[texts]\nsoon = \"{name}!\"", "no other braces"),
        ("[texts]\nsono = \"x\"", "did you mean texts.soon?"),
        ("texts = 7", "texts is not a table"),
    ] {
        let told = agent(wrong).unwrap_err().to_string();
        assert!(told.contains(part), "{wrong}: {told}");
    }
}

#[test]
fn promises_are_kept_where_nodes_share_them_unless_it_is_said_otherwise() {
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let shared = "[shared]\nurl = \"redis://a\"\nkey = { env = \"K\" }\n";
    let variables = [&CARRIER[..], &[("K", KEY)]].concat();
    let durability = |name: &str, text: &str| {
        let folder = Folder::new(name);
        let file = folder.write("file.toml", text);
        let callbacks = load(Some(&file), &environment(&variables))
            .unwrap()
            .callbacks;
        callbacks.map(|callbacks| (callbacks.durability, callbacks.ledger.shared_within))
    };
    let within = Some(Duration::from_secs(5));
    // No file is needed then.
    let found = durability("durable-shared", shared);
    assert_eq!(found, Some((PromiseDurability::Shared, within)));
    let disk = format!("[callbacks]\npromise_durability = \"disk\"\n{shared}");
    assert_eq!(durability("durable-none", &disk), None);
    let disk = format!("[store]\npath = \"promises.redb\"\n{disk}");
    let found = durability("durable-disk", &disk);
    assert_eq!(found, Some((PromiseDurability::Disk, None)));

    let alone = "[callbacks]\npromise_durability = \"shared\"\n";
    for (text, part) in [
        (alone.to_owned(), "there is no store that nodes share"),
        (
            format!("[callbacks]\npromise_durability = \"both\"\n{shared}"),
            "callbacks.promise_durability",
        ),
        (
            format!("[callbacks]\nlease = \"16s\"\n{shared}"),
            "is no longer than a request may last",
        ),
    ] {
        let said = problems("durable-wrong", &text, &variables).join("\n");
        assert!(said.contains(part), "{said}");
    }
}
