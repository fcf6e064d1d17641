//! What is seen of the ledger of promises, as numbers, and as lines for whoever has to do something about it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Telemetry;
use super::counts::Count;
use super::exposition::Exposition;
use super::family::Family;
use super::labels::{CAPS, ENDS, LEDGER_TOLD, REQUESTED, REQUESTS};
use super::metrics::Metrics;
use super::names::Metric;
use crate::core::callback::effect::Seen;
use crate::core::callback::promise::SendKind;

/// The numbers of promises.
#[derive(Debug)]
pub(super) struct Callbacks {
    open: AtomicU64,
    is_clock_unsure: AtomicU64,
    told: Family<14>,
    ended: Family<9>,
    capped: Family<4>,
    /// In the order of [`REQUESTED`].
    requests: [Family<7>; REQUESTED.len()],
}

impl Default for Callbacks {
    fn default() -> Self {
        Self {
            open: AtomicU64::new(0),
            is_clock_unsure: AtomicU64::new(0),
            told: Family::new(LEDGER_TOLD),
            ended: Family::new(ENDS),
            capped: Family::new(CAPS),
            requests: [Family::new(REQUESTS), Family::new(REQUESTS)],
        }
    }
}

impl Callbacks {
    /// Counts what became of a request; how many of them there are now.
    fn request(&self, kind: SendKind, outcome: &'static str) -> u64 {
        let [texts, rings] = &self.requests;
        let of_kind = match kind {
            SendKind::Text => texts,
            SendKind::Ring => rings,
        };
        of_kind.add(outcome);
        of_kind.get(outcome)
    }
}

impl Telemetry {
    /// The ledger has seen something. A line is for the operator, once a burst, and holds no caller's number.
    pub fn callback(&self, seen: Seen) {
        let callbacks = &self.metrics.callbacks;
        match seen {
            Seen::Told(told) => callbacks.told.add(told.name()),
            Seen::Ended(promise, end) => {
                callbacks.ended.add(end.name());
                tracing::info!(%promise, end = end.name(), "a promise ended");
            }
            Seen::Requested(kind) => drop(callbacks.request(kind, "requested")),
            Seen::Unknown(kind) => {
                callbacks.request(kind, "unknown");
                tracing::info!(
                    kind = name(kind),
                    "it is not known what became of a request; it will be looked up"
                );
            }
            Seen::Found(kind) => drop(callbacks.request(kind, "found")),
            Seen::Lost(kind) => drop(callbacks.request(kind, "lost")),
            Seen::LookUpFailed(kind) => drop(callbacks.request(kind, "look_up_failed")),
            Seen::Refused(kind) => {
                let so_far = callbacks.request(kind, "refused");
                if so_far.is_power_of_two() {
                    tracing::error!(
                        kind = name(kind),
                        so_far,
                        "the carrier takes on nothing from us: look at its key, the sender and the texts"
                    );
                }
            }
            Seen::Double(kind) => {
                callbacks.request(kind, "double");
                tracing::error!(
                    kind = name(kind),
                    "the carrier took on twice what it had not listed in time: callbacks.list_lag is too short for it"
                );
            }
            Seen::Capped(cap) | Seen::Waits(cap) => {
                callbacks.capped.add(cap.name());
                let so_far = callbacks.capped.get(cap.name());
                if so_far.is_power_of_two() {
                    tracing::warn!(
                        cap = cap.name(),
                        so_far,
                        "a cap was reached: callers are not promised what they want, or wait for it"
                    );
                }
            }
            Seen::ClockUnsure => {
                callbacks.is_clock_unsure.store(1, Ordering::Relaxed);
                tracing::warn!(
                    "the clock was stepped: nothing is texted or rung until the carrier's agrees with it"
                );
            }
            Seen::ClockSane => {
                callbacks.is_clock_unsure.store(0, Ordering::Relaxed);
                tracing::info!("the carrier's clock agrees with ours: promises are acted upon");
            }
            Seen::WriteFailed => {
                let so_far = self.count(Count::CallbackWritesFailed);
                if so_far.is_power_of_two() {
                    tracing::warn!(
                        so_far,
                        "what changed about a promise was not kept; it is tried again"
                    );
                }
            }
            Seen::Stranger => drop(self.count(Count::CallbackStrangers)),
        }
    }

    /// So many promises are open.
    pub fn callbacks_open(&self, open: usize) {
        let open = u64::try_from(open).unwrap_or(u64::MAX);
        self.metrics.callbacks.open.store(open, Ordering::Relaxed);
    }
}

const fn name(kind: SendKind) -> &'static str {
    match kind {
        SendKind::Text => "text",
        SendKind::Ring => "ring",
    }
}

/// The metrics of promises.
pub(super) fn render(to: &mut Exposition, metrics: &Metrics) {
    let callbacks = &metrics.callbacks;
    let now = |number: &AtomicU64| number.load(Ordering::Relaxed);
    to.metric(Metric::CallbacksOpen)
        .sample(&[], now(&callbacks.open));
    to.metric(Metric::CallbacksClock)
        .sample(&[], now(&callbacks.is_clock_unsure));
    to.metric(Metric::CallbacksTold)
        .family(&[], &callbacks.told);
    to.metric(Metric::CallbacksEnded)
        .family(&[], &callbacks.ended);
    to.metric(Metric::CallbacksCapped)
        .family(&[], &callbacks.capped);
    let mut requests = to.metric(Metric::CallbackRequests);
    for (kind, outcomes) in REQUESTED.iter().zip(&callbacks.requests) {
        requests.family(&[kind], outcomes);
    }
}
