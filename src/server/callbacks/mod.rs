//! Acts for the ledger of promises: [`crate::core::callback`] decides, and this texts, rings, looks up and keeps.
//!
//! | file | owns |
//! |---|---|
//! | here | what calls, webhooks and operators may ask of it |
//! | `desk`, `telling` | the one task that owns the ledger, and what whoever waits for it is told |
//! | `archive`, `keeping`, `restoring` | where promises are kept, what goes there, what comes from there |
//! | `served`, `standing`, `sweeping` | where nodes share promises: who serves which, and whether it may |
//! | `sighting` | what is told of those that others serve |
//! | `requesting` | requests to the carrier, each made once |
//! | `outcomes` | what the carrier's answers are to the ledger |
//! | `models` | whether models have room for those who are rung back |
//! | `keyed` | the number that somebody keyed in |
//!
//! Nobody waits for the ledger but by a channel of their own: whatever is slow, full or broken in here, a call is told that it
//! cannot be promised anything, and a webhook that it is to come again. It must not decide, and prints no number and no word of
//! a caller. How it acts: [`crate::docs::callback`].

mod archive;
mod desk;
mod keeping;
mod keyed;
mod models;
mod outcomes;
mod requesting;
mod restoring;
mod served;
mod sighting;
mod standing;
mod sweeping;
mod telling;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

pub(super) use self::desk::keep;
use self::keyed::number_of_keys;
pub(super) use self::outcomes::{AnsweredBy, answered_by, ring_status, text_status};
use self::sweeping::{Swept, Taken};
use super::admin::view::{CallbackVerb, CallbacksView};
use super::clock::{Clock, draw_promise_id};
use crate::config;
use crate::core::callback::effect::{Answer, Cannot, Told};
use crate::core::callback::input::{InboundText, Input, Wanted};
use crate::core::callback::intent::{Intent, WallTime};
use crate::core::callback::number::{Language, Number};
use crate::core::callback::promise::{Consent, Promise, SendId, Source};
use crate::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use crate::core::time::{Instant, Utc};
use crate::store::StoreError;
use crate::store::shared::Claimed;
use crate::zones::{Moment, Zones};

/// What waits for the ledger at most: a second of the worst storm. Beyond it calls are told that they cannot be promised
/// anything, and carriers that they are to come again.
const INBOX_MAX: usize = 4_096;

/// How many days of allowed hours a text of a caller may need: it names a time within a week, and a night follows it.
const TEXT_DAYS: u8 = 10;

const DAY: Duration = Duration::from_hours(24);

/// See the module. There is none where nobody can be promised anything.
#[derive(Debug)]
pub(super) struct Callbacks {
    settings: config::Callbacks,
    zones: Zones,
    tell: mpsc::Sender<Message>,
    /// Until the task takes it.
    inbox: Mutex<Option<mpsc::Receiver<Message>>>,
}

/// What the task is told.
#[derive(Debug)]
enum Message {
    /// A call wants a promise.
    Wanted(Box<Wanted>, oneshot::Sender<Told>),
    /// A text came in, and its webhook waits.
    Text(Box<InboundText>, oneshot::Sender<Answered>),
    /// A status callback.
    Heard(Input),
    /// A person has answered a ring, and the carrier waits for a document.
    Answered(SendId, CallSid, oneshot::Sender<Option<Promise>>),
    /// What became of something in this life of the task; not to be believed from then on.
    Outcome(u32, Input, Option<Instant>),
    /// Promises from the store, as inputs.
    Restored(u32, Vec<Input>),
    /// What became of the claim that was asked for then, in this life of the task.
    Claimed(u32, Instant, Result<Claimed, StoreError>),
    /// What stands in the store that nodes share, in part.
    Swept(u32, Swept),
    /// What became of serving a promise in place of another desk, and what is to be done then.
    Taken(u32, Taken, Option<Box<Message>>),
    /// An operator looks: at all promises, or at one.
    Look(Option<PromiseId>, oneshot::Sender<CallbacksView>),
    /// An operator wants to know whose a promise is.
    Number(PromiseId, oneshot::Sender<Option<Number>>),
    /// An operator wants something done with a promise; whether there is such.
    Order(PromiseId, CallbackVerb, oneshot::Sender<bool>),
    /// All that is kept of a person is to go; told when it is gone.
    Forget(Number, oneshot::Sender<()>),
}

/// What the webhook of a text is answered with, and in which language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) language: Option<Language>,
}

/// What a call wants for its caller.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) call: CallId,
    /// The number that was called.
    pub(super) called: Number,
    /// From which number; `None`: withheld.
    pub(super) caller: Option<Number>,
    /// What the network says about that number (`StirVerstat`).
    pub(super) verstat: Option<&'a str>,
    /// Another number, as it was keyed in.
    pub(super) keyed: Option<&'a str>,
    /// What the menu spoke.
    pub(super) language: &'a str,
    pub(super) consent: Consent,
}

impl Callbacks {
    /// `None`: the zone is none, which the configuration has looked at.
    pub(super) fn new(settings: config::Callbacks) -> Option<Self> {
        let (tell, inbox) = mpsc::channel(INBOX_MAX);
        Some(Self {
            zones: Zones::new(&settings.zone)?,
            settings,
            tell,
            inbox: Mutex::new(Some(inbox)),
        })
    }

    pub(super) const fn settings(&self) -> &config::Callbacks {
        &self.settings
    }

    /// A call wants a promise. What is told comes within the ledger's `tell_within`; a channel that closes without a word means
    /// that nothing is promised.
    pub(super) fn want(&self, wish: &Wish<'_>) -> oneshot::Receiver<Told> {
        let (told, is_told) = oneshot::channel();
        let cannot = |told: oneshot::Sender<Told>, why| {
            told.send(Told::Cannot(why)).ok(); // Who has hung up need not hear it.
        };
        let Some(wanted) = self.wanted(wish) else {
            cannot(told, Cannot::Destination);
            return is_told;
        };
        let wanted = Message::Wanted(Box::new(wanted), told);
        if let Err(
            mpsc::error::TrySendError::Full(Message::Wanted(_, told))
            | mpsc::error::TrySendError::Closed(Message::Wanted(_, told)),
        ) = self.tell.try_send(wanted)
        {
            cannot(told, Cannot::StoreSlow);
        }
        is_told
    }

    /// `None`: there is no number to text or to ring.
    fn wanted(&self, wish: &Wish<'_>) -> Option<Wanted> {
        let keyed = match wish.keyed {
            Some(keys) => Some(number_of_keys(keys, wish.called)?),
            None => None,
        };
        let to = keyed.or(wish.caller)?;
        let is_doubted = wish
            .verstat
            .is_some_and(|said| said.starts_with("TN-Validation-Failed"));
        let source = if wish.caller != Some(to) {
            Source::KeyedIn
        } else if is_doubted {
            Source::Doubted
        } else {
            Source::CallerId
        };
        let ledger = &self.settings.ledger;
        let days = ledger.expires_after.as_secs().div_ceil(DAY.as_secs());
        // From the day before on, and the last one to its end.
        let days = u8::try_from(days).unwrap_or(TEXT_DAYS).saturating_add(3);
        Some(Wanted {
            promise: draw_promise_id(),
            call: wish.call,
            to,
            caller: wish.caller,
            called: wish.called,
            language: Language::parse(wish.language).or_else(|| Language::parse("en"))?,
            source,
            consent: wish.consent,
            takes_texts: self.settings.sends_texts,
            hours: self
                .zones
                .hours(to, self.settings.hours, Clock::utc(), days),
        })
    }

    /// A text came in: what its webhook is to be answered with, if that is known in time.
    pub(super) async fn text(
        &self,
        message: MessageSid,
        from: Number,
        intent: Intent<WallTime>,
        within: Duration,
    ) -> Option<Answered> {
        let now = Clock::utc();
        let hours = self.zones.hours(from, self.settings.hours, now, TEXT_DAYS);
        let intent = intent.at(|time| self.zones.moment(from, time, &hours, now));
        let text = InboundText {
            message,
            from,
            intent,
            promise: draw_promise_id(),
            hours,
        };
        let (answer, is_answered) = oneshot::channel();
        self.tell
            .try_send(Message::Text(Box::new(text), answer))
            .ok()?;
        timeout(within, is_answered).await.ok()?.ok()
    }

    /// A status callback; `false`: there was no room for it.
    pub(super) fn heard(&self, input: Input) -> bool {
        self.tell.try_send(Message::Heard(input)).is_ok()
    }

    /// A person has answered a ring. `Ok(None)`: it serves no promise that is open. `Err`: nobody says so in time.
    pub(super) async fn answered(
        &self,
        send: SendId,
        call: CallSid,
        within: Duration,
    ) -> Result<Option<Promise>, NoAnswer> {
        self.ask(within, |reply| Message::Answered(send, call, reply))
            .await
    }

    /// How all promises stand, or one.
    pub(super) async fn look(
        &self,
        id: Option<PromiseId>,
        within: Duration,
    ) -> Result<CallbacksView, NoAnswer> {
        self.ask(within, |reply| Message::Look(id, reply)).await
    }

    /// Whose a promise is.
    pub(super) async fn number(
        &self,
        id: PromiseId,
        within: Duration,
    ) -> Result<Option<Number>, NoAnswer> {
        self.ask(within, |reply| Message::Number(id, reply)).await
    }

    /// An operator's word on a promise; whether there is such.
    pub(super) async fn order(
        &self,
        promise: PromiseId,
        verb: CallbackVerb,
        within: Duration,
    ) -> Result<bool, NoAnswer> {
        self.ask(within, |reply| Message::Order(promise, verb, reply))
            .await
    }

    /// Throws away all that is kept of a person, but that they want nothing of us.
    pub(super) async fn forget(&self, number: Number, within: Duration) -> Result<(), NoAnswer> {
        self.ask(within, |reply| Message::Forget(number, reply))
            .await
    }

    async fn ask<T>(
        &self,
        within: Duration,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, NoAnswer> {
        let (reply, is_there) = oneshot::channel();
        self.tell.try_send(message(reply)).map_err(|_| NoAnswer)?;
        let answer = timeout(within, is_there).await;
        answer.map_err(|_| NoAnswer)?.map_err(|_| NoAnswer)
    }

    /// The time that a caller is told, by the clocks on the walls where they may be.
    pub(super) fn moment(&self, number: Number, at: Utc) -> Option<Moment> {
        self.zones.wall_clock(number, at, Clock::utc())
    }

    fn take_inbox(&self) -> Option<mpsc::Receiver<Message>> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        inbox.take()
    }
}

/// The ledger does not answer: it has too much to do, or its task is being begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoAnswer;

#[cfg(test)]
mod tests;
