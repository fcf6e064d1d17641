//! Who has the floor, what the caller is owed, and for how long they may be left waiting.

use std::time::Duration;

use crate::core::call::input::ResponseId;
use crate::core::call::settings::CallSettings;
use crate::core::time::Instant;

/// Fillers of one turn: a third "one moment" is worse than an apology.
const FILLERS_MAX: u8 = 2;

/// How much longer the first filler waits for a turn of which only our ear says that it has ended: the caller may be
/// thinking.
const DOUBT: Duration = Duration::from_millis(400);

/// How much longer the first filler waits for an answer that is being made: its first words are moments away.
const IMMINENT: Duration = Duration::from_millis(400);

/// Who has the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floor {
    /// The agent speaks, or nobody does; nobody is owed anything.
    Agent,
    /// The caller speaks.
    Caller,
    /// The caller waits.
    Owed(Owed),
}

/// What the caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    /// Since when; a debt that is not due yet lies ahead.
    pub(super) since: Instant,
    pub(super) debt: Debt,
    /// Only our ear says that the caller has finished, and the session heard them begin.
    pub(super) is_doubtful: bool,
    /// This response, and those before it, are to something else.
    pub(super) beyond: Option<ResponseId>,
    pub(super) fillers: u8,
}

/// What is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Debt {
    /// An answer to what the caller said.
    Answer,
    /// An answer to what the caller keyed in.
    Keys,
    /// The first words of the call.
    Greeting,
    /// The rest of an answer that was cut by a failure.
    Rest,
}

/// What is due when a caller has waited for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A word that says that somebody is there.
    Filler,
    /// An end of the waiting.
    Apology,
}

impl Owed {
    pub(super) const fn new(since: Instant, debt: Debt) -> Self {
        Self {
            since,
            debt,
            is_doubtful: false,
            beyond: None,
            fillers: 0,
        }
    }

    /// An answer to a turn of which only our ear says that it has ended.
    pub(super) const fn doubtful(since: Instant) -> Self {
        Self {
            is_doubtful: true,
            ..Self::new(since, Debt::Answer)
        }
    }

    /// An answer to a turn of which the session has noticed nothing: what it is saying meanwhile is none.
    pub(super) const fn unnoticed(since: Instant, beyond: Option<ResponseId>) -> Self {
        Self {
            beyond,
            ..Self::new(since, Debt::Answer)
        }
    }

    /// Whether this response may be what is owed.
    pub(super) fn may_be(&self, response: Option<ResponseId>) -> bool {
        self.beyond.is_none() || response > self.beyond
    }

    /// A filler was played.
    pub(super) const fn on_filler(&mut self) {
        self.fillers = self.fillers.saturating_add(1);
    }

    /// How many fillers were played.
    pub(super) const fn fillers(&self) -> u8 {
        self.fillers
    }

    /// When what is owed has to come from the session; `asked_at` is when the session could first know of it.
    ///
    /// A turn of which only our ear says that it has ended has no longer: what hears speech for so long after its end is as likely
    /// to hear nothing any more, and the caller waits all the same.
    pub(super) fn answer_by(&self, asked_at: Instant, settings: &CallSettings) -> Instant {
        self.since.max(asked_at) + settings.answer_timeout
    }

    /// What is due next, and when; `silent_since` is when the last sound ended or will end, and an answer may be under way.
    pub(super) fn due(
        &self,
        silent_since: Instant,
        is_answering: bool,
        settings: &CallSettings,
    ) -> (Instant, Due) {
        let silent_since = silent_since.max(self.since);
        let by = self.since + settings.apology_after;
        let more = match (self.is_doubtful, is_answering) {
            (true, _) => DOUBT,
            (false, true) => IMMINENT,
            (false, false) => Duration::ZERO,
        };
        let filler_at = match self.fillers {
            0 => silent_since + settings.filler_after + more,
            1..FILLERS_MAX => silent_since + settings.filler_again_after,
            // Nothing but the apology is left to say. It does not wait for an answer that may be moments away: the silence would be
            // too long.
            FILLERS_MAX.. => {
                let at = silent_since + settings.filler_again_after;
                return (by.min(at), Due::Apology);
            }
        };
        if filler_at < by {
            (filler_at, Due::Filler)
        } else {
            (by, Due::Apology)
        }
    }
}
