//! Calls as observations, and what the numbers say of them.

use std::time::Duration;

use ringback::core::call::effect::EndReason;
use ringback::core::call::prompt::Prompt;
use ringback::core::fault::{DialStage, Fault};
use ringback::core::ids::{AttemptId, CallId, KeyId, ProviderId, Tier};
use ringback::core::observation::Observation;
use ringback::core::overload::Stage;
use ringback::core::pool::BreakerState;
use ringback::core::pool::{
    Cause, Charge, Control, News, Pool, PoolPolicy, ProviderPolicy, Transition, Why,
};
use ringback::core::time::{Instant, Utc};
use ringback::telemetry::{CallLog, Moment, NodesMoment, SharedMoment, StoreMoment, Telemetry};

use crate::exposition::Exposition;

const EAST: ProviderId = ProviderId(0);
const WEST: ProviderId = ProviderId(1);

/// A telemetry and the pool that it tells about.
pub(crate) struct World {
    telemetry: Telemetry,
    pool: Pool,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let mut east = ProviderPolicy::new("east", Tier(1));
        east.keys = 2;
        let providers = vec![east, ProviderPolicy::new("west", Tier(2))];
        let telemetry = Telemetry::default();
        telemetry.set_providers(&providers);
        let pool = Pool::new(PoolPolicy::new(providers), 1).unwrap();
        Self {
            telemetry,
            pool,
            now: Instant::ZERO,
        }
    }

    /// A call that fails over, one that is apologised to, and a breaker that an operator opened.
    pub(crate) fn of_an_eventful_day() -> Self {
        let mut world = Self::new();
        fails_over(&mut world.call());
        is_apologized_to(&mut world.call());
        world.control(Some(KeyId(1)), Control::Open);
        world.telemetry.probed(EAST, KeyId(0), Ok(()));
        world.telemetry.loop_lagged(ms(3));
        world
    }

    fn call(&self) -> Call {
        let log = self.telemetry.call(CallId::from_bits(1));
        Call {
            log,
            at: Instant::ZERO,
        }
    }

    fn control(&mut self, key: Option<KeyId>, control: Control) {
        let mut news = News::default();
        assert!(self.pool.control(self.now, EAST, key, control, &mut news));
        for transition in &news.transitions {
            self.telemetry.transitioned(transition);
        }
    }

    pub(crate) fn scrape_text(&mut self) -> String {
        let pool = self.pool.status(self.now);
        self.telemetry.exposition(&Moment {
            now: self.now,
            calls_live: 3,
            sockets: 4,
            sockets_max: 10,
            overload: Stage::Normal,
            pool: &pool,
            store: Some(StoreMoment {
                is_well: true,
                commits: 1,
                writes: 2,
                mended: 0,
            }),
            nodes: Some(NodesMoment {
                peers: 3,
                heard: 2,
                is_active: true,
            }),
            shared: Some(SharedMoment {
                is_well: true,
                waiting: 0,
                failed: 1,
                left_out: 0,
                commands: 7,
            }),
            messages_waiting: Some(2),
            certificate_expires: Some(Utc::from_millis(1_000)),
        })
    }

    fn scrape(&mut self) -> Exposition {
        Exposition::parse(&self.scrape_text())
    }
}

/// A call while it is observed.
struct Call {
    log: CallLog,
    at: Instant,
}

impl Call {
    fn saw(&mut self, at: u64, observation: &Observation) -> &mut Self {
        self.at = Instant::from_start(ms(at));
        self.log.observe(self.at, observation);
        self
    }

    fn dials(&mut self, at: u64, id: u32, provider: ProviderId, charge: Charge) -> &mut Self {
        let observation = Observation::Dialled {
            attempt: AttemptId(id),
            provider,
            key: KeyId(0),
            tier: Tier(provider.0 + 1),
            charge,
        };
        self.saw(at, &observation)
    }

    fn ready(&mut self, at: u64, id: u32, after: u64) -> &mut Self {
        let (attempt, after) = (AttemptId(id), ms(after));
        self.saw(at, &Observation::SessionReady { attempt, after })
    }

    fn fails(&mut self, at: u64, id: u32, fault: Fault) -> &mut Self {
        let attempt = AttemptId(id);
        self.saw(at, &Observation::AttemptFailed { attempt, fault })
    }

    fn ends(&mut self, at: u64, reason: EndReason) {
        let lasted = ms(at);
        self.saw(at, &Observation::CallEnded { reason, lasted });
    }
}

fn fails_over(call: &mut Call) {
    let (old, new) = (AttemptId(0), AttemptId(2));
    call.dials(0, 0, EAST, Charge::First)
        .ready(200, 0, 200)
        .saw(300, &Observation::FirstAudio { after: ms(300) })
        .saw(2_000, &Observation::Answered { after: ms(400) })
        .saw(2_000, &Observation::Gap { after: ms(400) })
        .fails(3_000, 0, Fault::Stalled)
        .saw(
            3_000,
            &Observation::FailingOver {
                attempt: old,
                fault: Fault::Stalled,
            },
        )
        .dials(3_000, 1, EAST, Charge::Reserve)
        .fails(3_100, 1, Fault::ConnectFailed)
        .dials(3_100, 2, WEST, Charge::Move)
        .ready(3_400, 2, 300)
        .saw(
            3_400,
            &Observation::FailedOver {
                attempt: new,
                after: ms(400),
            },
        )
        .saw(3_900, &Observation::Gap { after: ms(900) })
        .saw(6_000, &Observation::Answered { after: ms(700) })
        .ends(9_000, EndReason::CallerHungUp);
}

fn is_apologized_to(call: &mut Call) {
    let slow = Fault::DialTimedOut(DialStage::Upgrade);
    call.saw(0, &Observation::Prompted(Prompt::Greeting))
        .dials(0, 0, EAST, Charge::First)
        .fails(3_000, 0, slow)
        .dials(3_000, 1, EAST, Charge::Extra)
        .saw(4_500, &Observation::DeadAir { lasted: ms(1_250) })
        .saw(5_000, &Observation::NotAdmitted(Why::Open))
        .saw(5_000, &Observation::Apologized { after: ms(5_000) })
        .ends(7_000, EndReason::Apologized);
}

#[test]
fn faults_and_attempts_are_told_of_whose_they_are() {
    let mut world = World::of_an_eventful_day();
    let read = world.scrape();
    let attempts = |provider, tier, charge| {
        let labels = [("provider", provider), ("tier", tier), ("charge", charge)];
        read.get("ringback_attempts_total", &labels)
    };
    assert_eq!(attempts("east", "1", "first"), Some(2.0));
    assert_eq!(attempts("east", "1", "reserve"), Some(1.0));
    assert_eq!(attempts("west", "2", "move"), Some(1.0));
    assert_eq!(attempts("west", "2", "first"), Some(0.0));
    let faults = |provider, fault| {
        let labels = [("provider", provider), ("fault", fault)];
        read.get("ringback_attempt_faults_total", &labels)
    };
    assert_eq!(faults("east", "stalled"), Some(1.0));
    assert_eq!(faults("east", "connect_failed"), Some(1.0));
    assert_eq!(faults("east", "upgrade_timed_out"), Some(1.0));
    assert_eq!(read.sum("ringback_attempt_faults_total"), Some(3.0));
    let answers = |provider| read.get("ringback_answer_seconds_count", &[("provider", provider)]);
    assert_eq!((answers("east"), answers("west")), (Some(1.0), Some(1.0)));
}

#[test]
fn a_retry_helped_failed_or_was_abandoned() {
    let read = World::of_an_eventful_day().scrape();
    let retries = |charge, outcome| {
        let labels = [("charge", charge), ("outcome", outcome)];
        read.get("ringback_retries_total", &labels)
    };
    assert_eq!(retries("move", "helped"), Some(1.0));
    assert_eq!(retries("reserve", "failed"), Some(1.0));
    assert_eq!(retries("extra", "abandoned"), Some(1.0));
    assert_eq!(read.sum("ringback_retries_total"), Some(3.0));
}

#[test]
fn a_session_that_is_lost_after_it_helped_did_help() {
    let mut world = World::new();
    world
        .call()
        .dials(0, 0, WEST, Charge::Move)
        .ready(100, 0, 100)
        .fails(900, 0, Fault::NoPong)
        .ends(1_000, EndReason::Apologized);
    let read = world.scrape();
    let labels = [("charge", "move"), ("outcome", "helped")];
    assert_eq!(read.get("ringback_retries_total", &labels), Some(1.0));
    assert_eq!(read.sum("ringback_retries_total"), Some(1.0));
}

#[test]
fn the_fallback_rate_can_be_read_from_who_served_calls_last() {
    let mut world = World::of_an_eventful_day();
    world.call().ends(100, EndReason::CallerHungUp);
    let read = world.scrape();
    let served = |tier| read.get("ringback_calls_served_total", &[("tier", tier)]);
    assert_eq!(served("1"), Some(0.0));
    assert_eq!(served("2"), Some(1.0));
    assert_eq!(served("apology"), Some(1.0));
    assert_eq!(served("none"), Some(1.0));
    assert_eq!(read.sum("ringback_calls_ended_total"), Some(3.0));
}

#[test]
fn a_gap_counts_as_one_of_a_failover_only_where_there_was_one() {
    let read = World::of_an_eventful_day().scrape();
    assert_eq!(read.get("ringback_gap_seconds_count", &[]), Some(2.0));
    assert_eq!(
        read.get("ringback_failover_gap_seconds_count", &[]),
        Some(1.0)
    );
    assert_eq!(
        read.get("ringback_failover_gap_seconds_sum", &[]),
        Some(0.9)
    );
    let within = |bound| read.get("ringback_dead_air_seconds_bucket", &[("le", bound)]);
    assert_eq!((within("1.2"), within("1.5")), (Some(0.0), Some(1.0)));
}

#[test]
fn the_wait_for_a_session_is_told_with_and_without_retries() {
    let mut world = World::of_an_eventful_day();
    world
        .call()
        .dials(0, 0, EAST, Charge::First)
        .fails(100, 0, Fault::ConnectFailed)
        .dials(150, 1, WEST, Charge::Extra)
        .ready(400, 1, 250)
        .dials(500, 2, WEST, Charge::Rotation)
        .ready(600, 2, 100);
    let read = world.scrape();
    let sum = |retried| read.get("ringback_session_wait_seconds_sum", &[("retried", retried)]);
    assert_eq!(sum("no"), Some(0.2));
    assert_eq!(sum("yes"), Some(0.4));
}

#[test]
fn breakers_and_every_change_of_them_are_told() {
    let mut world = World::of_an_eventful_day();
    world.control(None, Control::Isolate);
    let read = world.scrape();
    let state = |provider, key| {
        let labels = [("provider", provider), ("key", key)];
        read.get("ringback_breaker_state", &labels)
    };
    assert_eq!(state("east", "endpoint"), Some(3.0));
    assert_eq!(state("east", "0"), Some(0.0));
    assert_eq!(state("east", "1"), Some(2.0));
    assert_eq!(state("west", "endpoint"), Some(0.0));
    let changed = |key, to| {
        let labels = [
            ("provider", "east"),
            ("key", key),
            ("from", "closed"),
            ("to", to),
            ("cause", "operator"),
        ];
        read.get("ringback_breaker_transitions_total", &labels)
    };
    assert_eq!(changed("1", "open"), Some(1.0));
    assert_eq!(changed("endpoint", "isolated"), Some(1.0));
    assert_eq!(read.sum("ringback_breaker_transitions_total"), Some(2.0));
}

#[test]
fn labels_are_bounded_by_the_configuration() {
    let mut world = World::of_an_eventful_day();
    let lines = world.scrape_text().lines().count();
    let stranger = ProviderId(200);
    for n in 0..200 {
        let mut call = world.call();
        call.dials(0, n, stranger, Charge::First)
            .fails(
                1,
                n,
                Fault::Closed {
                    code: n.try_into().unwrap(),
                },
            )
            .ends(2, EndReason::Apologized);
        world.telemetry.transitioned(&Transition {
            provider: EAST,
            key: Some(KeyId(n.try_into().unwrap())),
            from: BreakerState::Closed,
            to: BreakerState::Open,
            cause: Cause::Permanent(Fault::Unauthorized),
        });
        world.telemetry.probed(stranger, KeyId(0), Err(Fault::Deaf));
    }
    // One change more for each of the keys that an entry may have, and nothing for those that none has.
    assert_eq!(world.scrape_text().lines().count(), lines + 16);
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
