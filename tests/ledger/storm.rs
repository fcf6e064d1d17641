//! Ten thousand promises in a minute: kept, in their order, at the throttle's pace, in bounded memory.

use std::time::Duration;

use ringback::core::callback::effect::{Cannot, Effect, Told};
use ringback::core::callback::input::{Input, Models, RingOutcome, RingStatus, TextOutcome};
use ringback::core::callback::promise::SendId;
use ringback::core::callback::settings::{CapSettings, Settings};
use ringback::core::ids::{CallSid, MessageSid, PromiseId};

use crate::stories::Desk;

pub(crate) const STORM: u64 = 10_000;

pub(crate) fn open_handed() -> Settings {
    Settings {
        text_every: Duration::from_millis(10),
        caps: CapSettings {
            per_prefix: 100_000,
            cents: 100_000_000,
            ..CapSettings::default()
        },
        ..Settings::default()
    }
}

#[test]
fn ten_thousand_promises_in_a_minute_are_kept_in_their_order() {
    let mut desk = Desk::new(open_handed());
    let (mut texts, mut rings) = (Vec::new(), Vec::new());
    let mut promised = 0;
    let mut sids = 0_u64;
    let mut turn = |desk: &mut Desk, effects: Vec<Effect>| {
        let mut effects = effects;
        while let Some(effect) = effects.pop() {
            sids += 1;
            let more = match effect {
                Effect::Text(text) => {
                    texts.push((desk.now, text.send));
                    let sid = MessageSid::parse(&format!("SM{sids:032x}")).unwrap();
                    desk.tell(Input::Texted(text.send, TextOutcome::Accepted(sid)))
                }
                Effect::Ring(ring) => {
                    rings.push(ring.send);
                    let sid = CallSid::parse(&format!("CA{sids:032x}")).unwrap();
                    desk.tell(Input::Rung(ring.send, RingOutcome::Accepted(sid)));
                    desk.tell(Input::RingStatus(ring.send, sid, RingStatus::Person));
                    desk.tell(Input::RingStatus(ring.send, sid, RingStatus::Completed))
                }
                Effect::Tell(_, told) => {
                    assert!(matches!(told, Told::Promised { .. }), "{told:?}");
                    promised += 1;
                    Vec::new()
                }
                Effect::Write(..)
                | Effect::LookUpText { .. }
                | Effect::LookUpRing { .. }
                | Effect::CancelRing(_)
                | Effect::Answer(..)
                | Effect::CheckTime
                | Effect::Observe(_) => Vec::new(),
            };
            effects.extend(more);
        }
    };
    for n in 0..STORM {
        let wanted = desk.wanted(n);
        let effects = desk.tell(wanted);
        turn(&mut desk, effects);
        let effects = desk.pass(Duration::from_millis(6));
        turn(&mut desk, effects);
    }
    for _ in 0..60_000 {
        let effects = desk.pass(Duration::from_millis(10));
        turn(&mut desk, effects);
    }
    let models = Models::Back {
        ring_every: Duration::from_millis(50),
        ringing_max: 20,
    };
    let effects = desk.tell(Input::Models(models));
    turn(&mut desk, effects);
    for _ in 0..60_000 {
        let effects = desk.pass(Duration::from_millis(50));
        turn(&mut desk, effects);
    }
    assert_eq!(promised, STORM);
    let all = || (0..STORM).map(|n| PromiseId::from_bits(n.into()));
    let in_order: Vec<_> = all().map(SendId::text).collect();
    assert!(texts.iter().map(|(_, send)| *send).eq(in_order), "texts");
    let in_order: Vec<_> = all().map(|id| SendId::ring(id, 1)).collect();
    assert!(rings == in_order, "rings");
    // They are seen a tick late: over a hundred of them that does not matter.
    let spans = texts
        .windows(101)
        .map(|some| some[100].0.saturating_sub(some[0].0));
    let is_in_time = spans.min() >= Some(Duration::from_millis(980));
    assert!(is_in_time, "two texts at once");
    assert_eq!(desk.ledger.open(), 0);
}

#[test]
fn nothing_is_promised_whose_text_would_come_too_late_nor_more_than_is_kept_in_memory() {
    for (settings, kept, why) in [
        (
            Settings {
                text_every: Duration::from_secs(1),
                ..open_handed()
            },
            901,
            Cannot::QueueLong,
        ),
        (
            Settings {
                promises_max: 50,
                ..open_handed()
            },
            50,
            Cannot::Full,
        ),
    ] {
        let mut desk = Desk::new(settings);
        let mut told = Vec::new();
        for n in 0..1_000 {
            let wanted = desk.wanted(n);
            let effects = desk.tell(wanted);
            told.extend(effects.into_iter().filter_map(|effect| {
                if let Effect::Tell(_, told) = effect {
                    Some(told)
                } else {
                    None
                }
            }));
        }
        let promised = told
            .iter()
            .filter(|told| matches!(told, Told::Promised { .. }))
            .count();
        assert_eq!(promised, kept);
        assert_eq!(told.last(), Some(&Told::Cannot(why)));
    }
}
