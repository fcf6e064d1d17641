//! All metrics as text, at one moment: what was counted, how the pool stands, what the kernel says.

use std::collections::BTreeSet;

use super::Telemetry;
use super::callbacks;
use super::counts::Count;
use super::exposition::Exposition;
use super::labels::RETRIED;
use super::metrics::Metrics;
use super::names::Metric;
use super::process::Process;
use crate::core::ids::KeyId;
use crate::core::overload::Stage;
use crate::core::pool::{BreakerState, PoolStatus, ProviderStatus};
use crate::core::time::{Instant, Utc};

/// What is true at this moment and not counted.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Now.
    pub now: Instant,
    /// Calls whose stream has started and not ended.
    pub calls_live: usize,
    /// Sockets of carriers that are open.
    pub sockets: usize,
    /// Sockets of carriers that may be open.
    pub sockets_max: usize,
    /// What is left out because there is too much to do.
    pub overload: Stage,
    /// How the providers stand.
    pub pool: &'a PoolStatus,
    /// How the store stands; `None`: there is none.
    pub store: Option<StoreMoment>,
    /// How the store that nodes share stands; `None`: there is none.
    pub shared: Option<SharedMoment>,
    /// How the other nodes stand; `None`: it is alone.
    pub nodes: Option<NodesMoment>,
    /// Messages after the tone that wait for somebody to take them; `None`: nobody can leave one.
    pub messages_waiting: Option<usize>,
    /// Until when the listener's certificate holds; `None`: it has none.
    pub certificate_expires: Option<Utc>,
}

/// How the store stands.
#[derive(Clone, Copy, Debug)]
pub struct StoreMoment {
    /// It keeps what it should.
    pub is_well: bool,
    /// Transactions that are on disk.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// How often its file was opened anew after the disk had refused.
    pub mended: u64,
}

/// How the store that nodes share stands.
#[derive(Clone, Copy, Debug)]
pub struct SharedMoment {
    /// It can be written and read.
    pub is_well: bool,
    /// Calls of which it does not know the newest yet.
    pub waiting: usize,
    /// Requests that failed.
    pub failed: u64,
    /// Calls that were left out because too many waited.
    pub left_out: u64,
    /// Commands that were sent.
    pub commands: u64,
}

/// How the other nodes stand.
#[derive(Clone, Copy, Debug)]
pub struct NodesMoment {
    /// How many others there should be.
    pub peers: usize,
    /// How many of them were heard of late.
    pub heard: usize,
    /// Whether the region of this one is active.
    pub is_active: bool,
}

/// The text of all metrics.
pub(super) fn render(telemetry: &Telemetry, moment: &Moment<'_>) -> String {
    let mut to = Exposition::default();
    process(&mut to, moment.now);
    room(&mut to, moment);
    kept(&mut to, moment);
    callbacks::render(&mut to, &telemetry.metrics);
    calls(&mut to, telemetry);
    attempts(&mut to, &telemetry.metrics);
    again(&mut to, &telemetry.metrics);
    let standing = Standing {
        telemetry,
        moment: *moment,
    };
    standing.breakers(&mut to);
    standing.sessions(&mut to);
    for count in Count::ALL {
        to.spec(count.spec())
            .sample(&[], telemetry.counts.get(count));
    }
    to.into_text()
}

fn process(to: &mut Exposition, now: Instant) {
    to.metric(Metric::BuildInfo)
        .sample(&[env!("CARGO_PKG_VERSION")], 1);
    to.metric(Metric::Uptime)
        .sample(&[], now.since_start().as_secs_f64());
    let process = Process::read();
    // Without a kernel that tells, a metric has no sample.
    let memory = process.map(|process| process.memory);
    to.metric(Metric::Memory).optional(memory);
    to.metric(Metric::Cpu)
        .optional(process.map(|process| process.cpu));
    to.metric(Metric::OpenFds)
        .optional(process.map(|process| process.open_fds));
    to.metric(Metric::MaxFds)
        .optional(process.map(|process| process.max_fds));
}

fn room(to: &mut Exposition, moment: &Moment<'_>) {
    to.metric(Metric::CallsLive).sample(&[], moment.calls_live);
    to.metric(Metric::Sockets).sample(&[], moment.sockets);
    to.metric(Metric::SocketsMax)
        .sample(&[], moment.sockets_max);
    let stage = match moment.overload {
        Stage::Normal => 0,
        Stage::Lean => 1,
        Stage::Full => 2,
    };
    to.metric(Metric::Overload).sample(&[], stage);
}

/// Without a store, or a certificate, a metric of it has no sample.
fn kept(to: &mut Exposition, moment: &Moment<'_>) {
    let store = moment.store;
    let trouble = store.map(|store| u8::from(!store.is_well));
    to.metric(Metric::StoreTrouble).optional(trouble);
    to.metric(Metric::StoreCommits)
        .optional(store.map(|store| store.commits));
    to.metric(Metric::StoreWrites)
        .optional(store.map(|store| store.writes));
    to.metric(Metric::StoreMended)
        .optional(store.map(|store| store.mended));
    let shared = moment.shared;
    to.metric(Metric::SharedTrouble)
        .optional(shared.map(|shared| u8::from(!shared.is_well)));
    to.metric(Metric::SharedWaiting)
        .optional(shared.map(|shared| shared.waiting));
    to.metric(Metric::SharedFailed)
        .optional(shared.map(|shared| shared.failed));
    to.metric(Metric::SharedLeftOut)
        .optional(shared.map(|shared| shared.left_out));
    to.metric(Metric::SharedCommands)
        .optional(shared.map(|shared| shared.commands));
    let nodes = moment.nodes;
    to.metric(Metric::NodesKnown)
        .optional(nodes.map(|nodes| nodes.peers));
    to.metric(Metric::NodesHeard)
        .optional(nodes.map(|nodes| nodes.heard));
    to.metric(Metric::RegionActive)
        .optional(nodes.map(|nodes| u8::from(nodes.is_active)));
    to.metric(Metric::MessagesWaiting)
        .optional(moment.messages_waiting);
    let expires = moment.certificate_expires.map(|at| at.millis() / 1_000);
    to.metric(Metric::CertificateExpires).optional(expires);
}

fn calls(to: &mut Exposition, telemetry: &Telemetry) {
    let Telemetry { counts, metrics } = telemetry;
    to.metric(Metric::CallsEnded).family(&[], &counts.ended);
    let mut served = to.metric(Metric::CallsServed);
    let tiers: BTreeSet<_> = metrics.providers.iter().map(|row| row.tier).collect();
    for tier in tiers {
        served.sample(&[&tier.0.to_string()], metrics.served.tier(tier));
    }
    for (by, number) in metrics.served.beside() {
        served.sample(&[by], number);
    }
    to.metric(Metric::MessagesRefused)
        .family(&[], &counts.refused);
    for (metric, times) in [
        (Metric::FirstAudio, &metrics.first_audio),
        (Metric::Gap, &metrics.gap),
        (Metric::FailoverGap, &metrics.failover_gap),
        (Metric::DeadAir, &metrics.dead_air),
        (Metric::Failover, &metrics.failover),
        (Metric::Apology, &metrics.apology),
        (Metric::PromiseAnswer, &metrics.promise),
        (Metric::LoopLag, &metrics.loop_lag),
    ] {
        to.metric(metric).histogram(&[], times);
    }
    to.metric(Metric::Prompts).family(&[], &metrics.prompts);
    to.metric(Metric::MenuChoices).family(&[], &metrics.choices);
    to.metric(Metric::CallBacksTold).family(&[], &metrics.told);
    to.metric(Metric::Messages).family(&[], &metrics.messages);
}

fn attempts(to: &mut Exposition, metrics: &Metrics) {
    let mut attempts = to.metric(Metric::Attempts);
    for row in metrics.providers.iter() {
        attempts.family(&[&row.name, &row.tier.0.to_string()], &row.attempts);
    }
    let mut faults = to.metric(Metric::AttemptFaults);
    for row in metrics.providers.iter() {
        faults.family(&[&row.name], &row.attempt_faults);
    }
    let mut faults = to.metric(Metric::AnswerFaults);
    for row in metrics.providers.iter() {
        faults.family(&[&row.name], &row.answer_faults);
    }
    let mut ready = to.metric(Metric::SessionReady);
    for row in metrics.providers.iter() {
        ready.histogram(&[&row.name], &row.session_ready);
    }
    let mut answer = to.metric(Metric::Answer);
    for row in metrics.providers.iter() {
        answer.histogram(&[&row.name], &row.answer);
    }
    let mut probes = to.metric(Metric::Probes);
    for row in metrics.providers.iter() {
        probes.family(&[&row.name], &row.probes);
    }
    let mut spares = to.metric(Metric::Spares);
    for row in metrics.providers.iter() {
        spares.family(&[&row.name], &row.spares);
    }
    let mut renderings = to.metric(Metric::Renderings);
    for row in metrics.providers.iter() {
        renderings.family(&[&row.name], &row.renderings);
    }
}

/// What is done because something failed, or is slow.
fn again(to: &mut Exposition, metrics: &Metrics) {
    let mut wait = to.metric(Metric::SessionWait);
    for (retried, waits) in RETRIED.iter().zip(&metrics.session_wait) {
        wait.histogram(&[retried], waits);
    }
    to.metric(Metric::NotAdmitted)
        .family(&[], &metrics.not_admitted);
    let mut retries = to.metric(Metric::Retries);
    for (charge, outcomes) in metrics.all_retries() {
        retries.family(&[charge], outcomes);
    }
    to.metric(Metric::Hedges).family(&[], &metrics.hedges);
}

/// How the pool stands.
struct Standing<'a> {
    telemetry: &'a Telemetry,
    moment: Moment<'a>,
}

impl Standing<'_> {
    fn breakers(&self, to: &mut Exposition) {
        let mut state = to.metric(Metric::BreakerState);
        for (name, provider) in self.providers() {
            state.sample(&[name, ENDPOINT], state_number(provider.breaker));
            for key in &provider.keys {
                state.sample(&[name, &key_label(key.key)], state_number(key.breaker));
            }
        }
        let mut transitions = to.metric(Metric::BreakerTransitions);
        for row in self.telemetry.metrics.providers.iter() {
            for (key, [from, until, cause], number) in row.transitions() {
                let key = key.map_or(ENDPOINT.to_owned(), key_label);
                transitions.sample(&[&row.name, &key, from, until, cause], number);
            }
        }
        let mut admits = to.metric(Metric::Admits);
        for (name, provider) in self.providers() {
            admits.sample(&[name], f64::from(provider.permille) / 1_000.0);
        }
    }

    fn sessions(&self, to: &mut Exposition) {
        let mut sessions = to.metric(Metric::SessionsLive);
        for (name, provider) in self.providers() {
            sessions.sample(&[name], provider.sessions);
        }
        let mut spares = to.metric(Metric::SparesReady);
        for (name, provider) in self.providers() {
            spares.sample(&[name], provider.spares);
        }
        let mut starts = to.metric(Metric::KeyStarts);
        for (name, provider) in self.providers() {
            for key in &provider.keys {
                starts.sample(&[name, &key_label(key.key)], key.starts);
            }
        }
        let mut rest = to.metric(Metric::KeyRest);
        for (name, provider) in self.providers() {
            for key in &provider.keys {
                let until = key.rests_until.unwrap_or(Instant::ZERO);
                let left = until.since(self.moment.now).as_secs_f64();
                rest.sample(&[name, &key_label(key.key)], left);
            }
        }
        let pool = self.moment.pool;
        to.metric(Metric::CallsWaiting).sample(&[], pool.waiting);
        to.metric(Metric::ExtraLeft).sample(&[], pool.extra_left);
        to.metric(Metric::ReserveLeft)
            .sample(&[], pool.reserve_left);
    }

    /// The providers that have a name here.
    fn providers(&self) -> impl Iterator<Item = (&str, &ProviderStatus)> {
        let rows = &self.telemetry.metrics.providers;
        let providers = self.moment.pool.providers.iter();
        providers.filter_map(|status| Some((&*rows.get(status.provider)?.name, status)))
    }
}

fn key_label(KeyId(key): KeyId) -> String {
    key.to_string()
}

/// More than 1: no call passes and nobody looks whether it could.
const fn state_number(state: BreakerState) -> u8 {
    match state {
        // Calls pass; what share of them is another metric.
        BreakerState::Closed | BreakerState::SlowStart => 0,
        BreakerState::HalfOpen => 1,
        BreakerState::Open => 2,
        BreakerState::Isolated => 3,
    }
}

/// The label of the breaker of the endpoint itself.
const ENDPOINT: &str = "endpoint";
