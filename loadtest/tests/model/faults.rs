//! Sessions that go wrong as they were told to.

use std::time::Duration;

use loadtest::model::faults::{FaultRow, Faults, What, When};
use loadtest::model::settings::ModelSettings;
use loadtest::peer::{Action, Peer as _};
use serde_json::{Value, json};

use crate::driver::{Story, line, mulaw, plain};

fn with(when: When, what: What) -> ModelSettings {
    let share = 1.0;
    ModelSettings {
        faults: Faults(vec![FaultRow { when, what, share }]),
        ..plain()
    }
}

/// What the session does at the time of a fault that is told by the clock.
fn at_two_seconds(what: What) -> Vec<Action> {
    let mut story = Story::ready(with(When::AfterMs(2_000), what), vec![], 1);
    story.run_for(Duration::from_secs(4));
    assert_eq!(story.session.report().faults, 1);
    let trace = story.trace.into_iter();
    let due = trace.filter(|(at, _)| *at == Duration::from_secs(2));
    due.map(|(_, action)| action).collect()
}

#[test]
fn messages_are_broken_when_they_are_told_to_be() {
    for what in [What::Garbage, What::HalfMessage] {
        let sent = at_two_seconds(what);
        let [Action::Send(text)] = sent.as_slice() else {
            panic!("{what:?}: {sent:?}");
        };
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
    }
    let sent = at_two_seconds(What::Binary);
    assert!(matches!(sent.as_slice(), [Action::SendBinary(_)]));
    let sent = at_two_seconds(What::BadBase64);
    assert!(matches!(sent.as_slice(), [Action::Send(text)] if text.contains("output_audio.delta")));
    let sent = at_two_seconds(What::Oversize { bytes: 1 << 20 });
    assert!(matches!(sent.as_slice(), [Action::Send(text)] if text.len() > 1 << 20));
}

#[test]
fn a_session_breaks_in_the_middle_of_its_second_answer() {
    let when = When::MidResponse {
        response: 2,
        audio_ms: 1_000,
    };
    for (what, last) in [
        (What::Cut, Action::Cut),
        (
            What::Close { code: 1011 },
            Action::Close {
                code: 1011,
                reason: String::new(),
            },
        ),
    ] {
        let mut story = Story::ready(with(when, what), vec![line("Well, well.", 5_000)], 2);
        story.client(json!({"type": "response.create"}));
        story.wait_for("response.done");
        story.client(json!({"type": "response.create"}));
        story.run_for(Duration::from_secs(20));
        assert_eq!(story.trace.last().unwrap().1, last);
        assert!(story.session.is_over());
        assert_eq!(story.session.deadline(), None);
        assert_eq!(story.all("response.done").len(), 1);
        let second = story.audio().into_values().nth(1).unwrap();
        assert!((8_000..12_000).contains(&second.len()), "{}", second.len());
        let sent = story.trace.len();
        story.client(json!({"type": "response.create"}));
        assert_eq!(story.trace.len(), sent, "it is dead");
    }
}

#[test]
fn a_flood_is_faster_than_twenty_times_real_time_for_ten_seconds() {
    let mid_response = When::MidResponse {
        response: 1,
        audio_ms: 500,
    };
    for when in [When::AfterMs(1_000), mid_response] {
        let flood = What::Flood {
            speed: 30,
            lasts_ms: 10_000,
        };
        let script = vec![line("Again and again.", 3_000)];
        let mut story = Story::ready(with(when, flood), script, 3);
        if when == mid_response {
            story.client(json!({"type": "response.create"}));
        }
        story.run_for(Duration::from_secs(16));
        let deltas = story.all("response.output_audio.delta");
        let took = deltas.last().unwrap().at.saturating_sub(deltas[0].at);
        let bytes: usize = deltas.iter().map(|event| mulaw(&event.body).len()).sum();
        let audio = Duration::from_millis(bytes as u64 / 8);
        assert!(took > Duration::from_secs(9), "{when:?}: {took:?}");
        assert!(audio > took * 20, "{when:?}: {audio:?} in {took:?}");
        assert_eq!(story.all("response.done").len(), 1, "{when:?}");
    }
}

#[test]
fn a_fault_happens_to_its_share_of_sessions() {
    let row = FaultRow {
        when: When::AfterMs(10),
        what: What::Cut,
        share: 0.3,
    };
    let hit = (0..200)
        .filter(|&seed| {
            let settings = ModelSettings {
                faults: Faults(vec![row.clone()]),
                ..plain()
            };
            let mut story = Story::new(settings, vec![], seed);
            story.run_for(Duration::from_secs(1));
            story.session.is_over()
        })
        .count();
    assert!((35..85).contains(&hit), "{hit} of 200");
}
