//! The carrier and the callers of two desks: whatever they tell or ask reaches either of them.

use std::time::Duration;

use ringback::core::callback::caps::Cap;
use ringback::core::callback::hours::{AllowedHours, Stretch};
use ringback::core::callback::input::{
    InboundText, Input, RingOutcome, RingStatus, TextOutcome, TextStatus, Wanted,
};
use ringback::core::callback::intent::Intent;
use ringback::core::callback::number::{Language, Number};
use ringback::core::callback::promise::{Consent, Promise, SendId, SendKind, Source};
use ringback::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use ringback::core::time::Utc;

use super::purse::Scarce;
use super::{CALM_FROM, Desks, Event, Name, WITHIN};
use crate::carrier::TIMEOUT;
use crate::world::BEGIN_MILLIS;

impl Desks {
    /// The carrier takes a request on, and says so to whoever asked, or not.
    pub(super) fn taken_on(&mut self, name: Name, send: SendId, kind: SendKind, to: Number) {
        let promise = self.keeper.promises.values().map(|(promise, _)| promise);
        let promise = promise
            .filter(|promise| promise.to == to)
            .find(|promise| match kind {
                SendKind::Text => SendId::text(promise.id) == send,
                SendKind::Ring => (1..=3).any(|ring| SendId::ring(promise.id, ring) == send),
            });
        let promise = promise.expect("what is requested is kept").clone();
        // Where STOP was kept while the request was on its way it was too late.
        let stopped = self.stopped.get(&to).copied();
        if stopped.is_some_and(|at| self.now > at + WITHIN + TIMEOUT) {
            self.find("STOP is final", format!("{kind:?}"));
        }
        let answers = self.now >= CALM_FROM || self.rng.u8(..10) > 0;
        let outcome = match kind {
            SendKind::Text => self.texted(send, to),
            SendKind::Ring => self.rung(&promise, send, to),
        };
        if answers {
            self.after(Duration::from_millis(20), Event::Told(name, outcome));
        }
    }

    fn texted(&mut self, send: SendId, to: Number) -> Input {
        self.count("texts");
        if self.carrier.messages.iter().any(|one| one.send == send) {
            self.find("no doubles", "a second text".to_owned());
        }
        let sid = self.carrier.message(&mut self.rng, self.now, send, to);
        let status = TextStatus::Delivered;
        let after = self.some(500, 20_000);
        self.after(after, Event::Hook(Input::TextStatus(send, sid, status)));
        Input::Texted(send, TextOutcome::Accepted(sid))
    }

    fn rung(&mut self, promise: &Promise, send: SendId, to: Number) -> Input {
        self.count("rings");
        let rings = &self.carrier.rings;
        let is_ringing = rings.iter().any(|ring| ring.to == to && !ring.is_over);
        let is_again = rings.iter().any(|ring| ring.send == send);
        if is_ringing {
            self.find("no doubles", "rung while it rings".to_owned());
        }
        if is_again {
            self.find("no doubles", "the same ring again".to_owned());
        }
        if self.served.contains(&promise.id) {
            self.find("no doubles", "rung though served".to_owned());
        }
        let sid = self.carrier.ring(&mut self.rng, self.now, send, to);
        let after = self.some(3_000, 25_000);
        let status = match (self.rng.u8(..3), self.scarce) {
            (0, _) | (1, Scarce::Only(Cap::Money)) => RingStatus::Nobody,
            _ => RingStatus::Person,
        };
        self.after(after, Event::RingStep(sid, status));
        Input::Rung(send, RingOutcome::Accepted(sid))
    }

    pub(super) fn ring_step(&mut self, sid: CallSid, status: RingStatus) {
        let Some(ring) = self.carrier.rings.iter_mut().find(|ring| ring.sid == sid) else {
            return;
        };
        if ring.is_over {
            return;
        }
        ring.status = status;
        ring.is_over = status != RingStatus::Person;
        let (send, status) = (ring.send, ring.status);
        self.hook(Input::RingStatus(send, sid, status));
        if status == RingStatus::Person {
            let after = self.some(5_000, 200_000);
            self.after(after, Event::RingStep(sid, RingStatus::Completed));
        }
    }

    /// Whichever desk it reaches: what that one does not serve it takes over first. Now and then it reaches nobody.
    pub(super) fn hook(&mut self, input: Input) {
        let place = self.rng.usize(..2);
        let desk = &self.both[place];
        let is_lost = self.now < CALM_FROM && self.rng.u8(..10) == 0;
        if !desk.hears(self.now) || is_lost || self.is_away {
            return;
        }
        let (send, kind) = if let Input::TextStatus(send, ..) = &input {
            (*send, SendKind::Text)
        } else if let Input::RingStatus(send, ..) = &input {
            (*send, SendKind::Ring)
        } else {
            unreachable!("the carrier tells of texts and rings");
        };
        let open = |id: &PromiseId| {
            let kept = self.keeper.promises.get(id);
            kept.is_some_and(|(promise, _)| promise.stage.is_open())
        };
        let elsewhere = send.promises(kind).find(open);
        let elsewhere = elsewhere.filter(|id| desk.ledger.revision_of(*id).is_none());
        let name = desk.name;
        if let Some(id) = elsewhere {
            self.count("asked for");
            self.take_over(place, id);
        }
        self.after(Duration::from_millis(60), Event::Told(name, input));
    }

    pub(super) fn wants(&mut self, who: usize) {
        let place = self.rng.usize(..2);
        if !self.both[place].hears(self.now) {
            return;
        }
        let to = caller(who);
        // If they were being served, that call was lost in its turn.
        let keeper = &self.keeper;
        self.served.retain(|id| keeper.promises[id].0.to != to);
        self.called.insert(to, self.now);
        let call = CallId::from_bits(self.rng.u128(..));
        self.wanted.insert(call, to);
        let wanted = Wanted {
            promise: PromiseId::from_bits(self.rng.u128(..)),
            call,
            to,
            caller: Some(self.poses_as(who)),
            called: Number::parse("+15550100100").unwrap(),
            language: Language::parse("en").unwrap(),
            source: Source::CallerId,
            consent: Consent::Given,
            takes_texts: self.rng.u8(..5) > 0,
            hours: always(),
        };
        let name = self.both[place].name;
        self.after(
            Duration::ZERO,
            Event::Told(name, Input::Wanted(Box::new(wanted))),
        );
    }

    /// From which number somebody seems to call.
    fn poses_as(&self, who: usize) -> Number {
        match self.scarce {
            Scarce::Only(Cap::Caller) => caller(9_000 + who % 2),
            Scarce::Nothing | Scarce::Only(Cap::Destination | Cap::Prefix | Cap::Money) => {
                caller(who)
            }
        }
    }

    pub(super) fn writes(&mut self, who: usize, intent: Intent<Utc>) {
        let place = self.rng.usize(..2);
        if !self.both[place].hears(self.now) {
            return;
        }
        self.number += 1;
        let from = caller(who);
        let message = MessageSid::parse(&format!("SM{:032x}", 0xabcd_0000 + self.number)).unwrap();
        let open = self.keeper.open_of(from).map(|open| open.id);
        let elsewhere = open.filter(|id| self.both[place].ledger.revision_of(*id).is_none());
        if let Some(id) = elsewhere.filter(|_| !self.is_away) {
            self.count("asked for");
            self.take_over(place, id);
        }
        let text = InboundText {
            message,
            from,
            intent,
            promise: PromiseId::from_bits(self.rng.u128(..)),
            hours: always(),
        };
        let name = self.both[place].name;
        let text = Input::Text(Box::new(text));
        self.after(Duration::from_millis(60), Event::Told(name, text));
    }
}

fn caller(number: usize) -> Number {
    Number::parse(&format!("+1555010{number:04}")).unwrap()
}

fn always() -> AllowedHours {
    AllowedHours::new([Stretch {
        from: Utc::from_millis(BEGIN_MILLIS - 86_400_000),
        until: Utc::from_millis(BEGIN_MILLIS + 14 * 86_400_000),
    }])
}
