//! Which nodes there are, as they say themselves a few times a minute: for where a new call goes, and for nothing else.
//!
//! What was not heard of late is not believed. Nothing is taken from a live stream for it: whoever is silent may be well. Ages
//! are by our own clock since a beat was heard, so clocks of others do not matter.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::region::{Life, Node, Peer, Region};
use crate::core::time::Instant;

/// How often a node says how it is.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);

/// How long that is believed.
pub const BELIEVED_FOR: Duration = Duration::from_secs(4);

/// How long a silent node is remembered.
pub const REMEMBERED_FOR: Duration = Duration::from_mins(1);

/// How many nodes are remembered; beyond it new ones are not.
pub const NODES_MAX: usize = 64;

/// Beats of an earlier life that may still be on their way when the next one begins.
const LATE_MAX: u32 = 2;

/// How a node is, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Which node.
    pub peer: Peer,
    /// Counts the beats of its life.
    pub count: u64,
    /// How loaded it is.
    pub load: Load,
}

/// How loaded a node is, and what it may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Live calls.
    pub calls: u32,
    /// As many as there may be.
    pub calls_max: u32,
    /// New calls may come: it is not about to leave, and has no more to do than it can.
    pub takes_calls: bool,
    /// Some provider takes new calls there.
    pub has_provider: bool,
}

impl Load {
    /// How much of what it can do is done, in thousandths.
    pub fn permille(self) -> u32 {
        let share = u64::from(self.calls) * 1_000 / u64::from(self.calls_max.max(1));
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

/// What a beat has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing that was not known.
    None,
    /// Two processes go by this name: neither is sent anything by it.
    NameTwice(Node),
    /// There are more nodes than are remembered: this one is not.
    Crowded,
}

/// The other nodes.
#[derive(Clone, Debug)]
pub struct Presence {
    me: Peer,
    nodes: BTreeMap<Node, Known>,
    /// Beats of others by our own name.
    doubles: u32,
    double_heard: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    beat: Beat,
    heard: Instant,
    /// The life before this one, and how many of its beats came after its successor's first.
    before: Option<(Life, u32)>,
    /// Until when the name is taken for that of two.
    twice_until: Instant,
}

impl Presence {
    /// Nobody is known.
    pub const fn new(me: Peer) -> Self {
        Self {
            me,
            nodes: BTreeMap::new(),
            doubles: 0,
            double_heard: None,
        }
    }

    /// A node says how it is.
    pub fn hear(&mut self, now: Instant, beat: Beat) -> News {
        if beat.peer.node == self.me.node {
            return self.hear_own_name(now, beat);
        }
        self.nodes
            .retain(|_, known| now.since(known.heard) < REMEMBERED_FOR);
        if let Some(known) = self.nodes.get_mut(&beat.peer.node) {
            return known.hear(now, beat);
        }
        if self.nodes.len() >= NODES_MAX {
            return News::Crowded;
        }
        self.nodes.insert(beat.peer.node, Known::new(now, beat));
        News::None
    }

    /// Whether this beat says something that was not heard yet: what is read in a store is read more than once.
    pub fn is_new(&self, beat: &Beat) -> bool {
        let known = self.nodes.get(&beat.peer.node);
        known.is_none_or(|known| {
            known.beat.peer.life != beat.peer.life || known.beat.count < beat.count
        })
    }

    /// The others whose word is believed now, in the order of their names.
    pub fn believed(&self, now: Instant) -> impl Iterator<Item = &Beat> {
        let is_believed =
            move |known: &&Known| now.since(known.heard) < BELIEVED_FOR && now >= known.twice_until;
        self.nodes
            .values()
            .filter(is_believed)
            .map(|known| &known.beat)
    }

    /// Whether anybody of another region was heard of late.
    pub fn hears_other_region(&self, now: Instant) -> bool {
        self.believed(now)
            .any(|beat| beat.peer.region != self.me.region)
    }

    /// The other regions whose nodes are believed.
    pub fn regions(&self, now: Instant) -> impl Iterator<Item = Region> {
        let mut seen = Vec::new();
        self.believed(now).filter_map(move |beat| {
            let region = beat.peer.region;
            let is_new = region != self.me.region && !seen.contains(&region);
            seen.push(region);
            is_new.then_some(region)
        })
    }

    /// Whether another process goes by our own name.
    pub fn is_my_name_taken(&self, now: Instant) -> bool {
        let is_late = |heard: Instant| now.since(heard) < REMEMBERED_FOR;
        self.doubles > LATE_MAX && self.double_heard.is_some_and(is_late)
    }

    fn hear_own_name(&mut self, now: Instant, beat: Beat) -> News {
        if beat.peer.life == self.me.life {
            return News::None; // Our own word came back.
        }
        self.doubles = self.doubles.saturating_add(1);
        self.double_heard = Some(now);
        if self.doubles > LATE_MAX {
            News::NameTwice(self.me.node)
        } else {
            News::None
        }
    }
}

impl Known {
    const fn new(now: Instant, beat: Beat) -> Self {
        Self {
            beat,
            heard: now,
            before: None,
            twice_until: Instant::ZERO,
        }
    }

    fn hear(&mut self, now: Instant, beat: Beat) -> News {
        if beat.peer.life == self.beat.peer.life {
            if beat.count > self.beat.count {
                self.beat = beat;
                self.heard = now;
            }
            return News::None;
        }
        match &mut self.before {
            // A life that is over goes on.
            Some((life, late)) if *life == beat.peer.life => {
                *late = late.saturating_add(1);
                if *late <= LATE_MAX {
                    return News::None;
                }
                *self = Self {
                    before: Some((self.beat.peer.life, *late)),
                    twice_until: now + REMEMBERED_FOR,
                    ..Self::new(now, beat)
                };
                News::NameTwice(beat.peer.node)
            }
            Some(_) | None => {
                *self = Self {
                    before: Some((self.beat.peer.life, 0)),
                    twice_until: self.twice_until,
                    ..Self::new(now, beat)
                };
                News::None
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn beat(region: &str, node: &str, life: u64, count: u64) -> Beat {
        Beat {
            peer: Peer {
                region: Region::parse(region).unwrap(),
                node: Node::parse(node).unwrap(),
                life: Life(life),
            },
            count,
            load: Load {
                calls: 0,
                calls_max: 100,
                takes_calls: true,
                has_provider: true,
            },
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn what_is_stale_is_not_believed_and_comes_back_with_the_next_beat() {
        let mut presence = Presence::new(beat("east", "a", 1, 0).peer);
        assert_eq!(presence.hear(at(0), beat("east", "b", 1, 1)), News::None);
        presence.hear(at(0), beat("west", "c", 1, 1));
        assert_eq!(presence.believed(at(3)).count(), 2);
        assert!(presence.hears_other_region(at(3)));
        assert!(presence.regions(at(3)).eq([Region::parse("west").unwrap()]));
        assert_eq!(presence.believed(at(4)).count(), 0);
        // A repeated word is no news.
        assert!(!presence.is_new(&beat("east", "b", 1, 1)));
        assert!(presence.is_new(&beat("east", "b", 1, 2)));
        assert!(presence.is_new(&beat("east", "b", 2, 1)));
        presence.hear(at(5), beat("east", "b", 1, 1));
        assert_eq!(presence.believed(at(5)).count(), 0);
        presence.hear(at(5), beat("east", "b", 1, 2));
        assert_eq!(presence.believed(at(5)).count(), 1);
    }

    #[test]
    fn a_restart_is_no_double_and_two_of_one_name_are_noticed() {
        let mut presence = Presence::new(beat("east", "a", 1, 0).peer);
        presence.hear(at(0), beat("east", "b", 1, 7));
        for (life, count, news) in [
            (2, 1, News::None), // Restarted.
            (1, 8, News::None), // Was on its way.
            (2, 2, News::None),
            (1, 9, News::None),
            (2, 3, News::None),
            (1, 10, News::NameTwice(Node::parse("b").unwrap())),
        ] {
            assert_eq!(presence.hear(at(1), beat("east", "b", life, count)), news);
        }
        assert_eq!(
            presence.believed(at(1)).count(),
            0,
            "neither is sent anything"
        );
        assert!(!presence.is_my_name_taken(at(1)));
        for count in 0..3 {
            presence.hear(at(2), beat("east", "a", 1, count));
            assert!(!presence.is_my_name_taken(at(2)));
        }
        for count in 0..3 {
            presence.hear(at(2), beat("east", "a", 9, count));
        }
        assert!(presence.is_my_name_taken(at(2)));
        assert!(!presence.is_my_name_taken(at(62)));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut presence = Presence::new(beat("east", "a", 1, 0).peer);
        for n in 0..NODES_MAX {
            let one = beat("east", &format!("n{n}"), 1, 1);
            assert_eq!(presence.hear(at(0), one), News::None);
        }
        assert_eq!(presence.hear(at(1), beat("east", "z", 1, 1)), News::Crowded);
        assert_eq!(presence.hear(at(60), beat("east", "z", 1, 1)), News::None);
    }
}
