//! What two desks keep in one store, and what they request of the carrier on the strength of it.

use std::time::Duration;

use ringback::core::callback::effect::{Write, WriteId};
use ringback::core::callback::input::{Input, RingOutcome, Stored, TextOutcome};
use ringback::core::callback::number::Number;
use ringback::core::callback::promise::{SendId, SendKind, Stage};

use super::{CALM_FROM, Desks, Event, LEASE, Name, REQUEST_LASTS, WITHIN};
use crate::carrier::TIMEOUT;

impl Desks {
    /// As the shared store does it, whose word is told as a desk hears it.
    pub(super) fn store(&mut self, name: Name, write: WriteId, what: &Write) {
        let stored = if self.is_away {
            Stored::Failed
        } else {
            self.apply(name, what)
        };
        let is_lost = self.now < CALM_FROM && self.rng.u8(..100) == 0;
        let stored = if is_lost { Stored::Failed } else { stored };
        let after = self.some(0, 20);
        self.after(after, Event::Told(name, Input::Stored(write, stored)));
    }

    fn apply(&mut self, name: Name, what: &Write) -> Stored {
        let stored = self.keeper.apply(what);
        match what {
            Write::Promise(promise, _) => {
                if stored == Stored::Kept {
                    self.serves.insert(promise.id, name);
                    let broken = self.purse.promised(self.now, promise, &self.settings.caps);
                    if let Some(place) = self.place(name) {
                        self.caps_hold(place, &broken);
                    }
                }
            }
            Write::Change { promise, .. } => match stored {
                Stored::Stale(_) if self.serves.get(&promise.id) != Some(&name) => {
                    self.count("served elsewhere");
                    return Stored::Elsewhere;
                }
                Stored::Kept => {
                    self.serves.insert(promise.id, name);
                    if !promise.stage.was_told() {
                        self.purse.untold(promise.id);
                    }
                    // Who calls in the very moment is on the line, and not served.
                    let called = self.called.get(&promise.to).copied();
                    let calls = called.is_some_and(|at| self.now <= at + Duration::from_secs(1));
                    if matches!(promise.stage, Stage::Connected { .. }) && !calls {
                        self.served.insert(promise.id);
                    }
                }
                Stored::Already(_)
                | Stored::OptedOut
                | Stored::Stale(_)
                | Stored::Unknown
                | Stored::Elsewhere
                | Stored::Failed => {}
            },
            Write::OptOut(number, at) => {
                if at.is_some() {
                    self.stopped.entry(*number).or_insert(self.now);
                } else {
                    self.stopped.remove(number);
                }
            }
            Write::Forget(_) => {}
        }
        stored
    }

    /// A request is made by who holds its claim, soon after it was kept as begun.
    pub(super) fn request(&mut self, place: usize, send: SendId, kind: SendKind, to: Number) {
        let desk = &mut self.both[place];
        let (name, claimed) = (desk.name, desk.claimed);
        let begun = desk.begun.remove(&send);
        let is_fresh = begun.is_some_and(|at| self.now <= at + WITHIN);
        let is_held = claimed.is_some_and(|at| self.now + REQUEST_LASTS <= at + LEASE);
        if !is_fresh || !is_held {
            self.count("a request waited");
            let not_sent = match kind {
                SendKind::Text => Input::Texted(send, TextOutcome::NotSent),
                SendKind::Ring => Input::Rung(send, RingOutcome::NotSent),
            };
            self.after(Duration::ZERO, Event::Told(name, not_sent));
            return;
        }
        let broken = self.purse.requested(self.now, kind, &self.settings.caps);
        self.caps_hold(place, &broken);
        let after = self.some(20, 9_000);
        self.after(after, Event::TakenOn(name, send, kind, to));
        let unknown = match kind {
            SendKind::Text => Input::Texted(send, TextOutcome::Unknown),
            SendKind::Ring => Input::Rung(send, RingOutcome::Unknown),
        };
        self.after(TIMEOUT, Event::Told(name, unknown));
    }
}
