//! How often the models were dialled, how often in vain, and how often when a breaker should have kept everybody out.

use std::{collections::BTreeSet, time::Duration};

use super::{Seen, Sessions, count, ms};
use crate::{
    model::dials::{Dial, Dials, End, Second},
    plan::Breaker,
    report::{Figure, Figures},
};

pub(super) fn tally(
    calls: usize,
    seen: &[Seen],
    sessions: &Sessions<'_>,
    breaker: Breaker,
    figures: &mut Figures,
) {
    let total = |of: fn(&Dials) -> u64| seen.iter().map(|seen| of(&seen.dials)).sum::<u64>();
    let dials = total(|dials| dials.total().dials().into());
    let opened = total(|dials| dials.total().opened.into());
    let peak = seen.iter().flat_map(|seen| seen.dials.seconds.values());
    // Every call needs one, and one more for every session that went wrong under it.
    let lost = sessions.all.iter();
    let lost = lost.filter(|it| it.first_fault.is_some() && !it.uplink.streams.is_empty());
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
    figures.set(Figure::CallsElsewhere, count(elsewhere(seen, sessions)));
    let episodes = seen.iter().map(|seen| Episodes::of(seen, breaker));
    episodes
        .fold(Episodes::default(), Episodes::and)
        .note(figures);
}

/// Calls whose first session was not at the first model.
fn elsewhere(seen: &[Seen], sessions: &Sessions<'_>) -> u64 {
    let Some(home) = seen.first() else {
        return 0;
    };
    let home: BTreeSet<_> = home
        .sessions
        .iter()
        .map(|session| session.session)
        .collect();
    let first = sessions.by_call.values();
    let first = first.filter_map(|of_call| of_call.iter().min_by_key(|it| it.opened));
    first.filter(|it| !home.contains(&it.session)).count() as u64
}

/// A breaker as the model sees it: nobody knows its state, but who dials tells.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Well.
    Closed,
    /// Dials fail since then: it may take a moment to open.
    Opening { since: Duration },
    /// Nobody is to come until then.
    Open { until: Duration },
    /// Probes may come, no callers; so many of them were good.
    HalfOpen { good: u32 },
}

/// What the dials of a model say of its breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Episodes {
    /// The longest time from the first dial that failed to the last before it was open.
    opened_after: Option<Duration>,
    /// Dials while it was open.
    while_open: u64,
    /// Callers' sessions before enough probes were good.
    callers: u64,
    /// The most dials in a second, from its first opening on.
    peak: Option<u32>,
}

impl Episodes {
    fn of(seen: &Seen, breaker: Breaker) -> Self {
        let with_caller = seen.sessions.iter();
        let with_caller = with_caller.filter(|session| !session.uplink.streams.is_empty());
        let with_caller: BTreeSet<_> = with_caller.map(|session| session.session).collect();
        let is_callers = |dial: &Dial| match dial.end {
            End::Opened(session) => with_caller.contains(&session),
            End::Refused(_) | End::Hung | End::Reset => false,
        };
        let dials = seen.dials.list.list.iter();
        let dials: Vec<_> = dials.map(|dial| (*dial, is_callers(dial))).collect();
        let mut episodes = Self::read(&dials, breaker);
        episodes.peak = dials
            .iter()
            .find(|(dial, _)| !matches!(dial.end, End::Opened(_)))
            .and_then(|(failed, _)| {
                let open_at = failed.at + breaker.opens_within();
                let later = seen.dials.seconds.range(open_at.as_secs() + 1..);
                later.map(|(_, second)| second.dials()).max()
            });
        episodes
    }

    /// Each dial with whether a caller spoke in its session.
    fn read(dials: &[(Dial, bool)], breaker: Breaker) -> Self {
        let mut episodes = Self::default();
        let mut state = State::Closed;
        for &(Dial { at, end, .. }, is_callers) in dials {
            let failed = !matches!(end, End::Opened(_));
            state = match state {
                State::Opening { since } if at > since + breaker.opens_within() => {
                    let until = since + breaker.opens_within() + breaker.cool_down();
                    State::Open { until }
                }
                State::Closed
                | State::Opening { .. }
                | State::Open { .. }
                | State::HalfOpen { .. } => state,
            };
            state = match state {
                State::Open { until } if at < until => {
                    episodes.while_open += 1;
                    state
                }
                State::Closed if failed => {
                    episodes.opened_after = episodes.opened_after.max(Some(Duration::ZERO));
                    State::Opening { since: at }
                }
                State::Closed => State::Closed,
                State::Opening { since } => {
                    let after = at.saturating_sub(since);
                    episodes.opened_after = episodes.opened_after.max(Some(after));
                    state
                }
                State::Open { .. } => episodes.probed(at, failed, is_callers, 0, breaker),
                State::HalfOpen { good } => episodes.probed(at, failed, is_callers, good, breaker),
            };
        }
        episodes
    }

    /// Somebody comes when only probes should.
    fn probed(
        &mut self,
        at: Duration,
        failed: bool,
        is_callers: bool,
        good: u32,
        breaker: Breaker,
    ) -> State {
        if failed {
            let until = at + breaker.cool_down();
            return State::Open { until };
        }
        self.callers += u64::from(is_callers);
        let good = good + u32::from(!is_callers);
        if good >= breaker.probes_good {
            State::Closed
        } else {
            State::HalfOpen { good }
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            opened_after: self.opened_after.max(other.opened_after),
            while_open: self.while_open + other.while_open,
            callers: self.callers + other.callers,
            peak: self.peak.max(other.peak),
        }
    }

    fn note(self, figures: &mut Figures) {
        figures.set_some(Figure::BreakerOpens, self.opened_after.map(ms));
        figures.set(Figure::DialsWhileOpen, count(self.while_open));
        figures.set(Figure::CallersAsProbes, count(self.callers));
        figures.set_some(Figure::DialsPeakAfter, self.peak.map(f64::from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKER: Breaker = Breaker {
        opens_within_ms: 1_500,
        cool_down_ms: 25_000,
        probes_good: 2,
    };
    const WELL: End = End::Opened(1);

    fn episodes(dials: &[(u64, End, bool)]) -> Episodes {
        let dial = |&(at, end, is_callers)| {
            let at = Duration::from_millis(at);
            (Dial { at, key: None, end }, is_callers)
        };
        let dials: Vec<_> = dials.iter().map(dial).collect();
        Episodes::read(&dials, BREAKER)
    }

    #[test]
    fn what_is_dialled_between_opening_and_probing_should_not_have_been() {
        let seen = episodes(&[
            (0, WELL, true),
            (5_000, End::Reset, false),
            (6_400, End::Refused(503), false),
            (6_600, WELL, true),
            (20_000, End::Hung, false),
            // The probe, which fails too: from here on it is open again, at once.
            (31_600, End::Reset, false),
            (32_000, WELL, true),
            (34_000, WELL, true),
            (90_000, WELL, false),
        ]);
        assert_eq!((seen.while_open, seen.callers), (4, 0));
        assert_eq!(seen.opened_after, Some(Duration::from_millis(1_400)));
    }

    #[test]
    fn a_caller_among_the_probes_is_told_from_one_after_them() {
        let outage = [(5_000, End::Reset, false)];
        let after = |dials: &[(u64, End, bool)]| episodes(&[&outage, dials].concat());
        let probed = after(&[
            (32_000, WELL, false),
            (33_000, WELL, false),
            (33_100, WELL, true),
        ]);
        assert_eq!((probed.callers, probed.while_open), (0, 0));
        let hasty = after(&[
            (32_000, WELL, false),
            (32_500, WELL, true),
            (33_000, WELL, false),
        ]);
        assert_eq!(hasty.callers, 1);
    }
}
