//! The phases of a call. A phase carries its own data.

use std::time::Duration;

use crate::core::audio::Frame;
use crate::core::call::downlink::Downlink;
use crate::core::call::effect::Effects;
use crate::core::call::keypad::Keypad;
use crate::core::call::live::Live;
use crate::core::call::memory::Memory;
use crate::core::call::settings::CallSettings;
use crate::core::call::uplink::Uplink;
use crate::core::ids::AttemptId;
use crate::core::observation::Observation;
use crate::core::time::Instant;

/// Where a call stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// The socket is open; its stream has not started.
    Waiting { give_up_at: Instant },
    /// The stream runs; the first session is being dialled.
    Connecting(Box<Connecting>),
    /// A session takes the caller's audio.
    Live(Box<Live>),
    /// It is over; nothing is heard and nothing is done any more.
    Ended,
}

/// The first session is being dialled.
#[derive(Debug)]
pub(super) struct Connecting {
    pub(super) line: Line,
    pub(super) attempt: AttemptId,
    pub(super) dialled_at: Instant,
    pub(super) give_up_at: Instant,
}

/// The carrier's side of a started call, and what was said on it: it outlives every session.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) started_at: Instant,
    pub(super) downlink: Downlink,
    /// What the caller says and no session has answered.
    pub(super) uplink: Uplink,
    pub(super) keypad: Keypad,
    pub(super) memory: Memory,
    /// When the carrier last sent anything.
    heard_at: Instant,
    /// When to look at `heard_at` again: once a silence, not once a frame.
    check_at: Instant,
    silence_max: Duration,
}

impl Line {
    pub(super) fn new(now: Instant, settings: &CallSettings) -> Self {
        Self {
            started_at: now,
            downlink: Downlink::new(now, settings.ahead_max, settings.held_max),
            uplink: Uplink::new(settings.uplink_max),
            keypad: Keypad::new(now, settings.keys_timeout),
            memory: Memory::default(),
            heard_at: now,
            check_at: now + settings.carrier_silence_max,
            silence_max: settings.carrier_silence_max,
        }
    }

    /// Keeps the caller's next audio until it is answered.
    pub(super) fn keep(&mut self, frame: &Frame, effects: &mut Effects) {
        let bytes = frame.with_raw(|audio| self.uplink.keep(audio));
        if bytes > 0 {
            effects.observe(Observation::UplinkOverflowed { bytes });
        }
    }

    /// The carrier sent something.
    pub(super) const fn on_heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// Whether the carrier has sent nothing for too long.
    pub(super) fn is_silent(&mut self, now: Instant) -> bool {
        if now < self.check_at {
            return false;
        }
        self.check_at = self.heard_at + self.silence_max;
        now >= self.check_at
    }

    /// When the line next wants to be looked after, whatever the phase.
    pub(super) const fn check_at(&self) -> Instant {
        self.check_at
    }
}
