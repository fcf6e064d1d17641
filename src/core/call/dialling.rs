//! On the way to a session: at most two dials at once, the first that is ready wins.

use crate::core::call::clock::Attempts;
use crate::core::call::effect::{DialKind, Effect, Effects, Report};
use crate::core::call::input::DialAnswer;
use crate::core::call::settings::CallSettings;
use crate::core::fault::{DialStage, Fault};
use crate::core::ids::AttemptId;
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// Dials at once: one that is slow, and one beside it.
const TRIES_MAX: usize = 2;

/// The search for a session.
#[derive(Debug)]
pub(super) struct Dialling {
    tries: Vec<Try>,
    /// When the pool wants to be asked again.
    ask_at: Option<Instant>,
}

/// One dial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    pub(super) attempt: AttemptId,
    pub(super) dialled_at: Instant,
    /// It was made beside another that was slow by its provider's own measure.
    is_hedge: bool,
    /// When another is to be dialled beside it.
    hedge_at: Option<Instant>,
    /// It has taken longer than any dial should.
    is_slow: bool,
}

impl Dialling {
    /// The first dial, at once.
    pub(super) fn begin(now: Instant, attempts: &mut Attempts, effects: &mut Effects) -> Self {
        let mut dialling = Self {
            tries: Vec::with_capacity(TRIES_MAX),
            ask_at: None,
        };
        dialling.dial(now, DialKind::Needed, attempts, effects);
        dialling
    }

    /// Goes on with a dial that was begun for another purpose.
    pub(super) fn adopt(attempt: AttemptId, dialled_at: Instant) -> Self {
        Self {
            tries: vec![Try::new(attempt, dialled_at, false)],
            ask_at: None,
        }
    }

    /// Whether this attempt is one of them.
    pub(super) fn knows(&self, attempt: AttemptId) -> bool {
        self.attempts().any(|known| known == attempt)
    }

    /// Whether nothing is under way and nothing more can be tried.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.tries.is_empty() && self.ask_at.is_none()
    }

    /// The attempts under way.
    pub(super) fn attempts(&self) -> impl Iterator<Item = AttemptId> {
        self.tries.iter().map(|known| known.attempt)
    }

    /// What became of the wish to dial.
    pub(super) fn on_answer(&mut self, now: Instant, attempt: AttemptId, answer: DialAnswer) {
        let Some(known) = self.tries.iter_mut().find(|known| known.attempt == attempt) else {
            return;
        };
        match answer {
            DialAnswer::Made { hedge_after, .. } => {
                known.hedge_at = hedge_after.map(|after| now + after);
            }
            DialAnswer::Wait { until } => {
                self.forget(attempt);
                self.ask_at = Some(until.max(now));
            }
            DialAnswer::Nothing => self.forget(attempt),
        }
    }

    /// A dial failed: the next one follows at once, unless a good one is under way.
    pub(super) fn on_failed(
        &mut self,
        now: Instant,
        attempt: AttemptId,
        fault: Fault,
        attempts: &mut Attempts,
        effects: &mut Effects,
    ) {
        self.forget(attempt);
        effects.observe(Observation::AttemptFailed { attempt, fault });
        effects.push(Effect::Report(attempt, Report::Failed(fault)));
        effects.push(Effect::Abandon(attempt));
        if self.tries.iter().all(|known| known.is_slow) {
            self.dial(now, DialKind::Needed, attempts, effects);
        }
    }

    /// A dial is ready: the others are given up.
    pub(super) fn on_ready(&mut self, attempt: AttemptId, effects: &mut Effects) -> Option<Try> {
        let won = *self.tries.iter().find(|known| known.attempt == attempt)?;
        if won.is_hedge {
            effects.observe(Observation::HedgeWon { attempt });
        }
        for lost in self
            .tries
            .drain(..)
            .filter(|known| known.attempt != attempt)
        {
            effects.push(Effect::Abandon(lost.attempt));
            if lost.is_hedge {
                effects.observe(Observation::HedgeWasted {
                    attempt: lost.attempt,
                });
            }
        }
        self.ask_at = None;
        Some(won)
    }

    /// Time passed.
    pub(super) fn on_tick(
        &mut self,
        now: Instant,
        settings: &CallSettings,
        attempts: &mut Attempts,
        effects: &mut Effects,
    ) {
        let late = self
            .tries
            .iter()
            .find(|known| now >= known.give_up_at(settings));
        if let Some(&Try { attempt, .. }) = late {
            let fault = Fault::DialTimedOut(DialStage::Session);
            self.on_failed(now, attempt, fault, attempts, effects);
        }
        for known in &mut self.tries {
            if !known.is_slow && now >= known.slow_at(settings) {
                known.is_slow = true;
                effects.push(Effect::Report(known.attempt, Report::Slow));
                self.ask_at = Some(now);
            }
        }
        if self.ask_at.is_some_and(|at| now >= at) {
            self.dial(now, DialKind::Needed, attempts, effects);
        }
        let first = self
            .tries
            .iter_mut()
            .find(|known| known.hedge_at.is_some_and(|at| now >= at));
        if let Some(first) = first {
            first.hedge_at = None;
            let beside = DialKind::Beside(first.attempt);
            self.dial(now, beside, attempts, effects);
        }
    }

    /// When a tick is next wanted.
    pub(super) fn deadline(&self, settings: &CallSettings) -> Option<Instant> {
        let tries = self.tries.iter().map(|known| {
            let at = if known.is_slow {
                known.give_up_at(settings)
            } else {
                known.slow_at(settings)
            };
            known.hedge_at.map_or(at, |hedge_at| hedge_at.min(at))
        });
        tries.chain(self.ask_at).min()
    }

    fn dial(
        &mut self,
        now: Instant,
        kind: DialKind,
        attempts: &mut Attempts,
        effects: &mut Effects,
    ) {
        self.ask_at = None;
        if self.tries.len() == TRIES_MAX {
            return;
        }
        let attempt = attempts.next();
        let is_hedge = matches!(kind, DialKind::Beside(_));
        self.tries.push(Try::new(attempt, now, is_hedge));
        effects.push(Effect::Dial(attempt, kind));
    }

    fn forget(&mut self, attempt: AttemptId) {
        self.tries.retain(|known| known.attempt != attempt);
    }
}

impl Try {
    const fn new(attempt: AttemptId, dialled_at: Instant, is_hedge: bool) -> Self {
        Self {
            attempt,
            dialled_at,
            is_hedge,
            hedge_at: None,
            is_slow: false,
        }
    }

    fn slow_at(&self, settings: &CallSettings) -> Instant {
        self.dialled_at + settings.slow_dial
    }

    fn give_up_at(&self, settings: &CallSettings) -> Instant {
        self.dialled_at + settings.dial_timeout
    }
}
