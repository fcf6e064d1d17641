//! Spares in the world: dialled as the pool says, taken by callers, lost or let go.

use ringback::core::fault::Fault;
use ringback::core::pool::{Report, Rung};

use super::{Event, World};
use crate::desk::secs;

impl World {
    pub(super) fn begin_spare(&mut self, rung: Rung) {
        self.books.on_spare(self.now, &rung);
        self.note(&format!("{rung:?}"));
        self.spares.push(rung);
        let (after, outcome) = self.outcome(rung);
        let report = match outcome {
            Ok(()) if self.has_no_quota(rung) => Report::Failed(Fault::QuotaExhausted),
            Ok(()) => Report::Ready,
            Err(fault) => Report::Failed(fault),
        };
        self.at(after, Event::Spare(rung, report));
        if report == Report::Ready {
            let lasts = self.chance.up_to(secs(40));
            let end = match self.below(3) {
                0 => Report::Failed(Fault::Closed { code: 1000 }),
                _ => Report::Ended,
            };
            self.at(after + lasts, Event::Spare(rung, end));
        }
    }

    /// A call may have taken it.
    pub(super) fn spare_reports(&mut self, rung: Rung, report: Report) {
        let is_known = self
            .pool
            .record(self.now, rung.seat, report, &mut self.news);
        if is_known {
            self.books.on_report(self.now, rung.seat, report);
        } else {
            self.books.check_gone(rung.seat);
        }
    }

    pub(super) fn end_spares(&mut self) {
        for rung in std::mem::take(&mut self.spares) {
            self.spare_reports(rung, Report::Ended);
        }
    }
}
