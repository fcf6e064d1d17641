//! The observations of one call as numbers: who runs each of its attempts, and what became of its retries.
//!
//! Observations name attempts; metrics name providers. What is known of an attempt comes with its dial and is kept here.

use std::sync::Arc;
use std::time::Duration;

use super::counts::{Count, Counts};
use super::metrics::{Metrics, ServedBy};
use super::provider::Provider;
use crate::core::call::input::Ignored;
use crate::core::fault::Fault;
use crate::core::ids::{AttemptId, ProviderId, Tier};
use crate::core::observation::Observation;
use crate::core::pool::Charge;
use crate::core::time::Instant;

/// How many attempts are remembered; beyond it the oldest is forgotten. A call has two sessions and a hedge at most.
const ATTEMPTS_MAX: usize = 8;

/// Takes in what happens in one call.
#[derive(Debug)]
pub(super) struct CallMetrics {
    pub(super) counts: Arc<Counts>,
    metrics: Arc<Metrics>,
    attempts: [Option<Attempt>; ATTEMPTS_MAX],
    /// Where the next attempt is remembered.
    next: usize,
    /// Who speaks with the caller.
    current: Option<AttemptId>,
    wait: Wait,
    /// A session was lost, and the model has not spoken since.
    is_gap_of_failover: bool,
    served_by: ServedBy,
}

/// What a dial said of its attempt.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    id: AttemptId,
    provider: ProviderId,
    tier: Tier,
    charge: Charge,
    /// It is known whether it helped.
    is_settled: bool,
}

/// The wait for a call's first session.
#[derive(Clone, Copy, Debug)]
enum Wait {
    /// Nothing was dialled.
    Ahead,
    Waiting {
        since: Instant,
        has_retried: bool,
    },
    Over,
}

impl CallMetrics {
    pub(super) fn new(counts: Arc<Counts>, metrics: Arc<Metrics>) -> Self {
        Self {
            counts,
            metrics,
            attempts: [None; ATTEMPTS_MAX],
            next: 0,
            current: None,
            wait: Wait::Ahead,
            is_gap_of_failover: false,
            served_by: ServedBy::Nobody,
        }
    }

    /// The operator's name of who runs this attempt, as long as it is remembered.
    pub(super) fn provider_name(&self, attempt: AttemptId) -> Option<&str> {
        Some(&*self.provider(attempt)?.name)
    }

    /// Adds an observation to the numbers.
    pub(super) fn observe(&mut self, now: Instant, observation: &Observation) {
        if let Some(count) = count_of(observation) {
            self.counts.add(count, 1);
        }
        let metrics = &self.metrics;
        match observation {
            Observation::Dialled {
                attempt,
                provider,
                tier,
                charge,
                key: _, // How many sessions a key has is the pool's to tell.
            } => self.dialled(now, *attempt, *provider, *tier, *charge),
            Observation::NotAdmitted(why) => metrics.not_admitted.add(why.name()),
            Observation::SessionReady { attempt, after } => self.ready(now, *attempt, *after),
            Observation::AttemptFailed { attempt, fault } => self.failed(*attempt, *fault),
            Observation::ResponseFailed { fault } => self.answer_failed(*fault),
            Observation::FailingOver { .. } => self.is_gap_of_failover = true,
            Observation::FailedOver { attempt, after } => {
                metrics.failover.observe(*after);
                self.serve(*attempt);
            }
            Observation::Rotated { attempt } | Observation::Returned { attempt, .. } => {
                self.serve(*attempt);
            }
            Observation::HedgeWon { attempt } => {
                metrics.hedges.add("won");
                self.serve(*attempt);
            }
            Observation::HedgeWasted { .. } => metrics.hedges.add("wasted"),
            Observation::FirstAudio { after } => metrics.first_audio.observe(*after),
            Observation::Answered { after } => self.answered(*after),
            Observation::Gap { after } => self.gap(*after),
            Observation::DeadAir { lasted } => metrics.dead_air.observe(*lasted),
            Observation::Prompted(prompt) => metrics.prompts.add(prompt.name()),
            Observation::Apologized { after } => {
                metrics.apology.observe(*after);
                self.served_by = ServedBy::Apology;
            }
            Observation::Chose(choice) => metrics.choices.add(choice.name()),
            Observation::CallBackTold { told, after } => {
                metrics.told.add(told.name());
                metrics.promise.observe(*after);
            }
            Observation::MessageOver(left) => metrics.messages.add(left.name()),
            Observation::UplinkOverflowed { bytes } => {
                let bytes = u64::try_from(*bytes).unwrap_or(u64::MAX);
                self.counts.add(Count::UplinkBytesDropped, bytes);
            }
            Observation::MessageRefused(refusal) => self.counts.refused.add(refusal.name()),
            Observation::CallEnded { reason, .. } => {
                self.counts.ended.add(reason.name());
                self.ended();
            }
            // Counted, and that is all.
            Observation::CallStarted { .. }
            | Observation::BargedIn { .. }
            | Observation::AskedAgain { .. }
            | Observation::HeldOverflowed
            | Observation::LateAudio
            | Observation::LateEvent
            | Observation::UnknownMark
            | Observation::UnknownCarrierEvent
            | Observation::ProviderIgnored(_) => {}
        }
    }

    fn dialled(
        &mut self,
        now: Instant,
        id: AttemptId,
        provider: ProviderId,
        tier: Tier,
        charge: Charge,
    ) {
        if let Some(provider) = self.metrics.providers.get(provider) {
            provider.attempts.add(charge.name());
        }
        self.wait = self.wait.dialled(now, charge);
        let attempt = Attempt {
            id,
            provider,
            tier,
            charge,
            is_settled: false,
        };
        let Some(place) = self.attempts.get_mut(self.next) else {
            return;
        };
        let forgotten = place.replace(attempt);
        self.next = (self.next + 1) % ATTEMPTS_MAX;
        self.abandon(forgotten);
    }

    fn ready(&mut self, now: Instant, attempt: AttemptId, after: Duration) {
        if let Some(provider) = self.provider(attempt) {
            provider.session_ready.observe(after);
        }
        if let Wait::Waiting { since, has_retried } = self.wait {
            let [without, with] = &self.metrics.session_wait;
            let wait = if has_retried { with } else { without };
            wait.observe(now.since(since));
            self.wait = Wait::Over;
        }
        self.settle(attempt, "helped");
        // A successor or a hedge that is ready waits until it is needed.
        if self.current.is_none() {
            self.serve(attempt);
        }
    }

    fn failed(&mut self, attempt: AttemptId, fault: Fault) {
        self.counts.faults.add(fault.name());
        if let Some(provider) = self.provider(attempt) {
            provider.attempt_faults.add(fault.name());
        }
        self.settle(attempt, "failed");
        self.current = self.current.filter(|current| *current != attempt);
    }

    fn answer_failed(&self, fault: Option<Fault>) {
        let Some(fault) = fault else {
            return; // The provider did not say why; it is among those that are counted.
        };
        self.counts.faults.add(fault.name());
        let provider = self.current.and_then(|current| self.provider(current));
        if let Some(provider) = provider {
            provider.answer_faults.add(fault.name());
        }
    }

    fn answered(&self, after: Duration) {
        let provider = self.current.and_then(|current| self.provider(current));
        if let Some(provider) = provider {
            provider.answer.observe(after);
        }
    }

    fn gap(&mut self, after: Duration) {
        self.metrics.gap.observe(after);
        if self.is_gap_of_failover {
            self.metrics.failover_gap.observe(after);
            self.is_gap_of_failover = false;
        }
    }

    fn ended(&mut self) {
        self.metrics.served.add(self.served_by);
        for attempt in std::mem::take(&mut self.attempts) {
            self.abandon(attempt);
        }
    }

    /// This attempt speaks with the caller from now on.
    fn serve(&mut self, attempt: AttemptId) {
        self.current = Some(attempt);
        if let Some(Attempt { tier, .. }) = self.find(attempt) {
            self.served_by = ServedBy::Tier(*tier);
        }
    }

    /// It is known what became of an attempt. Only the first word counts: a session that is lost later did help.
    fn settle(&mut self, attempt: AttemptId, outcome: &str) {
        let mut attempts = self.attempts.iter_mut().flatten();
        let attempt = attempts.find(|known| known.id == attempt && !known.is_settled);
        if let Some(attempt) = attempt {
            attempt.is_settled = true;
            if let Some(outcomes) = self.metrics.retries(attempt.charge) {
                outcomes.add(outcome);
            }
        }
    }

    /// Nothing more is heard of an attempt.
    fn abandon(&self, attempt: Option<Attempt>) {
        let outcomes = attempt
            .filter(|attempt| !attempt.is_settled)
            .and_then(|attempt| self.metrics.retries(attempt.charge));
        if let Some(outcomes) = outcomes {
            outcomes.add("abandoned");
        }
    }

    fn provider(&self, attempt: AttemptId) -> Option<&Provider> {
        self.metrics.providers.get(self.find(attempt)?.provider)
    }

    fn find(&self, attempt: AttemptId) -> Option<&Attempt> {
        let mut attempts = self.attempts.iter().flatten();
        attempts.find(|known| known.id == attempt)
    }
}

impl Wait {
    fn dialled(self, now: Instant, charge: Charge) -> Self {
        let is_retry = match charge {
            Charge::First
            | Charge::Rotation
            | Charge::Probe
            | Charge::Spare
            | Charge::Rendering
            | Charge::Transcription => false,
            Charge::Move | Charge::Reserve | Charge::Extra | Charge::Hedge => true,
        };
        match self {
            Self::Ahead => Self::Waiting {
                since: now,
                has_retried: is_retry,
            },
            Self::Waiting { since, has_retried } => Self::Waiting {
                since,
                has_retried: has_retried || is_retry,
            },
            Self::Over => Self::Over,
        }
    }
}

/// What an observation is counted as, if by one and under one name.
const fn count_of(observation: &Observation) -> Option<Count> {
    Some(match observation {
        Observation::CallStarted { .. } => Count::CallsStarted,
        Observation::SessionReady { .. } => Count::SessionsReady,
        Observation::FailingOver { .. } => Count::Failovers,
        Observation::AskedAgain { .. } => Count::AskedAgain,
        Observation::Rotated { .. } => Count::Rotations,
        Observation::Returned { .. } => Count::ReturnsToModel,
        Observation::BargedIn { .. } => Count::BargeIns,
        Observation::ResponseFailed { .. } => Count::ResponsesFailed,
        Observation::HeldOverflowed => Count::HeldOverflows,
        Observation::LateAudio => Count::LateAudio,
        Observation::LateEvent => Count::LateEvents,
        Observation::UnknownMark => Count::UnknownMarks,
        Observation::UnknownCarrierEvent => Count::UnknownCarrierEvents,
        Observation::ProviderIgnored(what) => match what {
            Ignored::HarmlessError | Ignored::AlreadyResponding | Ignored::NotTranscribed => {
                Count::HarmlessErrors
            }
            Ignored::UnknownEvent => Count::UnknownProviderEvents,
            Ignored::UndeclaredTool => Count::UndeclaredTools,
            Ignored::RejectedEvent => Count::RejectedEvents,
        },
        Observation::Dialled { .. }
        | Observation::NotAdmitted(_)
        | Observation::AttemptFailed { .. }
        | Observation::FirstAudio { .. }
        | Observation::Answered { .. }
        | Observation::FailedOver { .. }
        | Observation::Gap { .. }
        | Observation::DeadAir { .. }
        | Observation::Prompted(_)
        | Observation::HedgeWon { .. }
        | Observation::HedgeWasted { .. }
        | Observation::Apologized { .. }
        | Observation::Chose(_)
        | Observation::CallBackTold { .. }
        | Observation::MessageOver(_)
        | Observation::UplinkOverflowed { .. }
        | Observation::MessageRefused(_)
        | Observation::CallEnded { .. } => return None,
    })
}
