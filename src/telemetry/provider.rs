//! The numbers of each provider of the configuration: as many rows as it has entries, 32 at most.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::family::Family;
use super::histogram::Histogram;
use super::labels::{CAUSES, CHARGES, FAULTS, PROBE_OUTCOMES, STATES};
use super::renderings::RENDERING_OUTCOMES;
use super::spares::SPARE_OUTCOMES;
use crate::core::ids::{KeyId, ProviderId, Tier};
use crate::core::pool::{KEYS_MAX, PROVIDERS_MAX, ProviderPolicy, Transition};

/// All rows; none until the configuration is known.
#[derive(Debug, Default)]
pub(super) struct Providers {
    rows: OnceLock<Box<[Provider]>>,
}

/// The numbers of one provider.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: Box<str>,
    pub(super) tier: Tier,
    /// Admitted dials, by charge.
    pub(super) attempts: Family<10>,
    /// Failed attempts, by fault.
    pub(super) attempt_faults: Family<32>,
    /// Failed answers, by fault.
    pub(super) answer_faults: Family<32>,
    pub(super) probes: Family<2>,
    pub(super) spares: Family<5>,
    pub(super) renderings: Family<5>,
    pub(super) session_ready: Histogram,
    pub(super) answer: Histogram,
    /// The endpoint's breaker, then those of the keys. A breaker that never changed has no table.
    transitions: [OnceLock<Box<Transitions>>; 1 + KEYS_MAX],
}

impl Providers {
    /// Makes the rows. The second time it does nothing: numbers are never lost.
    pub(super) fn set(&self, policies: &[ProviderPolicy]) {
        let policies = policies.iter().take(PROVIDERS_MAX);
        self.rows
            .get_or_init(|| policies.map(Provider::new).collect());
    }

    /// A provider's row, if the configuration has the provider.
    pub(super) fn get(&self, provider: ProviderId) -> Option<&Provider> {
        self.rows.get()?.get(usize::from(provider.0))
    }

    /// All rows, in the order of the configuration.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.rows.get().into_iter().flatten()
    }
}

impl Provider {
    fn new(policy: &ProviderPolicy) -> Self {
        Self {
            name: policy.name.as_str().into(),
            tier: policy.tier,
            attempts: Family::new(CHARGES),
            attempt_faults: Family::new(FAULTS),
            answer_faults: Family::new(FAULTS),
            probes: Family::new(PROBE_OUTCOMES),
            spares: Family::new(SPARE_OUTCOMES),
            renderings: Family::new(RENDERING_OUTCOMES),
            session_ready: Histogram::default(),
            answer: Histogram::default(),
            transitions: [const { OnceLock::new() }; 1 + KEYS_MAX],
        }
    }

    /// A breaker of this provider changed.
    pub(super) fn transitioned(&self, transition: &Transition) {
        let place = transition.key.map_or(0, |key| 1 + usize::from(key.0));
        if let Some(transitions) = self.transitions.get(place) {
            let transitions = transitions.get_or_init(Box::default);
            transitions.add(transition);
        }
    }

    /// What changed how often: key, from, to, cause. Only what happened.
    pub(super) fn transitions(
        &self,
    ) -> impl Iterator<Item = (Option<KeyId>, [&'static str; 3], u64)> {
        let keys = std::iter::once(None).chain((0..).map(|key| Some(KeyId(key))));
        let tables = keys.zip(&self.transitions);
        tables.flat_map(|(key, table)| {
            let counts = table.get().into_iter().flat_map(|table| table.iter());
            counts.map(move |(names, number)| (key, names, number))
        })
    }
}

const CELLS: usize = STATES.len() * STATES.len() * CAUSES.len();

/// The changes of one breaker: a cell for each from, to and cause.
#[derive(Debug)]
struct Transitions([AtomicU64; CELLS]);

impl Default for Transitions {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; CELLS])
    }
}

impl Transitions {
    fn add(&self, transition: &Transition) {
        let Transition {
            from, to, cause, ..
        } = transition;
        let names = [from.name(), to.name(), cause.name()];
        let cell = all_names().position(|cell| cell == names);
        debug_assert!(cell.is_some(), "{names:?} is in no list");
        if let Some(cell) = cell.and_then(|cell| self.0.get(cell)) {
            cell.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn iter(&self) -> impl Iterator<Item = ([&'static str; 3], u64)> {
        let numbers = self.0.iter().map(|cell| cell.load(Ordering::Relaxed));
        all_names().zip(numbers).filter(|(_, number)| *number > 0)
    }
}

/// The names of all cells, in order.
fn all_names() -> impl Iterator<Item = [&'static str; 3]> {
    STATES.into_iter().flat_map(|from| {
        let states = STATES.into_iter();
        states.flat_map(move |to| CAUSES.into_iter().map(move |cause| [from, to, cause]))
    })
}
