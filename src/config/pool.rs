//! `[ladder]`, `[breaker]`, `[retry]`, `[hedge]`, `[tenants]`: when which provider is dialled, and what contradicts itself.
//!
//! The numbers' own meaning and their contradictions are the pool's ([`crate::core::pool`]); here they get their keys and
//! bounds, and a contradiction gets the values and the place of what was written.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Value;

use super::problem::Origin;
use super::provider::Provider;
use super::raw::Entry;
use super::section::{at, shown};
use super::{HOUR, Layers, MINUTE, TENTH};
use crate::core::call::CallSettings;
use crate::core::ids::Tier;
use crate::core::pool::{
    BreakerPolicy, HedgePolicy, PolicyError, PoolPolicy, RetryPolicy, Share, TENANTS_MAX,
    TenantPolicy,
};

/// What was written of the sections that can contradict each other, by full key.
pub(super) type Written = BTreeMap<String, Entry>;

/// A millisecond: less is no time to wait.
const MILLI: Duration = Duration::from_millis(1);

/// More tiers than entries are of no use.
const TIERS_ALLOWED: &str = r#"[], or tiers of names of providers, as in [["east", "west"], ["other"]]: each provider that is no canary in one tier (a variable: "east,west;other")"#;

impl Layers {
    /// What is written now of these sections.
    pub(super) fn written(&self) -> Written {
        let sections = ["breaker", "call", "hedge", "overload", "retry"];
        let sections = sections.into_iter().filter_map(|name| {
            let entries = self.raw.sections.get(name)?;
            Some(
                entries
                    .iter()
                    .map(move |(key, entry)| (format!("{name}.{key}"), entry.clone())),
            )
        });
        sections.flatten().collect()
    }

    pub(super) fn read_breaker(&mut self) -> BreakerPolicy {
        let mut section = self.section("breaker");
        let breaker = BreakerPolicy {
            failures_in_a_row: section.integer("failures_in_a_row", 1..=1_000),
            failure_percent: section.integer("failure_percent", 1..=100),
            slow_percent: section.integer("slow_percent", 1..=100),
            outcomes_min: section.integer("outcomes_min", 1..=10_000),
            window: section.duration("window", TENTH..=10 * MINUTE),
            slow_after: section.duration("slow_after", TENTH..=MINUTE),
            loss_window: section.duration("loss_window", MILLI..=MINUTE),
            cool_down: section.duration("cool_down", TENTH..=HOUR),
            cool_down_max: section.duration("cool_down_max", TENTH..=24 * HOUR),
            jitter_percent: section.integer("jitter_percent", 0..=100),
            probes_good: section.integer("probes_good", 1..=100),
            probe_interval: section.duration("probe_interval", TENTH..=HOUR),
            probe_timeout: section.duration("probe_timeout", TENTH..=MINUTE),
            slow_start: section.duration("slow_start", Duration::ZERO..=HOUR),
            slow_start_percent: section.integer("slow_start_percent", 1..=100),
            rest: section.duration("rest", MILLI..=HOUR),
            rest_max: section.duration("rest_max", MILLI..=24 * HOUR),
        };
        section.finish();
        breaker
    }

    pub(super) fn read_retry(&mut self) -> RetryPolicy {
        let mut section = self.section("retry");
        let retry = RetryPolicy {
            wait_max: section.duration("wait_max", MILLI..=MINUTE),
            backoff: section.duration("backoff", MILLI..=MINUTE),
            backoff_max: section.duration("backoff_max", MILLI..=MINUTE),
            spread: section.duration("spread", Duration::ZERO..=MINUTE),
            extra_percent: section.integer("extra_percent", 0..=100),
            extra_max: section.integer("extra_max", 1..=100_000),
            extra_floor: section.integer("extra_floor", 0..=100_000),
            extra_refill: section.duration("extra_refill", MILLI..=HOUR),
        };
        section.finish();
        retry
    }

    pub(super) fn read_hedge(&mut self) -> HedgePolicy {
        let mut section = self.section("hedge");
        let hedge = HedgePolicy {
            percent: section.integer("percent", 0..=100),
            after_min: section.duration("after_min", MILLI..=MINUTE),
            median_max: section.duration("median_max", MILLI..=MINUTE),
        };
        section.finish();
        hedge
    }

    /// Each of so many agents is a tenant, in the order of their names; all have the same limit.
    pub(super) fn read_tenants(&mut self, agents: usize) -> Vec<TenantPolicy> {
        let mut section = self.section("tenants");
        let sessions_max = section.optional_integer("sessions_max", 1..=u32::MAX);
        section.finish();
        let tenant = sessions_max.map_or_else(TenantPolicy::default, |sessions_max| TenantPolicy {
            sessions_max,
        });
        if agents > TENANTS_MAX {
            let what = format!("are {agents}, and each is a tenant; allowed: 1 to {TENANTS_MAX}");
            self.problems
                .without_value(&at(&self.origin, "agents"), &what);
        }
        vec![tenant; agents.clamp(1, TENANTS_MAX)]
    }

    /// The tiers by name, where they are given: they take the place of what each entry says of its own.
    pub(super) fn read_ladder(&mut self, providers: &mut [Provider]) {
        let mut section = self.section("ladder");
        let entry = section.take("tiers");
        section.finish();
        let Some(entry) = entry else { return };
        let wrong = match tiers(&entry) {
            Some(tiers) if tiers.is_empty() => return,
            Some(tiers) => place(&tiers, providers).err(),
            None => Some("is not accepted".to_owned()),
        };
        if let Some(what) = wrong {
            let at = at(&entry.origin, "ladder.tiers");
            let value = shown(&entry.value);
            self.problems.wrong(&at, &value, &what, TIERS_ALLOWED);
        }
    }

    /// Refuses what contradicts itself: within the pool's numbers, and between them and a call's.
    pub(super) fn check_policy(
        &mut self,
        policy: &PoolPolicy,
        call: &CallSettings,
        written: &Written,
    ) {
        // Where values are wrong there are placeholders, which may contradict each other.
        if !self.problems.is_empty() {
            return;
        }
        if let Err(error) = policy.check() {
            match error {
                PolicyError::Exceeds { key, limit } => self.exceeds(key, limit, written),
                PolicyError::NoProvider
                | PolicyError::TooMany(_)
                | PolicyError::Zero(_)
                | PolicyError::ProviderZero { .. }
                | PolicyError::OverAll(_)
                | PolicyError::CanaryOverAll(_)
                | PolicyError::SparesOverHalf(_) => {
                    self.problems.push(&self.origin, error.to_string());
                }
            }
        }
        // A dial that is given up before it counts as slow never does.
        if policy.breaker.slow_after >= call.dial_timeout {
            self.exceeds("breaker.slow_after", "call.dial_timeout", written);
        }
        if call.slow_dial >= call.dial_timeout {
            self.exceeds("call.slow_dial", "call.dial_timeout", written);
        }
        // Who has heard the apology is not told to wait.
        if call.filler_after >= call.apology_after {
            self.exceeds("call.filler_after", "call.apology_after", written);
        }
    }

    /// One value is greater than it may be beside another. It is told where somebody wrote one of them.
    pub(super) fn exceeds(&mut self, key: &'static str, limit: &'static str, written: &Written) {
        let (Some(of_key), Some(of_limit)) = (written.get(key), written.get(limit)) else {
            // Both have defaults, so both are written somewhere; whatever else is missing was told.
            return;
        };
        // All others may be equal.
        let (less, more) = match key {
            "breaker.slow_after" | "call.filler_after" | "call.slow_dial" => {
                ("less than that", "more than that")
            }
            _ => ("at most that", "at least that"),
        };
        let (value, limit_value) = (shown(&of_key.value), shown(&of_limit.value));
        if of_key.origin == Origin::Default && of_limit.origin != Origin::Default {
            let what = format!("is too little beside {key} = {value}");
            let at = at(&of_limit.origin, limit);
            self.problems.wrong(&at, &limit_value, &what, more);
        } else {
            let what = format!("is too much beside {limit} = {limit_value}");
            let at = at(&of_key.origin, key);
            self.problems.wrong(&at, &value, &what, less);
        }
    }
}

/// The names of each tier; `None` if it is not written so.
fn tiers(entry: &Entry) -> Option<Vec<Vec<String>>> {
    let names = |value: &Value| -> Option<Vec<String>> {
        let names = value.as_array()?.iter();
        names.map(|name| name.as_str().map(str::to_owned)).collect()
    };
    match (&entry.value, &entry.origin) {
        (Value::Array(tiers), _) => tiers.iter().map(names).collect(),
        (Value::String(text), Origin::Variable(_)) => {
            let tiers = text.split(';').filter(|tier| !tier.trim().is_empty());
            let names = |tier: &str| tier.split(',').map(|name| name.trim().to_owned()).collect();
            Some(tiers.map(names).collect())
        }
        _ => None,
    }
}

/// Gives each entry its tier; what is wrong if that cannot be.
fn place(tiers: &[Vec<String>], providers: &mut [Provider]) -> Result<(), String> {
    let is_canary = |provider: &Provider| matches!(provider.policy.share, Share::Canary(_));
    let mut placed: Vec<&str> = Vec::new();
    for (tier, names) in (1..).map(Tier).zip(tiers) {
        if names.is_empty() {
            return Err("has a tier without a provider".to_owned());
        }
        for name in names {
            let mut all = providers.iter_mut();
            let Some(provider) = all.find(|provider| provider.policy.name == *name) else {
                return Err(format!("names \"{name}\", which is no provider"));
            };
            if placed.contains(&name.as_str()) {
                return Err(format!("names \"{name}\" twice"));
            }
            if is_canary(provider) {
                return Err(format!("names \"{name}\", which is a canary"));
            }
            provider.policy.tier = tier;
            placed.push(name);
        }
    }
    let mut all = providers.iter();
    let forgotten = all
        .find(|provider| !is_canary(provider) && !placed.contains(&provider.policy.name.as_str()));
    match forgotten {
        Some(provider) => Err(format!("leaves out \"{}\"", provider.policy.name)),
        None => Ok(()),
    }
}
