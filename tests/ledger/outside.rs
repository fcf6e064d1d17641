//! What the carrier and the phones do with what was requested.

use std::time::Duration;

use ringback::core::callback::effect::{RingRequest, TextRequest, Write, WriteId};
use ringback::core::callback::input::{Input, RingOutcome, RingStatus, TextOutcome, TextStatus};
use ringback::core::ids::{CallSid, MessageSid};

use crate::carrier::{Fate, TIMEOUT, millis};
use crate::phones::PicksUp;
use crate::world::{Event, Weather, World};

impl World {
    pub(crate) fn take_text(&mut self, epoch: u32, text: &TextRequest, answers: bool) {
        let sid = self
            .carrier
            .message(&mut self.rng, self.now, text.send, text.to);
        self.books
            .text_is_taken_on(self.now, text.send, text.to, &self.settings);
        if answers {
            let accepted = Input::Texted(text.send, TextOutcome::Accepted(sid));
            self.after(Duration::from_millis(20), Event::Told(epoch, accepted));
        }
        self.hook(&Input::TextStatus(text.send, sid, TextStatus::Sent));
        let after = millis(&mut self.rng, 10, 20_000);
        let status = match self.rng.u8(..20) {
            0 => TextStatus::Failed,
            1 if !self.is_calm => return,
            _ => TextStatus::Delivered,
        };
        self.after(after, Event::MessageStep(sid, status));
    }

    pub(crate) fn take_ring(&mut self, epoch: u32, ring: &RingRequest, answers: bool) {
        let promise = self.books.promise_of(ring.send);
        let is_ringing = self
            .carrier
            .rings
            .iter()
            .any(|other| other.to == ring.to && !other.is_over);
        let sid = self
            .carrier
            .ring(&mut self.rng, self.now, ring.send, ring.to);
        self.books
            .ring_is_taken_on(self.now, promise, ring.to, is_ringing, &self.settings);
        if answers {
            let accepted = Input::Rung(ring.send, RingOutcome::Accepted(sid));
            self.after(Duration::from_millis(20), Event::Told(epoch, accepted));
        }
        let phone = self
            .phones
            .iter()
            .find(|phone| phone.number == ring.to)
            .unwrap();
        let picks_up = phone.picks_up(&mut self.rng);
        let (status, after) = match picks_up {
            PicksUp::Person => (RingStatus::Person, millis(&mut self.rng, 10, 40_000)),
            PicksUp::Machine => (RingStatus::Machine, millis(&mut self.rng, 3_000, 40_000)),
            PicksUp::Nobody => (RingStatus::Nobody, millis(&mut self.rng, 500, 60_000)),
        };
        self.hook(&Input::RingStatus(ring.send, sid, RingStatus::Ringing));
        self.after(after, Event::RingStep(sid, status));
    }

    pub(crate) fn message_step(&mut self, sid: MessageSid, status: TextStatus) {
        let Some(message) = self
            .carrier
            .messages
            .iter_mut()
            .find(|message| message.sid == sid)
        else {
            return;
        };
        message.status = status;
        let (send, to) = (message.send, message.to);
        self.hook(&Input::TextStatus(send, sid, status));
        let utc = self.true_utc();
        let phone = self.phones.iter().find(|phone| phone.number == to).unwrap();
        if status == TextStatus::Delivered
            && let Some((after, intent)) = phone.answer(&mut self.rng, utc)
        {
            self.writes(after, to, intent);
        }
    }

    /// A status callback: late, twice, or never.
    fn hook(&mut self, input: &Input) {
        if self.rng.u8(..100) < self.lossy {
            return;
        }
        let late = if self.rng.u8(..20) == 0 {
            3_600_000
        } else {
            2_000
        };
        for _ in 0..=u8::from(self.rng.u8(..8) == 0) {
            let after = millis(&mut self.rng, 0, late);
            self.after(after, Event::Hook(input.clone()));
        }
    }

    pub(crate) fn ring_step(&mut self, sid: CallSid, status: RingStatus) {
        let Some(ring) = self.carrier.rings.iter_mut().find(|ring| ring.sid == sid) else {
            return;
        };
        if ring.is_over {
            return;
        }
        ring.is_over = matches!(status, RingStatus::Nobody | RingStatus::Completed);
        if status != RingStatus::Completed {
            ring.status = status;
        }
        let (send, to) = (ring.send, ring.to);
        match status {
            RingStatus::Person | RingStatus::Machine => {
                let talks = millis(&mut self.rng, 3_000, 300_000);
                self.after(talks, Event::RingStep(sid, RingStatus::Completed));
                // The document that a person is answered with is asked of us at once, or the call is lost in its turn.
                if self.is_down {
                    return;
                }
                let input = Input::RingStatus(send, sid, status);
                self.books.is_told(&input);
                self.tell(input);
                if status == RingStatus::Person && !self.is_calm && self.rng.u8(..10) == 0 {
                    let phone = self
                        .phones
                        .iter()
                        .position(|phone| phone.number == to)
                        .unwrap();
                    self.after(talks / 2, Event::Wants(phone));
                }
            }
            RingStatus::Ringing | RingStatus::Nobody | RingStatus::Completed => {
                self.hook(&Input::RingStatus(send, sid, status));
            }
        }
    }

    /// A write is on its way to the one writer.
    pub(crate) fn write(&mut self, write: WriteId, what: Write) {
        let epoch = self.epoch;
        let wait = match (self.store_is_slow, self.rng.u8(..20)) {
            (true, 0..10) => millis(&mut self.rng, 200, 2_000),
            (_, 0) => millis(&mut self.rng, 20, 400),
            _ => millis(&mut self.rng, 1, 15),
        };
        let begun = self.keeper_free_at.max(self.now) + wait;
        self.keeper_free_at = begun;
        self.after(
            begun.saturating_sub(self.now),
            Event::Store(epoch, write, what),
        );
    }

    /// A text is requested.
    pub(crate) fn text(&mut self, text: TextRequest) {
        let epoch = self.epoch;
        self.check_text(&text);
        self.may_crash_on_the_way();
        let is_landline = self
            .phones
            .iter()
            .any(|phone| phone.number == text.to && phone.is_landline);
        let is_stopped = self.books.is_stopped_at_the_carrier(text.to);
        match self
            .carrier
            .text_fate(&mut self.rng, is_landline, is_stopped)
        {
            Fate::TakenOn { after, answers } => {
                let send = text.send;
                self.after(after, Event::TakeText(epoch, text, answers));
                if !answers {
                    let unknown = Input::Texted(send, TextOutcome::Unknown);
                    self.after(TIMEOUT, Event::Told(epoch, unknown));
                }
            }
            Fate::Not(outcome, after) => {
                self.after(after, Event::Told(epoch, Input::Texted(text.send, outcome)));
            }
        }
    }

    /// A ring is requested.
    pub(crate) fn ring(&mut self, ring: RingRequest) {
        let epoch = self.epoch;
        self.check_ring(&ring);
        self.may_crash_on_the_way();
        match self.carrier.ring_fate(&mut self.rng) {
            Fate::TakenOn { after, answers } => {
                let send = ring.send;
                self.after(after, Event::TakeRing(epoch, ring, answers));
                if !answers {
                    let unknown = Input::Rung(send, RingOutcome::Unknown);
                    self.after(TIMEOUT, Event::Told(epoch, unknown));
                }
            }
            Fate::Not(outcome, after) => {
                self.after(after, Event::Told(epoch, Input::Rung(ring.send, outcome)));
            }
        }
    }

    /// Now and then the process dies while a request is under way: what became of it nobody tells.
    fn may_crash_on_the_way(&mut self) {
        if !self.is_calm && self.rng.u8(..25) == 0 {
            let after = millis(&mut self.rng, 0, 12_000);
            self.after(after, Event::Weather(Weather::Crash));
        }
    }
}
