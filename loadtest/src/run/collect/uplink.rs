//! From callers to the model: what arrived, and how late.

use std::ops::Range;

use super::{Sessions, Spread, Tally, Told, count};
use crate::{
    model::report::SessionReport,
    report::{Figure, Figures},
};

pub(super) fn tally(told: &[&Told], sessions: &Sessions<'_>, figures: &mut Figures) -> Tally {
    let mut tally = Tally { lost: 0, twice: 0 };
    let (mut sent, mut start, mut end) = (0, 0, 0);
    for told in told {
        let number = told.report.number;
        let streams = sessions.of(number).iter();
        let streams = streams.filter_map(|session| session.uplink.streams.get(&number));
        let mut blocks = Vec::new();
        for stream in streams {
            tally.twice += stream.repeated + stream.out_of_order;
            blocks.extend(stream.blocks.iter().cloned());
        }
        let missing = Missing::among(blocks, told.report.frames_sent);
        sent += told.report.frames_sent;
        start += missing.start;
        end += missing.end;
        tally.lost += missing.gaps;
    }
    figures.set(Figure::FramesUp, count(sent));
    figures.set(Figure::FramesLostStart, count(start));
    figures.set(Figure::FramesLostEnd, count(end));
    let misread = |session: &&SessionReport| session.violations.misread_appends;
    let misread = sessions.all.iter().map(misread).sum();
    figures.set(Figure::FramesMisread, count(misread));
    let errors = sessions
        .all
        .iter()
        .flat_map(|session| session.errors.values());
    figures.set(Figure::Errors, count(errors.sum()));
    let mut latency = Spread::new();
    for session in &sessions.all {
        for bar in session.uplink.latency_us.iter_recorded() {
            latency.add_many(bar.value_iterated_to(), bar.count_at_value().into());
        }
    }
    figures.set_some(Figure::UpP50, latency.at(0.5));
    figures.set_some(Figure::UpP99, latency.at(0.99));
    figures.set_some(Figure::UpP999, latency.at(0.999));
    tally
}

/// Blocks of a call that never came.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    /// Before the first that came.
    start: u64,
    /// Between others.
    gaps: u64,
    /// After the last that came.
    end: u64,
}

impl Missing {
    /// `blocks` came, in one session or in several, of `sent` that left.
    fn among(mut blocks: Vec<Range<u32>>, sent: u64) -> Self {
        blocks.sort_by_key(|range| range.start);
        let mut missing = Self {
            start: 0,
            gaps: 0,
            end: 0,
        };
        let mut next = 0;
        for (nth, range) in blocks.iter().enumerate() {
            let gap = u64::from(range.start.saturating_sub(next));
            if nth == 0 {
                missing.start = gap;
            } else {
                missing.gaps += gap;
            }
            next = next.max(range.end);
        }
        if blocks.is_empty() {
            missing.start = sent;
        } else {
            missing.end = sent.saturating_sub(next.into());
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::single_range_in_vec_init,
        reason = "a single range is what came"
    )]
    #[test]
    fn what_is_missing_is_told_apart_by_where_it_is_missing() {
        let missing = |start, gaps, end| Missing { start, gaps, end };
        assert_eq!(Missing::among(vec![0..10], 10), missing(0, 0, 0));
        assert_eq!(Missing::among(vec![2..5, 7..9], 10), missing(2, 2, 1));
        // Two sessions, the second of which got some of it again.
        assert_eq!(Missing::among(vec![8..20, 0..10], 20), missing(0, 0, 0));
        assert_eq!(Missing::among(vec![0..3, 1..2, 4..5], 5), missing(0, 1, 0));
        assert_eq!(Missing::among(vec![], 7), missing(7, 0, 0));
    }
}
