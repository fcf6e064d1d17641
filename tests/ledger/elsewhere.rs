//! What the promises of other desks over the same store cost here, told one by one.

use std::collections::BTreeSet;
use std::time::Duration;

use ringback::core::callback::caps::Cap;
use ringback::core::callback::effect::{Cannot, Effect, Effects, Seen, Told};
use ringback::core::callback::input::{Input, Models, Stored};
use ringback::core::callback::number::Prefix;
use ringback::core::callback::promise::{Act, End, Promise, SendKind, Stage, Texted};
use ringback::core::callback::settings::{CapSettings, Settings};
use ringback::core::ids::{CallId, PromiseId};
use ringback::core::time::Instant;

use crate::stories::Desk;

/// Of a text and up to three rings.
const PROMISE: u32 = 3 * 10 + 3 * 100;

fn desk(caps: CapSettings) -> Desk {
    Desk::new(Settings {
        shared_within: Some(Duration::from_secs(5)),
        caps,
        ..Settings::default()
    })
}

fn money(cents: u32) -> CapSettings {
    CapSettings {
        cents,
        per_destination: 1,
        ..CapSettings::default()
    }
}

/// What the desk says to a call.
fn asks(desk: &mut Desk, n: u64) -> Told {
    let wanted = desk.wanted(n);
    let said = desk.tell(wanted);
    let mut told = said.iter().filter_map(|effect| {
        if let Effect::Tell(_, told) = effect {
            Some(*told)
        } else {
            None
        }
    });
    told.next().unwrap()
}

const PROMISED: Told = Told::Promised { asks: false };

const fn capped(cap: Cap) -> Told {
    Told::Cannot(Cannot::Capped(cap))
}

/// A promise to the caller of this number as another desk makes it at the same moment.
fn promise_of_another(n: u64) -> Promise {
    let mut other = desk(CapSettings::default());
    assert_eq!(asks(&mut other, n), PROMISED);
    let mut promise = other.ledger.promises().next().unwrap().clone();
    promise.stage = Stage::Promised { tries: 0 };
    promise.acts.clear();
    promise.id = PromiseId::from_bits(1_000 + u128::from(n));
    promise.call = CallId::from_bits(1_000 + u128::from(n));
    promise
}

fn sighted(promise: &Promise, revision: u64) -> Input {
    Input::Sighted(Box::new(promise.clone()), revision)
}

/// So many rings of it, at its beginning.
fn rung(promise: &Promise, times: usize, stage: Stage) -> Promise {
    let act = Act {
        kind: SendKind::Ring,
        at: promise.promised,
    };
    Promise {
        acts: vec![act; times],
        stage,
        ..promise.clone()
    }
}

const OVER: Stage = Stage::Ended(End::Done);

/// To be rung, some time.
fn due(promise: &Promise) -> Stage {
    Stage::Due {
        text: Texted::Not,
        from: promise.expires,
        rings: 1,
    }
}

#[test]
fn what_another_may_still_spend_is_reserved_here_until_it_is_over() {
    let mut desk = desk(money(2 * PROMISE - 1));
    let promise = promise_of_another(1);
    desk.tell(sighted(&promise, 0));
    assert_eq!(asks(&mut desk, 2), capped(Cap::Money));
    // The other one has ended it, and spent nothing.
    desk.tell(sighted(&rung(&promise, 0, OVER), 1));
    assert_eq!(asks(&mut desk, 2), PROMISED);
}

#[test]
fn the_newest_word_of_a_promise_counts_and_counts_once() {
    let mut desk = desk(money(PROMISE + 200));
    let promise = promise_of_another(1);
    let spent = rung(&promise, 2, OVER);
    // Late, twice, and out of order.
    for (promise, revision) in [
        (&promise, 0),
        (&spent, 7),
        (&rung(&promise, 3, due(&promise)), 5),
        (&spent, 7),
        (&promise, 0),
    ] {
        desk.tell(sighted(promise, revision));
    }
    assert!(desk.ledger.knows(promise.id, 7) && !desk.ledger.knows(promise.id, 8));
    assert_eq!(asks(&mut desk, 1), capped(Cap::Destination));
    assert_eq!(asks(&mut desk, 2), PROMISED, "200 are spent");
    // One more ring that nobody knew of.
    desk.tell(sighted(&rung(&promise, 3, OVER), 8));
    desk.tell(Input::Cancel(PromiseId::from_bits(2)));
    assert_eq!(asks(&mut desk, 3), capped(Cap::Money));
    // A day later all of it is forgotten.
    desk.pass(Duration::from_hours(24));
    assert_eq!(asks(&mut desk, 1), PROMISED);
}

#[test]
fn what_is_taken_over_or_restored_is_not_counted_twice_and_what_is_let_go_stays_counted() {
    // Room for what was spent on the first, for what it may still cost, and for a second promise.
    let mut desk = desk(money(2 * PROMISE + 100));
    let promise = promise_of_another(1);
    let kept = rung(&promise, 1, due(&promise));
    desk.tell(sighted(&kept, 3));
    desk.tell(Input::Restored(Box::new(kept.clone()), 4));
    assert_eq!(desk.ledger.open(), 1);
    // What is served here is known better here.
    desk.tell(sighted(&rung(&promise, 3, OVER), 3));
    assert_eq!(asks(&mut desk, 2), PROMISED);
    desk.tell(Input::Cancel(PromiseId::from_bits(2)));

    // The text of the second was requested: 10 are gone.
    let caps = money(2 * PROMISE + 110);
    for given_back in [false, true] {
        let mut desk = self::desk(caps);
        desk.tell(Input::Restored(Box::new(kept.clone()), 4));
        desk.tell(Input::LetGo(promise.id, 5));
        assert_eq!(desk.ledger.open(), 0);
        if given_back {
            desk.tell(sighted(&kept, 5));
        }
        assert_eq!(asks(&mut desk, 2), PROMISED, "{given_back}");
        desk.tell(Input::Cancel(PromiseId::from_bits(2)));
        let too_much = rung(&promise, 2, due(&promise));
        desk.tell(sighted(&too_much, 6));
        assert_eq!(asks(&mut desk, 3), capped(Cap::Money), "{given_back}");
    }

    // What was over before a restart stands in the store as another's.
    let mut desk = self::desk(money(PROMISE + 100));
    let over = rung(&promise, 1, OVER);
    desk.tell(Input::Restored(Box::new(over.clone()), 9));
    assert!(desk.ledger.knows(promise.id, 9));
    desk.tell(sighted(&over, 9));
    assert_eq!(asks(&mut desk, 2), PROMISED);
}

#[test]
fn what_was_looked_at_before_it_came_here_and_ended_is_no_news() {
    let mut desk = desk(money(PROMISE));
    let promise = promise_of_another(1);
    let kept = rung(&promise, 0, due(&promise));
    // A look has read this revision; before it is told, the promise comes here, and ends.
    desk.tell(Input::Restored(Box::new(kept.clone()), 6));
    desk.tell(Input::Cancel(promise.id));
    assert_eq!(desk.ledger.open(), 0);
    desk.tell(sighted(&kept, 5));
    assert_eq!(asks(&mut desk, 2), PROMISED, "nothing is reserved for it");
}

#[test]
fn what_was_forgotten_at_another_node_is_found_out_though_nothing_is_done_for_it() {
    let mut desk = desk(CapSettings::default());
    assert_eq!(asks(&mut desk, 1), PROMISED);
    let id = PromiseId::from_bits(1);
    let to = desk.ledger.promises().next().unwrap().to;
    let there = Input::LookedThrough([id].into());
    let nothing = Input::LookedThrough(BTreeSet::new());
    desk.keeps = false;
    let writes = |effects: Vec<Effect>| {
        let mut writes = effects.into_iter().filter_map(|effect| {
            if let Effect::Write(write, _) = effect {
                Some(write)
            } else {
                None
            }
        });
        writes.next()
    };
    for look in [&nothing, &there, &nothing] {
        // A look may have begun before it was there.
        assert_eq!(writes(desk.ask(look.clone())), None);
    }
    let write = writes(desk.ask(nothing)).expect("it is looked at");
    desk.tell(Input::Stored(write, Stored::Unknown));
    assert_eq!(desk.ledger.open(), 0);
    assert!(desk.ledger.promise_to(to).is_none());
}

#[test]
fn a_promise_waits_where_another_has_spent_the_money_meanwhile() {
    let mut desk = desk(money(2 * PROMISE));
    desk.tell(Input::Models(Models::Back {
        ring_every: Duration::from_secs(1),
        ringing_max: 9,
    }));
    let mut wanted = desk.wanted(1);
    if let Input::Wanted(wanted) = &mut wanted {
        wanted.takes_texts = false;
    }
    desk.tell(wanted);
    // Within the same two seconds: neither has heard of the other.
    let spent = rung(&promise_of_another(2), 6, OVER);
    desk.tell(sighted(&spent, 3));
    let is_ring = |effect: &Effect| matches!(effect, Effect::Ring(_));
    let hour = desk.pass(Duration::from_hours(1));
    assert!(
        !hour.iter().any(is_ring),
        "60 are left, and a ring costs 100"
    );
    let waits = Effect::Observe(Seen::Waits(Cap::Money));
    assert!(hour.contains(&waits), "{hour:?}");
    let next_day = desk.pass(Duration::from_hours(24));
    assert!(next_day.iter().any(is_ring), "they were promised it");
}

#[test]
fn texts_of_another_to_the_same_prefix_count_sent_or_waiting() {
    let mut desk = desk(CapSettings {
        per_prefix: 2,
        ..CapSettings::default()
    });
    for n in [1, 2] {
        assert!(promise_of_another(n).to.begins_with(prefix(3)));
        desk.tell(sighted(&promise_of_another(n), 0));
    }
    assert_eq!(asks(&mut desk, 3), capped(Cap::Prefix));
    let mut sent = promise_of_another(2);
    sent.stage = due(&sent);
    sent.acts.push(Act {
        kind: SendKind::Text,
        at: sent.promised,
    });
    desk.tell(sighted(&sent, 1));
    assert_eq!(asks(&mut desk, 3), capped(Cap::Prefix));
    desk.pass(Duration::from_hours(1));
    assert_eq!(asks(&mut desk, 3), PROMISED);
}

fn prefix(n: u64) -> Prefix {
    let desk = desk(CapSettings::default());
    let Input::Wanted(wanted) = desk.wanted(n) else {
        unreachable!("a wish")
    };
    wanted.to.prefix(7)
}

#[test]
fn who_is_forgotten_here_or_elsewhere_leaves_no_number_and_the_money_stays_spent() {
    let promise = promise_of_another(1);
    let over = rung(&promise, 3, OVER);
    let there = |all: &[&Promise]| {
        let ids: BTreeSet<_> = all.iter().map(|promise| promise.id).collect();
        Input::LookedThrough(ids)
    };
    for is_elsewhere in [true, false] {
        let mut desk = desk(money(300 + 2 * PROMISE - 1));
        desk.tell(sighted(&over, 4));
        desk.tell(there(&[&over]));
        assert_eq!(asks(&mut desk, 1), capped(Cap::Destination));
        if is_elsewhere {
            // It may have been written behind the look's back: once is not enough.
            desk.tell(there(&[]));
            assert_eq!(asks(&mut desk, 1), capped(Cap::Destination));
            desk.tell(there(&[]));
        } else {
            desk.tell(Input::Forget(over.to));
        }
        assert!(!desk.ledger.knows(over.id, 0));
        assert_eq!(asks(&mut desk, 1), PROMISED, "{is_elsewhere}");
        assert_eq!(asks(&mut desk, 2), capped(Cap::Money), "{is_elsewhere}");
    }
    // What is in no look at all is not theirs to miss: it was kept in a file before.
    let mut desk = desk(money(300 + PROMISE));
    desk.tell(Input::Restored(Box::new(over.clone()), 4));
    for _ in 0..3 {
        desk.tell(there(&[]));
    }
    assert_eq!(asks(&mut desk, 1), capped(Cap::Destination));
}

#[test]
fn what_the_store_does_not_keep_is_no_promise() {
    let mut desk = desk(money(10 * PROMISE));
    let mut effects = Effects::new();
    let (now, utc, wanted) = (Instant::from_start(desk.now), desk.utc(), desk.wanted(1));
    desk.ledger.handle(now, utc, wanted, &mut effects);
    let written = effects.drain().find_map(|effect| {
        if let Effect::Write(write, _) = effect {
            Some(write)
        } else {
            None
        }
    });
    // Another desk was first, and has ended it since.
    let already = Stored::Already(PromiseId::from_bits(7));
    desk.tell(Input::Stored(written.unwrap(), already));
    assert_eq!(asks(&mut desk, 1), PROMISED);
}

#[test]
fn who_can_know_of_no_more_promises_gives_none_until_there_is_room() {
    let mut desk = desk(CapSettings::default());
    let over = rung(&promise_of_another(1), 0, OVER);
    for n in 0..200_000 {
        let id = PromiseId::from_bits((n + 1) << 32);
        desk.tell(sighted(&Promise { id, ..over.clone() }, 1));
    }
    assert_eq!(asks(&mut desk, 2), capped(Cap::Money));
    let one_more = PromiseId::from_bits(7);
    desk.tell(sighted(
        &Promise {
            id: one_more,
            ..over
        },
        1,
    ));
    assert!(
        !desk.ledger.knows(one_more, 1),
        "it is told again with each look"
    );
    for _ in 0..2 {
        desk.tell(Input::LookedThrough(BTreeSet::new()));
    }
    assert_eq!(asks(&mut desk, 2), PROMISED);
}

/// Prints what it takes; `cargo nextest run --release -p ringback --test ledger ten_thousand_promises_of_another --no-capture`.
#[test]
fn ten_thousand_promises_of_another_are_known_after_one_look_and_not_read_again() {
    // One cent is missing for one more.
    let mut desk = desk(CapSettings {
        cents: 10_000 * (PROMISE + 2 * 100) + PROMISE - 1,
        per_prefix: 100_000,
        ..CapSettings::default()
    });
    let promise = promise_of_another(1);
    let ids = (1..=10_000).map(|n: u128| PromiseId::from_bits(n << 64));
    let ids: BTreeSet<_> = ids.collect();
    let mut inputs = Vec::new();
    for id in &ids {
        let promise = Promise {
            id: *id,
            ..promise.clone()
        };
        inputs.push(sighted(&rung(&promise, 2, due(&promise)), 1));
    }
    let first = took(|| {
        for input in inputs {
            desk.tell(input);
        }
    });
    let mut unknown = 0;
    let again = took(|| {
        let looked_at = ids.iter().take(1_024);
        unknown = looked_at.filter(|id| !desk.ledger.knows(**id, 1)).count();
    });
    assert_eq!(unknown, 0);
    let all = ids.clone();
    let through = took(|| drop(desk.tell(Input::LookedThrough(all))));
    println!("10,000 told: {first:?}; 1,024 known: {again:?}; the end of a look: {through:?}");
    assert_eq!(asks(&mut desk, 2), capped(Cap::Money), "all of them count");
}

fn took(doing: impl FnOnce()) -> Duration {
    #[expect(
        clippy::disallowed_methods,
        reason = "what it takes is told by a real clock"
    )]
    let began = std::time::Instant::now();
    doing();
    began.elapsed()
}
