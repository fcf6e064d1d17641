//! Callers: each has a line of his own and is followed by another when he hangs up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{
    carrier::{CallReport, CarrierSettings, Ended, Phone},
    net::{Clock, Coupled, couple, dial},
    peer::Outbox,
    recording::Recording,
};

/// A caller whose call failed tries again after this, not at once.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Who calls, and until when.
#[derive(Debug)]
pub(super) struct Callers {
    pub(super) url: String,
    pub(super) recordings: Vec<Arc<Recording>>,
    pub(super) settings: Arc<CarrierSettings>,
    pub(super) seed: u64,
    pub(super) clock: Clock,
    /// Nobody calls after this.
    pub(super) until: Duration,
    /// Whoever still speaks then hangs up.
    pub(super) hang_up_at: Option<Duration>,
    pub(super) counts: Counts,
}

/// Where the calls are just now.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) started: AtomicU32,
    pub(super) live: AtomicU32,
    pub(super) failed: AtomicU32,
}

/// A call that is over.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) report: CallReport,
    pub(super) coupled: Coupled,
    pub(super) began: Duration,
    pub(super) ended: Duration,
}

impl Told {
    /// Whether the caller ended it. `agent_hangs_up`: a server that closes in order does right too.
    pub(super) fn is_complete(&self, agent_hangs_up: bool) -> bool {
        match self.report.ended {
            Some(Ended::HungUp | Ended::TooLong) => true,
            Some(Ended::ServerClosed { code }) => agent_hangs_up && code == Some(1000),
            Some(Ended::GaveUp) | None => false,
        }
    }

    /// Whether the server ended it in order, after words that were not the model's.
    pub(super) fn was_apologized_to(&self) -> bool {
        let in_order = Some(Ended::ServerClosed { code: Some(1000) });
        self.report.ended == in_order && self.report.prompted.is_some()
    }

    /// How it ended, in words.
    pub(super) fn ending(&self) -> String {
        match self.report.ended {
            Some(Ended::GaveUp) => "the caller gave up: there was no answer".into(),
            Some(Ended::HungUp | Ended::TooLong | Ended::ServerClosed { .. }) | None => {
                format!(
                    "the socket ended before its time: {:?}",
                    self.coupled.ending
                )
            }
        }
    }
}

/// How a call went.
#[derive(Debug)]
pub(super) enum Outcome {
    Over(Box<Told>),
    Refused(String),
}

impl Callers {
    /// One line: calls from `first_at` on, one after the other.
    pub(super) async fn line(self: Arc<Self>, first_at: Duration) -> Vec<Outcome> {
        self.clock.wait_until(first_at).await;
        let mut outcomes = Vec::new();
        while self.clock.now() < self.until {
            let outcome = self.call().await;
            let failed = match &outcome {
                Outcome::Over(told) => !told.is_complete(true),
                Outcome::Refused(_) => true,
            };
            outcomes.push(outcome);
            if failed {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        }
        outcomes
    }

    async fn call(&self) -> Outcome {
        let number = self.counts.started.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(recording) = self
            .recordings
            .iter()
            .cycle()
            .nth(number as usize % self.recordings.len().max(1))
        else {
            return Outcome::Refused("there is no recording".into());
        };
        let socket = match dial(&self.url, None).await {
            Ok(socket) => socket,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let seed = self
            .seed
            .wrapping_mul(0x9e37_79b9)
            .wrapping_add(number.into());
        let began = self.clock.now();
        let settings = self.settings_from(began);
        let mut phone = Phone::new(Arc::clone(recording), settings, number, seed);
        let mut out = Outbox::new();
        phone.start(began, &mut out);
        self.counts.live.fetch_add(1, Ordering::Relaxed);
        // Nobody listens to the story of one call among many.
        let forget = |phone: &mut Phone, _| drop(phone.take_happenings());
        let coupled = couple(socket, &mut phone, self.clock, out, forget).await;
        self.counts.live.fetch_sub(1, Ordering::Relaxed);
        Outcome::Over(Box::new(Told {
            report: phone.into_report(),
            coupled,
            began,
            ended: self.clock.now(),
        }))
    }

    /// The settings of a call that begins now: whoever still speaks at the end hangs up then.
    fn settings_from(&self, now: Duration) -> Arc<CarrierSettings> {
        let Some(hang_up_at) = self.hang_up_at else {
            return Arc::clone(&self.settings);
        };
        let left = u64::try_from(hang_up_at.saturating_sub(now).as_millis()).unwrap_or(u64::MAX);
        let mut settings = (*self.settings).clone();
        settings.call_max_ms = settings.call_max_ms.min(left.max(1));
        Arc::new(settings)
    }
}
