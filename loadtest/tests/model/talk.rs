//! Conversations that go well.

use std::time::Duration;

use loadtest::model::report::{Outcome, Role};
use loadtest::model::settings::{Between, ModelSettings};
use loadtest::peer::{Action, Peer as _};
use loadtest::stamp::{BLOCK_BYTES, Stamp};
use serde_json::json;

use crate::driver::{CALL, SESSION, Story, line, mulaw, phone_session, plain};

#[test]
fn a_turn_is_answered_in_the_order_of_the_protocol() {
    let script = vec![line("We have Tuesday at nine.", 2_010)];
    let settings = ModelSettings {
        caller_texts: vec!["Do you have anything on Tuesday?".to_owned()],
        ..plain()
    };
    let mut story = Story::ready(settings, script, 1);
    let before = story.events().len();
    story.listen(200);
    story.speak(1_000);
    story.listen(600);
    story.wait_for("response.done");

    let mut kinds: Vec<_> = story.events().split_off(before);
    kinds.retain(|event| !event.kind.contains("transcription"));
    let mut kinds: Vec<_> = kinds.into_iter().map(|event| event.kind).collect();
    let is_stream = |kind: &String| kind.contains(".delta");
    let first = kinds.iter().position(is_stream).unwrap();
    let last = kinds.iter().rposition(is_stream).unwrap();
    assert!(kinds[first..=last].iter().all(is_stream), "{kinds:?}");
    kinds.drain(first..=last);
    assert_eq!(
        kinds,
        [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "rate_limits.updated",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
    );
    let report = story.session.into_report();
    let said: Vec<_> = (report.conversation.iter())
        .map(|said| (said.role, said.text.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (Role::User, "Do you have anything on Tuesday?"),
            (Role::Assistant, "We have Tuesday at nine."),
        ]
    );
    assert_eq!(report.responses_that(Outcome::Completed), 1);
    let spoken = report.utterances.list[0].spoken;
    assert_eq!(spoken, Duration::from_secs(1));
}

#[test]
fn deltas_make_the_line_again_with_every_whole_block_stamped() {
    for seed in 0..40 {
        let settings = ModelSettings {
            several_items_share: 0.5,
            unaligned_share: 0.7,
            ..plain()
        };
        let whole = line("One two three four five six seven.", 5_123);
        let mut story = Story::ready(settings, vec![whole.clone()], seed);
        story.client(json!({"type": "response.create"}));
        let asked = story.now;
        story.wait_for("response.done");

        let unstamped = |audio: &[u8]| audio.iter().map(|byte| byte & !1).collect::<Vec<_>>();
        let items = story.audio();
        let audio = items.values().flatten().copied().collect::<Vec<_>>();
        assert_eq!(unstamped(&audio), unstamped(&whole.audio), "seed {seed}");
        let words = story.all("response.output_audio_transcript.delta");
        let words: String = (words.iter())
            .map(|event| event.body["delta"].as_str().unwrap())
            .collect();
        assert_eq!(words, whole.text, "seed {seed}");

        for (number, audio) in (1..).zip(items.values()) {
            let blocks = audio.chunks_exact(BLOCK_BYTES);
            for (block, bytes) in (0..).zip(blocks) {
                let stamp = Stamp::read(bytes).unwrap();
                let place = (stamp.stream, stamp.item, stamp.block);
                assert_eq!(place, (SESSION, number, block), "seed {seed}");
                assert!(stamp.sent > asked && stamp.sent <= story.now, "seed {seed}");
            }
        }
    }
}

#[test]
fn a_stamp_tells_when_the_delta_left_that_its_block_begins_in() {
    let settings = ModelSettings {
        unaligned_share: 1.0,
        ..plain()
    };
    let mut story = Story::ready(settings, vec![line("Hello.", 3_000)], 3);
    story.client(json!({"type": "response.create"}));
    story.wait_for("response.done");
    let mut sent = Vec::new();
    for event in story.all("response.output_audio.delta") {
        sent.extend(mulaw(&event.body).iter().map(|_| event.at));
    }
    let audio = story.audio().into_values().next().unwrap();
    let blocks = audio
        .chunks_exact(BLOCK_BYTES)
        .zip(sent.chunks(BLOCK_BYTES));
    let mut cut = 0;
    for (block, times) in blocks {
        // Stamps count whole microseconds.
        let stamped = Stamp::read(block).unwrap().sent;
        assert_eq!(stamped.as_micros(), times[0].as_micros());
        cut += usize::from(times[0] != times[BLOCK_BYTES - 1]);
    }
    assert!(cut > 3, "deltas cut blocks: {cut}");
}

#[test]
fn answers_come_faster_than_real_time_in_uneven_deltas() {
    let mut story = Story::ready(plain(), vec![line("Long.", 20_000)], 4);
    story.client(json!({"type": "response.create"}));
    story.wait_for("response.done");
    let deltas = story.all("response.output_audio.delta");
    let took = deltas.last().unwrap().at.saturating_sub(deltas[0].at);
    let speed = 20.0 / took.as_secs_f64();
    assert!((2.5..10.0).contains(&speed), "{speed}");
    let mut lengths: Vec<_> = deltas
        .iter()
        .map(|event| mulaw(&event.body).len())
        .collect();
    let unaligned = lengths.iter().filter(|length| *length % 160 != 0).count();
    assert!(unaligned > 0 && unaligned < lengths.len());
    lengths.sort_unstable();
    lengths.dedup();
    assert!(lengths.len() > 5, "{lengths:?}");
}

#[test]
fn audio_before_the_session_is_updated_is_misread() {
    let mut story = Story::new(plain(), vec![line("What?", 1_000)], 5);
    story.wait_for("session.created");
    story.say(2_000, 0xf8);
    assert_eq!(story.session.report().violations.misread_appends, 100);
    assert!(
        !story.all("input_audio_buffer.speech_started").is_empty(),
        "quiet µ-law is loud as PCM"
    );
    story.client(phone_session());
    story.wait_for("session.updated");
    let heard = story.all("input_audio_buffer.speech_started").len();
    story.say(2_000, 0xf8);
    let report = story.session.report();
    assert_eq!(report.violations.misread_appends, 100);
    let now_heard = story.all("input_audio_buffer.speech_started").len();
    assert_eq!(now_heard, heard, "as µ-law it is quiet");
}

#[test]
fn the_transcript_may_come_after_the_answer() {
    let kind = "conversation.item.input_audio_transcription.completed";
    let late = |seed| {
        let settings = ModelSettings {
            transcription_delay_ms: Between::new(0, 3_000),
            ..plain()
        };
        let mut story = Story::ready(settings, vec![line("Yes.", 400)], seed);
        story.speak(1_200);
        story.listen(600);
        story.run_for(Duration::from_secs(5));
        let (transcript, done) = (&story.all(kind)[0], &story.all("response.done")[0]);
        assert_eq!(transcript.body["transcript"], "[speech 1.2 s]");
        transcript.at > done.at
    };
    let late = (0..20).filter(|&seed| late(seed)).count();
    assert!((1..20).contains(&late), "{late} of 20");
}

#[test]
fn the_greeting_is_said_first_and_metadata_comes_back() {
    let settings = ModelSettings {
        greeting: Some(line("Good morning!", 800)),
        ..plain()
    };
    let mut story = Story::ready(settings, vec![line("First.", 500)], 6);
    let metadata = json!({"try": "1"});
    story.client(json!({"type": "response.create", "response": {
        "instructions": "Greet the caller.", "metadata": metadata,
    }}));
    assert_eq!(
        story.wait_for("response.created")["response"]["metadata"],
        metadata
    );
    let done = story.wait_for("response.done")["response"].clone();
    assert_eq!(done["metadata"], metadata);
    assert_eq!(
        done["output"][0]["content"][0]["transcript"],
        "Good morning!"
    );
    story.client(json!({"type": "response.create"}));
    let done = story.wait_for("response.done");
    let said = &done["response"]["output"][0]["content"][0]["transcript"];
    assert_eq!(said, "First.");
}

#[test]
fn with_its_last_line_the_model_ends_the_call() {
    let settings = ModelSettings {
        goodbye: true,
        ..plain()
    };
    let script = vec![line("Anything else?", 700), line("Goodbye.", 600)];
    let mut story = Story::ready(settings, script, 7);
    for _ in 0..2 {
        story.client(json!({"type": "response.create"}));
        story.wait_for("response.done");
    }
    let calls = story.all("response.function_call_arguments.done");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body["name"], "end_call");
    let done = story.all("response.done");
    let output = &done[1].body["response"]["output"];
    assert_eq!(output[0]["content"][0]["transcript"], "Goodbye.");
    assert_eq!(output[1]["type"], "function_call");
    assert_eq!(output[1]["status"], "completed");

    let call_id = output[1]["call_id"].clone();
    let item = json!({"type": "function_call_output", "call_id": call_id, "output": "{}"});
    story.client(json!({"type": "conversation.item.create", "item": item}));
    assert_eq!(story.all("error").len(), 0);
}

#[test]
fn lost_and_late_frames_of_the_caller_are_told() {
    let mut story = Story::ready(plain(), vec![], 8);
    story.listen(400);
    story.trace.clear();
    let frame = |block| {
        let mut frame = vec![0xff; 160];
        let sent = Duration::ZERO;
        let stamp = Stamp {
            stream: CALL,
            item: 0,
            block,
            sent,
        };
        stamp.write(&mut frame);
        frame
    };
    story.append(&frame(25));
    story.append(&frame(23));
    let uplink = story.session.report().uplink;
    let stream = &uplink.streams[&CALL];
    assert_eq!(stream.blocks, [0..20, 23..24, 25..26]);
    assert_eq!((stream.missing(), stream.out_of_order), (4, 1));
    let median = uplink.latency_us.value_at_quantile(0.5);
    assert!(uplink.latency_us.equivalent(median, 3_000), "{median}");
    assert_eq!(uplink.unstamped_bytes, 0);
}

#[test]
fn a_client_may_find_the_turns_itself() {
    let mut story = Story::ready(plain(), vec![line("Fine.", 500)], 9);
    story.client(json!({"type": "session.update", "session": {
        "type": "realtime", "audio": {"input": {"turn_detection": null}},
    }}));
    let updated = story.wait_for("session.updated");
    assert!(updated["session"]["audio"]["input"]["turn_detection"].is_null());
    assert_eq!(
        updated["session"]["audio"]["input"]["format"]["type"],
        "audio/pcmu"
    );
    story.speak(900);
    story.listen(900);
    assert!(story.all("input_audio_buffer.speech_started").is_empty());
    story.client(json!({"type": "input_audio_buffer.commit"}));
    story.run_for(Duration::from_secs(3));
    assert_eq!(story.all("input_audio_buffer.committed").len(), 1);
    assert!(
        story.all("response.created").is_empty(),
        "nobody asked for it"
    );
    story.speak(200);
    story.client(json!({"type": "input_audio_buffer.clear"}));
    let empty = story.client(json!({"type": "input_audio_buffer.commit"}));
    assert_eq!(
        story.error_for(&empty)["code"],
        "input_audio_buffer_commit_empty"
    );
}

#[test]
fn a_session_ends_when_its_time_is_over() {
    let settings = ModelSettings {
        session_length_ms: 120_000,
        epoch_s: 1_700_000_000,
        ..plain()
    };
    let mut story = Story::ready(settings, vec![], 10);
    let created = &story.all("session.created")[0].body;
    assert_eq!(created["session"]["expires_at"], 1_700_000_120);
    story.run_for(Duration::from_secs(130));
    let errors = story.all("error");
    assert_eq!(errors[0].body["error"]["code"], "session_expired");
    let reason = "Your session hit the maximum duration of 2 minutes.".to_owned();
    let (at, last) = story.trace.last().unwrap();
    assert_eq!(*last, Action::Close { code: 1001, reason });
    assert_eq!(*at, Duration::from_mins(2));
    assert!(story.session.is_over());
    assert_eq!(story.session.deadline(), None);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed| {
        let script = vec![line("One two three.", 3_000), line("Four.", 900)];
        let mut story = Story::ready(ModelSettings::default(), script, seed);
        for _ in 0..3 {
            story.speak(700);
            story.listen(1_700);
        }
        story.trace
    };
    assert!(story(11) == story(11));
    assert!(story(11) != story(12));
}
