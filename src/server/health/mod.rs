//! How everything stands: looked at now and then, beside the calls, and told to whoever asks.
//!
//! | file | owns |
//! |---|---|
//! | `board` | what was found last, and how often what |
//! | `look` | how each part is looked at |
//! | `models` | what the pool knows of each provider |
//!
//! It owns a task for each part, none of which waits for another, and one that turns every second: it shows that the event loop does,
//! takes in what was found, and tells changes to the log. Nobody who has a caller waiting waits for any of them. What the results mean is
//! decided by [`crate::core::health`].

mod board;
mod look;
mod models;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use self::board::Check;
use self::board::{Slot, Told};
use self::look::{Look, run};
use super::Shared;
use super::drain::Stage;
use super::region::Nodes;
use crate::config::{Config, HealthSettings, StorePlace};
use crate::core::health::{
    Condition, Here, Missing, Part, RESULT_AGE_MAX, Readiness, Seen, condition, is_whole, missing,
};
use crate::core::time::Instant;

/// How often the event loop shows that it turns, and what was found is taken in.
const BEAT: Duration = Duration::from_secs(1);

/// How long a look at a part of ours may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Health {
    live_max: Duration,
    provider_interval: Duration,
    /// As many as there are parts beside the providers; none comes or goes.
    slots: Vec<Arc<Slot>>,
    /// When the event loop last turned, in milliseconds since the start.
    beat: AtomicU64,
    latest: Mutex<Latest>,
}

/// What was taken in last.
#[derive(Debug, Default)]
struct Latest {
    at: Instant,
    seen: Vec<Seen>,
    /// What the log knows.
    told: Told,
    readiness: Option<Readiness>,
}

/// What there is to look at beside the providers.
pub(super) struct Parts {
    has_rest: bool,
    has_store: bool,
    has_shared: bool,
    disks: Vec<(&'static str, PathBuf)>,
}

impl Parts {
    /// As the settings have it.
    pub(super) fn of(config: &Config) -> Self {
        let file = match &config.store.place {
            StorePlace::Memory => None,
            StorePlace::File(path, _) => Some(("disk.store", path.clone())),
        };
        let place = config.messages.place.as_ref();
        let folder = place.map(|place| ("disk.messages", place.folder.clone()));
        let twilio = config.twilio.as_ref();
        Self {
            has_rest: twilio.is_some_and(|twilio| twilio.rest.is_some()),
            has_store: file.is_some(),
            has_shared: config.shared.is_some(),
            disks: file.into_iter().chain(folder).collect(),
        }
    }
}

impl Health {
    /// Nothing is known so far.
    pub(super) fn new(settings: HealthSettings, parts: Parts) -> Self {
        let HealthSettings {
            live_max,
            interval,
            provider_interval,
            rest_interval,
            disk_free_min,
            probes,
        } = settings;
        let own = |name: &str, part, look| {
            Arc::new(Slot::new(
                name.to_owned(),
                part,
                look,
                interval,
                LOOK_TIMEOUT,
            ))
        };
        let mut slots = Vec::new();
        if parts.has_rest {
            slots.push(own("twilio", Part::Carrier, Look::Carrier(rest_interval)));
        }
        if parts.has_store {
            slots.push(own("store", Part::Store, Look::Store));
        }
        if parts.has_shared {
            slots.push(own("shared", Part::Shared, Look::Shared));
        }
        for (name, path) in parts.disks {
            slots.push(own(name, Part::Disk, Look::disk(path, disk_free_min)));
        }
        slots.extend(probes.into_iter().map(|probe| {
            let is_required = probe.is_required;
            let part = Part::Probe { is_required };
            let name = format!("probe.{}", probe.name);
            let look = Look::Probe(probe.target);
            Arc::new(Slot::new(name, part, look, probe.interval, probe.timeout))
        }));
        Self {
            live_max,
            provider_interval,
            slots,
            beat: AtomicU64::new(0),
            latest: Mutex::default(),
        }
    }

    /// Whether the event loop has turned of late.
    pub(super) fn is_turning(&self, now: Instant) -> bool {
        let beat = Duration::from_millis(self.beat.load(Ordering::Relaxed));
        now.since(Instant::from_start(beat)) <= self.live_max
    }

    fn beat(&self, now: Instant) {
        let millis = u64::try_from(now.since_start().as_millis()).unwrap_or(u64::MAX);
        self.beat.store(millis, Ordering::Relaxed);
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        // It is replaced as a whole.
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// How each part stands now: the providers in the order of the configuration, then what else there is.
    pub(super) fn checks(&self, now: Instant) -> Vec<Check> {
        let mut checks = models::checks(self, now, self.health.provider_interval);
        checks.extend(self.health.slots.iter().map(|slot| slot.check(now)));
        checks
    }

    /// As [`missing`](Self::missing), by what is found at this moment.
    pub(super) fn missing_of(&self, checks: &[Check]) -> Option<Missing> {
        missing(self.here(), &seen(checks))
    }

    /// How the node stands as a whole.
    pub(super) fn condition(&self, checks: &[Check]) -> Condition {
        condition(self.here(), &seen(checks))
    }

    /// What a call that comes here would miss, by what was taken in within the last seconds.
    pub(super) fn missing(&self, now: Instant) -> Option<Missing> {
        let latest = self.health.latest();
        let is_stale = now.since(latest.at) > RESULT_AGE_MAX;
        // What is not known any more is no ground to send callers elsewhere.
        let seen: &[Seen] = if is_stale { &[] } else { &latest.seen };
        missing(self.here(), seen)
    }

    /// Whether new calls are to come here.
    pub(super) fn readiness(&self, now: Instant, missing: Option<Missing>) -> Readiness {
        Readiness::of(self.here(), missing, self.is_elsewhere_better(now))
    }

    /// Whether another node takes calls, has room and misses nothing, by its own word of the last seconds.
    fn is_elsewhere_better(&self, now: Instant) -> bool {
        self.nodes.as_ref().is_some_and(|nodes| {
            let presence = nodes.presence();
            presence.believed(now).any(|beat| is_whole(beat.load))
        })
    }

    fn here(&self) -> Here {
        Here {
            // A witness serves no carrier.
            is_staying: self.tasks.stage() == Stage::Serving
                && !self.nodes.as_ref().is_some_and(Nodes::is_witness),
            overload: self.overload.stage(),
            has_room: self.calls.sockets() < self.calls.sockets_max(),
        }
    }

    /// Takes in what was found, and tells what has changed.
    fn take_in(&self, now: Instant) {
        let checks = self.checks(now);
        let readiness = {
            let mut latest = self.health.latest();
            latest.at = now;
            latest.seen = seen(&checks);
            latest.told.tell(&checks);
            latest.readiness
        };
        let is_ready = self.readiness(now, self.missing_of(&checks));
        if readiness != Some(is_ready) {
            self.health.latest().readiness = Some(is_ready);
            let missing = is_ready.missing().map(Missing::name);
            match (is_ready, readiness) {
                (Readiness::Ready, None) => {}
                (Readiness::Ready, Some(_)) => tracing::info!("ready for new calls"),
                (Readiness::Leaving, _) => tracing::info!("not ready for new calls: leaving"),
                (Readiness::ReadyWithout(_), _) => {
                    tracing::warn!(
                        missing,
                        "ready for new calls without it: no other node is known to be better"
                    );
                }
                (Readiness::BetterElsewhere(_), _) => {
                    tracing::warn!(missing, "not ready for new calls: another node is better");
                }
            }
        }
    }
}

fn seen(checks: &[Check]) -> Vec<Seen> {
    let seen = checks.iter().map(|check| Seen {
        part: check.part,
        state: check.state,
    });
    seen.collect()
}

/// Shows that the event loop turns and takes in what was found, until the process stops; begins a task for each part.
pub(super) async fn keep(shared: Arc<Shared>) {
    for slot in &shared.health.slots {
        let looking = run(Arc::clone(&shared), Arc::clone(slot));
        shared.tasks.spawn("health", looking);
    }
    let tasks = shared.tasks.clone();
    let mut draining = std::pin::pin!(tasks.reached(Stage::Draining));
    loop {
        let now = shared.clock.now();
        shared.health.beat(now);
        shared.take_in(now);
        let every = shared.health.provider_interval;
        let may_probe = tasks.stage() == Stage::Serving && shared.overload.stage().allows_extras();
        if !every.is_zero() && may_probe {
            shared.providers.prove_now_and_then(now, every);
        }
        tokio::select! {
            () = &mut draining => return,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_has_not_turned_for_long_is_told_and_one_that_turns_again_is_well() {
        let at = |seconds| Instant::from_start(Duration::from_secs(seconds));
        let config = crate::config::load(
            None,
            &[("RINGBACK__PUBLIC__AUTH".to_owned(), "none".to_owned())]
                .into_iter()
                .collect(),
        )
        .unwrap();
        let parts = Parts::of(&config);
        let health = Health::new(config.health, parts);
        assert!(
            health.slots.is_empty(),
            "nothing is kept, nobody is ordered"
        );
        assert!(health.is_turning(at(5)), "it has just begun");
        assert!(!health.is_turning(at(6)));
        health.beat(at(7));
        assert!(health.is_turning(at(12)));
        assert!(!health.is_turning(at(13)));
    }
}
