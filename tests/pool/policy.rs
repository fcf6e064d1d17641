//! Policies that contradict themselves are refused, each for its reason.

use std::time::Duration;

use ringback::core::ids::ProviderId;
use ringback::core::pool::{PolicyError, Pool, PoolPolicy, Share};

use crate::desk::{policy, secs};

#[test]
fn the_defaults_hold_together() {
    assert!(Pool::new(policy(3), 1).is_ok());
}

type Change = fn(&mut PoolPolicy);

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_contradiction_is_refused_with_its_name() {
    let first = ProviderId(0);
    let zero = |key| PolicyError::ProviderZero {
        provider: first,
        key,
    };
    let exceeds = |key, limit| PolicyError::Exceeds { key, limit };
    let wrong: [(Change, PolicyError); 22] = [
        (|p| p.providers.clear(), PolicyError::NoProvider),
        (
            |p| p.providers[0].share = Share::Canary(10),
            PolicyError::NoProvider,
        ),
        (
            |p| p.providers = vec![p.providers[0].clone(); 33],
            PolicyError::TooMany("providers"),
        ),
        (|p| p.tenants.clear(), PolicyError::TooMany("tenants")),
        (
            |p| p.tenants[0].sessions_max = 0,
            PolicyError::Zero("tenant.sessions_max"),
        ),
        (|p| p.providers[0].share = Share::Weight(0), zero("weight")),
        (|p| p.providers[0].keys = 0, zero("keys")),
        (
            |p| p.providers[0].keys = 17,
            PolicyError::TooMany("keys of a provider"),
        ),
        (|p| p.providers[0].sessions_max = 0, zero("sessions_max")),
        (
            |p| p.providers[0].starts_per_second = 0,
            zero("session_starts_per_second"),
        ),
        (|p| p.providers[0].burst = 0, zero("burst")),
        (
            |p| p.providers[0].spares = 65,
            PolicyError::SparesOverHalf(first),
        ),
        (
            |p| (p.providers[0].sessions_max, p.providers[0].spares) = (5, 3),
            PolicyError::SparesOverHalf(first),
        ),
        (
            |p| p.breaker.failures_in_a_row = 0,
            PolicyError::Zero("breaker.failures_in_a_row"),
        ),
        (
            |p| p.breaker.failure_percent = 101,
            PolicyError::OverAll("breaker.failure_percent"),
        ),
        (
            |p| p.breaker.window = Duration::ZERO,
            PolicyError::Zero("breaker.window"),
        ),
        (
            |p| p.breaker.cool_down = secs(301),
            exceeds("breaker.cool_down", "breaker.cool_down_max"),
        ),
        (
            |p| p.retry.backoff_max = secs(1),
            exceeds("retry.backoff_max", "retry.wait_max"),
        ),
        (
            |p| p.retry.spread = secs(1),
            exceeds("retry.spread", "retry.wait_max"),
        ),
        (
            |p| p.retry.extra_floor = 101,
            exceeds("retry.extra_floor", "retry.extra_max"),
        ),
        (
            |p| p.hedge.percent = 11,
            exceeds("hedge.percent", "retry.extra_percent"),
        ),
        (
            |p| p.hedge.after_min = secs(1),
            exceeds("hedge.after_min", "hedge.median_max"),
        ),
    ];
    for (change, expected) in wrong {
        let mut policy = policy(1);
        change(&mut policy);
        let error = Pool::new(policy, 1).unwrap_err();
        assert_eq!(error, expected);
        assert!(error.to_string().len() > 10, "{error}");
    }
}
