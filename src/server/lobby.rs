//! Who is connected and has not been served: at most so many, and whoever comes too many takes the place of the one who has
//! been there for the longest.
//!
//! It owns how many there are, and nothing of what they say. A carrier asks as soon as it is connected and is served within
//! milliseconds; whoever holds a place for seconds is somebody else, and must not keep a caller out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The places of connections before their upgrade or the end of their request.
#[derive(Debug)]
pub(super) struct Lobby {
    guests: Mutex<Guests>,
    max: usize,
}

#[derive(Debug, Default)]
struct Guests {
    next: u64,
    /// The first one goes first.
    by_rank: BTreeMap<Rank, oneshot::Sender<()>>,
}

/// Whoever has asked for nothing goes before whoever has; then the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    has_asked: bool,
    number: u64,
}

impl Lobby {
    /// With room for `max`, at least one.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            guests: Mutex::default(),
            max: max.max(1),
        })
    }

    /// A place for one more, and whether somebody had to go for it.
    pub(super) fn enter(self: &Arc<Self>) -> (Guest, bool) {
        let (go, told_to_go) = oneshot::channel();
        let mut guests = self.lock();
        let number = guests.next;
        guests.next += 1;
        let is_full = guests.by_rank.len() >= self.max;
        let gone = if is_full {
            guests.by_rank.pop_first()
        } else {
            None
        };
        let rank = Rank {
            has_asked: false,
            number,
        };
        guests.by_rank.insert(rank, go);
        drop(guests);
        let has_gone = gone.is_some();
        if let Some((_, go)) = gone {
            go.send(()).ok(); // Whoever has gone already need not be told.
        }
        let place = Place {
            lobby: Arc::clone(self),
            number,
        };
        let guest = Guest {
            place: Arc::new(place),
            told_to_go,
        };
        (guest, has_gone)
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        // Nothing is done under the lock that could leave it half changed.
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that has a place.
#[derive(Debug)]
pub(super) struct Guest {
    /// To be held for as long as the connection is to be counted.
    pub(super) place: Arc<Place>,
    /// Told when the connection is to end, for another one needs the place.
    pub(super) told_to_go: oneshot::Receiver<()>,
}

/// A place in the lobby; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lobby: Arc<Lobby>,
    number: u64,
}

impl Place {
    /// The head of its request is there: others go first now.
    pub(super) fn asks(&self) {
        let mut guests = self.lobby.lock();
        if let Some(go) = guests.by_rank.remove(&self.rank(false)) {
            guests.by_rank.insert(self.rank(true), go);
        }
    }

    /// The connection stays, and is counted elsewhere: it is not told to go any more.
    pub(super) fn leave(&self) {
        let mut guests = self.lobby.lock();
        for has_asked in [false, true] {
            guests.by_rank.remove(&self.rank(has_asked));
        }
    }

    const fn rank(&self, has_asked: bool) -> Rank {
        Rank {
            has_asked,
            number: self.number,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_told(guest: &mut Guest) -> bool {
        guest.told_to_go.try_recv().is_ok()
    }

    #[test]
    fn whoever_comes_too_many_takes_the_place_of_the_oldest() {
        let lobby = Lobby::new(2);
        let (mut first, has_gone) = lobby.enter();
        assert!(!has_gone);
        let (mut second, _) = lobby.enter();
        let (_third, has_gone) = lobby.enter();
        assert!(has_gone && is_told(&mut first) && !is_told(&mut second));
        let (_fourth, _) = lobby.enter();
        assert!(is_told(&mut second));
    }

    #[test]
    fn whoever_has_asked_stays_before_whoever_has_not() {
        let lobby = Lobby::new(2);
        let (mut asks, _) = lobby.enter();
        asks.place.asks();
        let (mut idles, _) = lobby.enter();
        let (_third, _) = lobby.enter();
        assert!(!is_told(&mut asks) && is_told(&mut idles));
    }

    #[test]
    fn where_all_have_asked_the_oldest_goes() {
        let lobby = Lobby::new(1);
        let (mut first, _) = lobby.enter();
        first.place.asks();
        let (_second, has_gone) = lobby.enter();
        assert!(has_gone && is_told(&mut first));
    }

    #[test]
    fn a_place_that_is_given_back_is_free() {
        let lobby = Lobby::new(1);
        for asks in [false, true] {
            let (guest, has_gone) = lobby.enter();
            assert!(!has_gone);
            if asks {
                guest.place.asks();
            }
        }
        assert!(lobby.lock().by_rank.is_empty());
    }
}
