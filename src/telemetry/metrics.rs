//! The numbers of the process that are more than counts: atomics only, so that taking something in is a few additions.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};

use super::callbacks::Callbacks;
use super::family::Family;
use super::histogram::Histogram;
use super::labels::{CHOICES, HEDGE_OUTCOMES, LEFT, PROMPTS, RETRIES, RETRY_OUTCOMES, TOLD, WHYS};
use super::provider::Providers;
use crate::core::ids::Tier;
use crate::core::pool::Charge;

/// See the module.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) providers: Providers,
    pub(super) callbacks: Callbacks,
    pub(super) served: Served,
    pub(super) first_audio: Histogram,
    pub(super) gap: Histogram,
    pub(super) failover_gap: Histogram,
    pub(super) dead_air: Histogram,
    pub(super) failover: Histogram,
    pub(super) apology: Histogram,
    pub(super) loop_lag: Histogram,
    /// Without retries, then with them.
    pub(super) session_wait: [Histogram; 2],
    pub(super) prompts: Family<31>,
    pub(super) choices: Family<5>,
    pub(super) told: Family<6>,
    pub(super) messages: Family<4>,
    /// From the wish to be called back to what is told of it.
    pub(super) promise: Histogram,
    pub(super) not_admitted: Family<9>,
    pub(super) hedges: Family<2>,
    /// In the order of [`RETRIES`].
    retries: [Family<3>; RETRIES.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            providers: Providers::default(),
            callbacks: Callbacks::default(),
            served: Served::default(),
            first_audio: Histogram::default(),
            gap: Histogram::default(),
            failover_gap: Histogram::default(),
            dead_air: Histogram::default(),
            failover: Histogram::default(),
            apology: Histogram::default(),
            loop_lag: Histogram::default(),
            session_wait: array::from_fn(|_| Histogram::default()),
            prompts: Family::new(PROMPTS),
            choices: Family::new(CHOICES),
            told: Family::new(TOLD),
            messages: Family::new(LEFT),
            promise: Histogram::default(),
            not_admitted: Family::new(WHYS),
            hedges: Family::new(HEDGE_OUTCOMES),
            retries: array::from_fn(|_| Family::new(RETRY_OUTCOMES)),
        }
    }
}

impl Metrics {
    /// The outcomes of what was dialled at this charge; `None`: that is no retry.
    pub(super) fn retries(&self, charge: Charge) -> Option<&Family<3>> {
        let charges = self.all_retries();
        charges
            .filter(|(name, _)| *name == charge.name())
            .map(|(_, outcomes)| outcomes)
            .next()
    }

    /// The outcomes of retries, by charge.
    pub(super) fn all_retries(&self) -> impl Iterator<Item = (&'static str, &Family<3>)> {
        RETRIES.into_iter().zip(&self.retries)
    }
}

/// Who served a call last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ServedBy {
    /// Nobody: it never had a session, nor words of ours.
    #[default]
    Nobody,
    /// A provider of this tier.
    Tier(Tier),
    /// The cached apology.
    Apology,
}

/// Calls, by who served them last.
#[derive(Debug)]
pub(super) struct Served {
    tiers: Box<[AtomicU64]>,
    apology: AtomicU64,
    nobody: AtomicU64,
}

/// A tier is one byte.
const TIERS: usize = 1 << u8::BITS;

impl Default for Served {
    fn default() -> Self {
        Self {
            tiers: (0..TIERS).map(|_| AtomicU64::new(0)).collect(),
            apology: AtomicU64::new(0),
            nobody: AtomicU64::new(0),
        }
    }
}

impl Served {
    pub(super) fn add(&self, by: ServedBy) {
        let number = match by {
            ServedBy::Nobody => &self.nobody,
            ServedBy::Apology => &self.apology,
            ServedBy::Tier(Tier(tier)) => {
                let number = self.tiers.get(usize::from(tier));
                number.expect("there is a number for each byte")
            }
        };
        number.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn tier(&self, Tier(tier): Tier) -> u64 {
        let number = self.tiers.get(usize::from(tier));
        number.map_or(0, |number| number.load(Ordering::Relaxed))
    }

    /// By the apology, and by nobody.
    pub(super) fn beside(&self) -> [(&'static str, u64); 2] {
        [("apology", &self.apology), ("none", &self.nobody)]
            .map(|(name, number)| (name, number.load(Ordering::Relaxed)))
    }
}
