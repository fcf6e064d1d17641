//! What is to be kept of a number beside promises: that it wants nothing of us, and that everything of it is to go. Tried until
//! it is done.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::callback::effect::{Effect, Effects, Reply, Seen, Write, WriteId};
use crate::core::callback::input::Stored;
use crate::core::callback::ledger::{At, CallbackLedger};
use crate::core::callback::number::Number;
use crate::core::callback::promise::End;
use crate::core::ids::{MessageSid, PromiseId};
use crate::core::time::{Instant, Utc};

/// The most at once; beyond it a text is not taken, and the carrier asks again.
const ERRANDS_MAX: usize = 10_000;

/// Texts that wait for one of them.
const WAITS_MAX: usize = 8;

const AGAIN: Duration = Duration::from_secs(2);

/// Something to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Since when a number wants nothing of us, or no longer so.
    OptOut(Number, Option<Utc>),
    /// Everything of a number goes.
    Forget(Number),
}

impl Errand {
    const fn key(self) -> (Number, bool) {
        match self {
            Self::OptOut(number, _) => (number, false),
            Self::Forget(number) => (number, true),
        }
    }

    const fn write(self) -> Write {
        match self {
            Self::OptOut(number, at) => Write::OptOut(number, at),
            Self::Forget(number) => Write::Forget(number),
        }
    }
}

#[derive(Debug)]
struct Running {
    errand: Errand,
    state: State,
    /// Texts to answer when it is done.
    waits: Vec<MessageSid>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A write is out: of this, or of what it was before.
    Out { write: WriteId, is_dirty: bool },
    /// The last one failed.
    Again { at: Instant },
}

/// All of them, by number.
#[derive(Debug, Default)]
pub(super) struct Errands {
    running: BTreeMap<(Number, bool), Running>,
    by_write: BTreeMap<WriteId, (Number, bool)>,
    /// When those that failed are tried again.
    again_at: Option<Instant>,
}

impl Errands {
    pub(super) fn is_stopping(&self, number: Number) -> bool {
        let running = self.running.get(&(number, false));
        running.is_some_and(|running| matches!(running.errand, Errand::OptOut(_, Some(_))))
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.again_at
    }
}

impl CallbackLedger {
    /// Runs an errand; a text of theirs is answered when it is done. `None`: there are too many.
    pub(super) fn run_errand(
        &mut self,
        errand: Errand,
        message: Option<MessageSid>,
        effects: &mut Effects,
    ) -> Option<()> {
        let key = errand.key();
        if let Some(running) = self.errands.running.get_mut(&key) {
            let has_changed = running.errand != errand;
            running.errand = errand;
            if let State::Out { is_dirty, .. } = &mut running.state {
                *is_dirty |= has_changed;
            }
            let room = WAITS_MAX.saturating_sub(running.waits.len());
            running.waits.extend(message.into_iter().take(room));
            return Some(());
        }
        if self.errands.running.len() >= ERRANDS_MAX {
            return None;
        }
        let write = self.name_errand();
        let state = State::Out {
            write,
            is_dirty: false,
        };
        let waits = message.into_iter().collect();
        let running = Running {
            errand,
            state,
            waits,
        };
        self.errands.running.insert(key, running);
        self.errands.by_write.insert(write, key);
        effects.push(Effect::Write(write, errand.write()));
        Some(())
    }

    /// Whether this was the write of an errand.
    pub(super) fn errand_stored(
        &mut self,
        at: At,
        write: WriteId,
        stored: Stored,
        effects: &mut Effects,
    ) -> bool {
        let Some(key) = self.errands.by_write.remove(&write) else {
            return false;
        };
        let Some(running) = self.errands.running.get_mut(&key) else {
            return true;
        };
        let is_dirty = matches!(running.state, State::Out { is_dirty: true, .. });
        match stored {
            Stored::Failed => {
                effects.observe(Seen::WriteFailed);
                let again = at.now + AGAIN;
                running.state = State::Again { at: again };
                self.errands.again_at =
                    Some(self.errands.again_at.map_or(again, |due| due.min(again)));
            }
            Stored::Kept
            | Stored::Already(_)
            | Stored::OptedOut
            | Stored::Stale(_)
            | Stored::Unknown
            | Stored::Elsewhere
                if is_dirty =>
            {
                self.rewrite(key, effects);
            }
            Stored::Kept
            | Stored::Already(_)
            | Stored::OptedOut
            | Stored::Stale(_)
            | Stored::Unknown
            | Stored::Elsewhere => {
                if let Some(running) = self.errands.running.remove(&key) {
                    let reply = match running.errand {
                        Errand::OptOut(_, None) => Some(Reply::Welcome),
                        Errand::OptOut(_, Some(_)) | Errand::Forget(_) => None,
                    };
                    for message in running.waits {
                        self.inbox.settle(message, reply, effects);
                    }
                }
            }
        }
        true
    }

    pub(super) fn errands_again(&mut self, at: At, effects: &mut Effects) {
        if self.errands.again_at.is_none_or(|due| at.now < due) {
            return;
        }
        let due = |running: &Running| match running.state {
            State::Again { at } => Some(at),
            State::Out { .. } => None,
        };
        let is_due = |running: &Running| due(running).is_some_and(|due| due <= at.now);
        let ready = self
            .errands
            .running
            .iter()
            .filter(|(_, running)| is_due(running));
        let ready: Vec<_> = ready.map(|(key, _)| *key).collect();
        for key in ready {
            self.rewrite(key, effects);
        }
        self.errands.again_at = self.errands.running.values().filter_map(due).min();
    }

    fn rewrite(&mut self, key: (Number, bool), effects: &mut Effects) {
        let write = self.name_errand();
        if let Some(running) = self.errands.running.get_mut(&key) {
            running.state = State::Out {
                write,
                is_dirty: false,
            };
            effects.push(Effect::Write(write, running.errand.write()));
            self.errands.by_write.insert(write, key);
        }
    }

    /// The carrier says that they told it to stop: so they told us.
    pub(super) fn carrier_says_stop(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let stop = Errand::OptOut(entry.promise.to, Some(at.utc));
        // If there are too many, the carrier still says so the next time.
        if self.run_errand(stop, None, effects).is_none() {
            effects.observe(Seen::WriteFailed);
        }
        self.end(id, End::OptedOut, effects);
    }
}
