//! Turns observations into logs and counts: the only place that knows their names.
//!
//! It owns the form of log lines and the list of counts. It must not decide anything, and must never hold a number, a name or a
//! word of a caller: log lines carry our own and the carrier's names of a call, and nothing else of it. The path of a frame only
//! adds to numbers; whoever wants a line for something noisy gets one a burst.

mod call_log;
mod counts;
mod log;

use std::fmt::Display;
use std::sync::Arc;

pub use self::call_log::CallLog;
pub use self::counts::{Count, Counts};
pub use self::log::{LogFormat, LogLevel, LogSettings, init};
use crate::core::ids::CallId;

/// What the process tells about itself. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    counts: Arc<Counts>,
}

impl Telemetry {
    /// The log of a new call.
    pub fn call(&self, call: CallId) -> CallLog {
        CallLog::new(Arc::clone(&self.counts), call)
    }

    /// Adds one.
    pub fn count(&self, count: Count) {
        self.counts.add(count, 1);
    }

    /// What has been counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// An upgrade or a connection was not accepted.
    pub fn refused(&self, count: Count) {
        // The first of a burst is worth a line; a flood of them is not.
        let so_far = self.counts.add(count, 1);
        if so_far.is_power_of_two() {
            tracing::warn!(reason = count.name(), so_far, "refused a connection");
        }
    }

    /// A call's task panicked: a bug of ours, which ended that call.
    pub fn panicked(&self, what: &impl Display) {
        self.counts.add(Count::Panics, 1);
        tracing::error!(task = %what, "a task panicked; what it held is closed");
    }
}
