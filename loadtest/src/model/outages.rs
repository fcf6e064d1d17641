//! What goes wrong with a provider as a whole, and when: windows of time over all of its sessions.
//!
//! Owns the plan's words and the arithmetic of windows. What a window does to a visitor is [`house`](super::house)'s; what goes
//! wrong in a single session, and at which moment of it, is [`faults`](super::faults)'s.

use std::time::Duration;

use serde::Deserialize;

use super::faults::{FaultRow, Rejection, Via};
use crate::{key::KeyMark, span::Span};

/// The windows of a provider, none by default. All that are open at a time hold together; of those that keep a visitor out, the
/// first of the list does.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct HouseFaults(pub Vec<Window>);

/// A stretch of time in which something is wrong. Times are since the beginning of the run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Window {
    pub(super) span: Span,
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
    /// It stays open, answers pings, and says nothing more.
    BlackHole,
    /// It stays open and does nothing at all.
    Freeze,
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
            span: Span::from(Duration::from_millis(from_ms)),
            share: 1.0,
            key: None,
            what,
        }
    }

    /// It closes then.
    #[must_use]
    pub fn until(mut self, to_ms: u64) -> Self {
        self.span = self.span.until(Duration::from_millis(to_ms));
        self
    }

    /// It opens again every so often.
    #[must_use]
    pub fn every(mut self, every_ms: u64) -> Self {
        self.span = self.span.every(Duration::from_millis(every_ms));
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

    /// What is wrong in it.
    pub fn what(&self) -> &Trouble {
        &self.what
    }

    /// Whether it concerns whoever shows this key. Before the upgrade nobody has shown one.
    pub(super) fn concerns(&self, key: Option<KeyMark>) -> bool {
        self.key.is_none() || self.key == key
    }
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
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("share = {share}: allowed: 0 to 1"));
        }
        let is_moment = matches!(what, Trouble::Kill { .. } | Trouble::OneBadNode { .. });
        let span = Span::parse(from_ms, to_ms, every_ms, is_moment)?;
        what.check()?;
        Ok(Self {
            span,
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
