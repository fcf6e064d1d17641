//! Warnings of providers: what our own breakers do is told to the others, and what they say is heeded as far as it is to be.
//!
//! By the store that nodes share, which tells all at once; from node to node where it is away, or where there is none. How much a
//! warning is worth is decided in [`crate::core::region::advice`], what follows from it in the pool: nothing but that fewer failures of
//! our own open a breaker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::{self, BoxStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{MissedTickBehavior, interval};

use super::Nodes;
use super::words::{self, AdviceWords, Question};
use crate::core::ids::ProviderId;
use crate::core::pool::{BreakerState, Cause, Transition};
use crate::core::region::Peer;
use crate::core::time::Instant;
use crate::server::Shared;
use crate::server::drain::Stage;
use crate::store::State;
use crate::store::shared::Shared as _;
use crate::telemetry::Count;

/// How often a warning is said again while its breaker is not closed: it is heeded three times as long.
const AGAIN_EVERY: Duration = Duration::from_secs(10);

/// How long another node may take to take a warning.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);

/// Tells what our own breakers do, and hears what others say, until live calls are ended.
pub(in crate::server) async fn keep(shared: Arc<Shared>) {
    let Some(nodes) = shared.nodes.as_ref().filter(|nodes| !nodes.is_witness()) else {
        return;
    };
    let mut draining = std::pin::pin!(shared.tasks.reached(Stage::Draining));
    let mut transitions = shared.providers.transitions();
    let mut heard = listen(&shared);
    let mut again = interval(AGAIN_EVERY);
    // Telling may take its time where the others are slow: what was missed meanwhile is not said in one breath.
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // As many as there are providers.
    let mut out = BTreeSet::new();
    loop {
        tokio::select! {
            () = &mut draining => return,
            transition = transitions.recv() => match transition {
                Ok(transition) => on_transition(&shared, nodes, &transition, &mut out).await,
                // The oldest were dropped, and what they took back with them: nobody is to hear of an outage for ever.
                Err(RecvError::Lagged(_)) => forget_closed(&shared, &mut out),
                Err(RecvError::Closed) => return,
            },
            Some(advice) = heard.next() => {
                // What another version, or somebody else, tells there is no warning.
                if let Ok((from, Some(words))) = words::read(&advice.0) {
                    hear(&shared, nodes, shared.clock.now(), from, &words);
                }
            }
            _ = again.tick() => {
                for provider in &out {
                    tell(&shared, nodes, *provider, true).await;
                }
            }
        }
    }
}

fn listen(shared: &Shared) -> BoxStream<'static, State> {
    match shared.keeper.shared_store() {
        Some(store) => store.advice(),
        None => stream::pending().boxed(),
    }
}

/// Only what is not closed now is said again; that it closed the others find out by themselves.
fn forget_closed(shared: &Shared, out: &mut BTreeSet<ProviderId>) {
    let status = shared.providers.status(shared.clock.now());
    let is_closed = |provider| {
        let mut known = status.providers.iter();
        known.any(|one| one.provider == provider && one.breaker == BreakerState::Closed)
    };
    out.retain(|provider| !is_closed(*provider));
}

async fn on_transition(
    shared: &Shared,
    nodes: &Nodes,
    transition: &Transition,
    out: &mut BTreeSet<ProviderId>,
) {
    let provider = transition.provider;
    match word(transition) {
        Some(true) => {
            nodes.advice().confirm(shared.clock.now(), provider);
            out.insert(provider);
            tell(shared, nodes, provider, true).await;
        }
        Some(false) if out.contains(&provider) => {
            out.remove(&provider);
            tell(shared, nodes, provider, false).await;
        }
        Some(false) | None => {}
    }
}

/// Whether others are to hear that the provider is out; `None`: it is nothing to them.
const fn word(transition: &Transition) -> Option<bool> {
    if transition.key.is_some() {
        return None; // Each node has keys of its own.
    }
    match (transition.to, transition.cause) {
        // An operator's word is on this node, and no experience.
        (BreakerState::Open | BreakerState::Isolated, Cause::Operator)
        | (BreakerState::HalfOpen, _) => None,
        (BreakerState::Open | BreakerState::Isolated, _) => Some(true),
        (BreakerState::Closed | BreakerState::SlowStart, _) => Some(false),
    }
}

async fn tell(shared: &Shared, nodes: &Nodes, provider: ProviderId, is_out: bool) {
    let name = shared.providers.names().nth(usize::from(provider.0));
    let Some(words) = name.map(|name| AdviceWords::new(name, is_out)) else {
        return;
    };
    shared.telemetry.count(Count::AdviceTold);
    if let Some(store) = shared.keeper.shared_store()
        && store
            .advise(State(words::write(nodes.me, &words)))
            .await
            .is_ok()
    {
        return;
    }
    let question = Question::Advice(words);
    let peers = &nodes.peers;
    let told = peers
        .nodes()
        .map(|(node, _)| peers.ask(node, &question, ANSWER_WITHIN));
    // Who does not take it hears it again.
    join_all(told).await;
}

/// Another node warns of a provider, or takes that back; our own words come back as well.
pub(super) fn hear(shared: &Shared, nodes: &Nodes, now: Instant, from: Peer, words: &AdviceWords) {
    let provider = shared.providers.find(&words.provider);
    let Some(provider) = provider.filter(|_| nodes.peers.is_node(from)) else {
        return;
    };
    shared.telemetry.count(Count::AdviceHeard);
    let warned = {
        let mut advice = nodes.advice();
        if words.is_out {
            advice.warn(now, provider, from.node);
        } else {
            advice.reassure(now, provider, from.node);
        }
        advice.warning(now, provider)
    };
    let (node, is_out) = (from.node, words.is_out);
    // The name is one of the configuration's, so it may be logged.
    let name = shared.providers.names().nth(usize::from(provider.0));
    tracing::debug!(%node, provider = name, is_out, "advice");
    shared.providers.with(|pool, _| pool.warn(provider, warned));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Environment};
    use crate::core::pool::Control;
    use crate::telemetry::Telemetry;

    #[tokio::test]
    async fn a_breaker_whose_closing_was_missed_is_not_warned_of_for_ever() {
        let variables = [("RINGBACK__PUBLIC__AUTH".to_owned(), "none".to_owned())];
        let environment: Environment = variables.into_iter().collect();
        let config = config::load(None, &environment).unwrap();
        let shared = Shared::new(config, Telemetry::default(), 0).unwrap();
        let provider = ProviderId(0);
        let mut out = BTreeSet::from([provider]);
        let now = shared.clock.now();
        let is_there = shared
            .providers
            .control(now, provider, None, Control::Isolate);
        assert!(is_there);
        forget_closed(&shared, &mut out);
        assert!(out.contains(&provider), "it is out");
        shared
            .providers
            .control(now, provider, None, Control::Close);
        forget_closed(&shared, &mut out);
        assert!(out.is_empty());
    }
}
