//! A session that takes over a call: what was said before is put into it, and what nobody answered is said to it again, faster
//! than it was spoken.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadtest::model::report::{AskedBy, Outcome, Role};
use loadtest::stamp::{BLOCK_BYTES, Stamp};
use serde_json::json;

use crate::driver::{CALL, Story, line, plain};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Stamped frames of the caller, loud or silent, as they were once sent.
fn frames(blocks: std::ops::Range<u32>, byte: u8) -> Vec<Vec<u8>> {
    let frame = |block| {
        let mut frame: Vec<u8> = [byte, byte ^ 0x80].repeat(BLOCK_BYTES / 2);
        let stamp = Stamp {
            stream: CALL,
            item: 0,
            block,
            sent: MS(20) * block,
        };
        stamp.write(&mut frame);
        frame
    };
    blocks.map(frame).collect()
}

#[test]
fn a_turn_that_is_replayed_at_twenty_times_its_speed_ends_and_is_answered() {
    let mut story = Story::ready(plain(), vec![line("Tuesday at nine.", 2_000)], 1);
    // Four seconds of words and the silence after them, which nobody answered: one millisecond a frame.
    let words = [frames(100..300, 0x20), frames(300..330, 0xff)].concat();
    let began = story.now;
    for frame in &words {
        story.append(frame);
        story.run_for(MS(1));
    }
    assert!(story.now < began + MS(400));
    let events = story.events();
    let at = |kind: &str| events.iter().find(|it| it.kind == kind).map(|it| it.at);
    let stopped = at("input_audio_buffer.speech_stopped").expect("the turn ends by its own time");
    assert!(
        stopped < began + MS(400),
        "{stopped:?}, said from {began:?} on"
    );
    story.wait_for("response.done");
    let report = story.session.into_report();
    assert_eq!(report.responses.list[0].asked_by, AskedBy::Turn);
    assert_eq!(report.responses_that(Outcome::Completed), 1);
    assert_eq!(report.utterances.list[0].spoken, MS(4_000));
    let stream = &report.uplink.streams[&CALL];
    assert!(stream.has_all(100..330));
    assert!(!stream.has_all(99..330) && !stream.has_all(100..331));
    assert!(stream.is_in_order());
    assert_eq!(report.ready.map(|at| at <= began), Some(true));
    assert!(report.opened < report.created && report.created < report.ready);
    assert_eq!(report.first_audio, report.responses.list[0].first_audio);
}

#[test]
fn a_turn_that_goes_on_live_after_its_replay_is_one_turn() {
    let mut story = Story::ready(plain(), vec![line("Tuesday at nine.", 2_000)], 2);
    for frame in frames(0..100, 0x20) {
        story.append(&frame);
        story.run_for(MS(1));
    }
    // The caller is still speaking.
    for frame in [frames(100..150, 0x20), frames(150..180, 0xff)].concat() {
        story.append(&frame);
        story.run_for(MS(20));
    }
    assert_eq!(story.all("input_audio_buffer.committed").len(), 1);
    let report = story.session.report();
    assert_eq!(report.utterances.list[0].spoken, MS(3_000));
    assert!(report.uplink.streams[&CALL].has_all(0..180));
}

#[test]
fn what_was_said_before_is_put_in_and_the_cut_answer_is_asked_for() {
    let mut story = Story::ready(plain(), vec![line("So, Tuesday.", 1_000)], 3);
    let message = |role: &str, content: serde_json::Value| {
        json!({"type": "conversation.item.create", "item": {
            "type": "message", "role": role, "content": [content],
        }})
    };
    let audio = STANDARD.encode(frames(0..50, 0x20).concat());
    for item in [
        message("user", json!({"type": "input_text", "text": "Hello."})),
        message(
            "assistant",
            json!({"type": "output_text", "text": "We have"}),
        ),
        message(
            "user",
            json!({"type": "input_audio", "audio": audio, "transcript": "On Tuesday?"}),
        ),
        message("system", json!({"type": "input_text", "text": "Go on."})),
    ] {
        story.client(item);
    }
    let instructions = "Continue the sentence.";
    story.client(json!({"type": "response.create", "response": {"instructions": instructions}}));
    story.wait_for("response.done");
    assert!(story.all("error").is_empty());
    let report = story.session.into_report();
    let seeds: Vec<_> = report
        .seeds
        .list
        .iter()
        .map(|it| (it.role, it.text.as_str()))
        .collect();
    assert_eq!(
        seeds,
        [
            (Role::User, "Hello."),
            (Role::Assistant, "We have"),
            (Role::User, "On Tuesday?"),
            (Role::System, "Go on."),
        ]
    );
    assert!(report.seeded_audio.streams[&CALL].has_all(0..50));
    assert_eq!(report.uplink.appends, 0);
    let response = report.responses.list[0];
    assert_eq!(
        (response.asked_by, response.instructed),
        (AskedBy::Client, true)
    );
    let said = report.conversation.last().unwrap();
    assert_eq!(
        (said.role, said.text.as_str()),
        (Role::Assistant, "So, Tuesday.")
    );
}

#[test]
fn audio_of_before_that_is_no_audio_is_refused() {
    let mut story = Story::ready(plain(), vec![], 4);
    let part = json!({"type": "input_audio", "audio": "*"});
    let item = json!({"type": "message", "role": "user", "content": [part]});
    let id = story.client(json!({"type": "conversation.item.create", "item": item}));
    assert_eq!(story.error_for(&id)["code"], "invalid_value");
    assert_eq!(story.session.report().seeds.list, []);
}
