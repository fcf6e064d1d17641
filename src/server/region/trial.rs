//! The trial of a node that has just begun: how its calls fare is compared with what the others say of theirs.
//!
//! It owns the counts of this node, the questions, and the end of a process that has not passed. What the counts mean is decided in
//! [`crate::core::region::trial`], how many calls come meanwhile in [`crate::core::region::route`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::Nodes;
use super::words::{Answer, Question};
use crate::core::call::effect::Report;
use crate::core::fault::Fault;
use crate::core::pool::BreakerState;
use crate::core::region::trial::{Record, Trial, Verdict};
use crate::core::time::Instant;
use crate::server::Shared;
use crate::server::drain::Stage;

/// How often the others are asked while the trial goes on.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long another node may take to answer: less than the time between two questions.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);

/// How calls of a node fared since it began, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct RecordWords {
    answers: u64,
    faults: u64,
    /// It is on trial no more, and no provider is ill as far as it knows.
    is_to_be_compared_with: bool,
}

/// This node's trial, and what is counted for it and for those of others.
#[derive(Debug)]
pub(super) struct OnTrial {
    answers: AtomicU64,
    faults: AtomicU64,
    trial: Mutex<Trial>,
}

impl OnTrial {
    pub(super) fn new(now: Instant, longest: Duration) -> Self {
        Self {
            answers: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            trial: Mutex::new(Trial::new(now, longest)),
        }
    }

    /// A call's attempt fares so.
    fn count(&self, report: Report) {
        match report {
            Report::Answered { .. } => self.answers.fetch_add(1, Ordering::Relaxed),
            // A session that has reached its longest time has done nothing wrong.
            Report::Slow | Report::Ready | Report::Failed(Fault::Expired) => return,
            Report::Failed(_) | Report::AnswerFailed(_) => {
                self.faults.fetch_add(1, Ordering::Relaxed)
            }
        };
    }

    fn record(&self) -> Record {
        Record {
            answers: self.answers.load(Ordering::Relaxed),
            faults: self.faults.load(Ordering::Relaxed),
        }
    }

    /// For a decision, and nothing that waits.
    fn trial(&self) -> MutexGuard<'_, Trial> {
        // A bug in a decision cost one comparison.
        self.trial.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Nodes {
    /// An attempt of a call here fares so.
    pub(in crate::server) fn count(&self, report: Report) {
        self.on_trial.count(report);
    }

    /// How many calls this node takes at a time while it is on trial; `None`: all that come.
    pub(super) fn places(&self, now: Instant) -> Option<u32> {
        let region = self.me.region;
        let calls = {
            let presence = self.presence();
            let here = presence.believed(now);
            let here = here.filter(|beat| beat.peer.region == region);
            here.map(|beat| beat.load.calls)
                .fold(0, u32::saturating_add)
        };
        self.on_trial.trial().places(now, region, calls)
    }

    /// How the calls of this node fared.
    pub(super) fn own_record(&self, shared: &Shared) -> RecordWords {
        let Record { answers, faults } = self.on_trial.record();
        let status = shared.providers.status(shared.clock.now());
        let mut providers = status.providers.iter();
        RecordWords {
            answers,
            faults,
            // With an open breaker its calls are spared what strikes ours.
            is_to_be_compared_with: self.on_trial.trial().verdict() == Verdict::Passed
                && providers.all(|it| it.breaker == BreakerState::Closed),
        }
    }
}

/// Compares until the trial is over; a node that does not pass it leaves as if it had been told to.
pub(in crate::server) async fn keep(shared: Arc<Shared>) {
    let Some(nodes) = shared.nodes.as_ref().filter(|nodes| !nodes.is_witness()) else {
        return;
    };
    let mut stopping = std::pin::pin!(shared.tasks.reached(Stage::Stopping));
    let mut due = shared.clock.now();
    loop {
        // Before the others are asked: whatever strikes all is known to them then.
        let own = nodes.on_trial.record();
        tokio::select! {
            () = &mut stopping => return,
            () = ask(&shared, nodes) => {}
        }
        let verdict = nodes.on_trial.trial().judge(shared.clock.now(), own);
        match verdict {
            Verdict::Open => {}
            Verdict::Passed => return,
            Verdict::Worse => {
                let Record { answers, faults } = own;
                tracing::error!(
                    answers,
                    faults,
                    "calls fare worse here than at the other nodes: this one withdraws"
                );
                shared.tasks.handle().withdraw();
                return;
            }
        }
        due = (due + ASK_EVERY).max(shared.clock.now());
        tokio::select! {
            () = &mut stopping => return,
            () = tokio::time::sleep_until(shared.clock.timer_at(due)) => {}
        }
    }
}

async fn ask(shared: &Shared, nodes: &Nodes) {
    let asked = nodes.peers.nodes().map(async |(node, _)| {
        // Who does not answer, or does not understand, is nobody to be compared with.
        let heard = nodes
            .peers
            .ask(node, &Question::Record, ANSWER_WITHIN)
            .await;
        if let Ok(heard) = heard
            && let Answer::Record(words) = heard.answer
        {
            if !words.is_to_be_compared_with {
                nodes.on_trial.trial().forget(heard.from.node);
                return;
            }
            let record = Record {
                answers: words.answers,
                faults: words.faults,
            };
            let own = nodes.on_trial.record();
            let mut trial = nodes.on_trial.trial();
            trial.hear(shared.clock.now(), heard.from, record, own);
        }
    });
    join_all(asked).await;
}
