//! What comes of rings and texts that do not come through: nobody is given up for it, nobody loses their place by it, and whoever is served
//! elsewhere is left alone.

use std::time::Duration;

use ringback::core::callback::effect::{Effect, Seen};
use ringback::core::callback::input::{
    Input, LookedUp, Models, RingOutcome, RingStatus, TextOutcome, TextRefusal,
};
use ringback::core::callback::promise::{End, SendId, Stage, Why};
use ringback::core::callback::settings::Settings;
use ringback::core::ids::{CallSid, MessageSid, PromiseId};

use crate::stories::Desk;

pub(crate) const BACK: Models = Models::Back {
    ring_every: Duration::from_secs(1),
    ringing_max: 20,
};

pub(crate) fn message(n: u64) -> MessageSid {
    MessageSid::parse(&format!("SM{n:032x}")).unwrap()
}

pub(crate) fn promise(n: u64) -> PromiseId {
    PromiseId::from_bits(n.into())
}

/// The name of a ring that is requested in these effects.
pub(crate) fn ring_in(effects: &[Effect]) -> Option<SendId> {
    effects.iter().find_map(|effect| {
        if let Effect::Ring(ring) = effect {
            Some(ring.send)
        } else {
            None
        }
    })
}

/// The name of a text that is requested in these effects.
pub(crate) fn text_in(effects: &[Effect]) -> Option<SendId> {
    effects.iter().find_map(|effect| {
        if let Effect::Text(text) = effect {
            Some(text.send)
        } else {
            None
        }
    })
}

/// The name of a text or ring that is looked up in these effects.
pub(crate) fn look_up_in(effects: &[Effect]) -> Option<SendId> {
    effects.iter().find_map(|effect| {
        if let Effect::LookUpText { send, .. } | Effect::LookUpRing { send, .. } = effect {
            Some(*send)
        } else {
            None
        }
    })
}

/// How a promise has ended in these effects.
pub(crate) fn ended_in(effects: &[Effect]) -> Option<End> {
    effects.iter().find_map(|effect| {
        if let Effect::Observe(Seen::Ended(_, end)) = effect {
            Some(*end)
        } else {
            None
        }
    })
}

/// Lets time pass until something is found in what is wanted, at most so long.
pub(crate) fn until<T>(
    desk: &mut Desk,
    most: Duration,
    found: impl Fn(&[Effect]) -> Option<T>,
) -> Option<T> {
    let end = desk.now + most;
    while desk.now < end {
        let effects = desk.pass(Duration::from_millis(500));
        if let Some(found) = found(&effects) {
            return Some(found);
        }
    }
    None
}

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// A promise whose text was taken on.
pub(crate) fn texted(desk: &mut Desk, n: u64) {
    let wanted = desk.wanted(n);
    let effects = desk.tell(wanted);
    if text_in(&effects).is_none() {
        until(desk, HOUR, text_in).unwrap();
    }
    let accepted = TextOutcome::Accepted(message(n));
    desk.tell(Input::Texted(SendId::text(promise(n)), accepted));
}

#[test]
fn rings_that_were_never_taken_on_do_not_count_as_rings_that_nobody_answered() {
    let mut desk = Desk::new(Settings::default());
    texted(&mut desk, 1);
    desk.tell(Input::Models(BACK));
    let mut requested = Vec::new();
    for _ in 0..5 {
        let ring = until(&mut desk, HOUR, ring_in).expect("it is rung again");
        requested.push(ring);
        desk.tell(Input::Rung(ring, RingOutcome::Unknown));
        for _ in 0..2 {
            until(&mut desk, HOUR, look_up_in).expect("it is looked up");
            let effects = desk.tell(Input::RingLookedUp(ring, LookedUp::NotFound));
            assert_eq!(ended_in(&effects), None);
        }
    }
    let first = SendId::ring(promise(1), 1);
    assert!(
        requested.iter().all(|ring| *ring == first),
        "the first ring"
    );
    for number in 1..=3 {
        let ring = until(&mut desk, HOUR, ring_in).expect("it is rung again");
        assert_eq!(ring, SendId::ring(promise(1), number));
        let sid = CallSid::parse(&format!("CA{number:032x}")).unwrap();
        desk.tell(Input::Rung(ring, RingOutcome::Accepted(sid)));
        let effects = desk.tell(Input::RingStatus(ring, sid, RingStatus::Nobody));
        let over = (number == 3).then_some(End::GaveUp(Why::Unanswered));
        assert_eq!(ended_in(&effects), over, "after ring {number}");
    }
}

#[test]
fn before_all_is_restored_no_ring_is_called_off() {
    let mut desk = Desk::not_ready(Settings::default());
    let ring = SendId::ring(promise(1), 1);
    let sid = CallSid::parse(&format!("CA{:032x}", 1)).unwrap();
    let rings = Input::RingStatus(ring, sid, RingStatus::Ringing);
    let called_off = |effects: Vec<Effect>| effects.contains(&Effect::CancelRing(sid));
    assert!(!called_off(desk.tell(rings.clone())));
    desk.tell(Input::Ready);
    assert!(called_off(desk.tell(rings)), "it is nobody's");
}

#[test]
fn while_the_carrier_wants_a_rest_nobody_is_tried_in_vain_and_nobody_loses_their_place() {
    const REST: Duration = Duration::from_secs(20);
    let mut desk = Desk::new(Settings::default());
    for n in 1..=3 {
        texted(&mut desk, n);
    }
    desk.pass(Duration::from_mins(1));
    let effects = desk.tell(Input::Models(BACK));
    let first = SendId::ring(promise(1), 1);
    assert_eq!(ring_in(&effects), Some(first));
    let effects = desk.tell(Input::Rung(first, RingOutcome::Held(REST)));
    assert_eq!(ring_in(&effects), None);
    let effects = desk.pass(REST.saturating_sub(Duration::from_secs(1)));
    assert_eq!(ring_in(&effects), None, "it rests");
    assert_eq!(until(&mut desk, HOUR, ring_in), Some(first));

    let wanted = desk.wanted(4);
    assert!(text_in(&desk.tell(wanted)).is_some());
    let held = Input::Texted(SendId::text(promise(4)), TextOutcome::Held(REST));
    assert!(text_in(&desk.tell(held)).is_none());
    let wanted = desk.wanted(5);
    assert!(text_in(&desk.tell(wanted)).is_none(), "it rests");
    let next = until(&mut desk, HOUR, text_in);
    assert_eq!(next, Some(SendId::text(promise(4))));
}

#[test]
fn a_look_up_that_did_not_leave_says_nothing_of_the_carrier() {
    let mut desk = Desk::new(Settings::default());
    let wanted = desk.wanted(1);
    assert!(text_in(&desk.tell(wanted)).is_some());
    let send = SendId::text(promise(1));
    desk.tell(Input::Texted(send, TextOutcome::Unknown));
    for _ in 0..20 {
        until(&mut desk, HOUR, look_up_in).expect("it is looked up");
        let rest = LookedUp::NotAsked(Duration::from_secs(1));
        desk.tell(Input::TextLookedUp(send, rest));
    }
    let mut effects = Vec::new();
    for _ in 0..2 {
        until(&mut desk, HOUR, look_up_in).expect("it is looked up");
        effects = desk.tell(Input::TextLookedUp(send, LookedUp::NotFound));
    }
    assert!(
        text_in(&effects).is_some(),
        "it was lost, and is texted again"
    );
}

#[test]
fn who_cannot_be_texted_for_long_is_rung_when_models_are_back() {
    let mut desk = Desk::new(Settings::default());
    let wanted = desk.wanted(1);
    let mut effects = desk.tell(wanted);
    desk.tell(Input::Models(BACK));
    let end = desk.now + Duration::from_mins(17);
    let mut ring = None;
    while desk.now < end && ring.is_none() {
        if text_in(&effects).is_some() {
            let later = TextOutcome::Refused(TextRefusal::Later);
            desk.tell(Input::Texted(SendId::text(promise(1)), later));
        }
        effects = desk.pass(Duration::from_secs(1));
        ring = ring_in(&effects);
    }
    assert!(desk.now > Duration::from_mins(15), "the text has its time");
    assert_eq!(ring, Some(SendId::ring(promise(1), 1)));
}

#[test]
fn what_was_requested_long_before_a_restart_is_sought_at_once_and_once() {
    let mut desk = Desk::new(Settings::default());
    let wanted = desk.wanted(1);
    assert!(text_in(&desk.tell(wanted)).is_some());
    let kept = desk.ledger.promises().next().unwrap().clone();
    assert!(matches!(kept.stage, Stage::Texting { .. }));
    let mut next = Desk::not_ready(Settings::default());
    next.now = desk.now + Duration::from_mins(3);
    next.tell(Input::Restored(Box::new(kept), 1));
    next.tell(Input::Ready);
    until(&mut next, Duration::from_secs(6), look_up_in).expect("it is looked up soon");
    let send = SendId::text(promise(1));
    let effects = next.tell(Input::TextLookedUp(send, LookedUp::NotFound));
    assert!(
        text_in(&effects).is_some(),
        "it was lost, and is texted again"
    );
}

/// Rings whoever is to be rung until nothing more comes of it; nobody picks up. Who was rung, in order.
fn ring_in_vain(desk: &mut Desk, effects: Vec<Effect>, rings: &mut Vec<SendId>) {
    let mut effects = effects;
    while let Some(effect) = effects.pop() {
        let more = match effect {
            Effect::Text(text) => {
                let sid = message(u64::try_from(rings.len()).unwrap());
                desk.tell(Input::Texted(text.send, TextOutcome::Accepted(sid)))
            }
            Effect::Ring(ring) => {
                rings.push(ring.send);
                let sid = format!("CA{:032x}", rings.len());
                let sid = CallSid::parse(&sid).unwrap();
                desk.tell(Input::Rung(ring.send, RingOutcome::Accepted(sid)));
                desk.tell(Input::RingStatus(ring.send, sid, RingStatus::Nobody))
            }
            Effect::Write(..)
            | Effect::Tell(..)
            | Effect::LookUpText { .. }
            | Effect::LookUpRing { .. }
            | Effect::CancelRing(_)
            | Effect::Answer(..)
            | Effect::CheckTime
            | Effect::Observe(_) => Vec::new(),
        };
        effects.extend(more);
    }
}

#[test]
fn whoever_was_not_rung_yet_is_rung_before_whoever_did_not_pick_up() {
    const CALLERS: u64 = 20;
    let mut desk = Desk::new(Settings {
        ring_again_after: Duration::from_mins(6),
        ..Settings::default()
    });
    let mut rings = Vec::new();
    for n in 0..CALLERS {
        let wanted = desk.wanted(n);
        let effects = desk.tell(wanted);
        ring_in_vain(&mut desk, effects, &mut rings);
    }
    let effects = desk.pass(Duration::from_mins(10));
    ring_in_vain(&mut desk, effects, &mut rings);
    assert!(rings.is_empty(), "models are out");
    let models = Models::Back {
        ring_every: Duration::from_mins(1),
        ringing_max: 20,
    };
    let effects = desk.tell(Input::Models(models));
    ring_in_vain(&mut desk, effects, &mut rings);
    for _ in 0..2_000 {
        let effects = desk.pass(Duration::from_secs(2));
        ring_in_vain(&mut desk, effects, &mut rings);
    }
    let ring = |number| move |n: u64| SendId::ring(PromiseId::from_bits(n.into()), number);
    let first = (0..CALLERS).map(ring(1));
    let second = (0..CALLERS).map(ring(2));
    let expected: Vec<_> = first.chain(second).collect();
    assert_eq!(rings.get(..expected.len()), Some(&*expected));
}
