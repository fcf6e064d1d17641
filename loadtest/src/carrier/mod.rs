//! The carrier's end of one call: a media stream as Twilio sends it, and the caller on the other side of it.
//!
//! Owns a call's beginning and end. What happens in between is [`stream`]'s, which couples [`wire`] (the messages), [`play_out`] (the
//! buffer and its marks), [`items`] (what was really played), [`hearing`] (what is owed), [`known`] (which prompt it was), [`caller`]
//! (what is said), [`menu`] (which keys are pressed) and [`report`] (what is known in the end). No clock and no socket: see [`Peer`].

mod caller;
mod carried;
mod cuts;
mod hearing;
mod items;
mod known;
mod log;
mod menu;
mod play_out;
mod prompts;
mod report;
mod settings;
mod stream;
mod waiting;
mod wire;

pub use carried::Identity;
pub use cuts::{During, StreamCut};
pub use known::{KnownPrompts, PromptHeard, PromptsError};
pub use menu::MenuChoice;
pub use report::{Arrival, CallReport, Ended, Happening, PlayedItem, Timeline, Violation};
pub use settings::{Answer, AnswerEnd, CarrierSettings, SettingError};
pub use waiting::{After, Gap, PAUSE_MAX, Turn};

use std::{sync::Arc, time::Duration};

use self::{log::Log, stream::Stream};
use crate::{
    peer::{Action, Outbox, Peer},
    recording::Recording,
};

/// One call, from `connected` to the end of the socket.
#[derive(Debug)]
pub struct Phone {
    stream: Stream,
    log: Log,
    phase: Phase,
    stop_before_close: bool,
    /// The end of a stream is not the end of the call: a carrier decides what follows.
    is_carried: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Open,
    /// The caller is on the line, and there is no stream.
    Held,
    Over,
}

impl Phone {
    /// The call of this number, which is the stream of its stamps. Equal arguments make equal calls.
    pub fn new(
        recording: Arc<Recording>,
        settings: Arc<CarrierSettings>,
        number: u32,
        seed: u64,
    ) -> Self {
        let stop_before_close = settings.stop_before_close;
        let name = recording.name.clone();
        let rng = fastrand::Rng::with_seed(seed);
        let stream = Stream::new(recording, settings, number, rng);
        let report = CallReport {
            number,
            recording: name,
            call_sid: stream.wire.call_sid.clone(),
            ..CallReport::default()
        };
        Self {
            stream,
            log: Log {
                report,
                ..Log::default()
            },
            phase: Phase::Idle,
            stop_before_close,
            is_carried: false,
        }
    }

    /// The caller knows these prompts when they hear them: they are in the report, and may be answered by
    /// [`menu`](CarrierSettings::menu).
    #[must_use]
    pub fn knowing(mut self, prompts: Arc<KnownPrompts>) -> Self {
        self.stream.know(prompts);
        self
    }

    /// The socket is open: the stream begins. Does nothing the second time.
    pub fn start(&mut self, now: Duration, out: &mut Outbox) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Open;
            self.stream.begin(now, &mut self.log);
            self.stream.open(now, &mut self.log, out);
        }
    }

    /// Whether the call has ended.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// What is known of the call so far.
    pub fn report(&self) -> CallReport {
        let mut report = self.log.report.clone();
        self.stream.fill_in(&mut report);
        report
    }

    /// What is known of the call, when nobody needs the phone any more.
    pub fn into_report(self) -> CallReport {
        let mut report = self.log.report;
        self.stream.fill_in(&mut report);
        report
    }

    /// What happened since this was last asked, in the order in which it was noticed: a sound is noticed up to 20 ms after its time,
    /// an end of speech after the silence that tells it. 4,096 wait at most; what happens beyond is not told.
    pub fn take_happenings(&mut self) -> Vec<(Duration, Happening)> {
        std::mem::take(&mut self.log.happenings)
    }

    /// Time passes until `now`. Whether the line is open still.
    fn pass(&mut self, now: Duration, out: &mut Outbox) -> bool {
        if !self.is_on_line() {
            return false;
        }
        let Some(ended) = self.stream.pass(now, &mut self.log, out) else {
            self.log.report.lasted = now.saturating_sub(self.log.report.began);
            return true;
        };
        if self.phase == Phase::Held {
            self.end(now, ended);
            return false;
        }
        if self.stop_before_close {
            out.push(Action::Send(self.stream.wire.stop()));
        }
        out.push(Action::Close {
            code: 1_000,
            reason: String::new(),
        });
        self.end(now, ended);
        false
    }

    fn is_on_line(&self) -> bool {
        match self.phase {
            Phase::Open | Phase::Held => true,
            Phase::Idle | Phase::Over => false,
        }
    }

    fn end(&mut self, now: Duration, ended: Ended) {
        self.phase = Phase::Over;
        self.stream.end(now, &mut self.log);
        self.log.report.ended = Some(ended);
        self.log.tell(now, Happening::Ended(ended));
    }
}

impl Peer for Phone {
    fn receive(&mut self, now: Duration, text: &str, out: &mut Outbox) {
        if self.pass(now, out) {
            self.stream.receive(now, text, &mut self.log);
        }
    }

    fn receive_binary(&mut self, now: Duration, _bytes: &[u8], out: &mut Outbox) {
        if self.pass(now, out) {
            self.log.complain(now, Violation::Binary);
        }
    }

    fn closed(&mut self, now: Duration, code: Option<u16>) {
        if self.phase != Phase::Open {
            return;
        }
        if self.is_carried {
            self.hold(now);
        } else {
            self.end(now, Ended::ServerClosed { code });
        }
    }

    fn tick(&mut self, now: Duration, out: &mut Outbox) {
        self.pass(now, out);
    }

    fn deadline(&self) -> Option<Duration> {
        self.is_on_line().then(|| self.stream.deadline())
    }
}

#[cfg(test)]
mod tests;
