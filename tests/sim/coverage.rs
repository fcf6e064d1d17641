//! What the storm has reached: each fault in each phase of a call, and how long callers went without the model then.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::setup::Life;
use crate::succession::{Doing, failures};

/// How often the ordinary run meets each fault in each phase in which it can occur.
const TIMES_MIN: usize = 20;

/// From a loss to the gap that it is to blame for.
const BLAMED_WITHIN: Duration = Duration::from_secs(1);

/// The faults by the phases in which they can occur: c(onnecting), s(peaking), w(aiting), a(nswering), i(dle).
const CAN_OCCUR: [(&str, &str); 32] = [
    ("dns_failed", "c"),
    ("connect_failed", "c"),
    ("tls_expired", "c"),
    ("tls_wrong_name", "c"),
    ("tls_untrusted", "c"),
    ("tls_failed", "c"),
    ("connect_timed_out", "c"),
    ("tls_timed_out", "c"),
    ("upgrade_timed_out", "c"),
    ("session_timed_out", "c"),
    ("refused", "c"),
    ("rate_limited", "cwa"),
    ("quota_exhausted", "cwa"),
    ("unauthorized", "c"),
    ("model_not_found", "c"),
    ("wrong_dialect", "c"),
    ("closed", "cswai"),
    ("server_error", "wa"),
    ("expired", "swai"),
    ("request_rejected", "c"),
    ("garbled", "swai"),
    ("oversized", "swai"),
    ("no_pong", "swi"),
    ("write_overflow", "swai"),
    ("answer_timed_out", "w"),
    ("stalled", "a"),
    ("deaf", "w"),
    ("mute", "w"),
    ("noise", "w"),
    ("flooded", "w"),
    ("policy_refused", "wa"),
    ("context_too_long", "wa"),
];

/// How often what was reached, and the gaps after it.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    times: BTreeMap<(&'static str, Doing), usize>,
    gaps: BTreeMap<Doing, Vec<Duration>>,
}

impl Coverage {
    pub(crate) fn count(&mut self, life: &Life) {
        for failure in failures(life) {
            *self
                .times
                .entry((failure.fault.name(), failure.doing))
                .or_default() += 1;
            let blamed = life
                .phone
                .gaps
                .iter()
                .find(|gap| gap.to > failure.at && gap.from < failure.at + BLAMED_WITHIN);
            if let Some(gap) = blamed.filter(|gap| gap.answered) {
                let gaps = self.gaps.entry(failure.doing).or_default();
                gaps.push(gap.to.saturating_sub(gap.from));
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (place, times) in other.times {
            *self.times.entry(place).or_default() += times;
        }
        for (doing, gaps) in other.gaps {
            self.gaps.entry(doing).or_default().extend(gaps);
        }
    }

    /// For people: faults by phases, then the gaps.
    pub(crate) fn table(&mut self) -> String {
        let mut table = format!("{:<18}", "fault");
        for doing in Doing::ALL {
            write!(table, "{:>11}", doing.name()).unwrap();
        }
        for (fault, _) in CAN_OCCUR {
            write!(table, "\n{fault:<18}").unwrap();
            for doing in Doing::ALL {
                write!(table, "{:>11}", self.times(fault, doing)).unwrap();
            }
        }
        for (doing, gaps) in &mut self.gaps {
            gaps.sort_unstable();
            let at = |percent: usize| gaps[(gaps.len() * percent / 100).min(gaps.len() - 1)];
            let (name, count) = (doing.name(), gaps.len());
            let (half, most) = (at(50), at(99));
            let line = format!(
                "\ngaps after a loss while {name}: {count}, p50 {half:.0?}, p99 {most:.0?}"
            );
            table.push_str(&line);
        }
        table
    }

    /// What should have been reached and was not.
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (fault, phases) in CAN_OCCUR {
            for doing in Doing::ALL {
                let letter = doing.name().chars().next().unwrap();
                let times = self.times(fault, doing);
                if phases.contains(letter) && times < TIMES_MIN {
                    missing.push(format!("{fault} while {}: {times}", doing.name()));
                }
            }
        }
        missing
    }

    fn times(&self, fault: &'static str, doing: Doing) -> usize {
        self.times.get(&(fault, doing)).copied().unwrap_or(0)
    }
}
