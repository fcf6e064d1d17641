//! Spares, as numbers and lines.

use super::Telemetry;
use crate::core::fault::Fault;
use crate::core::ids::{KeyId, ProviderId};

/// What became of a spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpareEnd {
    /// A call took it.
    Taken,
    /// A call took it and found it dead; it dialled as if there had been none.
    Dead,
    /// Its time was over before a call came.
    Expired,
    /// It was lost while it waited.
    Lost(Fault),
    /// It could not be dialled.
    Failed(Fault),
}

/// The names of what becomes of spares.
pub(super) const SPARE_OUTCOMES: [&str; 5] = ["taken", "dead", "expired", "lost", "failed"];

impl SpareEnd {
    const fn name(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::Lost(_) => "lost",
            Self::Failed(_) => "failed",
        }
    }
}

impl Telemetry {
    /// A spare is dialled.
    pub fn spare_dialled(&self, provider: ProviderId) {
        if let Some(row) = self.metrics.providers.get(provider) {
            row.attempts.add("spare");
        }
    }

    /// A spare is no spare any more. Those that fail are few: the pool sees to it that each has a line.
    pub fn spare_ended(&self, provider: ProviderId, key: KeyId, end: SpareEnd) {
        let row = self.metrics.providers.get(provider);
        if let Some(row) = row {
            row.spares.add(end.name());
        }
        let provider = row.map(|row| &*row.name);
        match end {
            SpareEnd::Taken => tracing::debug!(provider, %key, "spare taken"),
            SpareEnd::Expired => tracing::debug!(provider, %key, "spare expired"),
            SpareEnd::Dead => tracing::info!(provider, %key, "spare taken was dead"),
            SpareEnd::Lost(fault) => tracing::info!(provider, %key, %fault, "spare lost"),
            SpareEnd::Failed(fault) => tracing::info!(provider, %key, %fault, "spare failed"),
        }
    }
}
