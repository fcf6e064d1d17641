//! Make before break: a session's successor is ready before the session expires, and takes over between turns.

use std::time::Duration;

use crate::core::call::CallSettings;
use crate::core::call::clock::{Attempts, Clock};
use crate::core::call::effect::{DialKind, Effect, Effects, Report};
use crate::core::call::input::{DialAnswer, ProviderEvent};
use crate::core::call::live::Live;
use crate::core::call::session::Session;
use crate::core::fault::{DialStage, Fault};
use crate::core::ids::AttemptId;
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// How long before the expiry the successor takes over even in mid-turn.
const FORCED_BEFORE: Duration = Duration::from_secs(2);

/// How long after a failed dial the next one is tried; the session's expiry bounds how often.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How far the successor has come.
#[derive(Debug)]
pub(super) enum Rotation {
    /// The session does not expire, as far as anybody said.
    Unneeded,
    /// There is time.
    Planned { dial_at: Instant },
    /// The successor is being dialled.
    Dialling {
        attempt: AttemptId,
        dialled_at: Instant,
        give_up_at: Instant,
    },
    /// The successor waits for the end of the turn.
    Standing(Session),
}

impl Rotation {
    /// When to dial the successor of this session.
    pub(super) fn plan(now: Instant, session: &Session, settings: &CallSettings) -> Self {
        match session.expires_at() {
            // A session shorter than the margin is replaced halfway.
            Some(expires_at) => Self::Planned {
                dial_at: expires_at - settings.rotate_before.min(expires_at.since(now) / 2),
            },
            None => Self::Unneeded,
        }
    }

    /// The attempt that is dialled or waits, if there is one.
    pub(super) const fn attempt(&self) -> Option<AttemptId> {
        match self {
            Self::Unneeded | Self::Planned { .. } => None,
            Self::Dialling { attempt, .. } => Some(*attempt),
            Self::Standing(session) => Some(session.attempt),
        }
    }

    /// When the rotation next wants a tick.
    pub(super) fn deadline(&self, current: &Session) -> Option<Instant> {
        match self {
            Self::Unneeded => None,
            Self::Planned { dial_at } => Some(*dial_at),
            Self::Dialling { give_up_at, .. } => Some(*give_up_at),
            Self::Standing(session) => {
                let forced_at = forced_at(current).into_iter();
                Some(forced_at.fold(session.deadline(), Instant::min))
            }
        }
    }
}

impl Live {
    /// The session's successor answers.
    pub(super) fn on_successor(
        &mut self,
        now: Instant,
        event: ProviderEvent,
        clock: Clock,
        settings: &CallSettings,
        effects: &mut Effects,
    ) {
        match (&mut self.rotation, event) {
            (
                Rotation::Dialling {
                    attempt,
                    dialled_at,
                    ..
                },
                ProviderEvent::Ready { expires_at },
            ) => {
                let (attempt, after) = (*attempt, now.since(*dialled_at));
                effects.observe(Observation::SessionReady { attempt, after });
                effects.push(Effect::Report(attempt, Report::Ready));
                let expires_at = clock.instant(expires_at);
                self.rotation =
                    Rotation::Standing(Session::new(now, attempt, expires_at, settings));
            }
            (_, ProviderEvent::Failed(fault) | ProviderEvent::Stumbled(fault)) => {
                self.lose_successor(now, fault, effects);
            }
            (Rotation::Standing(session), ProviderEvent::Pong) => session.on_pong(),
            (_, ProviderEvent::Ignored(what)) => {
                effects.observe(Observation::ProviderIgnored(what));
            }
            // It was told nothing yet and has nothing to say.
            (
                _,
                ProviderEvent::Ready { .. }
                | ProviderEvent::Pong
                | ProviderEvent::SpeechStarted
                | ProviderEvent::SpeechStopped
                | ProviderEvent::ResponseStarted { .. }
                | ProviderEvent::Audio { .. }
                | ProviderEvent::AudioDone { .. }
                | ProviderEvent::AgentText { .. }
                | ProviderEvent::CallerText { .. }
                | ProviderEvent::CallerItem { .. }
                | ProviderEvent::Goodbye { .. }
                | ProviderEvent::ResponseDone { .. },
            ) => effects.observe(Observation::LateEvent),
        }
    }

    /// What became of the wish to dial the successor: where it could not be had, it is tried again later.
    pub(super) fn on_dial_answer(&mut self, now: Instant, answer: DialAnswer) {
        let dial_at = match answer {
            DialAnswer::Made { .. } => return,
            DialAnswer::Wait { until } => until.max(now),
            DialAnswer::Nothing => now + RETRY_AFTER,
        };
        self.rotation = Rotation::Planned { dial_at };
    }

    /// Time passed.
    pub(super) fn tick_rotation(
        &mut self,
        now: Instant,
        attempts: &mut Attempts,
        settings: &CallSettings,
        effects: &mut Effects,
    ) {
        match &mut self.rotation {
            Rotation::Planned { dial_at } if now >= *dial_at => {
                let attempt = attempts.next();
                effects.push(Effect::Dial(
                    attempt,
                    DialKind::Successor(self.session.attempt),
                ));
                let give_up_at = now + settings.dial_timeout;
                self.rotation = Rotation::Dialling {
                    attempt,
                    dialled_at: now,
                    give_up_at,
                };
            }
            Rotation::Dialling { give_up_at, .. } if now >= *give_up_at => {
                self.lose_successor(now, Fault::DialTimedOut(DialStage::Session), effects);
            }
            Rotation::Standing(session) => {
                if !session.beats(now, effects) {
                    self.lose_successor(now, Fault::NoPong, effects);
                }
            }
            Rotation::Unneeded | Rotation::Planned { .. } | Rotation::Dialling { .. } => {}
        }
    }

    fn lose_successor(&mut self, now: Instant, fault: Fault, effects: &mut Effects) {
        if let Some(attempt) = self.rotation.attempt() {
            effects.observe(Observation::AttemptFailed { attempt, fault });
            effects.push(Effect::Report(attempt, Report::Failed(fault)));
            effects.push(Effect::Abandon(attempt));
        }
        self.rotation = Rotation::Planned {
            dial_at: now + RETRY_AFTER,
        };
    }
}

/// When a session's successor takes over even in mid-turn; not while a response is being made, whose rest would be lost. It
/// comes faster than it plays, and should it not end in time, the session's end does the rest.
pub(super) fn forced_at(current: &Session) -> Option<Instant> {
    let expires_at = current.expires_at().filter(|_| !current.is_responding());
    expires_at.map(|at| at - FORCED_BEFORE)
}
