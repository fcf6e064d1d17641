//! Sessions that are ill: what they do no longer, what they do wrongly, and in which words they say that they cannot.

use std::time::Duration;

use loadtest::listen::is_loud;
use loadtest::model::faults::{Failure, FaultRow, Faults, Rejection, Via, What, When};
use loadtest::model::report::Outcome;
use loadtest::model::settings::ModelSettings;
use loadtest::peer::Action;
use serde_json::{Value, json};

use crate::driver::{Story, line, plain};

const LONG: Duration = Duration::from_secs(30);

fn with(when: When, what: What) -> ModelSettings {
    let share = 1.0;
    ModelSettings {
        faults: Faults(vec![FaultRow { when, what, share }]),
        ..plain()
    }
}

fn script() -> Vec<loadtest::recording::Line> {
    vec![
        line("One.", 4_000),
        line("Two.", 4_000),
        line("Three.", 4_000),
    ]
}

fn mid(response: u32) -> When {
    When::MidResponse {
        response,
        audio_ms: 1_000,
    }
}

/// A caller's turn, and time for an answer.
fn turn(story: &mut Story) {
    story.speak(800);
    story.listen(700);
    story.run_for(Duration::from_secs(8));
}

fn ask(story: &mut Story) {
    story.client(json!({"type": "response.create"}));
}

#[test]
fn a_stalled_answer_stays_unfinished_and_the_caller_is_still_heard() {
    let mut story = Story::ready(with(mid(1), What::Stall), script(), 1);
    ask(&mut story);
    story.run_for(LONG);
    let sent: usize = story.audio().values().map(Vec::len).sum();
    assert!((8_000..12_000).contains(&sent), "{sent}");
    turn(&mut story);
    story.client(json!({"type": "response.cancel"}));
    story.run_for(LONG);
    assert_eq!(story.all("response.done").len(), 0);
    assert_eq!(story.all("response.created").len(), 1);
    assert_eq!(story.all("input_audio_buffer.speech_started").len(), 1);
    assert!(!story.session.is_over());
}

#[test]
fn a_frozen_session_says_so_to_its_socket_and_then_nothing() {
    let mut story = Story::ready(with(mid(1), What::Freeze), script(), 2);
    ask(&mut story);
    story.run_for(LONG);
    assert_eq!(story.trace.last().unwrap().1, Action::Freeze);
    let sent = story.trace.len();
    turn(&mut story);
    ask(&mut story);
    assert_eq!(story.trace.len(), sent);
    assert!(story.session.is_frozen() && !story.session.is_over());
}

#[test]
fn a_black_hole_is_confirmed_and_takes_what_comes() {
    let mut story = Story::ready(with(When::Ready, What::BlackHole), script(), 3);
    let sent = story.trace.len();
    turn(&mut story);
    ask(&mut story);
    story.run_for(LONG);
    assert_eq!(story.trace.len(), sent);
    let report = story.session.into_report();
    let blocks: u64 = report.uplink.streams.values().map(|it| it.received).sum();
    assert_eq!(blocks, 75, "what it was sent is known");
}

#[test]
fn a_deaf_session_notices_no_speech_and_one_without_answers_notices_all() {
    let mut deaf = Story::ready(with(When::Ready, What::Deaf), script(), 4);
    turn(&mut deaf);
    assert!(deaf.all("input_audio_buffer.speech_started").is_empty());
    ask(&mut deaf);
    deaf.wait_for("response.done");

    let mut mum = Story::ready(with(When::TurnEnd(2), What::NoAnswer), script(), 5);
    turn(&mut mum);
    assert_eq!(mum.all("response.done").len(), 1);
    turn(&mut mum);
    ask(&mut mum);
    mum.run_for(LONG);
    assert_eq!(mum.all("response.created").len(), 1);
    assert_eq!(mum.all("input_audio_buffer.committed").len(), 2);
    let transcribed = "conversation.item.input_audio_transcription.completed";
    assert_eq!(mum.all(transcribed).len(), 2);
}

#[test]
fn mute_answers_are_silence_of_the_right_length_and_noisy_ones_are_loud() {
    for (what, bytes) in [(What::Mute, 32_000), (What::Noise, 32_000 * 6)] {
        let mut story = Story::ready(with(When::Ready, what), script(), 6);
        ask(&mut story);
        story.wait_for("response.done");
        let audio = story.audio().into_values().next().unwrap();
        assert_eq!(audio.len(), bytes, "{what:?}");
        let loud = audio.chunks(160).filter(|it| is_loud(it, -42.0)).count();
        let expected = if what == What::Mute { 0 } else { bytes / 160 };
        assert_eq!(loud, expected, "{what:?}");
    }
    let mut story = Story::ready(with(mid(1), What::Mute), script(), 7);
    ask(&mut story);
    story.wait_for("response.done");
    let audio = story.audio().into_values().next().unwrap();
    let (spoken, rest) = audio.split_at(12_000);
    assert!(is_loud(&spoken[..160], -42.0), "it was not mute before");
    assert!(!rest.chunks(160).any(|it| is_loud(it, -42.0)));
}

/// What a session says instead of its first answer, which is asked for by a turn; then whether the next turn is answered.
fn instead_of_the_first(what: What, seed: u64) -> (Vec<(String, Value)>, Story) {
    let mut story = Story::ready(with(When::TurnEnd(1), what), script(), seed);
    turn(&mut story);
    let told = story.events().into_iter();
    let told = told
        .filter(|it| ["error", "response.created", "response.done"].contains(&it.kind.as_str()))
        .map(|it| (it.kind, it.body));
    let told = told.collect();
    turn(&mut story);
    (told, story)
}

#[test]
fn a_lone_server_error_is_an_error_event_and_the_next_answer_is_well() {
    let (told, story) = instead_of_the_first(What::ServerError { times: 1 }, 8);
    let [(kind, body)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(kind, "error");
    assert_eq!(body["error"]["type"], "server_error");
    assert_eq!(body["error"]["code"], Value::Null);
    let report = story.session.into_report();
    assert_eq!(report.responses_that(Outcome::Completed), 1);
    assert_eq!(
        report.responses_that(Outcome::Failed(Failure::ServerError)),
        1
    );
    assert!(report.errors.is_empty(), "the client did nothing wrong");
    let said: Vec<_> = report
        .conversation
        .iter()
        .map(|it| it.text.as_str())
        .collect();
    assert!(
        said.contains(&"One."),
        "what nobody heard is said the next time"
    );
}

#[test]
fn a_response_fails_in_the_words_of_its_reason() {
    for (what, status, reason) in [
        (What::ResponseFailed { times: 1 }, "failed", "server_error"),
        (
            What::RateLimited { times: 1 },
            "failed",
            "rate_limit_exceeded",
        ),
        (
            What::ContextTooLong { times: 1 },
            "failed",
            "context_length_exceeded",
        ),
        (
            What::ContentFilter { times: 1 },
            "incomplete",
            "content_filter",
        ),
    ] {
        let (told, story) = instead_of_the_first(what, 9);
        let kinds: Vec<_> = told.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["response.created", "response.done"], "{what:?}");
        let response = &told[1].1["response"];
        assert_eq!(response["status"], status, "{what:?}");
        let details = response["status_details"].to_string();
        assert!(details.contains(reason), "{what:?}: {details}");
        let usage = &response["usage"]["total_tokens"];
        assert_eq!(usage == 0, status == "failed", "{what:?}: {usage}");
        assert_eq!(
            story.all("response.done").len(),
            2,
            "{what:?}: the next one is answered"
        );
    }
}

#[test]
fn a_response_that_fails_in_its_middle_ends_its_item_first() {
    let mut story = Story::ready(
        with(mid(1), What::ResponseFailed { times: 2 }),
        script(),
        10,
    );
    ask(&mut story);
    let done = story.wait_for("response.done");
    assert_eq!(done["response"]["status"], "failed");
    assert_eq!(story.all("response.output_audio.done").len(), 1);
    let sent: usize = story.audio().values().map(Vec::len).sum();
    assert!((8_000..12_000).contains(&sent), "{sent}");
    ask(&mut story);
    assert_eq!(
        story.wait_for("response.done")["response"]["status"],
        "failed"
    );
    ask(&mut story);
    assert_eq!(
        story.wait_for("response.done")["response"]["status"],
        "completed"
    );
}

#[test]
fn without_quota_no_answer_comes_and_the_socket_may_close() {
    let quota = |via, close| What::Quota { via, close };
    let (told, story) = instead_of_the_first(quota(Via::Error, None), 11);
    assert_eq!(told[0].0, "error");
    assert_eq!(told[0].1["error"]["code"], "insufficient_quota");
    assert_eq!(story.all("error").len(), 2, "every answer fails");
    assert!(story.all("response.created").is_empty() && !story.session.is_over());

    let (told, story) = instead_of_the_first(quota(Via::ResponseDone, Some(1_000)), 12);
    let error = &told[1].1["response"]["status_details"]["error"];
    assert_eq!(error["code"], "insufficient_quota");
    let closed = Action::Close {
        code: 1_000,
        reason: "insufficient_quota.insufficient_quota".to_owned(),
    };
    assert_eq!(story.trace.last().unwrap().1, closed);
}

#[test]
fn a_session_that_is_refused_after_all_says_why_twice() {
    let what = What::Reject {
        code: Rejection::InvalidApiKey,
    };
    let mut story = Story::new(with(When::AfterMs(0), what), vec![], 13);
    story.run_for(LONG);
    let [error] = story
        .events()
        .try_into()
        .unwrap_or_else(|_| panic!("one event"));
    assert_eq!(error.body["error"]["code"], "invalid_api_key");
    let closed = Action::Close {
        code: 3_000,
        reason: "invalid_request_error.invalid_api_key".to_owned(),
    };
    assert_eq!(story.trace.last().unwrap().1, closed);
}

#[test]
fn a_session_expires_when_it_is_told_to() {
    let mut story = Story::ready(with(mid(1), What::Expire), script(), 14);
    ask(&mut story);
    story.run_for(LONG);
    assert_eq!(
        story.all("error")[0].body["error"]["code"],
        "session_expired"
    );
    let last = &story.trace.last().unwrap().1;
    assert!(
        matches!(last, Action::Close { code: 1_001, .. }),
        "{last:?}"
    );
}

#[test]
fn a_storm_passes_by_and_the_conversation_goes_on() {
    let (per_second, lasts_ms) = (200, 2_000);
    for (what, kind) in [
        (
            What::ErrorStorm {
                per_second,
                lasts_ms,
            },
            "error",
        ),
        (
            What::UnknownEvents {
                per_second,
                lasts_ms,
            },
            "x.heartbeat",
        ),
    ] {
        let mut story = Story::ready(with(When::SpeechStart(1), what), script(), 15);
        turn(&mut story);
        let sent = story.all(kind);
        assert_eq!(sent.len(), 400, "{what:?}");
        let took = sent[399].at.saturating_sub(sent[0].at);
        assert_eq!(took, Duration::from_millis(5) * 399, "{what:?}");
        assert_eq!(story.all("response.done").len(), 1, "{what:?}");
    }
}
