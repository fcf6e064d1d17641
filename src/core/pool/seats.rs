//! Who sits where: every session that was admitted and not yet reported as over.
//!
//! A seat's name is never used twice, so that a late or repeated report changes nothing.

use crate::core::ids::{KeyId, ProviderId, TenantId};
use crate::core::time::Instant;

/// The name of one admitted session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    place: u32,
    generation: u32,
}

/// What is known of an admitted session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occupied {
    pub(super) provider: ProviderId,
    pub(super) key: KeyId,
    pub(super) whose: Whose,
    /// The call took a session that waited for it: how long it took says nothing of how long dials take.
    pub(super) is_warm: bool,
    pub(super) dialled_at: Instant,
    pub(super) stage: Stage,
}

/// For whom it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Call(TenantId),
    Probe,
    Spare,
    /// Ours: a rendering, or a transcription.
    Errand,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Dialling { was_slow: bool },
    Ready { was_slow: bool, has_answered: bool },
}

/// The seats; as many as the bulkheads let in, and no fewer places than that.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats {
    places: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Place {
    generation: u32,
    occupied: Option<Occupied>,
}

/// How many places are made at the start, so that taking one allocates nothing.
const PLACES_AT_START: u32 = 1_024;

impl Seats {
    /// Seats for `sessions_max` sessions.
    pub(super) fn new(sessions_max: u32) -> Self {
        let count = sessions_max.min(PLACES_AT_START);
        let place = Place {
            generation: 0,
            occupied: None,
        };
        Self {
            places: vec![place; usize::try_from(count).unwrap_or_default()],
            free: (0..count).rev().collect(),
        }
    }

    pub(super) fn take(&mut self, occupied: Occupied) -> Seat {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                occupied: None,
            });
            u32::try_from(self.places.len() - 1).expect("bulkheads admit fewer than 2^32 sessions")
        });
        let taken = self.place_mut(place).expect("a free place exists");
        taken.occupied = Some(occupied);
        Seat {
            place,
            generation: taken.generation,
        }
    }

    /// What is known of a seat; `None` if it was given up.
    pub(super) fn get_mut(&mut self, seat: Seat) -> Option<&mut Occupied> {
        self.place_mut(seat.place)
            .filter(|place| place.generation == seat.generation)?
            .occupied
            .as_mut()
    }

    /// Gives up a seat; `None` if it was given up before.
    pub(super) fn leave(&mut self, seat: Seat) -> Option<Occupied> {
        let place = self
            .place_mut(seat.place)
            .filter(|place| place.generation == seat.generation)?;
        let occupied = place.occupied.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(seat.place);
        Some(occupied)
    }

    fn place_mut(&mut self, place: u32) -> Option<&mut Place> {
        self.places.get_mut(usize::try_from(place).ok()?)
    }
}
