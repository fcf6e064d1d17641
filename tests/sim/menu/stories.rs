//! Streams that come back into the menu, told as one caller's stories.

use std::sync::Arc;
use std::time::Duration;

use loadtest::recording::Then;
use ringback::core::call::CallSettings;
use ringback::core::call::checkpoint::{CallBack, Checkpoint, Origin};
use ringback::core::call::effect::EndReason;
use ringback::core::call::input::Input;
use ringback::core::call::menu::{Caller, Menu, Promised};
use ringback::core::call::prompt::Prompt;

use super::callers::{keys, recording, silent};
use super::desk::{DeskSetup, Seen};
use crate::setup::{Interlude, Life, Setup};
use crate::world::World;

const ALL: Menu = Menu {
    call_back: true,
    person: true,
    message: true,
    ..Menu::NOTHING
};

/// A caller who presses these keys when the first words are heard, and no model is there.
fn pressing(typed: &str, menu: Menu) -> Setup {
    let calm = super::setup(1);
    let stays = silent(Then::Pause(Duration::from_mins(15)));
    let acts = match typed {
        "" => vec![stays],
        typed => vec![keys(typed.into()), stays],
    };
    Setup {
        recording: Arc::new(recording(Then::Wait, acts)),
        interludes: vec![(Duration::ZERO, Interlude::AllIsolated)],
        call: CallSettings {
            menu,
            ..calm.call.clone()
        },
        carrier: loadtest::carrier::CarrierSettings {
            call_max_ms: 600_000,
            frames_in_silence: true,
            ..calm.carrier.clone()
        },
        desk: DeskSetup {
            caller: Caller::Textable,
            promises: vec![(Duration::ZERO, Some(Promised::Kept { asks: false }))],
            ..DeskSetup::default()
        },
        ..calm
    }
}

fn resumed(setup: Setup, origin: Origin, call_back: CallBack) -> Life {
    let mut world = World::new(setup);
    let checkpoint = Checkpoint {
        call_back,
        ..Checkpoint::default()
    };
    world.input(Input::Resumed(origin, Box::new(checkpoint)));
    world.live()
}

fn words(life: &Life) -> Vec<Prompt> {
    let prompts = life.menu.iter().filter_map(|(_, seen)| match seen {
        Seen::Prompted(prompt) => Some(*prompt),
        _ => None,
    });
    prompts.collect()
}

#[test]
fn who_was_promised_a_call_hears_no_menu_again() {
    let life = resumed(pressing("1", ALL), Origin::LineLost, CallBack::Promised);
    assert_eq!(words(&life), [Prompt::AlreadyPromised]);
    assert_eq!(life.reason, Some(EndReason::Promised));
    assert!(life.legs.is_empty(), "no model is dialled for a goodbye");
}

#[test]
fn who_is_texted_and_not_rung_before_yes_hears_of_no_ring_not_even_on_a_line_that_comes_back() {
    for answer in [
        Promised::Kept { asks: true },
        Promised::Already { asks: true },
    ] {
        let mut setup = pressing("1", ALL);
        setup.desk.promises = vec![(Duration::ZERO, Some(answer))];
        let life = World::new(setup).live();
        assert_eq!(words(&life).last(), Some(&Prompt::TextSent), "{answer:?}");
        assert_eq!(life.reason, Some(EndReason::Promised));
    }
    let life = resumed(pressing("1", ALL), Origin::LineLost, CallBack::Texted);
    assert_eq!(words(&life), [Prompt::TextSent]);
    assert_eq!(life.reason, Some(EndReason::Promised));
}

#[test]
fn a_promise_that_may_be_kept_is_not_asked_for_again() {
    let life = resumed(pressing("1", ALL), Origin::LineLost, CallBack::Asked);
    let wishes = |(_, seen): &&(Duration, Seen)| matches!(seen, Seen::Wish(_));
    assert_eq!(life.menu.iter().filter(wishes).count(), 0);
    assert_eq!(
        life.reason,
        Some(EndReason::Transferred),
        "a person is what is left"
    );
}

#[test]
fn who_could_not_be_connected_is_offered_the_rest() {
    let life = resumed(pressing("1", ALL), Origin::TransferFailed, CallBack::Open);
    assert_eq!(
        words(&life),
        [Prompt::TransferFailed, Prompt::Busy, Prompt::Promised]
    );
    let only_person = Menu {
        person: true,
        ..Menu::NOTHING
    };
    let setup = pressing("", only_person);
    let life = resumed(setup, Origin::TransferFailed, CallBack::Open);
    assert_eq!(words(&life), [Prompt::TransferFailed, Prompt::Goodbye]);
    assert_eq!(life.reason, Some(EndReason::Apologized));
}

#[test]
fn a_ring_back_begins_with_words_of_its_own_and_may_promise_again() {
    let life = resumed(pressing("1", ALL), Origin::RingBack, CallBack::Promised);
    assert_eq!(words(&life)[..2], [Prompt::RingBack, Prompt::Apology]);
}

#[test]
fn with_nothing_on_offer_the_caller_hears_the_apology_alone() {
    let life = World::new(pressing("1", Menu::NOTHING)).live();
    assert_eq!(life.reason, Some(EndReason::Apologized));
}

#[test]
fn silence_is_no_yes_where_the_business_asks() {
    let only_call_back = Menu {
        call_back: true,
        ..Menu::NOTHING
    };
    let life = World::new(pressing("", only_call_back)).live();
    assert_eq!(words(&life), [Prompt::Busy, Prompt::Busy, Prompt::Goodbye]);
    let implied = Menu {
        consent: ringback::core::call::menu::Consent::Implied,
        ..only_call_back
    };
    let life = World::new(pressing("", implied)).live();
    assert_eq!(words(&life), [Prompt::Busy, Prompt::Busy, Prompt::Promised]);
}
