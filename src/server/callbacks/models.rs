//! Whether models have room for callers who are rung back, and how fast: what the pool and the house leave.
//!
//! Whoever is rung is promised somebody to speak with, so a breaker that is closed is not enough: at a start each is. Only providers
//! that answered a moment ago count; where nobody knows, and somebody is to be rung, a probe finds out.
//!
//! Callers who come by themselves go first: nobody is rung while the process leaves anything out, while calls wait for a
//! session, or for the last half of the room that there is.

use std::time::Duration;

use crate::config;
use crate::core::callback::input::Models;
use crate::core::time::Instant;
use crate::server::Shared;

/// A provider that takes all calls.
const WHOLE: u32 = 1_000;

/// How a provider stands.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// How many of 1,000 calls it takes now.
    permille: u32,
    /// Whether it answered a moment ago.
    is_proven: bool,
    /// How many sessions it may still hold.
    sessions: u32,
}

/// What the ledger is told now; `is_ring_due`: somebody waits for it.
pub(super) fn models(
    shared: &Shared,
    settings: &config::Callbacks,
    now: Instant,
    is_ring_due: bool,
) -> Models {
    if !shared.overload.stage().allows_extras() {
        return Models::Out;
    }
    let status = shared.providers.status(now);
    if status.waiting > 0 {
        return Models::Out;
    }
    let policies = &shared.providers.policy().providers;
    let rooms = policies
        .iter()
        .zip(&status.providers)
        .map(|(policy, status)| Room {
            permille: status.permille,
            is_proven: status.is_proven,
            sessions: policy.sessions_max.saturating_sub(status.sessions),
        });
    let sockets = shared.calls.sockets_max() - shared.calls.sockets();
    let models = decide(rooms, sockets, settings);
    if is_ring_due && models == Models::Out {
        shared.providers.prove(now);
    }
    models
}

fn decide(
    rooms: impl Iterator<Item = Room>,
    sockets: usize,
    settings: &config::Callbacks,
) -> Models {
    let (mut best, mut sessions) = (0, 0_usize);
    for room in rooms.filter(|room| room.is_proven) {
        best = best.max(room.permille.min(WHOLE));
        let open =
            u64::from(room.sessions) * u64::from(room.permille.min(WHOLE)) / u64::from(WHOLE);
        sessions = sessions.saturating_add(usize::try_from(open).unwrap_or(usize::MAX));
    }
    let ringing_max = settings.ringing_max.min(sessions.min(sockets) / 2);
    if best == 0 || ringing_max == 0 {
        return Models::Out;
    }
    let every = Duration::from_secs(1) / settings.rings_per_second;
    Models::Back {
        ring_every: every * WHOLE / best,
        ringing_max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::callbacks::tests::settings;

    fn decided(rooms: &[(u32, u32)], sockets: usize) -> Option<(u128, usize)> {
        decided_of(rooms, sockets, true)
    }

    fn decided_of(rooms: &[(u32, u32)], sockets: usize, is_proven: bool) -> Option<(u128, usize)> {
        let rooms = rooms.iter().map(|&(permille, sessions)| Room {
            permille,
            is_proven,
            sessions,
        });
        match decide(rooms, sockets, &settings()) {
            Models::Out => None,
            Models::Back {
                ring_every,
                ringing_max,
            } => Some((ring_every.as_millis(), ringing_max)),
        }
    }

    #[test]
    fn nobody_is_rung_without_a_provider_that_is_well_or_without_room() {
        assert_eq!(decided(&[], 100), None);
        assert_eq!(decided(&[(0, 500), (0, 500)], 100), None);
        assert_eq!(decided(&[(1_000, 1)], 100), None);
        assert_eq!(
            decided_of(&[(1_000, 500)], 100, false),
            None,
            "nobody knows"
        );
        assert_eq!(decided(&[(1_000, 500)], 1), None);
    }

    #[test]
    fn the_slow_start_of_the_best_provider_sets_the_pace() {
        assert_eq!(decided(&[(1_000, 500)], 100), Some((1_000, 10)));
        assert_eq!(decided(&[(100, 500), (0, 500)], 100), Some((10_000, 10)));
        assert_eq!(decided(&[(100, 100)], 100), Some((10_000, 5)));
        assert_eq!(decided(&[(1_000, 500), (100, 10)], 8), Some((1_000, 4)));
    }
}
