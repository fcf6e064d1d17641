//! Status callbacks: what is told of a call and its streams, in the order in which it happens.

use std::time::Duration;

use super::{Address, Form, Interpreter, Link, Method, Step, Tell, sid};

impl Interpreter {
    /// Tells what became of a stream, to whoever its document names.
    pub(super) fn tell_stream(
        &mut self,
        (stream_sid, name): (&str, &str),
        link: Option<&Link>,
        event: &str,
        error: Option<String>,
        steps: &mut Vec<Step>,
    ) {
        let Some((link, address)) = link.and_then(|link| Some((link, self.resolve(&link.url)?)))
        else {
            return;
        };
        let mut form = Form::new()
            .with("AccountSid", self.parties.account_sid.clone())
            .with("CallSid", self.parties.call_sid.clone())
            .with("StreamSid", stream_sid)
            .with("StreamName", name)
            .with("StreamEvent", event);
        if let Some(error) = error {
            form.push("StreamError", error);
        }
        self.tell(address, link.method, form, steps);
    }

    /// Tells the end of the call, to whoever its number names.
    pub(super) fn tell_call_over(&mut self, now: Duration, steps: &mut Vec<Step>) {
        let Some(link) = self.number.status.clone() else {
            return;
        };
        let Some(address) = Address::parse(&link.url) else {
            return;
        };
        let answered = self.answered_at.unwrap_or(now);
        let seconds = now.saturating_sub(answered).as_secs();
        let form = self
            .parties
            .form(self.status)
            .with("CallDuration", seconds.to_string())
            .with("Duration", seconds.div_ceil(60).to_string())
            .with("SequenceNumber", self.callbacks.to_string())
            .with("CallbackSource", "call-progress-events");
        self.callbacks += 1;
        self.tell(address, link.method, form, steps);
    }

    /// Tells somebody, as often as the settings say.
    pub(super) fn tell(
        &mut self,
        address: Address,
        method: Method,
        form: Form,
        steps: &mut Vec<Step>,
    ) {
        let told = Tell {
            address,
            method,
            form,
            idempotency: sid("", &mut self.rng),
        };
        for _ in 0..self.settings.callback_copies {
            steps.push(Step::Tell(told.clone()));
        }
    }
}
