//! Proof that models answer: what nobody may go by but a completed answer, not even a breaker that is closed.
//!
//! A breaker is closed until something fails, so at a start it says nothing; callers try it, whoever rings somebody unasked must not.
//! A completed answer of a call or of a probe is a proof for a while. Where no call gives one, [`Pool::prove`] asks for a probe.

use std::time::Duration;

use crate::core::fault::Fault;
use crate::core::ids::ProviderId;
use crate::core::pool::Pool;
use crate::core::pool::endpoint::Endpoint;
use crate::core::time::Instant;

/// For how long an answer proves that there will be another one.
pub const PROOF_HOLDS: Duration = Duration::from_mins(1);

/// After a probe failed for whoever [looks now and then](Pool::prove_now_and_then): how long it takes until the next one.
pub const PROVED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What is known of an endpoint's answers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof {
    /// When the last one was completed.
    answered_at: Option<Instant>,
    /// What the last probe failed with, if nothing was answered since.
    failed: Option<(Instant, Fault)>,
    /// A probe is to find out.
    is_wanted: bool,
}

impl Proof {
    /// An answer was completed.
    pub(super) const fn on_answer(&mut self, now: Instant) {
        self.answered_at = Some(now);
        self.failed = None;
        self.is_wanted = false;
    }

    /// A probe failed.
    pub(super) const fn on_failure(&mut self, now: Instant, fault: Fault) {
        self.failed = Some((now, fault));
    }

    /// A probe came to a verdict, whichever.
    pub(super) const fn on_verdict(&mut self) {
        self.is_wanted = false;
    }

    /// Whether a probe is to find out.
    pub(super) const fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// When the last answer was completed.
    pub(super) const fn answered_at(&self) -> Option<Instant> {
        self.answered_at
    }

    /// What the last probe failed with, if nothing was answered since.
    pub(super) const fn failed(&self) -> Option<(Instant, Fault)> {
        self.failed
    }

    /// When somebody who looks every so often is to look again.
    fn due_at(&self, every: Duration) -> Instant {
        match self.failed {
            Some((at, _)) => at + PROVED_AGAIN_AFTER.min(every),
            None => self.answered_at.unwrap_or(Instant::ZERO) + every,
        }
    }
}

impl Pool {
    /// Somebody has to know whether models answer, and will ask again: providers that take calls and have not answered one for
    /// [`PROOF_HOLDS`] are probed, one probe at a time each. A probe that fails counts as a failed dial.
    pub fn prove(&mut self, now: Instant) {
        for endpoint in &mut self.endpoints {
            if endpoint.breaker.passes() && !endpoint.is_proven(now) {
                endpoint.proof.is_wanted = true;
            }
        }
    }

    /// As [`prove`](Self::prove), for somebody who looks now and then: providers that take calls and have not answered one, nor been
    /// probed, for so long; sooner where the last probe failed. `true`: something is to be found out.
    pub fn prove_now_and_then(&mut self, now: Instant, every: Duration) -> bool {
        let mut is_any = false;
        for endpoint in &mut self.endpoints {
            if endpoint.breaker.passes() && now >= endpoint.proof.due_at(every) {
                is_any |= !endpoint.proof.is_wanted;
                endpoint.proof.is_wanted = true;
            }
        }
        is_any
    }

    /// Somewhere a call or a probe had a whole answer.
    pub(super) fn on_proof(&mut self, now: Instant, provider: ProviderId) {
        if let Some(endpoint) = self.endpoint_mut(provider) {
            endpoint.proof.on_answer(now);
        }
    }
}

impl Endpoint {
    /// Whether it takes calls, and completed an answer a moment ago.
    pub(super) fn is_proven(&self, now: Instant) -> bool {
        let is_recent = |at| now.since(at) < PROOF_HOLDS;
        self.breaker.passes() && self.proof.answered_at.is_some_and(is_recent)
    }
}
