//! What whoever waits for the ledger is told: calls, webhooks of texts, whoever answers a ring, operators.

use super::Answered;
use super::desk::Desk;
use crate::core::callback::effect::{Answer, Told};
use crate::core::callback::input::Models;
use crate::core::callback::promise::{Promise, SendId, Stage};
use crate::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use crate::core::time::Utc;
use crate::server::admin::view::CallbacksView;

impl Desk {
    pub(super) fn tell_call(&mut self, call: CallId, told: Told) {
        let Some((wanted, waiting)) = self.calls.remove(&call) else {
            return;
        };
        // A call back that was lost in its turn: what was said in it since is what the next one goes on from.
        let promise = self.ledger.promise_to(wanted.to).map(|promise| promise.id);
        if let (Told::Already { .. }, Some(promise), Some(archive)) = (told, promise, &self.archive)
        {
            archive.keep_context(promise, call);
        } else if matches!(told, Told::Already { .. }) && self.standing.is_some() {
            self.seek_promise_for(wanted);
        }
        waiting.send(told).ok(); // Who has hung up need not hear it.
    }

    pub(super) fn answer(&mut self, message: MessageSid, answer: Answer) {
        let Some((from, waiting)) = self.texts.remove(&message) else {
            return;
        };
        let language = self.ledger.language_of(from).cloned();
        for webhook in waiting {
            let language = language.clone();
            webhook.send(Answered { answer, language }).ok(); // The carrier comes again.
        }
    }

    /// The promise whose ring has connected its caller with us.
    pub(super) fn connected(&self, send: SendId, ring: CallSid) -> Option<Promise> {
        let promise = self.ledger.promise_of(send)?;
        match promise.stage {
            Stage::Connected { rings, call, .. }
                if call == ring && SendId::ring(promise.id, rings) == send =>
            {
                Some(promise.clone())
            }
            Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Due { .. }
            | Stage::Ringing { .. }
            | Stage::Connected { .. }
            | Stage::Ended(_) => None,
        }
    }

    pub(super) fn view(&self, utc: Utc, id: Option<PromiseId>) -> CallbacksView {
        let is_sane = self.ledger.is_clock_sane();
        let rings = matches!(self.models, Models::Back { .. });
        let promises = self.ledger.promises();
        let shown = promises.filter(|promise| id.is_none_or(|id| promise.id == id));
        CallbacksView::new(shown, utc, (is_sane, rings))
    }
}
