//! Single harms, each told alone, with what became of every call.

use std::time::Duration;

use crate::carrier::Phase;
use crate::sites::Site;
use crate::weather::Harm;
use crate::world::{Event, World};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Three calls of twenty turns each, and a harm in their midst; how often something was counted.
fn told(harm: Harm, lasts: Duration) -> (World, impl Fn(&World, &str) -> u64) {
    let mut world = World::quiet(7, false);
    for call in 0..3 {
        world.calls_in(secs(20 + call), 20, false, false);
    }
    world.after(secs(40), Event::Harm(harm, true));
    world.after(secs(40) + lasts, Event::Harm(harm, false));
    world.run();
    assert_eq!(world.books.findings, [], "{harm:?}");
    let goodbyes = world.carrier.calls.iter();
    let goodbyes = goodbyes.filter(|call| call.phase == Phase::Over("goodbye"));
    assert_eq!(
        goodbyes.count(),
        3,
        "{harm:?}: every caller said all that they had to"
    );
    let count =
        |world: &World, what: &str| world.books.counts.get(what).copied().unwrap_or_default();
    (world, count)
}

#[test]
fn the_death_of_a_region_costs_its_calls_a_turn_at_most() {
    let (world, count) = told(Harm::RegionLost(Site::East), secs(60));
    // The first copy of the store went with it: what the second one has is all of it.
    assert_eq!(count(&world, "streams that go on"), 3);
    assert_eq!(count(&world, "went on without memory"), 0);
    assert_eq!(count(&world, "fail-over of the store"), 1);
}

#[test]
fn streams_that_are_reset_go_back_home() {
    let (world, count) = told(Harm::StreamsReset, secs(1));
    let again = count(&world, "streams that go on");
    assert!(again > 0, "half of three");
    assert_eq!(count(&world, "went on without memory"), 0);
    let own = count(&world, "went on with all of it");
    assert_eq!(count(&world, "went back home") + own, again);
}

#[test]
fn a_deploy_of_every_node_hands_calls_over_and_counts_no_crash() {
    let (world, count) = told(Harm::Deploy, secs(60));
    assert_eq!(count(&world, "drained"), 4);
    assert!(count(&world, "handed over") >= 3);
    assert_eq!(count(&world, "apologies") + count(&world, "cut"), 0);
    let is_counted = |call: &crate::carrier::Call| !call.crashes.is_empty();
    let crashes = world.carrier.calls.iter().filter(|call| is_counted(call));
    assert_eq!(crashes.count(), 0);
}

#[test]
fn regions_that_do_not_hear_each_other_keep_their_calls() {
    for harm in [
        Harm::Partition,
        Harm::Isolated(Site::East),
        Harm::WitnessLost,
    ] {
        let (world, count) = told(harm, secs(60));
        assert_eq!(count(&world, "streams that go on"), 0, "{harm:?}");
    }
}

#[test]
fn calls_do_not_miss_the_store() {
    for harm in [Harm::StoreAway, Harm::StoreSlow, Harm::StoreReadOnly] {
        let (world, count) = told(harm, secs(60));
        assert_eq!(count(&world, "streams that go on"), 0, "{harm:?}");
    }
}

#[test]
fn an_owner_that_wakes_up_has_been_replaced_and_lets_go() {
    let mut world = World::quiet(3, false);
    world.calls_in(secs(20), 20, false, false);
    // It holds the stream; the carrier takes it elsewhere while it sleeps.
    for node in 0..2 {
        world.after(secs(30), Event::Harm(Harm::NodeSleeps(node), true));
    }
    world.run();
    assert_eq!(world.books.findings, []);
    assert_eq!(world.carrier.calls[0].phase, Phase::Over("goodbye"));
    assert_eq!(world.carrier.calls[0].streams, 2);
    assert!(world.nodes.iter().all(|node| node.held.is_empty()));
}

#[test]
fn a_call_that_brings_down_whatever_holds_it_hears_an_apology() {
    let mut world = World::quiet(3, false);
    world.calls_in(secs(20), 20, false, true);
    world.run();
    assert_eq!(world.books.findings, []);
    assert_eq!(world.carrier.calls[0].phase, Phase::Over("apology"));
    assert_eq!(world.carrier.calls[0].streams, 3, "the first, and two more");
}

#[test]
fn in_good_weather_every_promise_is_texted_once_and_rung() {
    let mut world = World::quiet(5, false);
    for call in 0..6 {
        world.calls_in(secs(20 + call), 2, true, false);
    }
    world.run();
    assert_eq!(world.books.findings, []);
    let promised = world.books.counts["promises told"];
    assert_eq!(promised, 6);
    assert_eq!(world.carrier.texts.len(), 6, "a text each");
    assert!(world.books.counts["rings"] >= 6);
}
