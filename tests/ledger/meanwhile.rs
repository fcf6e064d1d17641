//! What callers, operators and the carrier do while a write, a ring or a text of the same promise is under way.

use std::time::Duration;

use ringback::core::callback::effect::{Answer, Effect, Reply, Told, WriteId};
use ringback::core::callback::hours::{AllowedHours, Stretch};
use ringback::core::callback::input::{
    InboundText, Input, LookedUp, RingOutcome, RingStatus, Stored, TextOutcome, TextStatus,
};
use ringback::core::callback::intent::Intent;
use ringback::core::callback::number::Number;
use ringback::core::callback::promise::{End, SendId, Stage, Texted, Why};
use ringback::core::callback::settings::{CapSettings, Settings};
use ringback::core::ids::{CallId, CallSid, PromiseId};
use ringback::core::time::Utc;

use crate::lost::{
    BACK, HOUR, ended_in, look_up_in, message, promise, ring_in, text_in, texted, until,
};
use crate::stories::Desk;

/// The caller of this number writes so.
fn writes(desk: &Desk, n: u64, text: u64, intent: Intent<Utc>) -> Input {
    let from = Number::parse(&format!("+1555{:07}", 1_000_000 + n)).unwrap();
    let hours = AllowedHours::new([Stretch {
        from: desk.utc(),
        until: Utc::from_millis(desk.utc().millis() + 14 * 86_400_000),
    }]);
    Input::Text(Box::new(InboundText {
        message: message(text),
        from,
        intent,
        promise: PromiseId::from_bits(900 + u128::from(text)),
        hours,
    }))
}

/// The writes that are to be kept now.
fn to_keep(effects: &[Effect]) -> Vec<WriteId> {
    let mut writes = Vec::new();
    for effect in effects {
        if let Effect::Write(write, _) = effect {
            writes.push(*write);
        }
    }
    writes
}

/// Keeps them, and all that follow, one after the other; what is wanted beside.
fn keeps(desk: &mut Desk, writes: Vec<WriteId>) -> Vec<Effect> {
    let mut wanted = Vec::new();
    let mut writes = writes;
    while let Some(write) = writes.pop() {
        let effects = desk.ask(Input::Stored(write, Stored::Kept));
        writes.extend(to_keep(&effects));
        wanted.extend(effects);
    }
    wanted
}

fn in_hours(desk: &Desk, hours: u64) -> Utc {
    Utc::from_millis(desk.utc().millis() + hours * 3_600_000)
}

#[test]
fn who_was_rung_as_often_as_may_be_by_now_is_not_rung_once_more_after_a_restart() {
    let mut desk = Desk::new(Settings::default());
    texted(&mut desk, 1);
    let mut kept = desk.ledger.promises().next().unwrap().clone();
    let from = kept.promised;
    let text = Texted::Sent(message(1));
    kept.stage = Stage::Due {
        text,
        from,
        rings: 2,
    };
    let fewer = Settings {
        rings_max: 2,
        ..Settings::default()
    };
    let mut next = Desk::not_ready(fewer);
    next.tell(Input::Restored(Box::new(kept.clone()), 1));
    let mut effects = next.tell(Input::Ready);
    effects.extend(next.tell(Input::Models(BACK)));
    effects.extend(next.pass(HOUR));
    assert_eq!(ring_in(&effects), None);
    let unanswered = End::GaveUp(Why::Unanswered);
    assert_eq!(ended_in(&effects), Some(unanswered), "{effects:?}");
}

#[test]
fn a_ring_beyond_those_that_may_be_by_now_is_seen_to_its_end() {
    let mut desk = Desk::new(Settings::default());
    texted(&mut desk, 1);
    let mut kept = desk.ledger.promises().next().unwrap().clone();
    let sid = CallSid::parse(&format!("CA{:032x}", 7)).unwrap();
    kept.stage = Stage::Ringing {
        text: Texted::Sent(message(1)),
        rings: 3,
        call: Some(sid),
    };
    let mut next = Desk::not_ready(Settings {
        rings_max: 2,
        ..Settings::default()
    });
    next.tell(Input::Restored(Box::new(kept), 1));
    next.tell(Input::Ready);
    let ring = SendId::ring(promise(1), 3);
    let effects = next.tell(Input::RingStatus(ring, sid, RingStatus::Ringing));
    assert!(!effects.contains(&Effect::CancelRing(sid)), "it is ours");
    next.tell(Input::RingStatus(ring, sid, RingStatus::Person));
    let effects = next.tell(Input::RingStatus(ring, sid, RingStatus::Completed));
    assert_eq!(ended_in(&effects), Some(End::Done));
}

#[test]
fn who_asks_for_a_later_time_while_it_rings_at_the_end_of_the_promise_is_rung_then() {
    let mut desk = Desk::new(Settings::default());
    texted(&mut desk, 1);
    let almost = Settings::default().expires_after;
    desk.pass(
        almost
            .saturating_sub(Duration::from_secs(30))
            .saturating_sub(desk.now),
    );
    desk.tell(Input::Models(BACK));
    let ring = SendId::ring(promise(1), 1);
    let sid = CallSid::parse(&format!("CA{:032x}", 1)).unwrap();
    desk.tell(Input::Rung(ring, RingOutcome::Accepted(sid)));
    // Its time is over while it rings.
    desk.pass(Duration::from_secs(40));
    let wish = in_hours(&desk, 10);
    let at = writes(&desk, 1, 50, Intent::At(wish));
    let told = desk.tell(at);
    let reply = Answer::Reply(Reply::At(wish));
    assert!(
        told.contains(&Effect::Answer(message(50), reply)),
        "{told:?}"
    );
    desk.tell(Input::RingStatus(ring, sid, RingStatus::Nobody));
    let effects = desk.pass(Duration::from_mins(5));
    assert_eq!(ended_in(&effects), None, "it was prolonged");
    let second = until(&mut desk, 11 * HOUR, ring_in);
    assert_eq!(second, Some(SendId::ring(promise(1), 2)));
    assert!(desk.utc() >= wish);
}

#[test]
fn what_is_over_meanwhile_is_not_told_as_if_it_were_to_come() {
    let mut desk = Desk::new(Settings::default());
    texted(&mut desk, 1);
    let call = writes(&desk, 1, 51, Intent::Call);
    let mut writing = to_keep(&desk.ask(call.clone()));
    desk.now += Duration::from_millis(100);
    let late = desk.ask(Input::Tick);
    assert!(late.contains(&Effect::Answer(message(51), Answer::Again)));
    let stop = writes(&desk, 1, 52, Intent::Stop);
    writing.extend(to_keep(&desk.ask(stop)));
    keeps(&mut desk, writing);
    let soon = Effect::Answer(message(51), Answer::Reply(Reply::Soon));
    assert!(!desk.tell(call).contains(&soon), "they want nothing of us");
}

#[test]
fn a_text_that_turns_up_while_it_is_to_be_sent_again_is_not_sent_again() {
    let mut desk = Desk::new(Settings::default());
    let wanted = desk.wanted(1);
    assert!(text_in(&desk.tell(wanted)).is_some());
    let send = SendId::text(promise(1));
    desk.tell(Input::Texted(send, TextOutcome::Unknown));
    until(&mut desk, HOUR, look_up_in).expect("it is looked up");
    desk.tell(Input::TextLookedUp(send, LookedUp::NotFound));
    until(&mut desk, HOUR, look_up_in).expect("it is looked up");
    let again = desk.ask(Input::TextLookedUp(send, LookedUp::NotFound));
    // Back in line is kept; that it is about to be requested again is not yet.
    let mut writing = to_keep(&again);
    let mut effects = again;
    while text_in(&effects).is_none()
        && !desk
            .ledger
            .promises()
            .any(|it| matches!(it.stage, Stage::Texting { .. }))
    {
        let write = writing.pop().expect("it is on its way back");
        effects = desk.ask(Input::Stored(write, Stored::Kept));
        writing.extend(to_keep(&effects));
    }
    assert_eq!(text_in(&effects), None, "it is kept first");
    desk.ask(Input::TextStatus(send, message(1), TextStatus::Sent));
    let effects = keeps(&mut desk, writing);
    assert_eq!(text_in(&effects), None, "it is there");
    assert_eq!(text_in(&desk.pass(HOUR)), None);
}

#[test]
fn who_asks_for_a_later_time_while_the_ring_is_being_kept_is_not_rung_before() {
    let mut desk = Desk::new(Settings::default());
    texted(&mut desk, 1);
    desk.pass(Duration::from_mins(1));
    let effects = desk.ask(Input::Models(BACK));
    assert_eq!(ring_in(&effects), None, "it is kept first");
    let mut writing = to_keep(&effects);
    let wish = in_hours(&desk, 5);
    let at = writes(&desk, 1, 53, Intent::At(wish));
    writing.extend(to_keep(&desk.ask(at)));
    let effects = keeps(&mut desk, writing);
    assert_eq!(ring_in(&effects), None, "they have asked for a later time");
    assert!(until(&mut desk, 6 * HOUR, ring_in).is_some());
    assert!(desk.utc() >= wish);
}

#[test]
fn promises_that_nobody_was_told_of_do_not_count_as_promises() {
    let mut desk = Desk::new(Settings {
        caps: CapSettings {
            per_destination: 1,
            ..CapSettings::default()
        },
        ..Settings::default()
    });
    let wanted = desk.wanted(1);
    let writing = to_keep(&desk.ask(wanted.clone()));
    desk.now += Duration::from_millis(400);
    let late = desk.ask(Input::Tick);
    assert!(matches!(
        late.iter()
            .find(|effect| matches!(effect, Effect::Tell(..))),
        Some(Effect::Tell(_, Told::Cannot(_)))
    ));
    // It is kept after all, and ended.
    keeps(&mut desk, writing);
    desk.pass(Duration::from_mins(1));
    assert_eq!(desk.ledger.open(), 0);
    // They call again.
    let mut again = wanted;
    if let Input::Wanted(wanted) = &mut again {
        wanted.promise = PromiseId::from_bits(2);
        wanted.call = CallId::from_bits(2);
    }
    let told = desk.tell(again);
    let promised = Effect::Tell(CallId::from_bits(2), Told::Promised { asks: false });
    assert!(told.contains(&promised), "{told:?}");
}
