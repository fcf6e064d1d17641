//! Who was dialled, why and how often: judged by what the doors answered.

use std::time::Duration;

use loadtest::model::faults::Failure as AnswerFailure;
use loadtest::model::outages::{Trouble, Window};
use loadtest::model::report::Outcome;
use ringback::core::fault::Fault;
use ringback::core::ids::{AttemptId, KeyId, ProviderId};
use ringback::core::observation::Observation;
use ringback::core::pool::{BreakerState, Charge, DIALS_MAX, Transition};

use super::Finding;
use crate::doors::Met;
use crate::setup::{LegReport, Life, Setup};
use crate::succession::failures;

/// All waiting for retries within one search for a session.
const WAITS_MAX: Duration = Duration::from_millis(900);

/// What the server cannot know yet, and what it decides at once.
const ON_ITS_WAY: Duration = Duration::from_millis(25);

/// Close codes of sessions that are refused until somebody mends what is wrong.
const LASTING: [u16; 2] = [3_000, 4_000];

/// "No rash failover": nobody is left with whom nothing was wrong.
pub(crate) fn no_rash_failover(setup: &Setup, life: &Life, findings: &mut Vec<Finding>) {
    for failure in failures(life) {
        let leg = &life.legs[&failure.attempt];
        if failure.fault != Fault::Expired && !had_trouble(setup, leg, failure.at) {
            let what = format!("{} at {:?}: {}", failure.attempt, failure.at, failure.fault);
            findings.push(("no rash failover", what));
        }
    }
}

fn had_trouble(setup: &Setup, leg: &LegReport, at: Duration) -> bool {
    let model = &setup.models[usize::from(leg.provider.0)];
    let windows = model.house_faults.0.iter();
    let is_slow = windows
        .map(Window::what)
        .any(|what| matches!(what, Trouble::Late { .. } | Trouble::Slow { .. }));
    let session = leg.session.as_ref();
    let is_ill = session.is_some_and(|session| {
        session.first_fault.is_some_and(|first| first <= at)
            || session
                .ended
                .is_some_and(|end| end.by_model && end.at <= at)
    });
    is_slow || is_ill || !matches!(leg.met, Met::Session | Met::Nobody)
}

/// "Budget holds": within one search for a session no more dials than are allowed, each paid for, and 900 ms of waiting in all.
pub(crate) fn budget_holds(life: &Life, findings: &mut Vec<Finding>) {
    let ends = search_ends(life);
    let mut from = Duration::ZERO;
    for to in ends {
        let legs = || {
            life.legs
                .values()
                .filter(|leg| (from..to).contains(&leg.dialled_at))
        };
        let paid = |charge: Charge| legs().filter(|leg| leg.charge == charge).count();
        let (reserve, moves) = (paid(Charge::Reserve), paid(Charge::Move));
        // Who says nothing moves to a fresh session again and again, and no answer ends the search.
        let rotated = life.observations.iter().filter(|(at, seen)| {
            (from..to).contains(at) && matches!(seen, Observation::Rotated { .. })
        });
        if legs().count() > DIALS_MAX + rotated.count() || reserve > 1 || moves > 1 {
            let what = format!("{} dials from {from:?} to {to:?}", legs().count());
            findings.push(("budget holds", what));
        }
        let waited = waited(life, from, to);
        if waited > WAITS_MAX + ON_ITS_WAY {
            let what = format!("waited {waited:?} from {from:?} to {to:?}");
            findings.push(("budget holds", what));
        }
        from = to;
    }
}

/// When a search for a session ended, or another began: at each answer that was completed, and when the first session was lost or
/// left.
fn search_ends(life: &Life) -> Vec<Duration> {
    let answers = life.legs.values().flat_map(answered);
    let first_loss = life
        .observations
        .iter()
        .find_map(|(at, seen)| matches!(seen, Observation::FailingOver { .. }).then_some(*at));
    let mut ends: Vec<_> = answers.chain(first_loss).collect();
    ends.push(Duration::MAX);
    ends.sort_unstable();
    ends
}

/// When this session completed an answer, while it was the call's.
fn answered(leg: &LegReport) -> impl Iterator<Item = Duration> {
    let responses = leg
        .session
        .iter()
        .flat_map(|session| &session.responses.list);
    let spoken = responses.filter(|response| response.first_audio.is_some());
    let released_at = leg.released_at.unwrap_or(Duration::MAX);
    spoken.filter_map(move |response| match response.done {
        Some((at, Outcome::Completed)) => Some(at).filter(|at| *at < released_at),
        Some((_, Outcome::TurnDetected | Outcome::ClientCancelled | Outcome::Failed(_))) | None => {
            None
        }
    })
}

/// For how long within this time the call had neither a session nor a dial, and got one in the end.
fn waited(life: &Life, from: Duration, to: Duration) -> Duration {
    let mut waited = Duration::ZERO;
    let mut lost_at = None;
    for (at, seen) in life
        .observations
        .iter()
        .filter(|(at, _)| (from..to).contains(at))
    {
        match seen {
            Observation::FailingOver { .. } => lost_at = Some(*at),
            Observation::FailedOver { .. } => {
                if let Some(lost_at) = lost_at.take() {
                    waited += alone(life, lost_at, *at);
                }
            }
            _ => {}
        }
    }
    waited
}

fn alone(life: &Life, from: Duration, to: Duration) -> Duration {
    let mut legs: Vec<_> = life.legs.values().collect();
    legs.sort_by_key(|leg| leg.dialled_at);
    let (mut alone, mut covered) = (Duration::ZERO, from);
    for leg in legs {
        let (begins, ends) = (leg.dialled_at, leg.released_at.unwrap_or(Duration::MAX));
        if begins >= to {
            break;
        }
        alone += begins.saturating_sub(covered);
        covered = covered.max(ends);
    }
    alone + to.saturating_sub(covered)
}

/// "Retry-After honoured": a key that is to wait is not used before.
pub(crate) fn retry_after_honoured(life: &Life, findings: &mut Vec<Finding>) {
    for (attempt, leg) in &life.legs {
        let Met::Refused {
            status: 429,
            retry_after: Some(wait),
            at,
        } = leg.met
        else {
            continue;
        };
        let forbidden = at + ON_ITS_WAY..at + wait;
        let early = dials(life).find(|&(provider, key, dialled_at, _)| {
            (provider, key) == (leg.provider, leg.key) && forbidden.contains(&dialled_at)
        });
        if let Some((.., dialled_at, by)) = early {
            let what =
                format!("{attempt} is to wait {wait:?} from {at:?}, {by:?} at {dialled_at:?}");
            findings.push(("retry-after honoured", what));
        }
    }
}

/// All dials of calls (with their attempt) and of synthetic sessions.
fn dials(life: &Life) -> impl Iterator<Item = (ProviderId, KeyId, Duration, Option<AttemptId>)> {
    let calls = life
        .legs
        .iter()
        .map(|(attempt, leg)| (leg.provider, leg.key, leg.dialled_at, Some(*attempt)));
    let probes = life
        .probes
        .iter()
        .map(|probe| (probe.provider, probe.key, probe.at, None));
    calls.chain(probes)
}

/// "No caller as a probe": a breaker that is not closed passes none, but for the one redial of a live call.
pub(crate) fn no_caller_as_a_probe(life: &Life, findings: &mut Vec<Finding>) {
    for (attempt, leg) in &life.legs {
        let state = |key: Option<KeyId>| {
            let is_its = |change: &&(Duration, Transition)| {
                change.0 < leg.dialled_at
                    && (change.1.provider, change.1.key) == (leg.provider, key)
            };
            let last = life.transitions.iter().rfind(is_its);
            last.map_or(BreakerState::Closed, |(_, change)| change.to)
        };
        let passes = |state| matches!(state, BreakerState::Closed | BreakerState::SlowStart);
        let (endpoint, key) = (state(None), state(Some(leg.key)));
        if !passes(key) || (!passes(endpoint) && leg.charge != Charge::Reserve) {
            let what = format!("{attempt} at {:?}: {endpoint:?}, {key:?}", leg.dialled_at);
            findings.push(("no caller as a probe", what));
        }
    }
}

/// "What lasts is not tried again": not by a caller, until a synthetic session was good.
pub(crate) fn lasting_is_not_retried(life: &Life, findings: &mut Vec<Finding>) {
    for (attempt, leg) in &life.legs {
        let Some(at) = lasting_since(leg) else {
            continue;
        };
        let again = life.legs.iter().find(|(_, other)| {
            let is_same = (other.provider, other.key) == (leg.provider, leg.key);
            is_same
                && other.dialled_at > at + ON_ITS_WAY
                && !was_probed(life, leg, other.dialled_at)
        });
        if let Some((again, other)) = again {
            let what = format!("{attempt} at {at:?}, {again} at {:?}", other.dialled_at);
            findings.push(("what lasts is not tried again", what));
        }
    }
}

fn was_probed(life: &Life, leg: &LegReport, before: Duration) -> bool {
    life.probes.iter().any(|probe| {
        let is_same = (probe.provider, probe.key) == (leg.provider, leg.key);
        is_same && probe.was_good && probe.at <= before
    })
}

/// When this dial met what lasts, if it did, and the server has heard of it.
fn lasting_since(leg: &LegReport) -> Option<Duration> {
    if let Met::Refused {
        status: 401 | 404,
        at,
        ..
    } = leg.met
    {
        return Some(at);
    }
    let session = leg.session.as_ref()?;
    let released_at = leg.released_at?;
    let closed = session
        .ended
        .filter(|end| end.by_model && end.at <= released_at);
    let is_closed = closed
        .and_then(|end| end.code)
        .is_some_and(|code| LASTING.contains(&code));
    let has_no_quota = session.responses.list.iter().any(|response| {
        let no_quota = Outcome::Failed(AnswerFailure::Quota);
        response
            .done
            .is_some_and(|(at, how)| at <= released_at && how == no_quota)
    });
    (is_closed || has_no_quota).then_some(released_at)
}
