//! Errands: sessions of our own, which are worth less than any call's. A *rendering* speaks a prompt, to be recorded; a
//! *transcription* writes down a message after the tone.
//!
//! One is admitted only where no call waits, and what it takes could not be missed, as with a [spare](super::spare). A rendering
//! wants all to be well, and the first tier, whose voices callers hear. A transcription goes to the first entry of the ladder that
//! is well: a message was left because models were out, and who left it waits. The server decides how often one is asked for, and
//! runs it.

use crate::core::fault::Count;
use crate::core::pool::admission::{Charge, Report, Rung};
use crate::core::pool::breaker::{BreakerState, Sample};
use crate::core::pool::endpoint::Endpoint;
use crate::core::pool::seats::{Occupied, Seat, Stage, Whose};
use crate::core::pool::{News, Pool};
use crate::core::time::Instant;

impl Pool {
    /// A place for one session that speaks a prompt; `None`: not now. It reports [`Ready`](Report::Ready) when its session takes
    /// our settings, and ends with [`Failed`](Report::Failed) or [`Ended`](Report::Ended).
    pub fn admit_rendering(&mut self, now: Instant) -> Option<Rung> {
        let is_quiet = self.queue.len(now) == 0 && self.endpoints.iter().all(Endpoint::is_well);
        let (_, entries) = self.ladder.tiers().first().filter(|_| is_quiet)?;
        let entry = entries.iter().find_map(|&provider| {
            let key = self.endpoint(provider)?.key_for_spare(now)?;
            Some((provider, key))
        })?;
        Some(self.take_seat(now, Whose::Errand, entry, Charge::Rendering))
    }

    /// A place for one session that writes down a message; `None`: not now. It reports as a [rendering](Self::admit_rendering) does.
    pub fn admit_transcription(&mut self, now: Instant) -> Option<Rung> {
        if self.queue.len(now) > 0 {
            return None;
        }
        let mut entries = self.ladder.tiers().iter().flat_map(|(_, entries)| entries);
        let entry = entries.find_map(|&provider| {
            let endpoint = self.endpoint(provider)?;
            let is_well = endpoint.breaker.state() == BreakerState::Closed;
            let key = endpoint.key_for_spare(now).filter(|_| is_well)?;
            Some((provider, key))
        })?;
        Some(self.take_seat(now, Whose::Errand, entry, Charge::Transcription))
    }

    /// Takes in what an errand reports.
    ///
    /// That it could not be dialled is a failure as any other. What failed later may be the text's or the message's doing: a breaker
    /// hears of it only where it is about the key or the account. A success takes back what failed before it, and no more.
    pub(super) fn judge_errand(
        &mut self,
        now: Instant,
        seat: Seat,
        of: Occupied,
        report: Report,
        news: &mut News,
    ) {
        match report {
            Report::Slow | Report::Answered { .. } | Report::AnswerFailed(_) => {}
            Report::Ready => {
                let stage = Stage::Ready {
                    was_slow: false,
                    has_answered: false,
                };
                self.set_stage(seat, stage);
                // Failures of errands that lie hours apart are no row, if there were good ones between.
                self.sample(now, of.provider, Sample::SpareReady, news);
            }
            Report::Failed(fault) => {
                self.leave(now, seat);
                let is_ready = matches!(of.stage, Stage::Ready { .. });
                if !is_ready || fault.count() != Count::Once {
                    self.fault(now, of, fault, Sample::SpareFailed, news);
                }
            }
            Report::Ended => self.leave(now, seat),
        }
    }
}

impl Endpoint {
    /// Whether no breaker here is anything but closed.
    fn is_well(&self) -> bool {
        let is_closed = |state| state == BreakerState::Closed;
        is_closed(self.breaker.state())
            && self.keys.iter().all(|key| is_closed(key.breaker.state()))
    }
}
