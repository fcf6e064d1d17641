//! What the ledger wants done.

use std::time::Duration;

use crate::core::callback::caps::Cap;
use crate::core::callback::number::{Language, Number};
use crate::core::callback::promise::{End, Promise, SendId, SendKind};
use crate::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use crate::core::time::Utc;

/// What the ledger wants done. Each but [`Effect::Observe`] is answered by an [`super::input::Input`], or need not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep this: answered with `Stored`.
    Write(WriteId, Write),
    /// Request a text: answered with `Texted`.
    Text(TextRequest),
    /// Look for a text in the carrier's list, by its number and with no date, and for this reference in its body: answered with
    /// `TextLookedUp`.
    LookUpText {
        /// Which.
        send: SendId,
        /// To whom it would be.
        to: Number,
    },
    /// Request a ring: answered with `Rung`.
    Ring(RingRequest),
    /// Look for a ring in the carrier's list, by its number: answered with `RingLookedUp`.
    LookUpRing {
        /// Which.
        send: SendId,
        /// Who would be rung.
        to: Number,
        /// The carrier's name of it, where that is known.
        call: Option<CallSid>,
        /// What was rung before then is another.
        since: Utc,
    },
    /// End a ring that nobody stands behind any more, if it goes on.
    CancelRing(CallSid),
    /// Tell a call what becomes of its wish.
    Tell(CallId, Told),
    /// Answer the webhook of a text, and all repetitions of it.
    Answer(MessageSid, Answer),
    /// Ask another clock: answered with `Checked`, or not at all.
    CheckTime,
    /// Worth knowing.
    Observe(Seen),
}

/// One try to write something; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Something to keep, all of it in one step. Writes are carried out in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A new promise, with revision 0. Whoever has not begun it after so long does not begin it.
    Promise(Box<Promise>, Duration),
    /// The next revision of a promise.
    Change {
        /// As it is now.
        promise: Box<Promise>,
        /// The revision that it succeeds.
        from_revision: u64,
        /// What is kept of a request in the same step.
        send: SendNote,
    },
    /// Since when a number wants nothing of us (`Some`), or no longer so.
    OptOut(Number, Option<Utc>),
    /// Everything of this number goes, but that it wants nothing of us.
    Forget(Number),
}

/// What is kept of a request to the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendNote {
    /// Nothing.
    None,
    /// It is about to be made.
    Begin(SendId),
    /// What became of it is known.
    End(SendId),
}

/// A text to request. It is requested once, whatever becomes of it: no retries below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRequest {
    /// Its name, for the path of its status callback; its [`reference`](SendId::reference) stands in the body.
    pub send: SendId,
    /// To whom.
    pub to: Number,
    /// From which number.
    pub called: Number,
    /// In which language.
    pub language: Language,
    /// Whether it asks for a YES.
    pub asks: bool,
}

/// A ring to request, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingRequest {
    /// Its name, for the path of its callbacks and its document.
    pub send: SendId,
    /// The call that is continued.
    pub call: CallId,
    /// Whom.
    pub to: Number,
    /// From which number.
    pub called: Number,
    /// In which language.
    pub language: Language,
}

/// What a call is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is promised, and durable.
    Promised {
        /// Whether a text comes first, and has to be answered with YES.
        asks: bool,
    },
    /// The caller is on the list already.
    Already {
        /// Whether a text has to be answered with YES before they are rung.
        asks: bool,
    },
    /// It cannot be promised: a person, or a message after the tone.
    Cannot(Cannot),
}

impl Told {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promised { asks: false } => "promised",
            Self::Promised { asks: true } => "asks",
            Self::Already { .. } => "already",
            Self::Cannot(Cannot::StoreSlow) => "store_slow",
            Self::Cannot(Cannot::NotReady) => "not_ready",
            Self::Cannot(Cannot::ClockUnsure) => "clock_unsure",
            Self::Cannot(Cannot::Destination) => "destination",
            Self::Cannot(Cannot::OptedOut) => "opted_out",
            Self::Cannot(Cannot::Hours) => "hours",
            Self::Cannot(Cannot::QueueLong) => "queue_long",
            Self::Cannot(Cannot::Full) => "full",
            Self::Cannot(Cannot::Capped(_)) => "capped",
            Self::Cannot(Cannot::NoText) => "no_text",
            Self::Cannot(Cannot::Had) => "had",
        }
    }
}

/// Why nothing can be promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cannot {
    /// The store was not in time.
    StoreSlow,
    /// What is kept was not read yet.
    NotReady,
    /// Nobody knows what time it is.
    ClockUnsure,
    /// The number is not one that we ring.
    Destination,
    /// The caller wants nothing of us.
    OptedOut,
    /// They could not be rung while the promise is open.
    Hours,
    /// The text would have to wait too long.
    QueueLong,
    /// As many promises are open as may be.
    Full,
    /// A cap was reached.
    Capped(Cap),
    /// It would take an answer by text, and the number takes none.
    NoText,
    /// This call had its promise.
    Had,
}

/// What the webhook of a text is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing is written back.
    Nothing,
    /// This.
    Reply(Reply),
    /// Not taken, or not yet durable: the carrier is to ask again (503).
    Again,
}

/// What is written back; the words are the language's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Who we are, and what can be answered.
    Help,
    /// They will be rung as soon as it can be.
    Soon,
    /// They will be rung then.
    At(Utc),
    /// That is too far ahead, or at no hour at which we ring.
    NotThen,
    /// They will not be rung.
    Declined,
    /// They hear of us again.
    Welcome,
    /// They were not understood: what can be answered.
    Unclear,
    /// We know of no call of theirs: they are to call us.
    CallUs,
}

/// What is worth knowing of the ledger. No number, name or word of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A caller was told.
    Told(Told),
    /// A promise ended.
    Ended(PromiseId, End),
    /// A request was made.
    Requested(SendKind),
    /// It is not known what became of a request.
    Unknown(SendKind),
    /// A request was found in the carrier's list.
    Found(SendKind),
    /// A request was twice not found in the carrier's list.
    Lost(SendKind),
    /// The carrier does not say what became of a request.
    LookUpFailed(SendKind),
    /// Our side is at fault: the operator has to do something.
    Refused(SendKind),
    /// A cap was reached, and nothing is promised: the operator is warned.
    Capped(Cap),
    /// A cap was reached, and what was promised waits: the operator is warned.
    Waits(Cap),
    /// The carrier took on twice what was requested once more after the bound on its lists' lag.
    Double(SendKind),
    /// The clock was stepped, or not checked yet: nothing is texted or rung.
    ClockUnsure,
    /// The clock is sane.
    ClockSane,
    /// The store did not keep something; it is tried again.
    WriteFailed,
    /// A callback or an outcome is of something that nobody knows.
    Stranger,
}

/// What the ledger wants done, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects(Vec<Effect>);

impl Effects {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Takes all of them out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Effect> {
        self.0.drain(..)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    pub(super) fn observe(&mut self, seen: Seen) {
        self.push(Effect::Observe(seen));
    }
}
