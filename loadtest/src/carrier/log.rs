//! Where the parts of a call put down what they saw.
//!
//! Owns the report while it grows, and the happenings that nobody has asked for yet. Both are bounded: what comes beyond is not kept.

use std::time::Duration;

use super::report::{Arrival, CallReport, Happening, Violation};

/// Happenings that wait to be taken.
const HAPPENINGS_MAX: usize = 4_096;
const ARRIVALS_MAX: usize = 65_536;
const CLEARS_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) report: CallReport,
    pub(super) happenings: Vec<(Duration, Happening)>,
    /// Every arrival is kept.
    pub(super) arrivals: bool,
}

impl Log {
    pub(super) fn tell(&mut self, at: Duration, happening: Happening) {
        if self.happenings.len() < HAPPENINGS_MAX {
            self.happenings.push((at, happening));
        }
    }

    pub(super) fn complain(&mut self, now: Duration, violation: Violation) {
        let count = self.report.violations.entry(violation).or_default();
        *count += 1;
        // Once is enough for a story, as it is for the carrier's log.
        if *count == 1 {
            self.tell(now, Happening::Violated(violation));
        }
    }

    pub(super) fn arrive(&mut self, now: Duration, arrival: Arrival) {
        let report = &mut self.report;
        match arrival {
            Arrival::Media(bytes) => {
                report.media_received += 1;
                report.media_bytes += bytes as u64;
                let after = now.saturating_sub(report.began);
                report.first_media.get_or_insert(after);
            }
            Arrival::Mark => report.marks_received += 1,
            Arrival::Clear if report.clears.len() < CLEARS_MAX => report.clears.push(now),
            Arrival::Clear => {}
        }
        if self.arrivals && report.arrivals.len() < ARRIVALS_MAX {
            report.arrivals.push((now, arrival));
        }
    }
}
