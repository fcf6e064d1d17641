//! How each provider stands, by its breaker and by the last answer that anybody had of it.
//!
//! A breaker that is closed says that nothing has failed; an answer says that there will be another one. Callers who are served give it
//! without being asked; where there are none, a synthetic session does ([`super::super::probes`]).

use std::time::Duration;

use super::board::Check;
use crate::core::fault::{Count, Fault};
use crate::core::health::{Part, State};
use crate::core::pool::{BreakerState, ProviderStatus};
use crate::core::time::Instant;
use crate::server::Shared;

/// How much later than planned an answer may come and still counts: a probe takes as long as it may, and waits for its turn.
const SLACK: Duration = Duration::from_secs(30);

/// How each provider stands now, in the order of the configuration.
pub(super) fn checks(shared: &Shared, now: Instant, every: Duration) -> Vec<Check> {
    let status = shared.providers.status(now);
    let names = shared.providers.names();
    let checks = names.zip(&status.providers).map(|(name, status)| {
        let (state, at, reason) = judge(status, now, every);
        Check {
            name: format!("provider.{name}"),
            part: Part::Provider,
            state,
            age: at.map(|at| now.since(at)),
            reason,
            looks: State::ALL.map(|state| (state, 0)),
        }
    });
    checks.collect()
}

/// How it stands, since when that is known, and why so.
fn judge(
    status: &ProviderStatus,
    now: Instant,
    every: Duration,
) -> (State, Option<Instant>, String) {
    let breakers = status.keys.iter().map(|key| key.breaker);
    let is_whole = breakers
        .chain([status.breaker])
        .all(|of| of == BreakerState::Closed);
    let is_resting = status.keys.iter().any(|key| key.rests_until.is_some());
    let breaker = status.breaker.name();
    let at = status.answered_at;
    if status.permille == 0 {
        let reason = format!("it takes no calls: its breaker is {breaker}, or each key rests");
        return (State::Failed, Some(now), reason);
    }
    match status.probe_failed {
        Some((at, fault)) if is_its_own(fault) => {
            let reason = format!("the last probe failed: {fault}");
            return (State::Failed, Some(at), reason);
        }
        Some(_) | None => {}
    }
    if !is_whole {
        let reason = format!("its breaker is {breaker}, or that of a key is not closed");
        return (State::Degraded, Some(now), reason);
    }
    if is_resting {
        let reason = "it wants no more sessions with a key for a while".to_owned();
        return (State::Degraded, Some(now), reason);
    }
    if every.is_zero() {
        let reason = "by its breaker alone".to_owned();
        return (State::Ok, Some(now), reason);
    }
    match at {
        None => (
            State::Unknown,
            None,
            "it has answered nobody yet".to_owned(),
        ),
        Some(at) if now.since(at) > every + SLACK => {
            let reason = "it has answered nobody for too long".to_owned();
            (State::Unknown, Some(at), reason)
        }
        Some(at) => (State::Ok, Some(at), String::new()),
    }
}

/// Whether a fault of a probe says something of the provider.
const fn is_its_own(fault: Fault) -> bool {
    match fault.count() {
        Count::Once | Count::Opens => true,
        Count::No | Count::Rests => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{KeyId, ProviderId};
    use crate::core::pool::KeyStatus;

    const EVERY: Duration = Duration::from_mins(5);

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    fn well() -> ProviderStatus {
        let key = KeyStatus {
            key: KeyId(0),
            breaker: BreakerState::Closed,
            sessions: 0,
            spares: 0,
            starts: 10,
            rests_until: None,
        };
        ProviderStatus {
            provider: ProviderId(0),
            breaker: BreakerState::Closed,
            permille: 1_000,
            is_proven: false,
            answered_at: Some(at(100)),
            probe_failed: None,
            sessions: 0,
            spares: 0,
            dials: None,
            answers: None,
            keys: vec![key],
        }
    }

    fn judged(change: impl FnOnce(&mut ProviderStatus)) -> State {
        let mut status = well();
        change(&mut status);
        judge(&status, at(160), EVERY).0
    }

    #[test]
    fn breaker_and_answers_say_how_a_provider_stands() {
        assert_eq!(judged(|_| {}), State::Ok);
        assert_eq!(judged(|of| of.answered_at = None), State::Unknown);
        assert_eq!(judged(|of| of.permille = 0), State::Failed);
        assert_eq!(
            judged(|of| of.breaker = BreakerState::SlowStart),
            State::Degraded
        );
        assert_eq!(
            judged(|of| of.keys[0].breaker = BreakerState::Open),
            State::Degraded
        );
        assert_eq!(
            judged(|of| of.keys[0].rests_until = Some(at(170))),
            State::Degraded
        );
        let failed = |fault| judged(|of| of.probe_failed = Some((at(150), fault)));
        assert_eq!(failed(Fault::Mute), State::Failed);
        assert_eq!(failed(Fault::Unauthorized), State::Failed);
        assert_eq!(failed(Fault::RateLimited { retry_after: None }), State::Ok);
    }

    #[test]
    fn an_answer_proves_nothing_for_ever_and_without_probes_the_breaker_says_all() {
        let late = at(100) + EVERY + SLACK;
        assert_eq!(judge(&well(), late, EVERY).0, State::Ok);
        let (state, since, _) = judge(&well(), late + Duration::from_secs(1), EVERY);
        assert_eq!((state, since), (State::Unknown, Some(at(100))));
        assert_eq!(judge(&well(), at(9_999), Duration::ZERO).0, State::Ok);
    }
}
