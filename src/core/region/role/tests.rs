//! Two regions of two nodes and a witness, whose letters take no time, and some of which do not arrive.

use super::*;

const NAMES: [&str; 5] = ["a1", "a2", "b1", "b2", "witness"];

struct Sites {
    now: Instant,
    /// The last one is the witness: it only votes.
    keepers: Vec<Keeper>,
    /// Who hears whom not.
    is_cut: fn(usize, usize) -> bool,
}

fn node(place: usize) -> Node {
    Node::parse(NAMES[place]).unwrap()
}

fn region(place: usize) -> Region {
    let name = if place < 2 { "east" } else { "west" };
    Region::parse(if place == 4 { "nowhere" } else { name }).unwrap()
}

impl Sites {
    fn new() -> Self {
        let keeper = |place| {
            let me = (node(place), region(place));
            let is_preferred = place < 2;
            let settings = RoleSettings::default();
            Keeper::new(Instant::ZERO, me, (0..5).map(node), is_preferred, settings)
        };
        let mut sites = Self {
            now: Instant::ZERO,
            keepers: (0..5).map(keeper).collect(),
            is_cut: |_, _| false,
        };
        sites.keepers[4].drain();
        sites
    }

    fn pass(&mut self, seconds: u64) {
        self.pass_tenths(seconds * 10);
    }

    fn pass_tenths(&mut self, tenths: u64) {
        for _ in 0..tenths {
            self.now = self.now + Duration::from_millis(100);
            for place in 0..5 {
                let mut letters = Vec::new();
                self.keepers[place].tick(self.now, &mut letters);
                self.deliver(place, letters);
            }
            self.beat();
            let active = self.active();
            let both = active[..2].iter().any(|is| *is) && active[2..].iter().any(|is| *is);
            assert!(!both, "two regions are active at {}", self.now);
        }
    }

    fn deliver(&mut self, from: usize, letters: Vec<Letter>) {
        for letter in letters {
            let to = NAMES
                .iter()
                .position(|name| *name == letter.to.as_str())
                .unwrap();
            if (self.is_cut)(from, to) {
                continue;
            }
            let vote = self.keepers[to].asked(self.now, region(from), letter.epoch, letter.plea);
            self.keepers[from].answered(self.now, node(to), letter.round, vote);
        }
    }

    fn demote(&mut self, place: usize) {
        let mut letters = Vec::new();
        self.keepers[place].demote(self.now, &mut letters);
        self.deliver(place, letters);
    }

    fn beat(&mut self) {
        for from in 0..4 {
            let Role::Active(epoch) = self.keepers[from].role(self.now) else {
                continue;
            };
            for to in (0..5).filter(|to| *to != from) {
                if !(self.is_cut)(from, to) {
                    self.keepers[to].heard_active(self.now, region(from), epoch);
                }
            }
        }
    }

    fn active(&self) -> [bool; 4] {
        [0, 1, 2, 3].map(|place| self.keepers[place].role(self.now) != Role::Standby)
    }
}

const EAST: [bool; 4] = [true, true, false, false];
const WEST: [bool; 4] = [false, false, true, true];
const NEITHER: [bool; 4] = [false; 4];

#[test]
fn the_preferred_region_is_active_and_the_other_takes_over_with_the_witness() {
    let mut sites = Sites::new();
    sites.pass(9);
    assert_eq!(
        sites.active(),
        NEITHER,
        "votes of a life before may still hold"
    );
    sites.pass(6);
    assert_eq!(sites.active(), EAST);
    sites.is_cut = |from, to| from < 2 || to < 2;
    sites.pass(11);
    assert_eq!(
        sites.active(),
        NEITHER,
        "a lease without a majority ends, and nobody took over yet"
    );
    sites.pass(20);
    assert_eq!(sites.active(), WEST);
    sites.is_cut = |_, _| false;
    sites.pass(60);
    assert_eq!(sites.active(), WEST, "who comes back does not take it away");
    let epochs = [2, 3].map(|place| sites.keepers[place].role(sites.now));
    assert_eq!(epochs[0], epochs[1]);
    sites.pass(60);
    let later = [2, 3].map(|place| sites.keepers[place].role(sites.now));
    assert_eq!(epochs, later, "an epoch is no clock");
}

#[test]
fn of_two_halves_that_of_the_witness_is_active_and_without_it_none() {
    let mut sites = Sites::new();
    sites.pass(20);
    sites.is_cut = |from, to| (from < 2) != (to < 2) && from < 4 && to < 4;
    sites.pass(60);
    assert_eq!(sites.active(), EAST);
    sites.is_cut = |from, to| (from < 2) != (to < 2) || from == 4 || to == 4;
    sites.pass(60);
    assert_eq!(sites.active(), NEITHER);
    sites.is_cut = |from, to| from == 4 || to == 4;
    sites.pass(60);
    assert_ne!(sites.active(), NEITHER, "four of five");
}

#[test]
fn an_operator_promotes_a_minority_unless_the_other_side_lives() {
    let mut sites = Sites::new();
    sites.pass(20);
    let refused = sites.keepers[2].promote(sites.now, false);
    assert_eq!(refused, Err(Refusal::OtherSideLives));
    // The east is gone, and so is the witness.
    sites.is_cut = |from, to| from.min(to) < 2 || from.max(to) == 4;
    sites.pass(60);
    assert_eq!(sites.active(), NEITHER);
    let epoch = sites.keepers[2].promote(sites.now, false).unwrap();
    assert!(epoch > Epoch(1));
    sites.pass(5);
    assert!(sites.active()[2], "by word");
}

/// Whenever the others are reached again: whether they hear of it first or are asked first.
#[test]
fn a_word_lasts_no_longer_than_the_emergency() {
    for tenths in 50..=75 {
        let mut sites = Sites::new();
        sites.pass(20);
        sites.is_cut = |from, to| from.min(to) < 2 || from.max(to) == 4;
        sites.pass(60);
        sites.keepers[2].promote(sites.now, false).unwrap();
        sites.pass_tenths(tenths);
        assert!(sites.active()[2], "by word");
        sites.is_cut = |_, _| false;
        let is_remembered = tenths % 2 == 0;
        if is_remembered {
            // The store knows it as well, and may say so first.
            let Role::Active(epoch) = sites.keepers[2].role(sites.now) else {
                panic!("by word");
            };
            for keeper in &mut sites.keepers {
                keeper.outdated(epoch, (tenths % 4 == 0).then(|| region(2)));
            }
        }
        sites.pass(60);
        let active = sites.active();
        // Who had waited for votes all the time may have them before the word is heard.
        let is_by_majority = active == WEST || (is_remembered && active == EAST);
        assert!(is_by_majority, "{active:?}, {tenths}");
        sites.is_cut = |from, to| from.min(to) < 2 || from.max(to) == 4;
        sites.pass(11);
        assert_eq!(sites.active(), NEITHER, "the word has ended, {tenths}");
    }
}

#[test]
fn a_word_is_above_an_epoch_by_which_others_only_asked() {
    let mut sites = Sites::new();
    let at = sites.now + Duration::from_secs(20);
    sites.now = at;
    // The west has asked by the epoch that the east's operator comes upon, and nobody is active.
    for place in [2, 3, 4] {
        let vote = sites.keepers[place].asked(at, region(2), Epoch(1), Plea::Lease);
        assert_eq!(vote, Vote::Granted);
        sites.keepers[place].drain();
    }
    assert_eq!(sites.keepers[0].promote(at, true), Ok(Epoch(1)));
    sites.pass(60);
    assert_eq!(sites.active(), EAST);
    sites.is_cut = |from, to| from.min(to) < 2;
    sites.pass(11);
    assert_eq!(sites.active(), NEITHER, "it had come to a majority");
}

#[test]
fn a_forced_promotion_is_given_way_to_as_soon_as_it_is_heard() {
    let mut sites = Sites::new();
    sites.pass(20);
    assert_eq!(sites.active(), EAST);
    let (now, mut letters) = (sites.now, Vec::new());
    sites.keepers[3].promote(now, true).unwrap();
    sites.keepers[3].tick(now, &mut letters);
    sites.deliver(3, letters);
    sites.beat();
    assert_eq!(sites.active(), [false, false, false, true]);
    sites.pass(60);
    assert_eq!(sites.active(), WEST);
    sites.demote(2);
    sites.pass(20);
    assert_eq!(
        sites.active(),
        EAST,
        "a standby takes over what was given back"
    );
}

#[test]
fn an_operator_demotes_a_region_at_one_of_its_nodes() {
    let mut sites = Sites::new();
    sites.pass(20);
    // Nobody else could take over.
    sites.keepers[2].drain();
    sites.keepers[3].drain();
    sites.demote(0);
    assert_eq!(sites.active(), NEITHER, "at once");
    sites.pass(60);
    assert_eq!(sites.active(), NEITHER, "and for good");
    sites.keepers[1].promote(sites.now, false).unwrap();
    sites.pass(5);
    assert_eq!(sites.active(), EAST, "all of it, by a word at another node");
    let drained = &mut sites.keepers[0];
    drained.drain();
    drained.heard_active(sites.now, region(1), Epoch(9));
    assert_eq!(drained.deadline(), None, "who leaves does not join");
}

#[test]
fn who_has_not_heard_of_a_demotion_does_not_undo_it() {
    let mut sites = Sites::new();
    sites.pass(20);
    let Role::Active(epoch) = sites.keepers[1].role(sites.now) else {
        panic!("it has had time");
    };
    sites.demote(0);
    // Said before it heard.
    sites.keepers[0].heard_active(sites.now, region(1), epoch);
    assert_eq!(sites.keepers[0].deadline(), None);
    sites.pass(60);
    assert_eq!(sites.active(), WEST);
}

#[test]
fn who_drains_rings_no_more_and_is_not_promoted_and_its_region_goes_on() {
    let mut sites = Sites::new();
    sites.pass(20);
    sites.keepers[0].drain();
    sites.pass(60);
    assert_eq!(sites.active(), [false, true, false, false]);
    let refused = sites.keepers[0].promote(sites.now, true);
    assert_eq!(refused, Err(Refusal::Draining));
    sites.keepers[1].drain();
    sites.pass(60);
    assert_eq!(sites.active(), WEST);
}

#[test]
fn who_has_forgotten_its_epoch_counts_on_from_where_the_others_are() {
    let mut sites = Sites::new();
    sites.pass(20);
    for place in [0, 2] {
        sites.demote(place);
    }
    sites.pass(60);
    assert_eq!(sites.active(), NEITHER, "an operator's word");
    let me = (node(0), region(0));
    let settings = RoleSettings::default();
    sites.keepers[0] = Keeper::new(sites.now, me, (0..5).map(node), true, settings);
    sites.pass(20);
    assert_eq!(sites.active(), EAST, "who begins anew takes the rest along");
}

#[test]
fn an_answer_to_nobody_or_of_nobody_counts_for_nothing() {
    let mut keeper = Keeper::new(
        Instant::ZERO,
        (node(0), region(0)),
        (0..5).map(node),
        true,
        RoleSettings::default(),
    );
    let now = Instant::from_start(Duration::from_secs(10));
    let mut letters = Vec::new();
    keeper.tick(now, &mut letters);
    assert_eq!(letters.len(), 4);
    let round = letters[0].round;
    let stranger = Node::parse("stranger").unwrap();
    keeper.answered(now, stranger, round, Vote::Granted);
    for _ in 0..5 {
        keeper.answered(now, node(1), round, Vote::Granted);
        keeper.answered(now, node(2), round + 1, Vote::Granted);
    }
    assert_eq!(keeper.role(now), Role::Standby);
    keeper.answered(now, node(2), round, Vote::Granted);
    assert_eq!(keeper.role(now), Role::Active(Epoch(1)));
}
