//! The caller speaks into an answer.

use std::time::Duration;

use loadtest::model::report::{Outcome, Truncation};
use loadtest::model::settings::ModelSettings;
use serde_json::{Value, json};

use crate::driver::{SESSION, Story, line, mulaw, plain};

/// A story in the middle of a long answer: its item.
fn amid_an_answer(settings: ModelSettings, seed: u64) -> (Story, Value) {
    let script = vec![line("One two three four five six seven eight.", 20_000)];
    let mut story = Story::ready(settings, script, seed);
    story.client(json!({"type": "response.create"}));
    let item = story.wait_for("response.output_item.added")["item"]["id"].clone();
    story.run_for(Duration::from_millis(500));
    (story, item)
}

fn truncate(story: &mut Story, item: &Value, ms: u64) -> String {
    story.client(json!({
        "type": "conversation.item.truncate", "item_id": item,
        "content_index": 0, "audio_end_ms": ms,
    }))
}

fn sent_ms(story: &Story) -> u64 {
    story.audio().values().map(Vec::len).sum::<usize>() as u64 / 8
}

#[test]
fn speech_cancels_the_answer() {
    let (mut story, item) = amid_an_answer(plain(), 1);
    story.speak(200);
    let done = &story.all("response.done")[0];
    assert_eq!(done.body["response"]["status"], "cancelled");
    assert_eq!(
        done.body["response"]["status_details"],
        json!({"type": "cancelled", "reason": "turn_detected"})
    );
    assert_eq!(done.body["response"]["output"][0]["id"], item);
    assert_eq!(done.body["response"]["output"][0]["status"], "incomplete");
    let started = &story.all("input_audio_buffer.speech_started")[0];
    assert_eq!(started.at, done.at);

    let heard = sent_ms(&story) / 2;
    truncate(&mut story, &item, heard);
    let report = story.session.report();
    let expected = Truncation {
        session: SESSION,
        item: 1,
        audio_end_ms: heard,
        at: story.now,
    };
    assert_eq!(report.truncations.list, [expected]);
    let kept = &report.conversation[0].text;
    assert!("One two three four five six seven eight.".starts_with(kept));
    assert_eq!(report.responses_that(Outcome::TurnDetected), 1);
}

#[test]
fn late_deltas_come_after_the_cut_some_of_them_after_the_end() {
    let (mut after_cut, mut after_end) = (0, 0);
    for seed in 0..40 {
        let settings = ModelSettings {
            late_deltas_max: 5,
            ..plain()
        };
        let (mut story, _) = amid_an_answer(settings, seed);
        story.speak(100);
        story.listen(200);
        let cut_at = story
            .events()
            .iter()
            .position(|event| event.kind == "input_audio_buffer.speech_started")
            .unwrap();
        let late = story.events().split_off(cut_at);
        let is_delta = |kind: &str| kind == "response.output_audio.delta";
        let count = late.iter().filter(|event| is_delta(&event.kind)).count();
        assert!(count <= 5, "seed {seed}");
        after_cut += count;
        let mut ended = late
            .iter()
            .skip_while(|event| event.kind != "response.done");
        after_end += ended.by_ref().filter(|event| is_delta(&event.kind)).count();
        assert_eq!(story.all("response.done").len(), 1, "seed {seed}");
        let generated: u64 = story
            .session
            .report()
            .spoken
            .list
            .iter()
            .map(|item| item.bytes)
            .sum();
        assert_eq!(generated / 8, sent_ms(&story), "seed {seed}");
    }
    assert!(
        after_cut > after_end && after_end > 0,
        "{after_cut} {after_end}"
    );
}

#[test]
fn a_truncation_is_refused_where_a_real_server_refuses_it() {
    let (mut story, item) = amid_an_answer(plain(), 3);
    story.client(json!({"type": "response.cancel"}));
    let sent = sent_ms(&story);

    let beyond = truncate(&mut story, &item, sent + 1);
    let error = story.error_for(&beyond);
    let (have, want) = (sent, sent + 1);
    let message = format!("Audio content of {have}ms is already shorter than {want}ms");
    assert_eq!(error["message"], message);
    assert_eq!(error["type"], "invalid_request_error");

    let zero = truncate(&mut story, &item, 0);
    let message = "Only model output audio messages can be truncated";
    assert_eq!(story.error_for(&zero)["message"], message);

    let unknown = truncate(&mut story, &json!("item_nobody"), 10);
    let code = story.error_for(&unknown)["code"].clone();
    assert_eq!(code, "item_truncate_invalid_item_id");

    truncate(&mut story, &item, sent - 100);
    assert_eq!(story.all("conversation.item.truncated").len(), 1);
    let again = truncate(&mut story, &item, sent - 50);
    let message = format!(
        "Audio content of {}ms is already shorter than {}ms",
        sent - 100,
        sent - 50
    );
    assert_eq!(
        story.error_for(&again)["message"],
        message,
        "it is shorter now"
    );

    story.client(json!({"type": "conversation.item.delete", "item_id": item}));
    let report = story.session.report();
    assert_eq!(report.deletions.list[0].item, Some(1));
    assert!(report.conversation.is_empty());
}

#[test]
fn text_and_the_callers_turns_cannot_be_truncated() {
    let mut story = Story::ready(plain(), vec![], 4);
    story.client(json!({"type": "conversation.item.create", "item": {
        "id": "seed", "type": "message", "role": "assistant",
        "content": [{"type": "output_text", "text": "Hello"}],
    }}));
    let refused = truncate(&mut story, &json!("seed"), 100);
    assert_eq!(
        story.error_for(&refused)["code"],
        "unsupported_content_type"
    );
}

#[test]
fn a_client_may_cancel_what_is_active_and_nothing_else() {
    let (mut story, _) = amid_an_answer(plain(), 5);
    let wrong = story.client(json!({"type": "response.cancel", "response_id": "resp_other"}));
    assert_eq!(
        story.error_for(&wrong)["code"],
        "response_cancel_not_active"
    );
    story.client(json!({"type": "response.cancel"}));
    let done = &story.all("response.done")[0].body["response"];
    assert_eq!(done["status_details"]["reason"], "client_cancelled");
    let late = story.client(json!({"type": "response.cancel"}));
    assert_eq!(story.error_for(&late)["code"], "response_cancel_not_active");
}

#[test]
fn speech_before_the_first_word_cancels_a_response_without_output() {
    let mut story = Story::ready(plain(), vec![line("Too late.", 900)], 6);
    story.client(json!({"type": "response.create"}));
    story.speak(60);
    let done = &story.all("response.done")[0].body["response"];
    assert_eq!(done["status"], "cancelled");
    assert_eq!(done["output"], json!([]));
    assert_eq!(story.all("response.created").len(), 1);
}

#[test]
fn without_interruption_the_answer_goes_on_and_the_turn_is_answered_after_it() {
    let mut story = Story::ready(
        plain(),
        vec![line("Let me finish.", 12_000), line("Yes?", 900)],
        7,
    );
    story.client(
        json!({"type": "session.update", "session": {"type": "realtime", "audio": {"input": {
            "turn_detection": {"type": "server_vad", "interrupt_response": false},
        }}}}),
    );
    story.wait_for("session.updated");
    story.client(json!({"type": "response.create"}));
    story.wait_for("response.output_item.added");
    story.speak(600);
    story.listen(700);
    story.run_for(Duration::from_secs(20));
    let done = story.all("response.done");
    let statuses: Vec<_> = done
        .iter()
        .map(|event| &event.body["response"]["status"])
        .collect();
    assert_eq!(statuses, ["completed", "completed"]);
}

#[test]
fn a_goodbye_that_was_cut_is_said_again() {
    let settings = ModelSettings {
        goodbye: true,
        ..plain()
    };
    let (mut story, _) = amid_an_answer(settings, 8);
    story.speak(400);
    story.listen(600);
    let done = story.wait_for("response.done");
    assert_eq!(done["response"]["status"], "completed");
    assert_eq!(story.all("response.function_call_arguments.done").len(), 1);
    let deltas = story.all("response.output_audio.delta");
    let bytes: usize = deltas.iter().map(|event| mulaw(&event.body).len()).sum();
    assert!(bytes > 160_000);
}
