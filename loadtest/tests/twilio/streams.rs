//! Each ending of a stream, and what follows it.

use loadtest::twilio::{
    fault::StreamFault,
    note::StreamOver,
    settings::{After, StreamQuery, TwilioSettings},
};

use crate::world::{Fate, World, settings};

const STREAM: &str = "<Stream url=\"wss://media.test/m\" statusCallback=\"/s\"/>";

/// What is done after `answer`, up to the end; the call's own status left out.
fn done(settings: TwilioSettings, verbs: &str, fates: &[Fate]) -> String {
    let world = World::new(settings)
        .with("/answer", verbs)
        .with("/next", "<Hangup/>")
        .fates(fates);
    let lines = world.play();
    assert_eq!(lines[..2], ["ask /answer", "answer"], "{verbs}");
    let lines = lines
        .into_iter()
        .skip(2)
        .filter(|line| !line.starts_with("tell /status"));
    lines.collect::<Vec<_>>().join("|")
}

#[test]
fn every_ending_is_followed_by_the_action_else_by_the_next_verb_else_by_the_end() {
    let started = "open wss://media.test/m|tell /s stream-started|";
    let endings = [
        (
            Fate::Over(StreamOver::Closed(Some(1000))),
            started,
            "tell /s stream-stopped|",
        ),
        (
            Fate::Over(StreamOver::Closed(None)),
            started,
            "tell /s stream-stopped|",
        ),
        (
            Fate::Over(StreamOver::Closed(Some(1011))),
            started,
            "tell /s stream-stopped|",
        ),
        (
            Fate::Over(StreamOver::Lost),
            started,
            "tell /s stream-error 31903 - Connection Broken Pipe|tell /s stream-stopped|",
        ),
        (
            Fate::NotOpened(StreamFault::Handshake(Some(503))),
            "open wss://media.test/m|",
            "tell /s stream-error 31920 - Handshake Error|",
        ),
        (
            Fate::NotOpened(StreamFault::TimedOut),
            "open wss://media.test/m|",
            "tell /s stream-error 31901 - WebSocket Connection Timeout|",
        ),
    ];
    let follows = [
        (
            format!("<Connect action=\"/next\">{STREAM}</Connect><Say>a</Say>"),
            "ask /next|end Hangup",
        ),
        (
            format!("<Connect>{STREAM}</Connect><Say>a</Say>"),
            "sound 100 ms|end NothingLeft",
        ),
        (
            format!("<Connect>{STREAM}</Connect><Redirect>/next</Redirect>"),
            "ask /next|end Hangup",
        ),
        (format!("<Connect>{STREAM}</Connect>"), "end NothingLeft"),
    ];
    for (fate, begins, ends) in endings {
        for (verbs, then) in &follows {
            let expected = format!("{begins}{ends}{then}");
            assert_eq!(
                done(settings(), verbs, &[fate]),
                expected,
                "{fate:?} {verbs}"
            );
        }
    }
}

#[test]
fn whether_a_loss_or_a_failure_ends_the_call_is_a_switch_each() {
    let verbs = format!("<Connect action=\"/next\">{STREAM}</Connect>");
    let (lost, failed) = (
        Fate::Over(StreamOver::Lost),
        Fate::NotOpened(StreamFault::Refused),
    );
    let on_lost = TwilioSettings {
        after_lost_stream: After::End,
        ..settings()
    };
    let on_failed = TwilioSettings {
        after_failed_stream: After::End,
        ..settings()
    };
    for (settings, fate, ends) in [
        (on_lost.clone(), lost, true),
        (on_lost, failed, false),
        (on_failed.clone(), failed, true),
        (on_failed, lost, false),
    ] {
        let lines = done(settings, &verbs, &[fate]);
        assert_eq!(lines.ends_with("end StreamLost"), ends, "{lines}");
    }
}

#[test]
fn a_caller_who_hangs_up_is_told_to_stream_call_and_action() {
    let verbs = format!("<Connect action=\"/next\">{STREAM}</Connect>");
    let begins = "open wss://media.test/m|tell /s stream-started|close|tell /s stream-stopped|end CallerHungUp";
    let lines = done(settings(), &verbs, &[Fate::HungUp]);
    assert_eq!(lines, format!("{begins}|tell /next completed"));
    let silent = TwilioSettings {
        action_after_hang_up: false,
        ..settings()
    };
    assert_eq!(done(silent, &verbs, &[Fate::HungUp]), begins);
}

#[test]
fn a_stream_that_the_carrier_cannot_open_is_told_by_its_number() {
    for (stream, error) in [
        (
            "url=\"https://media.test/m\"",
            "31922 - URL schema not supported",
        ),
        (
            "url=\"ws://media.test/m\"",
            "31922 - URL schema not supported",
        ),
        ("url=\"wss://\"", "31923 - Malformed URL"),
        (
            "url=\"wss://media.test/m?token=1\"",
            "31920 - Handshake Error",
        ),
        (
            "url=\"wss://media.test/m\" track=\"both_tracks\"",
            "31941 - Invalid Track configuration",
        ),
    ] {
        let verbs =
            format!("<Connect action=\"/next\"><Stream {stream} statusCallback=\"/s\"/></Connect>");
        let expected = format!("tell /s stream-error {error}|ask /next|end Hangup");
        assert_eq!(done(settings(), &verbs, &[]), expected, "{stream}");
    }
}

#[test]
fn what_stands_in_a_streams_url_is_found_as_documented_or_as_seen() {
    let opened = |settings, url: &str| {
        let verbs = format!("<Connect><Stream url=\"{url}\"/></Connect>");
        done(settings, &verbs, &[])
            .split('|')
            .next()
            .unwrap()
            .to_owned()
    };
    let strips = TwilioSettings {
        stream_query: StreamQuery::Strip,
        ..settings()
    };
    assert_eq!(
        opened(strips, "wss://media.test/m?token=1"),
        "open wss://media.test/m"
    );
    assert_eq!(opened(settings(), "/m"), "open wss://voice.test/m");
    assert_eq!(
        opened(settings(), "ws://127.0.0.1:8080/m"),
        "open ws://127.0.0.1:8080/m"
    );
}

#[test]
fn two_streams_in_one_document_follow_each_other_unless_the_settings_forbid_it() {
    let verbs = format!("<Connect>{STREAM}</Connect><Connect>{STREAM}</Connect>");
    let lines = done(settings(), &verbs, &[]);
    assert_eq!(lines.matches("stream-started").count(), 2, "{lines}");
    let once = TwilioSettings {
        sequential_connects: false,
        ..settings()
    };
    let lines = done(once, &verbs, &[]);
    assert_eq!(lines.matches("stream-started").count(), 1, "{lines}");
    assert!(lines.ends_with("end StreamLost"), "{lines}");
}

#[test]
fn callbacks_repeat_and_actions_name_the_stream_where_the_settings_say_so() {
    let verbs = format!("<Connect action=\"/next\">{STREAM}</Connect>");
    let settings = TwilioSettings {
        callback_copies: 2,
        stream_parameters_in_action: true,
        ..settings()
    };
    let lines = done(settings, &verbs, &[]);
    assert_eq!(
        lines.matches("tell /s stream-started").count(),
        2,
        "{lines}"
    );
    assert!(lines.contains("ask /next StreamSid=MZ…"), "{lines}");
}

#[test]
fn a_server_that_always_answers_with_a_stream_is_stopped_in_the_end() {
    let again = format!("<Connect action=\"/answer\">{STREAM}</Connect>");
    let world = World::new(settings()).with("/answer", &again);
    let lines = world.play();
    assert_eq!(lines.last().unwrap(), "end Error(11215)");
}
