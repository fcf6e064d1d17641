//! A call's menu, as far as others have to do with it: what is on offer, who keeps the promise, whether models are back.
//!
//! It owns what a call waits for from others than its sockets, and turns their words into the call's. It must not decide what a
//! caller is told: [`crate::core::call::menu`] does. Without a promise under way it costs a call nothing.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Shared;
use super::call_task::CallTask;
use super::callbacks;
use super::callers;
use super::clock::Clock;
use super::messages::{Messages, Recorder, Sender};
use crate::config::{Agent, ConsentPolicy};
use crate::core::call::input::Input;
use crate::core::call::menu::{
    Asked, Caller, Consent, Given, Menu, Promised, Record, Recorded, Wish,
};
use crate::core::callback::effect::{Cannot, Told};
use crate::core::callback::number::Number;
use crate::core::callback::promise;
use crate::core::front::{Means, People, Person, Wish as Reached};
use crate::core::ids::CallSid;
use crate::core::time::Instant;

/// How often a call that has the menu looks whether models are back.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a call waits for, while its caller has the menu.
#[derive(Debug, Default)]
pub(super) struct MenuDesk {
    /// Our number, which was called.
    ours: Option<Number>,
    /// The answer to its wish for a promise.
    promised: Option<oneshot::Receiver<Told>>,
    /// The message that is being recorded.
    recorder: Option<Recorder>,
    /// What became of it.
    recorded: Option<oneshot::Receiver<Recorded>>,
    /// When it last looked whether models are back, and whether they were.
    models: Option<(Instant, bool)>,
}

impl MenuDesk {
    /// The stream of a call to this number of ours has started.
    pub(super) fn start(&mut self, ours: Option<&str>) {
        self.ours = ours.and_then(Number::parse);
    }

    /// What became of a wish, or of a message, once it is known. Whoever should say so and is gone has promised and kept nothing.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if let Some(promised) = &mut self.promised
            && let Poll::Ready(told) = Pin::new(promised).poll(cx)
        {
            self.promised = None;
            return Poll::Ready(Input::Promised(told.map_or(Promised::Cannot, promised_by)));
        }
        if let Some(recorded) = &mut self.recorded
            && let Poll::Ready(recorded) = Pin::new(recorded).poll(cx)
        {
            self.recorded = None;
            return Poll::Ready(Input::Recorded(recorded.unwrap_or(Recorded::Lost)));
        }
        Poll::Pending
    }

    /// Whether models take calls again that took none when the caller got the menu. Looked at once a second, by the caller's
    /// frames.
    pub(super) fn are_models_back(&mut self, now: Instant, shared: &Shared) -> bool {
        let before = match self.models {
            Some((at, _)) if now.since(at) < LOOK_EVERY => return false,
            Some((_, before)) => Some(before),
            None => None,
        };
        let are_there = has_provider(shared, now);
        self.models = Some((now, are_there));
        are_there && before == Some(false)
    }
}

impl CallTask {
    /// The call is told what it may offer this caller, and what is known of their number.
    pub(super) fn menu_inputs(&self, now: Instant, call: CallSid) -> [Input; 2] {
        let menu = offers(&self.shared, &self.agent);
        let caller = self.caller(now, call);
        let is_known = caller.is_some_and(|caller| caller.number.is_some());
        let caller = if is_known {
            Caller::Textable
        } else {
            Caller::Withheld
        };
        [Input::Menu(Box::new(menu)), Input::Caller(caller)]
    }

    /// Asks for a promise; the call is told what became of it.
    pub(super) fn promise(&mut self, now: Instant, wish: &Wish) {
        let (told, is_told) = oneshot::channel();
        self.menu.promised = Some(is_told);
        let Some(callbacks) = &self.shared.callbacks else {
            return; // The channel closes, which says that nothing is promised.
        };
        let (Some(ours), Some((call, _))) = (self.menu.ours, self.admitted) else {
            told.send(Told::Cannot(Cannot::Destination)).ok(); // It waits for it in this very task.
            return;
        };
        let caller = self.caller(now, call);
        let keyed = match &wish.number {
            Asked::Own => None,
            Asked::Keyed(digits) => Some(digits.as_str()),
        };
        let wanted = callbacks::Wish {
            call: self.id(),
            called: ours,
            caller: caller.as_ref().and_then(|caller| caller.number),
            verstat: caller.as_ref().and_then(|caller| caller.verstat.as_deref()),
            keyed,
            language: self.spoken_language(),
            consent: match wish.consent {
                Given::Chosen => promise::Consent::Given,
                Given::Implied => promise::Consent::Implied,
            },
        };
        self.menu.promised = Some(callbacks.want(&wanted));
    }

    /// Keeps what the caller says after the tone; the call is told what became of it.
    pub(super) fn record(&mut self, now: Instant, record: &Record) {
        match record {
            Record::Begin => self.menu.recorder = self.begin_message(now),
            Record::Audio(frame) => {
                if let Some(recorder) = &mut self.menu.recorder {
                    recorder.audio(frame);
                }
            }
            Record::End { keep } => {
                let recorded = self
                    .menu
                    .recorder
                    .take()
                    .map(|recorder| recorder.end(*keep));
                // Without a recorder the channel closes, which says that nothing is kept.
                let recorded = recorded.unwrap_or_else(|| oneshot::channel().1);
                self.menu.recorded = keep.then_some(recorded);
            }
        }
    }

    fn begin_message(&self, now: Instant) -> Option<Recorder> {
        let call = self.admitted.map(|(call, _)| call);
        let caller = call.and_then(|call| self.caller(now, call));
        let sender = Sender {
            call,
            agent: Some(self.agent.name.clone()),
            called: self.menu.ours.map(Number::dialled),
            caller: caller.and_then(|caller| caller.number).map(Number::dialled),
            language: Some(self.spoken_language().to_owned()),
        };
        let messages = self.shared.messages.as_ref()?;
        Some(messages.begin(sender))
    }

    fn caller(&self, now: Instant, call: CallSid) -> Option<callers::Caller> {
        self.shared.callers.find(now, call)
    }
}

/// What is on offer to this agent's callers now.
pub(super) fn offers(shared: &Shared, agent: &Agent) -> Menu {
    let callbacks = shared
        .callbacks
        .as_ref()
        .map(callbacks::Callbacks::settings);
    let consent = match callbacks.map(|callbacks| callbacks.consent) {
        Some(ConsentPolicy::Implied) => Consent::Implied,
        Some(ConsentPolicy::Ask) | None => Consent::Ask,
    };
    Menu {
        call_back: callbacks.is_some(),
        consent,
        person: is_somebody_there(shared, agent),
        message: shared.messages.as_ref().is_some_and(Messages::is_offered),
        ..shared.settings.menu
    }
}

/// Whether a caller of this agent can be connected to a person now.
fn is_somebody_there(shared: &Shared, agent: &Agent) -> bool {
    let front = shared.front.as_ref();
    let reaches = front.is_some_and(|front| front.means(Reached::Person) != Means::Nothing);
    let persons = &agent.persons;
    let is_open = || {
        let is_open = |hours| shared.zones.is_open(hours, Clock::utc());
        persons.hours.is_none_or(is_open)
    };
    reaches && !persons.addresses.is_empty() && is_open()
}

/// Whom a caller of this agent is connected to.
pub(super) fn people(agent: &Agent) -> Option<People> {
    let addresses = agent.persons.addresses.iter();
    People::new(addresses.map(|address| Person(address.as_str().into())))
}

/// Whether some provider takes new calls. The pool is asked ten times a second at most: it is every call's.
pub(super) fn has_provider(shared: &Shared, now: Instant) -> bool {
    let front = shared.front.as_ref();
    let known = front.and_then(|front| front.memory().has_provider(now));
    known.unwrap_or_else(|| {
        let status = shared.providers.status(now);
        let mut providers = status.providers.iter();
        let has = providers.any(|provider| provider.permille > 0);
        if let Some(front) = front {
            front.memory().found_provider(now, has);
        }
        has
    })
}

const fn promised_by(told: Told) -> Promised {
    match told {
        Told::Promised { asks } => Promised::Kept { asks },
        Told::Already { asks } => Promised::Already { asks },
        // Another number may do: this one is none that we ring, or takes no text where one has to be answered.
        Told::Cannot(Cannot::Destination | Cannot::NoText) => Promised::CannotThisNumber,
        Told::Cannot(
            Cannot::StoreSlow
            | Cannot::NotReady
            | Cannot::ClockUnsure
            | Cannot::OptedOut
            | Cannot::Hours
            | Cannot::QueueLong
            | Cannot::Full
            | Cannot::Capped(_)
            | Cannot::Had,
        ) => Promised::Cannot,
    }
}
