//! How the pool stands, for people and metrics.

use crate::core::fault::Fault;
use crate::core::ids::{KeyId, ProviderId};
use crate::core::pool::Pool;
use crate::core::pool::admission::Charge;
use crate::core::pool::breaker::BreakerState;
use crate::core::pool::latency::Quantiles;
use crate::core::time::Instant;

/// How everything stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Each entry, in the order of the configuration.
    pub providers: Vec<ProviderStatus>,
    /// Sessions of calls that are ready.
    pub live: u32,
    /// Calls that wait for a session.
    pub waiting: usize,
    /// Extra dials that the fleet may still make.
    pub extra_left: u32,
    /// Redials of live calls that the reserve still holds.
    pub reserve_left: u32,
    /// Requests that were answered with nothing, since the start.
    pub refused: u64,
    /// Dials since the start, by how they were paid for.
    pub dials: [(Charge, u64); CHARGES.len()],
}

/// How one entry stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderStatus {
    /// Which.
    pub provider: ProviderId,
    /// The endpoint's breaker.
    pub breaker: BreakerState,
    /// How many of 1,000 calls it takes now, if they come.
    pub permille: u32,
    /// Whether it takes calls, and completed an answer within [`PROOF_HOLDS`](crate::core::pool::PROOF_HOLDS).
    pub is_proven: bool,
    /// When it last completed an answer, of a call or of a probe.
    pub answered_at: Option<Instant>,
    /// What the last probe failed with, and when, if nothing was answered since.
    pub probe_failed: Option<(Instant, Fault)>,
    /// Its sessions, those being dialled included, spares not.
    pub sessions: u32,
    /// Its spares that wait for a call.
    pub spares: u32,
    /// How long its dials took of late.
    pub dials: Option<Quantiles>,
    /// How long its answers took of late.
    pub answers: Option<Quantiles>,
    /// Its keys, in the order of the configuration.
    pub keys: Vec<KeyStatus>,
}

/// How one key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Which.
    pub key: KeyId,
    /// Its breaker.
    pub breaker: BreakerState,
    /// Its sessions, those being dialled included, spares not.
    pub sessions: u32,
    /// Its spares that wait for a call.
    pub spares: u32,
    /// How many could start at once.
    pub starts: u32,
    /// Until when the provider wants no more from it; `None`: it takes more.
    pub rests_until: Option<Instant>,
}

impl Pool {
    pub(super) fn report_status(&mut self, now: Instant) -> PoolStatus {
        let providers = (0..).map(ProviderId).zip(&self.endpoints);
        PoolStatus {
            providers: providers
                .map(|(provider, endpoint)| ProviderStatus {
                    provider,
                    breaker: endpoint.breaker.state(),
                    permille: endpoint.permille(now),
                    is_proven: endpoint.is_proven(now),
                    answered_at: endpoint.proof.answered_at(),
                    probe_failed: endpoint.proof.failed(),
                    sessions: endpoint.bulkhead.sessions() - endpoint.spares_held(),
                    spares: endpoint.spares_waiting(),
                    dials: endpoint.dials.quantiles(),
                    answers: endpoint.answers.quantiles(),
                    keys: (0..)
                        .map(KeyId)
                        .zip(&endpoint.keys)
                        .map(|(id, key)| KeyStatus {
                            key: id,
                            breaker: key.breaker.state(),
                            sessions: key.sessions - key.spares.held,
                            spares: key.spares.waiting(),
                            starts: key.throttle.tokens(now, endpoint.permille(now)),
                            rests_until: Some(key.rests_until).filter(|until| now < *until),
                        })
                        .collect(),
                })
                .collect(),
            live: self.live,
            waiting: self.queue.len(now),
            extra_left: self.fleet.dials_left(),
            reserve_left: self.reserve.left(now, self.live),
            refused: self.tally.refused,
            dials: CHARGES.map(|charge| (charge, self.tally.dials(charge))),
        }
    }
}

const CHARGES: [Charge; 10] = [
    Charge::First,
    Charge::Rotation,
    Charge::Move,
    Charge::Reserve,
    Charge::Extra,
    Charge::Hedge,
    Charge::Probe,
    Charge::Spare,
    Charge::Rendering,
    Charge::Transcription,
];

/// What was done since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// In the order of [`CHARGES`].
    dials: [u64; CHARGES.len()],
    refused: u64,
}

impl Tally {
    pub(super) fn on_dial(&mut self, charge: Charge) {
        if let Some(dials) = self.dials.get_mut(charge as usize) {
            *dials += 1;
        }
    }

    pub(super) const fn on_refused(&mut self) {
        self.refused += 1;
    }

    fn dials(&self, charge: Charge) -> u64 {
        self.dials.get(charge as usize).copied().unwrap_or_default()
    }
}
