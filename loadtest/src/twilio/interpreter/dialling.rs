//! `<Dial>`: somebody else's phone, from its ringing to what follows.

use std::time::Duration;

use super::{Ask, Form, Interpreter, Page, State, Step, sid};
use crate::twilio::{
    fault::FetchFault,
    note::{Note, Why},
    settings::{They, millis},
    twiml::{Dial, Document, Link},
};

/// Somebody is dialled.
#[derive(Debug)]
pub(super) struct Dialling {
    action: Option<Link>,
    whisper: Option<Link>,
    child_sid: String,
    time_limit: Duration,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Their phone rings.
    Ringing { until: Duration, then: &'static str },
    /// They have answered; what they hear first is being fetched.
    Whispering,
    /// Both talk.
    Talking { since: Duration, until: Duration },
}

impl Dialling {
    pub(super) fn until(&self) -> Option<Duration> {
        match self.stage {
            Stage::Ringing { until, .. } | Stage::Talking { until, .. } => Some(until),
            Stage::Whispering => None,
        }
    }

    /// What would be asked if the caller hung up now.
    pub(super) fn action_now(&self) -> Option<(&'static str, Link, Form)> {
        let status = match self.stage {
            Stage::Ringing { .. } => "canceled",
            Stage::Whispering | Stage::Talking { .. } => "completed",
        };
        let link = self.action.clone()?;
        Some(("Dial", link, self.form(status, Duration::ZERO)))
    }

    fn form(&self, status: &str, talked: Duration) -> Form {
        let bridged = status == "completed";
        Form::new()
            .with("DialCallStatus", status)
            .with("DialCallSid", self.child_sid.clone())
            .with("DialCallDuration", talked.as_secs().to_string())
            .with("DialBridged", bridged.to_string())
    }
}

const ANSWERED: &str = "answered";

impl Interpreter {
    pub(super) fn dial(&mut self, now: Duration, dial: Dial, steps: &mut Vec<Step>) {
        let settings = self.settings.dial;
        let callee = if dial.has_target {
            settings.they
        } else {
            They::Failed
        };
        let after = millis(settings.after_ms);
        let (ringing, then) = match callee {
            They::NoAnswer => (dial.timeout, "no-answer"),
            _late if after > dial.timeout => (dial.timeout, "no-answer"),
            They::Answer => (after, ANSWERED),
            They::Busy => (after, "busy"),
            They::Failed => (Duration::ZERO, "failed"),
        };
        self.note(
            now,
            Note::Begins {
                verb: "Dial",
                takes: ringing,
            },
        );
        // Ringing is a sound too.
        steps.push(Step::Sound(ringing));
        self.state = State::Dialling(Dialling {
            action: dial.action,
            whisper: dial.whisper,
            child_sid: sid("CA", &mut self.rng),
            time_limit: dial.time_limit,
            stage: Stage::Ringing {
                until: now + ringing,
                then,
            },
        });
    }

    /// A stage is over.
    pub(super) fn on_dial_time(&mut self, now: Duration, steps: &mut Vec<Step>) {
        let State::Dialling(dialling) = &mut self.state else {
            return;
        };
        match dialling.stage {
            Stage::Ringing { then: ANSWERED, .. } => self.on_dial_answered(now, steps),
            Stage::Ringing { then, .. } => self.on_dialled(now, then, Duration::ZERO, steps),
            Stage::Whispering => {}
            Stage::Talking { since, .. } => {
                self.on_dialled(now, "completed", now.saturating_sub(since), steps);
            }
        }
    }

    fn on_dial_answered(&mut self, now: Duration, steps: &mut Vec<Step>) {
        let State::Dialling(dialling) = &mut self.state else {
            return;
        };
        let (whisper, child) = (dialling.whisper.clone(), dialling.child_sid.clone());
        let address = whisper.as_ref().and_then(|link| self.resolve(&link.url));
        let (Some(link), Some(address)) = (whisper, address) else {
            return self.talk(now, steps);
        };
        self.set_stage(Stage::Whispering);
        let (why, url) = (Why::Whisper, address.shown());
        self.note(now, Note::Asks { why, url });
        let mut theirs = self.parties.clone();
        let parent = std::mem::replace(&mut theirs.call_sid, child);
        let mut form = theirs.form(self.status);
        form.push("ParentCallSid", parent);
        steps.push(Step::Ask(Ask {
            why,
            address,
            method: link.method,
            form,
            idempotency: sid("", &mut self.rng),
        }));
    }

    /// What they hear first has come. Its words delay nothing here; without it they are connected all the same.
    pub(super) fn on_whisper(
        &mut self,
        now: Duration,
        fetched: Result<Page, FetchFault>,
        steps: &mut Vec<Step>,
    ) {
        let State::Dialling(Dialling {
            stage: Stage::Whispering,
            ..
        }) = self.state
        else {
            return;
        };
        let failed = match fetched {
            Err(fault) => Some((fault.code(), fault.to_string())),
            Ok(page) => Document::parse(&page.body)
                .err()
                .map(|error| (error.code, error.what)),
        };
        if let Some((code, what)) = failed {
            self.note(now, Note::Warns { code, what });
        }
        self.talk(now, steps);
    }

    fn talk(&mut self, now: Duration, steps: &mut Vec<Step>) {
        let State::Dialling(dialling) = &self.state else {
            return;
        };
        let talk = millis(self.settings.dial.talk_ms).min(dialling.time_limit);
        steps.push(Step::Sound(talk));
        self.set_stage(Stage::Talking {
            since: now,
            until: now + talk,
        });
    }

    fn on_dialled(
        &mut self,
        now: Duration,
        status: &'static str,
        talked: Duration,
        steps: &mut Vec<Step>,
    ) {
        let State::Dialling(dialling) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        steps.push(Step::Hush);
        self.note(now, Note::Dialled { status });
        let form = dialling.form(status, talked);
        match dialling.action {
            Some(action) => self.ask(now, Why::Action("Dial"), &action, form, steps),
            None => self.run(now, steps),
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        if let State::Dialling(dialling) = &mut self.state {
            dialling.stage = stage;
        }
    }
}
