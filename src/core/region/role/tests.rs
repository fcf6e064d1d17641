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
        for _ in 0..seconds * 10 {
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
    sites.is_cut = |_, _| false;
    sites.pass(60);
    assert_eq!(sites.active(), WEST, "by majority");
    sites.is_cut = |from, to| from.min(to) < 2 || from.max(to) == 4;
    sites.pass(11);
    assert_eq!(
        sites.active(),
        NEITHER,
        "the word was for an emergency that is over"
    );
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
    let mut letters = Vec::new();
    for place in [2, 3] {
        sites.keepers[place].demote(sites.now, &mut letters);
    }
    sites.deliver(2, letters);
    sites.pass(20);
    assert_eq!(
        sites.active(),
        EAST,
        "a standby takes over what was given back"
    );
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
    let mut letters = Vec::new();
    for place in 0..4 {
        sites.keepers[place].demote(sites.now, &mut letters);
        sites.deliver(place, std::mem::take(&mut letters));
    }
    sites.pass(60);
    assert_eq!(sites.active(), NEITHER, "an operator's word");
    let me = (node(0), region(0));
    let settings = RoleSettings::default();
    sites.keepers[0] = Keeper::new(sites.now, me, (0..5).map(node), true, settings);
    sites.pass(20);
    assert_eq!(sites.active(), [true, false, false, false]);
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
