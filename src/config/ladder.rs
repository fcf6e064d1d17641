//! The providers as they stand: what the server dials, and what `ringback check` prints.

use std::fmt;

use super::provider::Provider;
use crate::core::pool::{PoolPolicy, ProviderPolicy, Share};

/// The providers and when which of them is dialled.
#[derive(Clone, Debug)]
pub struct Providers {
    /// The entries, in the order of the configuration: a [`ProviderId`](crate::core::ids::ProviderId) is a place in it.
    pub entries: Vec<Provider>,
    /// What the pool goes by: its providers are those of `entries`, its tenants the agents in the order of their names.
    pub policy: PoolPolicy,
}

impl Providers {
    /// These entries with one tenant without a limit, and the defaults for everything else.
    pub fn new(entries: Vec<Provider>) -> Self {
        let policies = entries.iter().map(|entry| entry.policy.clone()).collect();
        Self {
            policy: PoolPolicy::new(policies),
            entries,
        }
    }
}

/// The ladder for people, a rung a line.
impl fmt::Display for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rungs: Vec<&ProviderPolicy> = self.policy.providers.iter().collect();
        rungs.sort_by_key(|rung| (matches!(rung.share, Share::Canary(_)), rung.tier));
        for (place, rung) in rungs.into_iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            match rung.share {
                Share::Weight(weight) => {
                    write!(f, "  tier {}: {} (weight {weight}", rung.tier.0, rung.name)?;
                }
                Share::Canary(permille) => {
                    let (whole, tenths) = (permille / 10, permille % 10);
                    write!(
                        f,
                        "  canary: {} ({whole}.{tenths} % of new calls",
                        rung.name
                    )?;
                }
            }
            write!(
                f,
                ", {} key(s), {} session(s), {} start(s)/s, model {} of {})",
                rung.keys, rung.sessions_max, rung.starts_per_second, rung.model, rung.vendor
            )?;
        }
        Ok(())
    }
}
