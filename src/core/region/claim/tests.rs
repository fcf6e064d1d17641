//! What a ring, a text and a claim take, one by one.

use super::*;
use crate::core::region::{Life, Node, Region};

fn at(seconds: u64) -> Instant {
    Instant::from_start(Duration::from_secs(seconds))
}

fn peer(life: u64) -> Peer {
    Peer {
        region: Region::parse("east").unwrap(),
        node: Node::parse("a").unwrap(),
        life: Life(life),
    }
}

const LEASE: Lease = Lease {
    asked: Instant::ZERO,
    epoch: Epoch(3),
    is_replicated: true,
    is_settled: true,
};

fn ground() -> Ground {
    Ground {
        role: Role::Active(Epoch(3)),
        lease: Some(LEASE),
        opt_out: Some(OptOut {
            asked: at(8),
            source: Source::Primary,
            is_out: false,
        }),
    }
}

#[test]
fn a_ring_stands_on_all_of_it_or_waits() {
    let settings = ClaimSettings::default();
    assert!(settings.is_sound());
    let no_change = |_: &mut Ground| {};
    assert_eq!(ring(13, no_change), Leave::Go);
    let lacks = |second, lack, change: fn(&mut Ground)| {
        assert_eq!(ring(second, change), Leave::Wait(lack), "{second}");
    };
    lacks(14, Lack::OptOut, |_| {});
    // A request could outlast it.
    lacks(16, Lack::Claim, |_| {});
    lacks(10, Lack::Role, |ground| ground.role = Role::Standby);
    let newer = |ground: &mut Ground| ground.role = Role::Active(Epoch(4));
    lacks(10, Lack::Claim, newer);
    lacks(10, Lack::Claim, |ground| ground.lease = None);
    lacks(10, Lack::OptOut, |ground| ground.opt_out = None);
    lacks(10, Lack::Replica, |ground| {
        ground.lease.as_mut().unwrap().is_replicated = false;
    });
    lacks(10, Lack::LookUp, |ground| {
        ground.lease.as_mut().unwrap().is_settled = false;
    });
    lacks(10, Lack::OptOut, |ground| {
        ground.opt_out.as_mut().unwrap().source = Source::Replica;
    });
    for second in [10, 99] {
        let out = |ground: &mut Ground| {
            let word = ground.opt_out.as_mut().unwrap();
            (word.is_out, word.source) = (true, Source::Replica);
        };
        assert_eq!(ring(second, out), Leave::Never, "whoever says so");
    }
}

fn ring(second: u64, change: impl Fn(&mut Ground)) -> Leave {
    let mut ground = ground();
    change(&mut ground);
    ground.ring(at(second), &ClaimSettings::default())
}

#[test]
fn who_made_a_promise_texts_it_alone_until_its_lease_has_ended() {
    let settings = ClaimSettings {
        text_lease: Duration::from_mins(1),
        ..ClaimSettings::default()
    };
    let nothing = Ground {
        role: Role::Standby,
        lease: None,
        opt_out: None,
    };
    let utc = |seconds: u64| Utc::from_millis(seconds * 1_000);
    let text =
        |ground: Ground, second, texter| ground.text((at(second), utc(second)), texter, &settings);
    let mine = Texter::Me(at(0));
    assert_eq!(text(nothing, 44, mine), Leave::Go);
    assert_eq!(text(nothing, 45, mine), Leave::Wait(Lack::Role));
    let theirs = Texter::Other(utc(60));
    let held = Ground {
        lease: Some(Lease {
            asked: at(60),
            ..LEASE
        }),
        ..ground()
    };
    let held = |second| Ground {
        opt_out: Some(OptOut {
            asked: at(second),
            source: Source::Primary,
            is_out: false,
        }),
        ..held
    };
    assert_eq!(text(held(65), 65, theirs), Leave::Wait(Lack::TextLease));
    assert_eq!(text(held(66), 66, theirs), Leave::Go);
    let mut out = held(66);
    out.opt_out = Some(OptOut {
        asked: at(0),
        source: Source::Replica,
        is_out: true,
    });
    assert_eq!(text(out, 10, mine), Leave::Never);
}

#[test]
fn a_claim_is_held_by_one_and_taken_over_when_its_lease_has_ended() {
    let kept = Claim {
        promise: PromiseId::from_bits(1),
        holder: peer(1),
        epoch: Epoch(3),
        until: Utc::from_millis(1_000),
    };
    let rule = |holder, epoch, now| {
        Claim::rule(
            Some(&kept),
            peer(holder),
            Epoch(epoch),
            Utc::from_millis(now),
        )
    };
    assert_eq!(
        Claim::rule(None, peer(1), Epoch(1), Utc::default()),
        Claiming::First
    );
    assert_eq!(rule(1, 3, 500), Claiming::Renewed);
    assert_eq!(rule(2, 3, 999), Claiming::Held);
    assert_eq!(rule(2, 9, 999), Claiming::Held);
    assert_eq!(rule(2, 3, 1_000), Claiming::TakenOver);
    assert_eq!(rule(2, 2, 1_000), Claiming::Outdated(Epoch(3)));
    assert_eq!(rule(1, 2, 500), Claiming::Outdated(Epoch(3)));
}

#[test]
fn what_others_may_have_done_is_looked_up_once() {
    let granted = |claiming, before, was_textable| {
        let lease = Lease::granted((at(1), Epoch(3)), true, claiming, before, was_textable);
        lease.map(|lease| lease.is_settled)
    };
    assert_eq!(granted(Claiming::First, None, false), Some(true));
    assert_eq!(granted(Claiming::First, None, true), Some(false));
    assert_eq!(
        granted(Claiming::TakenOver, Some(LEASE), false),
        Some(false)
    );
    assert_eq!(
        granted(Claiming::Renewed, None, false),
        Some(false),
        "a life before"
    );
    assert_eq!(granted(Claiming::Renewed, Some(LEASE), true), Some(true));
    assert_eq!(granted(Claiming::Held, Some(LEASE), false), None);
    assert_eq!(
        granted(Claiming::Outdated(Epoch(4)), Some(LEASE), false),
        None
    );
}
