//! How many sessions at once: what one provider or tenant takes, no other must go without.

/// Counts sessions against a limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bulkhead {
    sessions: u32,
    sessions_max: u32,
}

impl Bulkhead {
    pub(super) const fn new(sessions_max: u32) -> Self {
        Self {
            sessions: 0,
            sessions_max,
        }
    }

    /// How many more there may be.
    pub(super) const fn free(self) -> u32 {
        self.sessions_max.saturating_sub(self.sessions)
    }

    /// How many there are.
    pub(super) const fn sessions(self) -> u32 {
        self.sessions
    }

    /// One more; whether there was room is the caller's to ask.
    pub(super) const fn enter(&mut self) {
        self.sessions = self.sessions.saturating_add(1);
    }

    /// One less.
    pub(super) fn leave(&mut self) {
        assert!(self.sessions > 0, "a session leaves only once");
        self.sessions -= 1;
    }
}
