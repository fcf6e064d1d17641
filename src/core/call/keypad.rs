//! What the caller keys in: gathered until `#`, a pause or the limit, then given to the model as one text.

use std::fmt;
use std::time::Duration;

use crate::core::call::input::Key;
use crate::core::time::Instant;

/// Keys of one entry: a card number and more. At the limit the entry is complete.
const KEYS_MAX: usize = 32;

/// Keys a second: nobody presses more than this by hand.
const KEYS_PER_SECOND_MAX: u32 = 10;

/// The entry that is being keyed.
pub(super) struct Keypad {
    keys: String,
    last_at: Instant,
    timeout: Duration,
    second_began: Instant,
    keys_this_second: u32,
}

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressed {
    /// It begins an entry.
    First,
    /// It continues one.
    Next,
    /// It came faster than keys can be pressed, and is dropped.
    TooFast,
}

impl Keypad {
    pub(super) const fn new(now: Instant, timeout: Duration) -> Self {
        Self {
            keys: String::new(),
            last_at: now,
            timeout,
            second_began: now,
            keys_this_second: 0,
        }
    }

    /// Whether a key that was pressed now counts: nobody presses more than ten a second.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        if now.since(self.second_began) >= Duration::from_secs(1) {
            self.second_began = now;
            self.keys_this_second = 0;
        }
        self.keys_this_second += 1;
        self.keys_this_second <= KEYS_PER_SECOND_MAX
    }

    /// A key was pressed.
    pub(super) fn press(&mut self, now: Instant, key: Key) -> Pressed {
        if !self.admits(now) {
            return Pressed::TooFast;
        }
        let pressed = if self.keys.is_empty() {
            Pressed::First
        } else {
            Pressed::Next
        };
        self.last_at = now;
        if self.keys.len() < KEYS_MAX {
            self.keys.push(key.character());
        }
        pressed
    }

    /// Forgets what is being keyed: nobody is there to take it.
    pub(super) fn forget(&mut self) {
        self.keys.clear();
    }

    /// Takes the entry out if it is complete.
    pub(super) fn take_complete(&mut self, now: Instant) -> Option<Box<str>> {
        let is_complete = self.keys.ends_with('#')
            || self.keys.len() == KEYS_MAX
            || self.deadline().is_some_and(|deadline| now >= deadline);
        is_complete.then(|| std::mem::take(&mut self.keys).into_boxed_str())
    }

    /// Whether an entry is being keyed.
    pub(super) const fn is_busy(&self) -> bool {
        !self.keys.is_empty()
    }

    /// When the entry will be complete if nothing more is pressed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.keys.is_empty()).then(|| self.last_at + self.timeout)
    }
}

/// Without the keys.
impl fmt::Debug for Keypad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypad({} keys)", self.keys.len())
    }
}
