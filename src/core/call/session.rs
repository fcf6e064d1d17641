//! A provider session as the call sees it: its life signs, its end, and what it is saying.

use std::time::Duration;

use crate::core::call::effect::{Effects, ProviderCommand};
use crate::core::call::input::ResponseId;
use crate::core::call::settings::CallSettings;
use crate::core::ids::AttemptId;
use crate::core::time::Instant;

/// How long what was said before a session was there takes to be noticed by it: it is given faster than it was spoken.
const CATCHING_UP: Duration = Duration::from_secs(2);

/// A session that is configured and takes audio.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) attempt: AttemptId,
    /// When the provider will end it.
    expires_at: Option<Instant>,
    heartbeat: Heartbeat,
    /// The newest response that was seen.
    newest: Option<ResponseId>,
    /// Whether that response is still being made.
    is_responding: bool,
    /// This response and those before it were cut or are over: nothing that still comes of them is played.
    cut: Option<ResponseId>,
    /// What is to be asked for as soon as no response is being made.
    wanted: Option<Wish>,
    /// Whether it noticed that the caller spoke, since the last answer.
    has_heard: bool,
    /// When it last noticed that the caller began or finished.
    noticed_at: Option<Instant>,
    /// Whether it has noticed a beginning, and no end since.
    hears_speech: bool,
    /// Until then, or until it speaks, what it hears may have been said before it was there.
    catches_up_until: Instant,
    /// When it was last given something to answer that the caller has not said since.
    asked_at: Instant,
}

/// What a session is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// An answer to what the conversation holds.
    Answer,
    /// The rest of an answer that was cut.
    Rest,
}

impl Session {
    pub(super) fn new(
        now: Instant,
        attempt: AttemptId,
        expires_at: Option<Instant>,
        settings: &CallSettings,
    ) -> Self {
        Self {
            attempt,
            expires_at,
            heartbeat: Heartbeat::new(now, settings),
            newest: None,
            is_responding: false,
            cut: None,
            wanted: None,
            has_heard: false,
            noticed_at: None,
            hears_speech: false,
            catches_up_until: now + CATCHING_UP,
            asked_at: now,
        }
    }

    /// When the provider will end it, if it said so.
    pub(super) const fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }

    /// Whether a response is being made.
    pub(super) const fn is_responding(&self) -> bool {
        self.is_responding
    }

    /// A response began.
    pub(super) fn on_response(&mut self, response: ResponseId) {
        self.newest = self.newest.max(Some(response));
        self.is_responding = true;
    }

    /// The newest response that it has begun.
    pub(super) const fn newest(&self) -> Option<ResponseId> {
        self.newest
    }

    /// Whether what comes of this response may be played.
    pub(super) fn is_wanted(&mut self, response: ResponseId) -> bool {
        self.newest = self.newest.max(Some(response));
        Some(response) > self.cut
    }

    /// Cuts everything that was begun so far; stops the response that is being made.
    pub(super) fn cut(&mut self, effects: &mut Effects) {
        self.cut = self.newest;
        if let Some(newest) = self.newest.filter(|_| self.is_responding) {
            effects.to_provider(self.attempt, ProviderCommand::CancelResponse(newest));
        }
    }

    /// Asks for something: now, or when the response that is being made is over. A provider makes one at a time.
    pub(super) fn ask(&mut self, now: Instant, wish: Wish, effects: &mut Effects) {
        self.asked_at = now;
        if self.is_responding {
            self.wanted = Some(wish);
        } else {
            self.tell(wish, effects);
        }
    }

    /// When it was given something to answer, or became ready.
    pub(super) const fn asked_at(&self) -> Instant {
        self.asked_at
    }

    /// What was said before it is given to it now.
    pub(super) fn on_briefed(&mut self, now: Instant) {
        self.asked_at = now;
        self.catches_up_until = now + CATCHING_UP;
    }

    /// It noticed that the caller began, or finished.
    pub(super) const fn on_heard(&mut self, now: Instant, began: bool) {
        self.has_heard = true;
        self.hears_speech = began;
        self.noticed_at = Some(now);
    }

    /// Whether the caller has not finished, as far as it has noticed.
    pub(super) const fn hears_speech(&self) -> bool {
        self.hears_speech
    }

    /// Whether it noticed anything of what the caller has said from then on.
    pub(super) fn has_noticed(&self, from: Instant) -> bool {
        self.noticed_at.is_some_and(|at| at >= from)
    }

    /// Whether it noticed that the caller spoke, since the last answer.
    pub(super) const fn has_heard(&self) -> bool {
        self.has_heard
    }

    /// Whether what it hears may have been said before it was there.
    pub(super) fn is_catching_up(&self, now: Instant) -> bool {
        now < self.catches_up_until
    }

    /// It speaks.
    pub(super) const fn on_speech(&mut self, now: Instant) {
        self.catches_up_until = now;
        self.has_heard = false;
    }

    /// What was asked for was refused, since a response is being made: it is asked for again after that.
    pub(super) const fn on_already_responding(&mut self) {
        self.is_responding = true;
        self.wanted = Some(Wish::Answer);
    }

    fn tell(&mut self, wish: Wish, effects: &mut Effects) {
        self.wanted = None;
        let command = match wish {
            Wish::Answer => ProviderCommand::Respond,
            Wish::Rest => ProviderCommand::Continue,
        };
        effects.to_provider(self.attempt, command);
    }

    /// A response is over. One that was cancelled may still be followed by what was on its way.
    pub(super) fn on_response_done(&mut self, response: ResponseId, effects: &mut Effects) {
        self.cut = self.cut.max(Some(response));
        if Some(response) >= self.newest {
            self.is_responding = false;
            if let Some(wish) = self.wanted {
                self.tell(wish, effects);
            }
        }
    }

    /// The socket answered a ping.
    pub(super) fn on_pong(&mut self) {
        self.heartbeat.on_pong();
    }

    /// Sends a ping if it is time; `false` if the socket shows no life.
    pub(super) fn beats(&mut self, now: Instant, effects: &mut Effects) -> bool {
        match self.heartbeat.on_tick(now) {
            Beat::Alive => true,
            Beat::Ask => {
                effects.to_provider(self.attempt, ProviderCommand::Ping);
                true
            }
            Beat::Dead => false,
        }
    }

    /// When [`beats`](Self::beats) is next to be called.
    pub(super) fn deadline(&self) -> Instant {
        self.heartbeat.deadline()
    }
}

/// Asks a socket for signs of life. Their absence counts only once a first one has come: not every peer answers pings.
#[derive(Debug)]
struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    has_answered: bool,
    state: Beating,
}

#[derive(Debug)]
enum Beating {
    Resting { until: Instant },
    Asked { at: Instant },
}

enum Beat {
    Alive,
    Ask,
    Dead,
}

impl Heartbeat {
    fn new(now: Instant, settings: &CallSettings) -> Self {
        Self {
            interval: settings.ping_interval,
            timeout: settings.pong_timeout,
            has_answered: false,
            state: Beating::Resting {
                until: now + settings.ping_interval,
            },
        }
    }

    fn on_pong(&mut self) {
        self.has_answered = true;
        if let Beating::Asked { at } = self.state {
            self.state = Beating::Resting {
                until: at + self.interval,
            };
        }
    }

    fn on_tick(&mut self, now: Instant) -> Beat {
        if now < self.deadline() {
            return Beat::Alive;
        }
        match self.state {
            Beating::Asked { .. } if self.has_answered => Beat::Dead,
            Beating::Asked { .. } | Beating::Resting { .. } => {
                self.state = Beating::Asked { at: now };
                Beat::Ask
            }
        }
    }

    fn deadline(&self) -> Instant {
        match self.state {
            Beating::Resting { until } => until,
            Beating::Asked { at } => at + self.timeout,
        }
    }
}
