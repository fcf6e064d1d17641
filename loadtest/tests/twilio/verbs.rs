//! Each verb, and what follows it.

use loadtest::twilio::{
    fault::FetchFault,
    interpreter::{Event, Update},
    note::Note,
    settings::{After, DialSettings, RejectedStatus, They, TwilioSettings},
};

use crate::world::{World, settings};

/// What is done after the Voice URL was asked, and before the end is told.
fn done(settings: TwilioSettings, verbs: &str) -> Vec<String> {
    let world = World::new(settings)
        .with("/answer", verbs)
        .with("/next", "<Hangup/>")
        .with("/whisper", "<Say>A call.</Say>");
    let mut lines = world.play();
    assert_eq!(lines.remove(0), "ask /answer");
    lines.retain(|line| !line.starts_with("tell /status"));
    lines
}

#[test]
fn each_verb_takes_its_time_and_the_next_one_follows() {
    for (verbs, expected) in [
        ("", "answer|end NothingLeft"),
        ("<Hangup/><Say>never</Say>", "answer|end Hangup"),
        (
            "<Say>Good day.</Say>",
            "answer|sound 900 ms|end NothingLeft",
        ),
        (
            "<Say loop=\"3\">abc</Say><Hangup/>",
            "answer|sound 900 ms|end Hangup",
        ),
        (
            "<Say><emphasis>a</emphasis>bc</Say>",
            "answer|sound 300 ms|end NothingLeft",
        ),
        (
            "<Play>/ring.wav</Play>",
            "answer|sound 3000 ms|end NothingLeft",
        ),
        (
            "<Play digits=\"12\"/>",
            "answer|sound 500 ms|end NothingLeft",
        ),
        ("<Pause length=\"2\"/>", "answer|end NothingLeft"),
        (
            "<Pause/><Say>a</Say>",
            "answer|sound 100 ms|end NothingLeft",
        ),
        (
            "<Redirect>/next</Redirect><Say>never</Say>",
            "ask /next|answer|end Hangup",
        ),
        ("<Reject/>", "end Rejected { busy: false }"),
        ("<Reject reason=\"busy\"/>", "end Rejected { busy: true }"),
        ("<Say>a</Say><Reject/>", "answer|sound 100 ms|end Hangup"),
        ("<Record/><Hangup/>", "answer|end Hangup"),
        ("<Nonsense/><Hangup/>", "answer|end Hangup"),
        ("<say>no</say>", "answer|end NothingLeft"),
    ] {
        assert_eq!(done(settings(), verbs).join("|"), expected, "{verbs}");
    }
}

#[test]
fn a_redirect_leaves_the_call_ringing_so_that_it_can_still_be_refused() {
    let world = World::new(settings())
        .with("/answer", "<Redirect>/next</Redirect>")
        .with("/next", "<Reject/>");
    let expected = [
        "ask /answer",
        "ask /next",
        "tell /status no-answer",
        "end Rejected { busy: false }",
    ];
    assert_eq!(world.play(), expected);
    let settings = TwilioSettings {
        rejected_status: RejectedStatus::Failed,
        ..settings()
    };
    let lines = World::new(settings).with("/answer", "<Reject/>").play();
    assert_eq!(lines[1], "tell /status failed");
}

#[test]
fn keys_go_to_the_action_and_silence_to_the_next_verb() {
    let pressing = |keys: &str| TwilioSettings {
        gather_keys: keys.into(),
        ..settings()
    };
    let gather =
        "<Gather action=\"/next\" timeout=\"2\"><Say>Press one.</Say></Gather><Say>a</Say>";
    let prompt = "answer|sound 1000 ms|hush|";
    for (keys, verbs, expected) in [
        ("1", gather, "ask /next Digits=1|end Hangup"),
        ("", gather, "sound 100 ms|end NothingLeft"),
        ("12#3", gather, "ask /next Digits=12|end Hangup"),
        (
            "123",
            "<Gather action=\"/next\" numDigits=\"2\"><Say>Press one.</Say></Gather>",
            "ask /next Digits=12|end Hangup",
        ),
        (
            "",
            "<Gather action=\"/next\" actionOnEmptyResult=\"true\"><Say>Press one.</Say></Gather>",
            "ask /next Digits=|end Hangup",
        ),
    ] {
        let lines = done(pressing(keys), verbs).join("|");
        assert_eq!(lines, format!("{prompt}{expected}"), "{keys} {verbs}");
    }
    let world = World::new(pressing("1"))
        .with("/answer", "<Gather/>")
        .with("/answer", "<Hangup/>");
    assert_eq!(
        world.play()[4],
        "ask /answer Digits=1",
        "without action it is the document itself"
    );
}

#[test]
fn whoever_is_dialled_has_one_of_five_ends() {
    let dial = "<Dial action=\"/next\" timeout=\"10\"><Number url=\"/whisper\">+14155550111</Number></Dial>";
    for (they, after_ms, expected) in [
        (
            They::Answer,
            3_000,
            "sound 3000 ms|ask /whisper (whisper)|sound 5000 ms|hush|ask /next DialCallStatus=completed",
        ),
        (
            They::Busy,
            1_000,
            "sound 1000 ms|hush|ask /next DialCallStatus=busy",
        ),
        (
            They::NoAnswer,
            1_000,
            "sound 10000 ms|hush|ask /next DialCallStatus=no-answer",
        ),
        (
            They::Answer,
            11_000,
            "sound 10000 ms|hush|ask /next DialCallStatus=no-answer",
        ),
        (
            They::Failed,
            1_000,
            "sound 0 ms|hush|ask /next DialCallStatus=failed",
        ),
    ] {
        let dialled = DialSettings {
            they,
            after_ms,
            talk_ms: 5_000,
        };
        let settings = TwilioSettings {
            dial: dialled,
            ..settings()
        };
        let lines = done(settings, dial).join("|");
        assert_eq!(lines, format!("answer|{expected}|end Hangup"), "{they:?}");
    }
    let lines = done(settings(), "<Dial>+14155550111</Dial><Say>a</Say>").join("|");
    let expected = "answer|sound 3000 ms|sound 5000 ms|hush|sound 100 ms|end NothingLeft";
    assert_eq!(lines, expected, "without action the next verb follows");
    let lines = done(settings(), "<Dial action=\"/next\"/>").join("|");
    assert!(lines.contains("DialCallStatus=failed"), "{lines}");
}

#[test]
fn a_caller_who_hangs_up_during_a_dial_is_told_to_its_action() {
    let mut world = World::new(settings())
        .with("/answer", "<Dial action=\"/next\">+14155550111</Dial>")
        .with("/next", "<Hangup/>");
    world.hangs_up_at = Some(std::time::Duration::from_secs(1));
    let lines = world.play();
    let expected = [
        "ask /answer",
        "answer",
        "sound 3000 ms",
        "hush",
        "tell /status completed",
        "end CallerHungUp",
        "tell /next completed",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_document_that_fails_leads_to_the_fallback_once() {
    let failing = || World::new(settings()).failing("/answer", FetchFault::Tls);
    let lines = failing().with("/fallback", "<Hangup/>").play();
    assert_eq!(lines[1], "ask /fallback ErrorCode=11220");
    let lines = failing().raw("/fallback", "text/plain", "hello").play();
    assert_eq!(
        lines[1..4],
        ["ask /fallback ErrorCode=11220", "answer", "sound 4000 ms"]
    );
    assert_eq!(lines.last().unwrap(), "end Error(12300)");
}

#[test]
fn the_failure_of_a_later_document_leads_to_the_fallback_too() {
    let world = World::new(settings())
        .with("/answer", "<Redirect>/next</Redirect>")
        .failing("/next", FetchFault::ReadTimedOut)
        .with("/fallback", "<Redirect>/next</Redirect>");
    // Each event tries its own URL first: what the fallback leads to may fail, and be followed by the fallback again.
    let lines = world.play();
    let expected = [
        "ask /answer",
        "ask /next",
        "ask /fallback ErrorCode=11205",
        "ask /next",
    ];
    assert_eq!(lines[..4], expected);
    assert_eq!(
        lines.last().unwrap(),
        "end Error(11215)",
        "but not for ever"
    );
}

#[test]
fn an_unknown_verb_warns_or_fails_as_the_settings_say() {
    let world = || {
        World::new(settings())
            .with("/answer", "<Sing/>")
            .with("/fallback", "<Hangup/>")
    };
    let warned = world().notes();
    assert!(
        warned
            .iter()
            .any(|note| matches!(note, Note::Warns { code: 12_200, .. }))
    );
    let strict = TwilioSettings {
        schema_warning_is_fatal: true,
        ..settings()
    };
    let world = World::new(strict)
        .with("/answer", "<Sing/>")
        .with("/fallback", "<Hangup/>");
    assert_eq!(world.play()[1], "ask /fallback ErrorCode=12200");
}

#[test]
fn an_empty_answer_to_an_action_ends_the_call_or_goes_on_as_the_settings_say() {
    let dial = "<Dial action=\"/empty\">+14155550111</Dial><Say>a</Say>";
    for (after, last) in [
        (After::End, "ask /empty DialCallStatus=completed"),
        (After::GoOn, "sound 100 ms"),
    ] {
        let settings = TwilioSettings {
            after_empty_action: after,
            ..settings()
        };
        let world = World::new(settings)
            .with("/answer", dial)
            .with("/empty", "");
        let mut lines = world.play();
        lines.retain(|line| !line.starts_with("tell"));
        assert_eq!(lines[lines.len() - 2], last);
    }
}

#[test]
fn a_call_that_is_over_listens_to_nobody() {
    let mut world = World::new(settings()).with("/answer", "<Hangup/>");
    world.run();
    let lines = world.lines.len();
    world.tell(Event::Update(Update::Complete));
    world.tell(Event::CallerHungUp);
    assert_eq!(world.lines.len(), lines);
}
