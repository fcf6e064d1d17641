//! What a plan says of its server's breakers, so that dials can be judged by it.

use std::time::Duration;

use serde::Deserialize;

/// When a breaker of the server is taken for open: what a model is dialled then should not have been.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// This long after the first dial that failed it is open.
    pub opens_within_ms: u64,
    /// And this long it stays so, without a probe.
    pub cool_down_ms: u64,
    /// So many good probes close it; until then no caller comes.
    pub probes_good: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            opens_within_ms: 1_500,
            // Thirty seconds less a tenth of jitter, less the time to open.
            cool_down_ms: 25_000,
            probes_good: 3,
        }
    }
}

impl Breaker {
    /// How long it may take to open.
    pub fn opens_within(&self) -> Duration {
        Duration::from_millis(self.opens_within_ms)
    }

    /// How long it stays open, at least.
    pub fn cool_down(&self) -> Duration {
        Duration::from_millis(self.cool_down_ms)
    }
}
