//! What is no fault of a session's: the carrier's, an operator's, or that nobody is left.

use std::sync::Arc;
use std::time::Duration;

use loadtest::model::outages::{Trouble, Window};
use loadtest::recording::Then;
use ringback::core::call::menu::{Caller, Menu, Promised};

use super::{calm, tell};
use crate::setup::{Interlude, Setup, ladder};

/// While the caller hears the answer to the first turn.
const IN_THE_MIDDLE: Duration = Duration::from_secs(9);

fn with(at: Duration, interlude: Interlude) -> Setup {
    Setup {
        interludes: vec![(at, interlude)],
        ..calm()
    }
}

#[test]
fn carrier_gone() {
    let setup = with(IN_THE_MIDDLE, Interlude::CarrierGone);
    tell("carrier_gone", &setup, &["is over: carrier_gone"]);
}

#[test]
fn carrier_silent() {
    let setup = with(IN_THE_MIDDLE, Interlude::CarrierSilent);
    tell("carrier_silent", &setup, &["is over: carrier_silent"]);
}

#[test]
fn carrier_stuck() {
    let setup = with(IN_THE_MIDDLE, Interlude::CarrierStuck);
    tell("carrier_stuck", &setup, &["is over: carrier_stuck"]);
}

#[test]
fn drained() {
    let setup = with(IN_THE_MIDDLE, Interlude::Drain);
    tell("drained", &setup, &["is over: drained"]);
}

#[test]
fn breakers_open() {
    let setup = with(Duration::ZERO, Interlude::AllIsolated);
    let words = ["finds nobody to dial: open", "plays the apology"];
    tell("breakers_open", &setup, &words);
}

#[test]
fn nobody_left() {
    let mut setup = calm();
    for model in &mut setup.models {
        let down = Window::new(5_000, Trouble::Down);
        let dead = Window::new(
            5_000,
            Trouble::Kill {
                with: loadtest::model::outages::With::Cut,
                spread_ms: 0,
            },
        );
        model.house_faults.0.extend([down, dead]);
    }
    tell("nobody_left", &setup, &["plays the apology"]);
}

#[test]
fn only_one_provider() {
    let mut setup = calm();
    setup.policy = ladder(1);
    setup.models.truncate(1);
    let dead = Trouble::Kill {
        with: loadtest::model::outages::With::Cut,
        spread_ms: 0,
    };
    setup.models[0]
        .house_faults
        .0
        .push(Window::new(9_000, dead));
    let words = ["goes on with provider-1"];
    tell("only_one_provider", &setup, &words);
}

/// Nobody to dial from the beginning; the caller presses 1 when the offer was heard.
fn with_menu() -> Setup {
    let mut setup = with(Duration::ZERO, Interlude::AllIsolated);
    setup.call.menu = Menu {
        call_back: true,
        person: true,
        message: true,
        ..Menu::default()
    };
    setup.desk.caller = Caller::Textable;
    let recording = Arc::make_mut(&mut setup.recording);
    recording.caller.truncate(1);
    recording.caller[0].line.audio.clear();
    recording.caller[0].line.text.clear();
    recording.caller[0].then = Then::Keys("1".into());
    setup.carrier.patience_ms = 60_000;
    setup
}

#[test]
fn promised_a_call() {
    let mut setup = with_menu();
    let kept = Promised::Kept { asks: false };
    setup.desk.promises = vec![(Duration::from_millis(40), Some(kept))];
    let words = ["plays promised", "is over: promised"];
    tell("promised_a_call", &setup, &words);
}

#[test]
fn promise_unanswered() {
    let words = ["call back: unanswered", "is over: transferred"];
    tell("promise_unanswered", &with_menu(), &words);
}

#[test]
fn back_in_the_menu() {
    let mut setup = with_menu();
    setup
        .interludes
        .push((Duration::from_secs(3), Interlude::ModelsBack));
    setup.recording = calm().recording;
    tell("back_in_the_menu", &setup, &["goes on with provider-1"]);
}
