//! A call that the carrier has made for the number's owner, from the moment at which somebody picks up.
//!
//! Owns its beginning. Everything behind that is as in a call that came in. Ringing is [`network`](crate::twilio::network)'s.

use std::time::Duration;

use super::{Form, Interpreter, State, Step, Why};

/// How a call begins that was picked up.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// The document, where the request for the call held it; `None`: the number's Voice URL is asked.
    pub twiml: Option<String>,
    /// Status callbacks that were made before: the next one's `SequenceNumber`.
    pub callbacks: u32,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening(twiml: {})", self.twiml.is_some())
    }
}

impl Interpreter {
    /// Somebody has picked up: the call is answered, and its document is asked for. Does nothing the second time.
    pub fn pick_up(&mut self, now: Duration, opening: Opening, steps: &mut Vec<Step>) {
        if !matches!(self.state, State::Idle) {
            return;
        }
        self.began = now;
        self.is_first_verb = false;
        self.callbacks = opening.callbacks;
        self.answer(now, steps);
        if let Some(text) = opening.twiml {
            self.documents += 1;
            self.take_document(now, now, Why::Voice, &text, steps);
        } else {
            let voice = self.number.voice.clone();
            self.ask(now, Why::Voice, &voice, Form::new(), steps);
        }
    }
}
