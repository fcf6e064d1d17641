use std::time::Duration;

use super::*;
use crate::config::{ConsentPolicy, Sender};
use crate::core::callback::settings::Settings;
use crate::core::region::claim::ClaimSettings;
use crate::zones::Daily;

pub(super) fn settings() -> config::Callbacks {
    config::Callbacks {
        ledger: Settings::default(),
        sender: Sender::Called,
        sends_texts: true,
        consent: ConsentPolicy::Ask,
        hours: Daily::default(),
        zone: "Europe/Paris".to_owned(),
        texts_per_second: 1,
        rings_per_second: 1,
        ringing_max: 10,
        detects_machines: true,
        ring_seconds: 25,
        talk_max: Duration::from_mins(30),
        durability: config::PromiseDurability::Disk,
        claims: ClaimSettings::default(),
    }
}

fn callbacks() -> Callbacks {
    Callbacks::new(settings()).unwrap()
}

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

fn wish<'a>() -> Wish<'a> {
    Wish {
        call: CallId::from_bits(1),
        called: number("+14155550100"),
        caller: Some(number("+14155550199")),
        verstat: Some("TN-Validation-Passed-A"),
        keyed: None,
        language: "en-US",
        consent: Consent::Given,
    }
}

#[test]
fn how_a_number_became_known_decides_how_far_it_is_trusted() {
    let callbacks = callbacks();
    let wanted = |wish: &Wish<'_>| {
        callbacks
            .wanted(wish)
            .map(|wanted| (wanted.source, wanted.to))
    };
    let own = number("+14155550199");
    assert_eq!(wanted(&wish()), Some((Source::CallerId, own)));
    let verstat = Some("TN-Validation-Failed-C");
    let doubted = Wish { verstat, ..wish() };
    assert_eq!(wanted(&doubted), Some((Source::Doubted, own)));
    let keyed = Some("4155550123");
    let other = Wish { keyed, ..wish() };
    let there = number("+14155550123");
    assert_eq!(wanted(&other), Some((Source::KeyedIn, there)));
    // Who keys in the number that they call from says nothing new, and nothing that the network does not doubt.
    let keyed = Some("4155550199");
    let same = Wish { keyed, ..doubted };
    assert_eq!(wanted(&same), Some((Source::Doubted, own)));
    let caller = None;
    let withheld = Wish { caller, ..wish() };
    assert_eq!(wanted(&withheld), None);
    let withheld_and_keyed = Wish { caller, ..other };
    assert_eq!(wanted(&withheld_and_keyed), Some((Source::KeyedIn, there)));
    let keyed = Some("12");
    let nonsense = Wish { keyed, ..wish() };
    assert_eq!(wanted(&nonsense), None);
}

#[tokio::test]
async fn who_has_no_number_or_finds_no_room_is_told_so_at_once() {
    let callbacks = callbacks();
    let caller = None;
    let nobody = callbacks.want(&Wish { caller, ..wish() });
    assert_eq!(nobody.await, Ok(Told::Cannot(Cannot::Destination)));
    // Nobody takes anything out.
    let mut waiting = Vec::new();
    for _ in 0..INBOX_MAX {
        waiting.push(callbacks.want(&wish()));
    }
    let late = callbacks.want(&wish()).await;
    assert_eq!(late, Ok(Told::Cannot(Cannot::StoreSlow)));
    assert!(
        !callbacks.heard(Input::Tick),
        "nor is there room for others"
    );
    let looked = callbacks.look(None, Duration::from_secs(20)).await;
    assert_eq!(looked.map(|view| view.open), Err(NoAnswer));
}

#[tokio::test]
async fn who_waits_for_a_task_that_is_gone_is_told_so() {
    let callbacks = callbacks();
    let wish = callbacks.want(&wish());
    drop(callbacks.take_inbox());
    assert!(wish.await.is_err(), "the channel closes");
    let number = number("+14155550199");
    let forgotten = callbacks.forget(number, Duration::from_secs(20)).await;
    assert_eq!(forgotten, Err(NoAnswer));
}
