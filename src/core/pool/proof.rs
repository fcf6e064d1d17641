//! Proof that models answer: what nobody may go by but a completed answer, not even a breaker that is closed.
//!
//! A breaker is closed until something fails, so at a start it says nothing; callers try it, whoever rings somebody unasked must not.
//! A completed answer of a call or of a probe is a proof for a while. Where no call gives one, [`Pool::prove`] asks for a probe.

use std::time::Duration;

use crate::core::ids::ProviderId;
use crate::core::pool::Pool;
use crate::core::pool::endpoint::Endpoint;
use crate::core::time::Instant;

/// For how long an answer proves that there will be another one.
pub const PROOF_HOLDS: Duration = Duration::from_mins(1);

/// What is known of an endpoint's answers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof {
    /// When the last one was completed.
    answered_at: Option<Instant>,
    /// A probe is to find out.
    is_wanted: bool,
}

impl Proof {
    /// An answer was completed.
    pub(super) const fn on_answer(&mut self, now: Instant) {
        self.answered_at = Some(now);
        self.is_wanted = false;
    }

    /// A probe came to a verdict, whichever.
    pub(super) const fn on_verdict(&mut self) {
        self.is_wanted = false;
    }

    /// Whether a probe is to find out.
    pub(super) const fn is_wanted(&self) -> bool {
        self.is_wanted
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
