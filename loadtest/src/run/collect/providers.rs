//! How often the models were dialled, and how often in vain.

use std::time::Duration;

use super::{Seen, count};
use crate::{
    model::dials::{Dial, Dials, End, Second},
    plan::Breaker,
    report::{Figure, Figures},
};

pub(super) fn tally(calls: usize, seen: &[Seen], breaker: Breaker, figures: &mut Figures) {
    let total = |of: fn(&Dials) -> u64| seen.iter().map(|seen| of(&seen.dials)).sum::<u64>();
    let dials = total(|dials| dials.total().dials().into());
    let opened = total(|dials| dials.total().opened.into());
    let peak = seen.iter().flat_map(|seen| seen.dials.seconds.values());
    // Every call needs one, and one more for every session that went wrong under it.
    let sessions = seen.iter().flat_map(|seen| &seen.sessions);
    let lost = sessions.filter(|it| it.first_fault.is_some() && !it.uplink.streams.is_empty());
    let needed = calls as u64 + lost.count() as u64;
    figures.set(Figure::Dials, count(dials));
    figures.set(Figure::DialsFailed, count(dials - opened));
    figures.set_some(
        Figure::DialsPeak,
        peak.map(Second::dials).max().map(f64::from),
    );
    if needed > 0 {
        let extra = count(dials.saturating_sub(needed));
        figures.set(Figure::ExtraDials, extra / count(needed) * 100.0);
    }
    let while_open = seen
        .iter()
        .map(|it| while_open(&it.dials.list.list, breaker));
    figures.set(Figure::DialsWhileOpen, count(while_open.sum()));
}

/// Dials to a model whose breaker should have been open: from a while after the first that failed, until a probe is due.
fn while_open(dials: &[Dial], breaker: Breaker) -> u64 {
    let opens = Duration::from_millis(breaker.opens_within_ms);
    let closed_again = opens + Duration::from_millis(breaker.cool_down_ms);
    let mut failed: Option<Duration> = None;
    let mut while_open = 0;
    for dial in dials {
        let since = failed.map(|failed| dial.at.saturating_sub(failed));
        match since.filter(|&since| since < closed_again) {
            Some(since) => while_open += u64::from(since > opens),
            None => failed = (!matches!(dial.end, End::Opened(_))).then_some(dial.at),
        }
    }
    while_open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dialled_between_opening_and_probing_should_not_have_been() {
        let breaker = Breaker {
            opens_within_ms: 1_500,
            cool_down_ms: 25_000,
        };
        let dial = |at, end| Dial {
            at: Duration::from_millis(at),
            key: None,
            end,
        };
        let well = End::Opened(1);
        let dials = [
            dial(0, well),
            dial(5_000, End::Reset),
            dial(6_400, End::Refused(503)),
            dial(6_600, well),
            dial(20_000, End::Hung),
            // The probe, which fails too.
            dial(31_600, End::Reset),
            dial(32_000, well),
            dial(34_000, well),
            dial(90_000, well),
        ];
        assert_eq!(while_open(&dials, breaker), 3);
    }
}
