//! Asking for documents, and what is done where there is none.

use std::time::Duration;

use super::{Ask, DOCUMENTS_MAX, Document, Form, Interpreter, Link, Page, State, Step, Verb, sid};
use crate::twilio::{
    address::Address,
    fault::FetchFault,
    note::{End, Note, Why},
    settings::{After, millis},
    twiml::Method,
};

use super::verbs::Waiting;

/// What `Content-Type` a document may have.
const DOCUMENT_TYPES: [&str; 3] = ["text/xml", "application/xml", "text/html"];
const WRONG_TYPE: u32 = 12_300;

/// A document that is being fetched.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) why: Why,
    pub(super) at: Duration,
    url: String,
    idempotency: String,
}

impl Interpreter {
    /// Asks for the document that is to be carried out next.
    pub(super) fn ask(
        &mut self,
        now: Duration,
        why: Why,
        link: &Link,
        extra: Form,
        steps: &mut Vec<Step>,
    ) {
        let idempotency = sid("", &mut self.rng);
        self.ask_again(now, why, link, (extra, idempotency), steps);
    }

    fn ask_again(
        &mut self,
        now: Duration,
        why: Why,
        link: &Link,
        (extra, idempotency): (Form, String),
        steps: &mut Vec<Step>,
    ) {
        self.documents += 1;
        if self.documents > DOCUMENTS_MAX {
            let code = FetchFault::TooManyRedirects.code();
            return self.give_up(now, code, steps);
        }
        let address = self.resolve(&link.url);
        let shown = address.as_ref().map_or_else(String::new, Address::shown);
        self.note(now, Note::Asks { why, url: shown });
        let url = match &address {
            Some(address) => address.url(),
            None => link.url.clone(),
        };
        self.state = State::Asking(Asked {
            why,
            at: now,
            url,
            idempotency: idempotency.clone(),
        });
        let Some(address) = address else {
            return self.on_fetched(now, Err(FetchFault::BadUrl), steps);
        };
        let mut form = self.parties.form(self.status);
        for (name, value) in extra.pairs() {
            form.push(name, value);
        }
        steps.push(Step::Ask(Ask {
            why,
            address,
            method: link.method,
            form,
            idempotency,
        }));
    }

    /// What a URL in the current document means.
    pub(super) fn resolve(&self, url: &str) -> Option<Address> {
        let address = match &self.base {
            Some(base) => base.join(url),
            None => Address::parse(url.trim()),
        };
        address.filter(|address| matches!(address.scheme.as_str(), "http" | "https"))
    }

    pub(super) fn on_fetched(
        &mut self,
        now: Duration,
        fetched: Result<Page, FetchFault>,
        steps: &mut Vec<Step>,
    ) {
        if matches!(self.state, State::Dialling(_)) {
            return self.on_whisper(now, fetched, steps);
        }
        let State::Asking(Asked { why, at, .. }) = &self.state else {
            return;
        };
        let (why, asked_at) = (*why, *at);
        match fetched {
            Err(fault) => self.on_no_document(now, fault.code(), fault.to_string(), steps),
            Ok(page) => {
                let kind = page.content_type.split(';').next().unwrap_or_default();
                let kind = kind.trim().to_ascii_lowercase();
                if !DOCUMENT_TYPES.contains(&kind.as_str()) {
                    let what = format!("content type \"{kind}\"");
                    return self.on_no_document(now, WRONG_TYPE, what, steps);
                }
                let was = self.base.replace(page.address);
                if !self.take_document(now, asked_at, why, &page.body, steps) {
                    self.base = was;
                }
            }
        }
    }

    /// Begins to carry out a document, if it is one. Whether it is.
    pub(super) fn take_document(
        &mut self,
        now: Duration,
        asked_at: Duration,
        why: Why,
        text: &str,
        steps: &mut Vec<Step>,
    ) -> bool {
        let document = match Document::parse(text) {
            Ok(document) => document,
            Err(error) => {
                self.on_no_document(now, error.code, error.what, steps);
                return false;
            }
        };
        if self.settings.schema_warning_is_fatal
            && let Some(warning) = document.warnings.first()
        {
            self.on_no_document(now, warning.code, warning.what.clone(), steps);
            return false;
        }
        for warning in document.warnings {
            let (code, what) = (warning.code, warning.what);
            self.note(now, Note::Warns { code, what });
        }
        let verbs = document.verbs.iter().map(Verb::name).collect();
        let after = now.saturating_sub(asked_at);
        self.note(now, Note::Document { verbs, after });
        let is_empty_action = document.verbs.is_empty() && matches!(why, Why::Action(_));
        if !(is_empty_action && self.settings.after_empty_action == After::GoOn) {
            self.verbs = document.verbs.into();
        }
        self.run(now, steps);
        true
    }

    /// There is no document, or none that can be carried out: the fallback URL, then the carrier's own apology.
    fn on_no_document(&mut self, now: Duration, code: u32, what: String, steps: &mut Vec<Step>) {
        self.note(now, Note::Failed { code, what });
        let failed = std::mem::replace(&mut self.state, State::Idle);
        let (why, url, token) = match failed {
            State::Asking(asked) => (asked.why, asked.url, Some(asked.idempotency)),
            State::Idle
            | State::Waiting(_)
            | State::Streaming(_)
            | State::Dialling(_)
            | State::Over(_) => (Why::Update, String::new(), None),
        };
        let fallback = self.number.fallback.clone();
        let Some(link) = fallback.filter(|_| why != Why::Fallback) else {
            return self.give_up(now, code, steps);
        };
        self.base = None;
        let form = Form::new()
            .with("ErrorCode", code.to_string())
            .with("ErrorUrl", url);
        let spans = self.settings.idempotency_spans_fallback;
        let token = token
            .filter(|_| spans)
            .unwrap_or_else(|| sid("", &mut self.rng));
        self.ask_again(now, Why::Fallback, &link, (form, token), steps);
    }

    /// The carrier's own words, then the end.
    fn give_up(&mut self, now: Duration, code: u32, steps: &mut Vec<Step>) {
        self.verbs.clear();
        self.answer(now, steps);
        let takes = millis(self.settings.error_message_ms);
        let verb = "error message";
        self.note(now, Note::Begins { verb, takes });
        steps.push(Step::Sound(takes));
        self.state = State::Waiting(Waiting::Apology {
            until: now + takes,
            code,
        });
    }

    /// Asks an action whose answer changes nothing any more.
    pub(super) fn tell_action(
        &mut self,
        now: Duration,
        verb: &'static str,
        link: &Link,
        (extra, stream): (Form, Option<String>),
        steps: &mut Vec<Step>,
    ) {
        let Some(address) = self.resolve(&link.url) else {
            return;
        };
        let why = Why::Action(verb);
        let url = address.shown();
        self.note(now, Note::Asks { why, url });
        let mut form = self.parties.form(self.status);
        for (name, value) in extra.pairs() {
            form.push(name, value);
        }
        if let Some(stream) = stream.filter(|_| self.settings.stream_parameters_in_action) {
            form.push("StreamSid", stream);
        }
        self.tell(address, link.method, form, steps);
    }

    /// The end of an apology.
    pub(super) fn on_apologized(&mut self, now: Duration, code: u32, steps: &mut Vec<Step>) {
        self.finish(now, End::Error(code), steps);
    }

    /// The link of an action, or the document itself where there is none.
    pub(super) fn action_or_document(&self, action: Option<Link>, method: Method) -> Link {
        action.unwrap_or_else(|| Link {
            url: self.base.as_ref().map_or_else(String::new, Address::url),
            method,
        })
    }
}
