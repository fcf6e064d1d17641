//! Requests to the carrier: each is made once, and what became of it comes back as an input, or too late to be believed.

use std::time::Duration;

use super::desk::Desk;
use super::outcomes::{
    find_ring, find_text, is_ring_refused, known_ring, ring_outcome, text_outcome,
};
use crate::carrier::twilio::rest::{Answer, MachineDetection, NewCall, NewMessage, Sender};
use crate::config::{self, TextName};
use crate::core::callback::effect::{RingRequest, TextRequest};
use crate::core::callback::input::{Input, LookedUp, RingOutcome, TextOutcome};
use crate::core::callback::number::Number;
use crate::core::callback::promise::{SendId, SendKind};
use crate::core::ids::CallSid;
use crate::core::time::{Instant, Utc};
use crate::telemetry::Count;

/// How much later than a request's time-out the ledger still takes its outcome for this try's.
const SLACK: Duration = Duration::from_secs(5);

/// How long the carrier may try to deliver a text: one that comes later than that says what is not so any more.
const TEXT_VALIDITY_SECONDS: u16 = 3_600;

/// The newest of a number's texts and calls that are looked through. Lists begin with the newest.
const TEXTS_LOOKED_THROUGH: usize = 1_000;
const CALLS_LOOKED_THROUGH: usize = 50;

impl Desk {
    /// Requests a text.
    pub(super) fn text(&self, now: Instant, request: &TextRequest) {
        let TextRequest {
            send,
            to,
            called,
            language,
            asks,
        } = request;
        let (Some(rest), Some(callback)) =
            (self.rest(), self.link("/sms/status", SendKind::Text, *send))
        else {
            return self.outcome(Input::Texted(*send, TextOutcome::NotSent));
        };
        let called = called.dialled();
        let (agent, _) = self.shared.agents.find(None, Some(&called));
        let name = if *asks {
            TextName::Asks
        } else {
            TextName::Promise
        };
        let reference = send.reference();
        let body = agent.texts.say(
            Some(language.name()),
            agent.language.as_deref(),
            name,
            &[("reference", &reference)],
        );
        let sender = self.settings().sender.clone();
        let (send, to) = (*send, to.dialled());
        let unknown = Input::Texted(send, TextOutcome::Unknown);
        self.ask("text", Some(self.by(now)), unknown, async move {
            let number;
            let from = match &sender {
                config::Sender::Called => Sender::Number(&called),
                config::Sender::Number(own) => {
                    number = own.dialled();
                    Sender::Number(&number)
                }
                config::Sender::Service(service) => Sender::Service(service),
            };
            let message = NewMessage {
                to: &to,
                from,
                body: &body,
                status_callback: Some(&callback),
                validity_seconds: Some(TEXT_VALIDITY_SECONDS),
            };
            let answer = rest.create_message(&message).await;
            Input::Texted(send, text_outcome(&answer))
        });
    }

    /// Looks for a text among those to its number.
    pub(super) fn look_up_text(&self, now: Instant, send: SendId, to: Number) {
        let unavailable = Input::TextLookedUp(send, LookedUp::Unavailable);
        let Some(rest) = self.rest() else {
            return self.outcome(unavailable);
        };
        self.ask("look-up", Some(self.by(now)), unavailable, async move {
            let page = rest.messages_to(&to.dialled(), TEXTS_LOOKED_THROUGH).await;
            Input::TextLookedUp(send, find_text(page, &send.reference()))
        });
    }

    /// Requests a ring.
    pub(super) fn ring(&self, now: Instant, request: &RingRequest) {
        let RingRequest {
            send,
            call,
            to,
            called,
            language: _, // The words are the agent's.
        } = *request;
        let front = self.shared.front.as_ref();
        let document = front.map(|front| front.document_link("/twiml/ring", SendKind::Ring, send));
        let (Some(rest), Some(document), Some(callback)) = (
            self.rest(),
            document,
            self.link("/ring/status", SendKind::Ring, send),
        ) else {
            return self.outcome(Input::Rung(send, RingOutcome::NotSent));
        };
        tracing::info!(%call, ring = %send, "a caller is rung back");
        let settings = self.settings();
        let from = match settings.sender {
            config::Sender::Number(own) => own,
            config::Sender::Called | config::Sender::Service(_) => called,
        };
        let machine_detection = if settings.detects_machines {
            MachineDetection::First
        } else {
            MachineDetection::Off
        };
        let ring_seconds = settings.ring_seconds;
        let talk_seconds = u32::try_from(settings.talk_max.as_secs()).ok();
        let telemetry = self.shared.telemetry.clone();
        let unknown = Input::Rung(send, RingOutcome::Unknown);
        self.ask("ring", Some(self.by(now)), unknown, async move {
            let (to, from) = (to.dialled(), from.dialled());
            let call = NewCall {
                to: &to,
                from: &from,
                answer: Answer::Url(&document),
                // Whoever picks up while this process begins anew hears no error: it is asked once more.
                fallback: Some(&document),
                status_callback: Some(&callback),
                ring_seconds: Some(ring_seconds),
                talk_seconds,
                machine_detection,
            };
            let answer = rest.create_call(&call).await;
            let outcome = ring_outcome(&answer);
            if outcome == RingOutcome::Later
                && is_ring_refused(&answer)
                && let Err(error) = answer
            {
                let so_far = telemetry.count(Count::CallbackRingsRefused);
                if so_far.is_power_of_two() {
                    tracing::error!(%error, so_far, "the carrier makes no call for us: look at its key, the number and the account");
                }
            }
            Input::Rung(send, outcome)
        });
    }

    /// Looks for a ring: by its name where that is known, else among those to its number.
    pub(super) fn look_up_ring(
        &self,
        now: Instant,
        (send, to): (SendId, Number),
        call: Option<CallSid>,
        since: Utc,
    ) {
        let unavailable = Input::RingLookedUp(send, LookedUp::Unavailable);
        let Some(rest) = self.rest() else {
            return self.outcome(unavailable);
        };
        let detects_machines = self.settings().detects_machines;
        self.ask("look-up", Some(self.by(now)), unavailable, async move {
            let found = if let Some(call) = call {
                known_ring(&rest.call(call).await, detects_machines)
            } else {
                let page = rest.calls_to(&to.dialled(), CALLS_LOOKED_THROUGH).await;
                find_ring(page, since, detects_machines)
            };
            Input::RingLookedUp(send, found)
        });
    }

    /// Ends a ring, if it goes on. Whether that succeeds is seen by its status.
    pub(super) fn cancel_ring(&self, call: CallSid) {
        if let Some(orders) = &self.shared.orders {
            // Nobody waits for it.
            drop(orders.end(call));
        }
    }

    /// Asks the carrier what time it is.
    pub(super) fn check_time(&self) {
        let Some(rest) = self.rest() else {
            return;
        };
        let (tell, life) = (self.tell.clone(), self.life);
        self.shared.tasks.spawn("time", async move {
            match rest.time().await {
                Ok(utc) => {
                    let checked = super::Message::Outcome(life, Input::Checked(utc), None);
                    tell.send(checked).await.ok(); // The ledger may be gone by now.
                }
                // It is asked again.
                Err(error) => tracing::debug!(%error, "the carrier does not say what time it is"),
            }
        });
    }

    /// Until when an outcome is believed.
    fn by(&self, now: Instant) -> Instant {
        now + self.settings().ledger.request_timeout + SLACK
    }

    fn link(&self, path: &str, kind: SendKind, send: SendId) -> Option<String> {
        let front = self.shared.front.as_ref()?;
        Some(front.link(path, kind, send))
    }
}
