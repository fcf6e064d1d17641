//! Single calls, one for each row of the table of failure modes, whose whole story is told and kept.
//!
//! A scenario is named as its row. Its story is `scenarios/stories/<name>.txt`; `RINGBACK_SIM_STORIES=write` writes the stories
//! anew, for somebody to read the difference.

mod at_the_dial;
mod beside_the_provider;
mod in_the_session;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loadtest::carrier::{Answer, CarrierSettings};
use loadtest::model::faults::{FaultRow, What, When};
use loadtest::model::outages::{Trouble, Window};
use loadtest::model::settings::{Between, ModelSettings};
use loadtest::recording::{Recording, Then};
use ringback::core::call::CallSettings;
use ringback::core::call::prompt::Greeting;

use crate::checkers::judge_any;
use crate::setup::{Setup, ladder, prompts};
use crate::story::story;
use crate::swarm;
use crate::world::World;

/// A short call to a dentist, with two providers one below the other; both are well.
fn calm() -> Setup {
    let mut recording = Recording::builtin("reschedule").unwrap();
    recording.caller.remove(2);
    assert_eq!(recording.caller[2].then, Then::HangUp);
    let fixed = |ms| Between::new(ms, ms);
    let model = ModelSettings {
        handshake_delay_ms: fixed(40),
        created_delay_ms: fixed(30),
        updated_delay_ms: fixed(40),
        response_delay_ms: fixed(30),
        answer_delay_ms: fixed(400),
        transcription_delay_ms: fixed(300),
        delta_ms: fixed(200),
        speed_min: 1.5,
        speed_max: 1.5,
        unaligned_share: 0.0,
        several_items_share: 0.0,
        ..ModelSettings::default()
    };
    let one_ms = Duration::from_millis(1);
    Setup {
        recording: Arc::new(recording),
        carrier: CarrierSettings {
            record: false,
            answer: Answer::Stamped,
            play_out_delay_ms: [100, 100],
            echo_delay_ms: [40, 40],
            ..CarrierSettings::default()
        },
        models: vec![model.clone(), model],
        policy: ladder(2),
        call: CallSettings {
            prompts: prompts(Greeting::Spoken),
            ..CallSettings::default()
        },
        latency: (one_ms, one_ms),
        ..swarm::setup(1)
    }
}

/// The first provider's sessions have this fault.
fn faulty(when: When, what: What) -> Setup {
    let share = 1.0;
    troubled(Trouble::Session(FaultRow { when, what, share }))
}

/// The first provider has this trouble as a whole.
fn troubled(trouble: Trouble) -> Setup {
    let mut setup = calm();
    setup.models[0].house_faults.0.push(Window::new(0, trouble));
    setup
}

/// In the middle of the answer to the caller's first turn.
const MID_ANSWER: When = When::MidResponse {
    response: 2,
    audio_ms: 1_500,
};

/// When the caller has said the first turn, before it is answered.
const ASKED: When = When::TurnEnd(1);

/// While the caller says the first turn.
const SPEAKING: When = When::SpeechStart(1);

/// Lives the call, judges it, and compares its story with the one that is kept; it must hold each of these words.
fn tell(name: &str, setup: &Setup, words: &[&str]) {
    let life = World::new(setup.clone()).live();
    let told = story(setup, &life);
    let findings = judge_any(setup, &life);
    assert!(findings.is_empty(), "{findings:?}\n{told}");
    for word in words {
        assert!(told.contains(word), "no {word:?} in\n{told}");
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/sim/scenarios/stories")
        .join(name)
        .with_extension("txt");
    if std::env::var("RINGBACK_SIM_STORIES").is_ok_and(|what| what == "write") {
        std::fs::write(&kept, &told).unwrap();
    }
    let before = std::fs::read_to_string(&kept).unwrap_or_default();
    assert!(
        before == told,
        "the story is not the one in {}; now it is\n{told}\nif that is right: RINGBACK_SIM_STORIES=write",
        kept.display()
    );
}
