//! What goes wrong with a provider as a whole, and when: windows of time over all of its sessions.
//!
//! Owns the plan's words and the arithmetic of windows. What a window does to a visitor is [`house`](super::house)'s; what goes
//! wrong in a single session, and at which moment of it, is [`faults`](super::faults)'s.

use std::time::Duration;

use serde::Deserialize;

use super::faults::{FaultRow, Rejection, Via};
use crate::key::KeyMark;

/// The windows of a provider, none by default. All that are open at a time hold together; of those that keep a visitor out, the
/// first of the list does.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct HouseFaults(pub Vec<Window>);

/// A stretch of time in which something is wrong. Times are since the beginning of the run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Window {
    from: Duration,
    /// `None`: for ever.
    to: Option<Duration>,
    every: Option<Duration>,
    /// The share of visitors, or of sessions, that it concerns.
    pub(super) share: f64,
    key: Option<KeyMark>,
    pub(super) what: Trouble,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// Nobody is there: connections are reset.
    Down,
    /// The upgrade is refused.
    Refuse {
        /// With this status: 401, 403, 404, 429, 5xx.
        status: u16,
        /// The header `Retry-After`; over a socket it tells whole seconds, rounded up.
        #[serde(default)]
        retry_after_ms: Option<u64>,
        /// The error's code in the body, if it is not the usual one of the status.
        #[serde(default)]
        code: Option<String>,
    },
    /// The dial comes so far, and then nothing comes.
    Hang(Stage),
    /// `session.created` and `session.updated` come later.
    Late {
        /// By this.
        ms: u32,
    },
    /// Everything takes longer: the handshake, every delay, and the pauses between deltas.
    Slow {
        /// By this factor.
        factor: f64,
    },
    /// Sessions open and are confirmed; nothing comes after.
    BlackHole,
    /// Session starts beyond a rate are refused with 429 and `Retry-After`, for each key apart.
    Throttle {
        /// How many a second.
        starts_per_second: f64,
        /// How many at once after a rest.
        burst: u32,
    },
    /// Sessions open and all answers fail with `insufficient_quota`.
    Quota {
        /// By which of its two channels the server says so.
        #[serde(default)]
        via: Via,
        /// With this code the socket closes after it; without one it stays open.
        #[serde(default)]
        close: Option<u16>,
    },
    /// Sessions open, and are refused after all by an error and a close code.
    Reject {
        /// For what reason.
        code: Rejection,
    },
    /// Sessions that were opened before the window begins die then.
    Kill {
        /// How.
        #[serde(default)]
        with: With,
        /// Not all at once, but evenly within this.
        #[serde(default)]
        spread_ms: u32,
    },
    /// As [`Kill`](Self::Kill), of the sessions that one upstream node has: an even share of them by their numbers, so of 200
    /// sessions and a share of 0.25 exactly 50.
    OneBadNode {
        /// How.
        #[serde(default)]
        with: With,
        /// Not all at once, but evenly within this.
        #[serde(default)]
        spread_ms: u32,
    },
    /// Sessions that are opened in the window have this fault.
    Session(FaultRow),
}

/// How a session dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum With {
    /// The connection is cut.
    #[default]
    Cut,
    /// It is closed with this code.
    Close(u16),
}

/// How far a dial comes that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not even a connection; over a socket, one on which nothing is read.
    Connect,
    /// A connection, and no TLS.
    Tls,
    /// The upgrade is never answered.
    Upgrade,
    /// The socket is open, and `session.created` never comes.
    Session,
}

impl Window {
    /// A window that opens then, stays open and concerns everybody.
    pub fn new(from_ms: u64, what: Trouble) -> Self {
        Self {
            from: Duration::from_millis(from_ms),
            to: None,
            every: None,
            share: 1.0,
            key: None,
            what,
        }
    }

    /// It closes then.
    #[must_use]
    pub fn until(mut self, to_ms: u64) -> Self {
        self.to = Some(Duration::from_millis(to_ms));
        self
    }

    /// It opens again every so often.
    #[must_use]
    pub fn every(mut self, every_ms: u64) -> Self {
        self.every = Some(Duration::from_millis(every_ms));
        self
    }

    /// It concerns this share.
    #[must_use]
    pub fn of(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// It concerns those who show this key.
    #[must_use]
    pub fn with_key(mut self, key: KeyMark) -> Self {
        self.key = Some(key);
        self
    }

    /// Whether it is open.
    pub(super) fn is_open(&self, now: Duration) -> bool {
        let Some(since) = now.checked_sub(self.from) else {
            return false;
        };
        let Some(length) = self.to.map(|to| to.saturating_sub(self.from)) else {
            return true;
        };
        self.every.map_or(since, |every| remainder(since, every)) < length
    }

    /// Whether it concerns whoever shows this key. Before the upgrade nobody has shown one.
    pub(super) fn concerns(&self, key: Option<KeyMark>) -> bool {
        self.key.is_none() || self.key == key
    }

    /// When it opens next, after `now`; the first times, at most [`OPENINGS_MAX`].
    pub(super) fn openings(&self, now: Duration) -> impl Iterator<Item = Duration> {
        let (from, every) = (self.from, self.every);
        let passed = now.checked_sub(from).map_or(0, |since| {
            every.map_or(1, |every| count(since, every).saturating_add(1))
        });
        let times = if every.is_some() {
            OPENINGS_MAX
        } else {
            1 - passed.min(1)
        };
        (passed..passed.saturating_add(times)).map(move |nth| {
            let later = every.unwrap_or_default();
            from + later.saturating_mul(nth)
        })
    }
}

/// So many times ahead a session looks for its end; who survives that many kills is spared.
const OPENINGS_MAX: u32 = 64;

fn remainder(time: Duration, every: Duration) -> Duration {
    let micros = time.as_micros() % every.as_micros().max(1);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

fn count(time: Duration, every: Duration) -> u32 {
    u32::try_from(time.as_micros() / every.as_micros().max(1)).unwrap_or(u32::MAX)
}

/// A window as it stands in a plan.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    from_ms: u64,
    to_ms: Option<u64>,
    every_ms: Option<u64>,
    #[serde(default = "all")]
    share: f64,
    key: Option<KeyMark>,
    what: Trouble,
}

fn all() -> f64 {
    1.0
}

impl TryFrom<Written> for Window {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            from_ms,
            to_ms,
            every_ms,
            share,
            key,
            what,
        } = written;
        if to_ms.is_some_and(|to| to <= from_ms) {
            return Err(format!(
                "to_ms = {}: allowed: more than from_ms = {from_ms}",
                to_ms.unwrap_or(0)
            ));
        }
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("share = {share}: allowed: 0 to 1"));
        }
        let is_moment = matches!(what, Trouble::Kill { .. } | Trouble::OneBadNode { .. });
        if is_moment && to_ms.is_some() {
            return Err("to_ms: sessions are killed at a moment, from_ms; allowed: none".into());
        }
        match (every_ms, to_ms) {
            (Some(every), Some(to)) if every <= to - from_ms => {
                return Err(format!(
                    "every_ms = {every}: allowed: more than to_ms - from_ms"
                ));
            }
            (Some(_), None) if !is_moment => {
                return Err(
                    "every_ms: allowed only with to_ms: a window that stays open cannot open again"
                        .into(),
                );
            }
            (Some(0), None) => return Err("every_ms = 0: allowed: 1 or more".into()),
            (Some(_) | None, Some(_) | None) => {}
        }
        what.check()?;
        Ok(Self {
            from: Duration::from_millis(from_ms),
            to: to_ms.map(Duration::from_millis),
            every: every_ms.map(Duration::from_millis),
            share,
            key,
            what,
        })
    }
}

impl Trouble {
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Refuse { status, .. } if !(400..=599).contains(status) => {
                Err(format!("refuse.status = {status}: allowed: 400 to 599"))
            }
            Self::Slow { factor } if !(0.01..=1_000.0).contains(factor) => {
                Err(format!("slow.factor = {factor}: allowed: 0.01 to 1000"))
            }
            Self::Throttle {
                starts_per_second,
                burst,
            } if !(0.001..=100_000.0).contains(starts_per_second) || *burst == 0 => Err(format!(
                "throttle = {starts_per_second} a second, burst {burst}: allowed: 0.001 to 100000, and a burst of 1 or more"
            )),
            Self::Down
            | Self::Refuse { .. }
            | Self::Hang(_)
            | Self::Late { .. }
            | Self::Slow { .. }
            | Self::BlackHole
            | Self::Throttle { .. }
            | Self::Quota { .. }
            | Self::Reject { .. }
            | Self::Kill { .. }
            | Self::OneBadNode { .. }
            | Self::Session(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_window_opens_closes_and_opens_again() {
        let window = Window::new(1_000, Trouble::Down).until(1_500).every(2_000);
        let open: Vec<_> = (0..60).filter(|&at| window.is_open(MS(at * 100))).collect();
        let expected: Vec<_> = [10..15, 30..35, 50..55].into_iter().flatten().collect();
        assert_eq!(open, expected);
        let stays = Window::new(1_000, Trouble::Down);
        assert!(!stays.is_open(MS(999)) && stays.is_open(MS(1_000_000)));
    }

    #[test]
    fn a_session_knows_when_a_window_opens_next() {
        let kill = Trouble::Kill {
            with: With::Cut,
            spread_ms: 0,
        };
        let once = Window::new(1_000, kill.clone());
        assert_eq!(once.openings(MS(999)).collect::<Vec<_>>(), [MS(1_000)]);
        assert_eq!(once.openings(MS(1_000)).count(), 0);
        let again = Window::new(1_000, kill).every(500);
        let next = |now| again.openings(MS(now)).take(2).collect::<Vec<_>>();
        assert_eq!(next(0), [MS(1_000), MS(1_500)]);
        assert_eq!(next(1_000), [MS(1_500), MS(2_000)]);
        assert_eq!(next(1_499), [MS(1_500), MS(2_000)]);
    }

    #[test]
    fn a_plan_says_all_of_it_in_a_line_each() {
        let outages: Wrapped = toml::from_str(
            r#"
            house_faults = [
                { from_ms = 1000, to_ms = 2000, every_ms = 5000, what = "down" },
                { from_ms = 1000, what = { refuse = { status = 429, retry_after_ms = 3000 } }, key = "sk-a" },
                { what = { hang = "upgrade" }, share = 0.1 },
                { what = { late = { ms = 900 } } },
                { what = { slow = { factor = 3 } } },
                { what = "black_hole" },
                { what = { throttle = { starts_per_second = 20, burst = 1 } } },
                { what = { quota = { via = "response_done", close = 1000 } } },
                { what = { reject = { code = "invalid_api_key" } } },
                { from_ms = 9000, what = { kill = { with = { close = 1011 }, spread_ms = 10 } } },
                { from_ms = 9000, what = { one_bad_node = { with = "cut" } }, share = 0.25 },
                { what = { session = { when = { turn_end = 2 }, what = "stall" } } },
            ]
            "#,
        )
        .unwrap();
        assert_eq!(outages.house_faults.0.len(), 12);
    }

    #[derive(Deserialize)]
    struct Wrapped {
        house_faults: HouseFaults,
    }

    #[test]
    fn a_wrong_window_is_refused_with_what_is_allowed() {
        for (wrong, expected) in [
            (
                r#"{ from_ms = 2, to_ms = 2, what = "down" }"#,
                "more than from_ms",
            ),
            (r#"{ what = "down", share = 2.0 }"#, "0 to 1"),
            (r#"{ what = "down", every_ms = 5 }"#, "only with to_ms"),
            (
                r#"{ to_ms = 9, every_ms = 5, what = "down" }"#,
                "more than to_ms - from_ms",
            ),
            ("{ to_ms = 9, what = { kill = {} } }", "at a moment"),
            ("{ what = { refuse = { status = 200 } } }", "400 to 599"),
            ("{ what = { slow = { factor = 0 } } }", "0.01 to 1000"),
            (r#"{ what = "gone" }"#, "gone"),
            (r#"{ what = "down", form_ms = 5 }"#, "form_ms"),
        ] {
            let text = format!("house_faults = [{wrong}]");
            let error = toml::from_str::<Wrapped>(&text).err().unwrap().to_string();
            assert!(error.contains(expected), "{wrong}: {error}");
        }
    }
}
