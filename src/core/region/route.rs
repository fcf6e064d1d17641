//! Where a new call goes, from what is known here: nobody is asked, for the caller hears it ring.
//!
//! Roles do not matter: any node may answer. What a node of ours that goes on with a call does is not decided here.

use crate::core::front::Progress;
use crate::core::ids::CallSid;
use crate::core::region::presence::{Beat, Load, Presence};
use crate::core::region::{Peer, Region};
use crate::core::time::Instant;

/// From this load on a node looks for a better one, in thousandths.
pub const CROWDED_PERMILLE: u32 = 800;

/// By how much another one must be less loaded to be better.
pub const BETTER_BY_PERMILLE: u32 = 200;

/// This node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Here {
    /// How loaded it is.
    pub load: Load,
    /// A caller for whom there is no model has something to choose here.
    pub has_menu: bool,
    /// How many calls it takes while others of its region can take the rest: it is on [trial](super::trial).
    pub places: Option<u32>,
}

/// Where a new call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A stream here: an agent, or where no model is left what is offered instead.
    Here,
    /// A stream at this node of our region.
    Node(Peer),
    /// A stream at the other region, by the address that it has for all its nodes; this one is likely to take it.
    Region(Peer),
    /// The busy tone: the call is not answered.
    Busy,
    /// Words that nobody can take the call, and the end.
    Apology,
    /// Nothing: the call is over.
    Hangup,
}

/// Decides on a call that asks to be answered.
///
/// Here, if all is well; else at a better node of this region, else in the other region, else here all the same. A provider's
/// outage alone sends a call elsewhere only where there is a provider. A house without room lets it ring as busy, as long as it
/// was not answered.
pub fn route(
    now: Instant,
    here: Here,
    presence: &Presence,
    region: Region,
    (call, progress): (CallSid, Progress),
) -> Route {
    if progress == Progress::Over {
        return Route::Hangup;
    }
    let load = here.load;
    let is_well = load.takes_calls && load.has_provider;
    let is_crowded = load.permille() >= CROWDED_PERMILLE;
    let is_on_trial = here.places.is_some_and(|places| load.calls >= places);
    if is_well && !is_crowded && !is_on_trial {
        return Route::Here;
    }
    let own = presence
        .believed(now)
        .filter(|beat| beat.peer.region == region);
    let room_below = if is_well && is_on_trial && !is_crowded {
        CROWDED_PERMILLE
    } else if is_well {
        load.permille().saturating_sub(BETTER_BY_PERMILLE)
    } else {
        1_000
    };
    if let Some(better) = better(own, room_below, call) {
        return Route::Node(better.peer);
    }
    if is_well && load.permille() < 1_000 {
        return Route::Here; // Crowded, and there is room: another region is further away than that.
    }
    let others = presence
        .believed(now)
        .filter(|beat| beat.peer.region != region);
    if let Some(elsewhere) = better(others, 1_000, call) {
        return Route::Region(elsewhere.peer);
    }
    let has_room = load.takes_calls && load.permille() < 1_000;
    match progress {
        Progress::Ringing | Progress::Answered
            if has_room && (load.has_provider || here.has_menu) =>
        {
            Route::Here
        }
        Progress::Ringing if !has_room => Route::Busy,
        Progress::Ringing | Progress::Answered | Progress::Over => Route::Apology,
    }
}

/// Where a node that is about to leave sends the question what comes next for a call of others: to whom it is put again. `None`:
/// there is nobody, and it decides itself.
pub fn pass_on(now: Instant, presence: &Presence, region: Region, call: CallSid) -> Option<Peer> {
    let beside = presence
        .believed(now)
        .filter(|beat| beat.peer.region == region);
    let abroad = presence
        .believed(now)
        .filter(|beat| beat.peer.region != region);
    let found = better(beside, 1_000, call).or_else(|| better(abroad, 1_000, call));
    found.map(|beat| beat.peer)
}

/// One of those that take calls, have a model and are less loaded than `below`. Of two that the call's name draws the less
/// loaded one: whoever looks at the same moment would all take the same one otherwise.
fn better<'a>(
    nodes: impl Iterator<Item = &'a Beat>,
    below: u32,
    call: CallSid,
) -> Option<&'a Beat> {
    let takes = |beat: &&Beat| {
        beat.load.takes_calls && beat.load.has_provider && beat.load.permille() < below
    };
    let fit: Vec<&Beat> = nodes.filter(takes).collect();
    let draw = call.as_str().bytes().fold(17_usize, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    let first = fit.get(draw % fit.len().max(1))?;
    let second = fit.get((draw / 7 + 1) % fit.len().max(1))?;
    let is_first = first.load.permille() <= second.load.permille();
    Some(if is_first { first } else { second })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::region::presence::tests::beat;

    const WELL: Load = Load {
        calls: 10,
        calls_max: 100,
        takes_calls: true,
        has_provider: true,
        is_whole: true,
    };
    const CROWDED: Load = Load { calls: 90, ..WELL };
    const FULL: Load = Load { calls: 100, ..WELL };
    const LEAVING: Load = Load {
        takes_calls: false,
        ..WELL
    };
    const ALONE: Load = Load {
        has_provider: false,
        ..WELL
    };

    fn routed(
        mine: Load,
        has_menu: bool,
        others: &[(&str, &str, Load)],
        progress: Progress,
    ) -> Route {
        let me = beat("east", "a", 1, 1).peer;
        let mut presence = Presence::new(me);
        for (region, node, load) in others {
            let beat = Beat {
                load: *load,
                ..beat(region, node, 1, 1)
            };
            presence.hear(Instant::ZERO, beat);
        }
        let call = CallSid::parse("CA0123456789abcdefABCDEF0123456789").unwrap();
        let here = Here {
            load: mine,
            has_menu,
            places: None,
        };
        route(Instant::ZERO, here, &presence, me.region, (call, progress))
    }

    #[test]
    fn what_is_known_here_decides() {
        use Progress::{Answered, Over, Ringing};
        let near = Route::Node(beat("east", "b", 1, 1).peer);
        let far = Route::Region(beat("west", "c", 1, 1).peer);
        let beside = |load| ("east", "b", load);
        let abroad = |load| ("west", "c", load);
        for (mine, has_menu, others, progress, expected) in [
            (WELL, false, vec![beside(WELL)], Ringing, Route::Here),
            (WELL, false, vec![], Over, Route::Hangup),
            (CROWDED, false, vec![beside(WELL)], Ringing, near),
            (CROWDED, false, vec![beside(CROWDED)], Ringing, Route::Here),
            (CROWDED, false, vec![abroad(WELL)], Ringing, Route::Here),
            (FULL, false, vec![beside(FULL), abroad(WELL)], Ringing, far),
            (
                FULL,
                false,
                vec![beside(FULL), abroad(FULL)],
                Ringing,
                Route::Busy,
            ),
            (FULL, false, vec![], Answered, Route::Apology),
            (LEAVING, false, vec![beside(CROWDED)], Ringing, near),
            (LEAVING, false, vec![abroad(CROWDED)], Answered, far),
            (LEAVING, true, vec![], Ringing, Route::Busy),
            (ALONE, true, vec![beside(WELL)], Ringing, near),
            (ALONE, true, vec![beside(ALONE), abroad(WELL)], Ringing, far),
            (
                ALONE,
                true,
                vec![beside(ALONE), abroad(ALONE)],
                Ringing,
                Route::Here,
            ),
            (ALONE, false, vec![abroad(ALONE)], Ringing, Route::Apology),
        ] {
            let decided = routed(mine, has_menu, &others, progress);
            assert_eq!(decided, expected, "{mine:?} {others:?} {progress:?}");
        }
    }

    #[test]
    fn who_leaves_passes_questions_on_to_its_own_region_first() {
        let me = beat("east", "a", 1, 1).peer;
        let call = CallSid::parse("CA0123456789abcdefABCDEF0123456789").unwrap();
        let mut presence = Presence::new(me);
        let passed = |presence: &Presence| pass_on(Instant::ZERO, presence, me.region, call);
        assert_eq!(passed(&presence), None);
        for (region, node) in [("west", "c"), ("east", "b")] {
            let beat = beat(region, node, 1, 1);
            presence.hear(Instant::ZERO, beat);
            assert_eq!(passed(&presence), Some(beat.peer));
        }
    }

    #[test]
    fn a_node_on_trial_takes_few_calls_where_others_of_its_region_take_the_rest() {
        let me = beat("east", "a", 1, 1).peer;
        let (near, far) = (beat("east", "b", 1, 1), beat("west", "c", 1, 1));
        let call = CallSid::parse("CA0123456789abcdefABCDEF0123456789").unwrap();
        let routed = |calls, others: &[Beat]| {
            let mut presence = Presence::new(me);
            for other in others {
                presence.hear(Instant::ZERO, *other);
            }
            let here = Here {
                load: Load { calls, ..WELL },
                has_menu: false,
                places: Some(4),
            };
            let ringing = (call, Progress::Ringing);
            route(Instant::ZERO, here, &presence, me.region, ringing)
        };
        let crowded = Beat {
            load: CROWDED,
            ..near
        };
        assert_eq!(routed(3, &[near]), Route::Here);
        assert_eq!(routed(4, &[near]), Route::Node(near.peer));
        assert_eq!(routed(4, &[far]), Route::Here);
        assert_eq!(routed(4, &[crowded]), Route::Here);
    }

    #[test]
    fn calls_that_come_together_do_not_all_go_to_one_node() {
        let me = beat("east", "a", 1, 1).peer;
        let mut presence = Presence::new(me);
        for n in 0..8 {
            presence.hear(Instant::ZERO, beat("east", &format!("n{n}"), 1, 1));
        }
        let here = Here {
            load: LEAVING,
            has_menu: false,
            places: None,
        };
        let mut to = std::collections::BTreeSet::new();
        for n in 0..100 {
            let call = CallSid::parse(&format!("CA{n:032x}")).unwrap();
            let ringing = (call, Progress::Ringing);
            if let Route::Node(peer) = route(Instant::ZERO, here, &presence, me.region, ringing) {
                to.insert(peer);
            }
        }
        assert!(to.len() >= 6, "{to:?}");
    }
}
