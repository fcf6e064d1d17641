//! The carrier's REST interface as it is: it takes on what its client has given up on, its lists lag, and it knows no request
//! from its repetition.

use std::time::Duration;

use fastrand::Rng;
use ringback::core::callback::input::{
    LookedUp, RingOutcome, RingStatus, TextOutcome, TextRefusal, TextStatus,
};
use ringback::core::callback::number::Number;
use ringback::core::callback::promise::SendId;
use ringback::core::ids::{CallSid, MessageSid};

/// A text that was taken on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) sid: MessageSid,
    pub(crate) send: SendId,
    pub(crate) to: Number,
    pub(crate) visible_at: Duration,
    pub(crate) status: TextStatus,
}

/// A ring that was taken on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    pub(crate) sid: CallSid,
    pub(crate) send: SendId,
    pub(crate) to: Number,
    pub(crate) at: Duration,
    pub(crate) visible_at: Duration,
    pub(crate) status: RingStatus,
    pub(crate) is_over: bool,
}

/// What happens to one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate<T> {
    /// It is taken on so much later, and its client hears of it, or not in time.
    TakenOn { after: Duration, answers: bool },
    /// It is not, and its client hears this.
    Not(T, Duration),
}

#[derive(Debug, Default)]
pub(crate) struct Carrier {
    pub(crate) messages: Vec<Message>,
    pub(crate) rings: Vec<Ring>,
    /// Nothing gets through.
    pub(crate) is_out: bool,
    /// How many of a thousand requests go wrong.
    pub(crate) trouble: u32,
    /// How many of a thousand look-ups are not answered.
    pub(crate) deaf: u32,
    sids: u64,
}

pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

impl Carrier {
    pub(crate) fn text_fate(
        &self,
        rng: &mut Rng,
        is_landline: bool,
        is_stopped: bool,
    ) -> Fate<TextOutcome> {
        let later = [
            TextOutcome::Refused(TextRefusal::Later),
            TextOutcome::NotSent,
            TextOutcome::Held(rest(rng)),
        ];
        if let Some(fate) = self.fate(rng, later, TextOutcome::Unknown) {
            return fate;
        }
        let soon = millis(rng, 50, 500);
        if is_stopped {
            return Fate::Not(TextOutcome::Refused(TextRefusal::OptedOut), soon);
        }
        if is_landline {
            return Fate::Not(TextOutcome::Refused(TextRefusal::NotTextable), soon);
        }
        Fate::TakenOn {
            after: soon,
            answers: true,
        }
    }

    pub(crate) fn ring_fate(&self, rng: &mut Rng) -> Fate<RingOutcome> {
        let later = [
            RingOutcome::Later,
            RingOutcome::NotSent,
            RingOutcome::Held(rest(rng)),
        ];
        self.fate(rng, later, RingOutcome::Unknown)
            .unwrap_or(Fate::TakenOn {
                after: millis(rng, 50, 500),
                answers: true,
            })
    }

    /// `later`: put off, not sent, held.
    fn fate<T>(&self, rng: &mut Rng, later: [T; 3], unknown: T) -> Option<Fate<T>> {
        let soon = millis(rng, 50, 500);
        let [put_off, not_sent, held] = later;
        if self.is_out {
            return Some(match rng.u8(..3) {
                0 => Fate::Not(not_sent, soon),
                1 => Fate::Not(held, soon),
                _ => Fate::Not(unknown, TIMEOUT),
            });
        }
        if rng.u32(..1_000) >= self.trouble {
            return None;
        }
        Some(match rng.u8(..6) {
            0 => Fate::Not(put_off, soon),
            1 => Fate::Not(not_sent, soon),
            2 => Fate::Not(unknown, soon),
            3 => Fate::Not(held, soon),
            // The answer is lost, or comes when nobody waits any more.
            _ => Fate::TakenOn {
                after: millis(rng, 50, 20_000),
                answers: false,
            },
        })
    }

    pub(crate) fn message(
        &mut self,
        rng: &mut Rng,
        now: Duration,
        send: SendId,
        to: Number,
    ) -> MessageSid {
        let sid = MessageSid::parse(&format!("SM{:032x}", self.sid())).unwrap();
        let visible_at = now + lag(rng);
        let status = TextStatus::Sent;
        self.messages.push(Message {
            sid,
            send,
            to,
            visible_at,
            status,
        });
        sid
    }

    pub(crate) fn ring(
        &mut self,
        rng: &mut Rng,
        now: Duration,
        send: SendId,
        to: Number,
    ) -> CallSid {
        let sid = CallSid::parse(&format!("CA{:032x}", self.sid())).unwrap();
        self.rings.push(Ring {
            sid,
            send,
            to,
            at: now,
            visible_at: now + lag(rng),
            status: RingStatus::Ringing,
            is_over: false,
        });
        sid
    }

    pub(crate) fn find_text(
        &self,
        rng: &mut Rng,
        now: Duration,
        send: SendId,
        to: Number,
    ) -> LookedUp<(MessageSid, TextStatus)> {
        if self.is_out || rng.u32(..1_000) < self.deaf {
            return unheard(rng);
        }
        let reference = send.reference();
        let mut found = self
            .messages
            .iter()
            .filter(|message| message.to == to && message.visible_at <= now);
        found
            .find(|message| message.send.reference() == reference)
            .map_or(LookedUp::NotFound, |message| {
                LookedUp::Found((message.sid, message.status))
            })
    }

    pub(crate) fn find_ring(
        &self,
        rng: &mut Rng,
        now: Duration,
        to: Number,
        since: Duration,
        known: Option<CallSid>,
    ) -> LookedUp<(CallSid, RingStatus)> {
        if self.is_out || rng.u32(..1_000) < self.deaf {
            return unheard(rng);
        }
        let is_it = |ring: &&Ring| match known {
            Some(known) => ring.sid == known,
            None => ring.to == to && ring.at >= since,
        };
        let mut found = self
            .rings
            .iter()
            .rev()
            .filter(|ring| ring.visible_at <= now)
            .filter(is_it);
        found.next().map_or(LookedUp::NotFound, |ring| {
            let status = match (ring.is_over, ring.status) {
                (true, RingStatus::Person | RingStatus::Machine) => RingStatus::Completed,
                (false, RingStatus::Machine) => RingStatus::Person,
                (_, status) => status,
            };
            LookedUp::Found((ring.sid, status))
        })
    }

    fn sid(&mut self) -> u64 {
        self.sids += 1;
        self.sids
    }
}

/// What a look-up says that was not answered, or not made.
fn unheard<T>(rng: &mut Rng) -> LookedUp<T> {
    match rng.u8(..3) {
        0 => LookedUp::NotAsked(rest(rng)),
        _ => LookedUp::Unavailable,
    }
}

/// How long the way to the carrier rests.
fn rest(rng: &mut Rng) -> Duration {
    millis(rng, 100, 80_000)
}

fn lag(rng: &mut Rng) -> Duration {
    if rng.u8(..4) == 0 {
        millis(rng, 0, 30_000)
    } else {
        millis(rng, 0, 2_000)
    }
}

pub(crate) fn millis(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.u64(from..=to))
}
