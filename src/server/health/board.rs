//! What was found of each part: the last result with its age and its reason, and how often what.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::look::Look;
use crate::core::health::{Part, RESULT_AGE_MAX, State};
use crate::core::time::Instant;
use crate::telemetry::CheckMoment;

/// How much later than planned a result may come and still counts.
const SLACK: Duration = Duration::from_secs(1);

/// What a look finds: how a part stands, and why so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) state: State,
    /// Empty where there is nothing to say. Never a secret, nor anything of a caller.
    pub(super) reason: String,
}

impl Finding {
    pub(super) const OK: Self = Self {
        state: State::Ok,
        reason: String::new(),
    };

    pub(super) fn new(state: State, reason: &(impl ToString + ?Sized)) -> Self {
        let reason = reason.to_string();
        Self { state, reason }
    }
}

/// A part that is looked at.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) part: Part,
    pub(super) look: Look,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    /// How long a result counts.
    holds: Duration,
    found: Mutex<Option<(Instant, Finding)>>,
    /// How often a look ended in each of [`State::ALL`].
    counts: [AtomicU64; State::ALL.len()],
}

impl Slot {
    pub(super) fn new(
        name: String,
        part: Part,
        look: Look,
        interval: Duration,
        timeout: Duration,
    ) -> Self {
        Self {
            name,
            part,
            look,
            interval,
            timeout,
            // What is looked at seldom counts for nothing but itself.
            holds: RESULT_AGE_MAX.max(interval + timeout + SLACK),
            found: Mutex::default(),
            counts: Default::default(),
        }
    }

    /// A look has ended.
    pub(super) fn found(&self, now: Instant, finding: Finding) {
        if let Some(count) = self.counts.get(finding.state as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        *self.last() = Some((now, finding));
    }

    /// How it stands now.
    pub(super) fn check(&self, now: Instant) -> Check {
        let (state, age, reason) = match &*self.last() {
            None => (State::Unknown, None, "nobody has looked yet".to_owned()),
            Some((at, finding)) => {
                let state = finding.state.at_age(now, *at, self.holds);
                let reason = if state == finding.state {
                    finding.reason.clone()
                } else {
                    "nobody has looked for too long".to_owned()
                };
                (state, Some(now.since(*at)), reason)
            }
        };
        let count = |state: State| {
            let count = self.counts.get(state as usize);
            count.map_or(0, |count| count.load(Ordering::Relaxed))
        };
        Check {
            name: self.name.clone(),
            part: self.part,
            state,
            age,
            reason,
            looks: State::ALL.map(|state| (state, count(state))),
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<(Instant, Finding)>> {
        // It is replaced as a whole.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a part stands at a moment.
#[derive(Clone, Debug)]
pub(in crate::server) struct Check {
    /// Its name in answers, logs and metrics.
    pub(in crate::server) name: String,
    pub(in crate::server) part: Part,
    pub(in crate::server) state: State,
    /// How old the result is; `None`: there is none.
    pub(in crate::server) age: Option<Duration>,
    /// Empty where there is nothing to say.
    pub(in crate::server) reason: String,
    /// How often a look ended so; nothing of what nobody looks at.
    pub(in crate::server) looks: [(State, u64); State::ALL.len()],
}

impl Check {
    /// As metrics tell it.
    pub(in crate::server) fn moment(&self) -> CheckMoment<'_> {
        CheckMoment {
            name: &self.name,
            state: self.state,
            age: self.age,
            looks: &self.looks,
        }
    }
}

/// What the log knows of each part; as many as there are.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<String, State>);

impl Told {
    /// Tells the log what has changed. That something becomes well or known is told if it was not.
    pub(super) fn tell(&mut self, checks: &[Check]) {
        for check in checks {
            let before = self.0.insert(check.name.clone(), check.state);
            let before = before.unwrap_or(State::Unknown);
            if before == check.state {
                continue;
            }
            let (from, to) = (before.name(), check.state.name());
            let (name, reason) = (&check.name, &check.reason);
            if check.state >= State::Degraded {
                tracing::warn!(check = name, from, to, reason, "health");
            } else if before >= State::Degraded {
                tracing::info!(check = name, from, to, reason, "health");
            } else {
                tracing::debug!(check = name, from, to, reason, "health");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_counts_as_long_as_the_next_one_may_take_to_come() {
        let at = |seconds| Instant::from_start(Duration::from_secs(seconds));
        let part = Part::Probe { is_required: false };
        let (interval, timeout) = (Duration::from_mins(1), Duration::from_secs(2));
        let slot = Slot::new("x".into(), part, Look::Store, interval, timeout);
        assert_eq!(slot.check(at(0)).state, State::Unknown);
        slot.found(at(10), Finding::new(State::Failed, "it is away"));
        let check = slot.check(at(73));
        assert_eq!(
            (check.state, check.reason.as_str()),
            (State::Failed, "it is away")
        );
        assert_eq!(check.age, Some(Duration::from_secs(63)));
        let check = slot.check(at(74));
        assert_eq!(check.state, State::Unknown);
        assert!(!check.reason.contains("away"), "it may be back");
        assert_eq!(check.looks[State::Failed as usize], (State::Failed, 1));
    }
}
