//! Turns observations into logs and metrics: the only place that knows their names.
//!
//! | file | owns |
//! |---|---|
//! | [`names`], `labels` | the list of metrics, and what their labels may say |
//! | `counts`, `metrics`, `provider` | the numbers: fixed arrays of atomics |
//! | `call_metrics`, `call_log` | one call's observations, as numbers and as lines |
//! | `spares`, `renderings` | what becomes of them |
//! | `callbacks` | what is seen of the ledger of promises |
//! | `render`, `exposition`, `process` | the text of `/metrics` |
//! | `log` | where lines go |
//!
//! It owns the form of log lines and the list of metrics, which [`crate::docs::metrics`] explains. It must not decide anything, and must never hold a number, a name or a
//! word of a caller: log lines carry our own and the carrier's names of a call, and nothing else of it. The path of a frame only
//! adds to numbers; whoever wants a line for something noisy gets one a burst.

mod call_log;
mod call_metrics;
mod callbacks;
mod counts;
mod exposition;
mod family;
mod histogram;
mod labels;
mod log;
mod metrics;
pub mod names;
mod process;
mod provider;
mod render;
mod renderings;
mod spares;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tracing::field::display;

pub use self::call_log::CallLog;
use self::call_metrics::CallMetrics;
pub use self::counts::{Count, Counts};
pub use self::exposition::MEDIA_TYPE;
pub use self::log::{LogFormat, LogLevel, LogSettings, init};
use self::metrics::Metrics;
pub use self::render::{Moment, NodesMoment, SharedMoment, StoreMoment};
pub use self::renderings::{RenderingEnd, Rendition};
pub use self::spares::SpareEnd;
use crate::core::fault::Fault;
use crate::core::ids::{CallId, KeyId, ProviderId};
use crate::core::pool::{BreakerState, Cause, ProviderPolicy, Transition};

/// What the process tells about itself. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    counts: Arc<Counts>,
    metrics: Arc<Metrics>,
}

impl Telemetry {
    /// Names the providers, in the order of the configuration. What is told of a provider before it is not counted for it; the
    /// first word counts.
    pub fn set_providers(&self, providers: &[ProviderPolicy]) {
        self.metrics.providers.set(providers);
    }

    /// A breaker changed: counts it, and gives it a line.
    pub fn transitioned(&self, transition: &Transition) {
        let &Transition {
            provider,
            key,
            from,
            to,
            cause,
        } = transition;
        let row = self.metrics.providers.get(provider);
        if let Some(row) = row {
            row.transitioned(transition);
        }
        let provider = row.map(|row| &*row.name);
        let key = key.map(display);
        let fault = fault_of(cause).map(Fault::name);
        let (is_bad, from, to, cause) = (passes_nobody(to), from.name(), to.name(), cause.name());
        if is_bad {
            tracing::warn!(provider, key, from, to, cause, fault, "breaker");
        } else {
            tracing::info!(provider, key, from, to, cause, fault, "breaker");
        }
    }

    /// A probe ended: with an answer, or with this fault.
    pub fn probed(&self, provider: ProviderId, key: KeyId, outcome: Result<(), Fault>) {
        let row = self.metrics.providers.get(provider);
        let name = row.map(|row| &*row.name);
        let outcome = match outcome {
            Ok(()) => {
                tracing::info!(provider = name, %key, "probe answered");
                "good"
            }
            Err(fault) => {
                tracing::info!(provider = name, %key, %fault, "probe failed");
                "failed"
            }
        };
        if let Some(row) = row {
            row.probes.add(outcome);
        }
    }

    /// The event loop woke a sleeper this much too late.
    pub fn loop_lagged(&self, lag: Duration) {
        self.metrics.loop_lag.observe(lag);
    }

    /// All metrics, in the form of [`MEDIA_TYPE`].
    pub fn exposition(&self, moment: &Moment<'_>) -> String {
        render::render(self, moment)
    }

    /// The log of a new call.
    pub fn call(&self, call: CallId) -> CallLog {
        let metrics = CallMetrics::new(Arc::clone(&self.counts), Arc::clone(&self.metrics));
        CallLog::new(metrics, call)
    }

    /// Adds one; how many there are now.
    pub fn count(&self, count: Count) -> u64 {
        self.counts.add(count, 1)
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

const fn fault_of(cause: Cause) -> Option<Fault> {
    match cause {
        Cause::Permanent(fault) => Some(fault),
        Cause::InARow
        | Cause::Failures
        | Cause::Slowness
        | Cause::ProbeFailed
        | Cause::CooledDown
        | Cause::ProbesGood
        | Cause::SlowStartOver
        | Cause::Operator => None,
    }
}

const fn passes_nobody(state: BreakerState) -> bool {
    match state {
        BreakerState::Open | BreakerState::Isolated => true,
        BreakerState::Closed | BreakerState::SlowStart | BreakerState::HalfOpen => false,
    }
}
