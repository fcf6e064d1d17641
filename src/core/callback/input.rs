//! What the ledger is told.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::core::callback::effect::WriteId;
use crate::core::callback::hours::AllowedHours;
use crate::core::callback::intent::Intent;
use crate::core::callback::number::{Language, Number};
use crate::core::callback::promise::{Consent, Promise, SendId, Source};
use crate::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use crate::core::time::Utc;

/// What the ledger is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Nothing: its deadline has come.
    Tick,
    /// A promise that the store holds, with its revision: open or ended, in any order, before [`Input::Ready`]; from then on one
    /// that this ledger serves in place of another. What may have been requested for it is looked up before anything else.
    Restored(Box<Promise>, u64),
    /// All that the store holds was told.
    Ready,
    /// Another serves a promise, by this revision or a later one: nothing more is done for it here.
    LetGo(PromiseId, u64),
    /// A promise that another serves, or has served to its end, stands so in the store, by this revision. What it has cost, and
    /// may still cost, counts here as well; the newest revision that was told counts.
    Sighted(Box<Promise>, u64),
    /// The store was looked through from one end to the other, and these are all that it holds.
    LookedThrough(BTreeSet<PromiseId>),
    /// A call wants a promise for its caller.
    Wanted(Box<Wanted>),
    /// What became of a write.
    Stored(WriteId, Stored),
    /// What became of the request of a text.
    Texted(SendId, TextOutcome),
    /// What the carrier's list of messages says.
    TextLookedUp(SendId, LookedUp<(MessageSid, TextStatus)>),
    /// A status callback for a text: once, twice, in any order, for texts that nobody knows.
    TextStatus(SendId, MessageSid, TextStatus),
    /// A text came in.
    Text(Box<InboundText>),
    /// What became of the request of a ring.
    Rung(SendId, RingOutcome),
    /// What the carrier's list of calls says.
    RingLookedUp(SendId, LookedUp<(CallSid, RingStatus)>),
    /// How a ring goes on; repeated and reordered as texts' are.
    RingStatus(SendId, CallSid, RingStatus),
    /// Whether models are back, and how fast callers may be rung.
    Models(Models),
    /// What another clock says (the carrier's, in its answers).
    Checked(Utc),
    /// An operator ends a promise.
    Cancel(PromiseId),
    /// An operator wants a promise to be rung as soon as it may be.
    Retry(PromiseId),
    /// All that is kept of a person is to go.
    Forget(Number),
}

/// A call wants a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name that it is to have, drawn at random.
    pub promise: PromiseId,
    /// The call.
    pub call: CallId,
    /// Who is to be texted and rung.
    pub to: Number,
    /// From which number the call came; `None`: withheld.
    pub caller: Option<Number>,
    /// The number that was called.
    pub called: Number,
    /// What the caller speaks.
    pub language: Language,
    /// How `to` became known.
    pub source: Source,
    /// Whether the caller chose it.
    pub consent: Consent,
    /// Whether `to` takes texts, as far as is known, and the business sends any.
    pub takes_texts: bool,
    /// When `to` may be rung, for at least as long as a promise is open.
    pub hours: AllowedHours,
}

/// What the store did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is kept.
    Kept,
    /// The caller has this open promise already.
    Already(PromiseId),
    /// The caller wants nothing of us.
    OptedOut,
    /// Somebody, perhaps an earlier try of ours, has brought it to this revision.
    Stale(u64),
    /// There is no such promise.
    Unknown,
    /// Another serves this promise, and nothing was kept.
    Elsewhere,
    /// It is not known whether it is kept.
    Failed,
}

/// What became of the request of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextOutcome {
    /// The carrier has it.
    Accepted(MessageSid),
    /// The carrier does not take it on.
    Refused(TextRefusal),
    /// It failed before it was written: no name, no connection, no handshake.
    NotSent,
    /// It was not taken on, and no other would be for so long: the carrier wants a rest (20429), or the way to it does.
    Held(Duration),
    /// Time-out, reset, an answer that cannot be read, 5xx: it may have been taken on.
    Unknown,
}

/// Why the carrier does not take on a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextRefusal {
    /// They told the carrier to stop (21610).
    OptedOut,
    /// The number takes no texts, or none from us: a landline (21614), not valid (21211), not routable (21612).
    NotTextable,
    /// Too much at once for its sender: not processed, to be tried again later (21611).
    Later,
    /// Our side is at fault: key, permissions, sender, body (20003, 20404, 21408, 21606, 21608, 21617, 21659, 21660).
    Ours,
}

/// What a list of the carrier's says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookedUp<T> {
    /// It is there.
    Found(T),
    /// It is not.
    NotFound,
    /// No answer.
    Unavailable,
    /// It was not asked for: the way to the carrier rests for so long. That says nothing of the carrier.
    NotAsked(Duration),
}

/// How far a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextStatus {
    /// The carrier has it (accepted, queued, sending, sent).
    Sent,
    /// It was delivered, or read.
    Delivered,
    /// It was not, and will not be (undelivered, failed, canceled): 30003 to 30008.
    Failed,
    /// It was not, because they want nothing of us (21610).
    OptedOut,
}

/// What became of the request of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingOutcome {
    /// The carrier rings.
    Accepted(CallSid),
    /// The carrier does not ring this number (21211, 21214, 13223 …).
    NotRung,
    /// Not now: our side is at fault (20003, 21210, 21215, 21216 …).
    Later,
    /// It failed before it was written, or may not be made now.
    NotSent,
    /// It was not taken on, and no other would be for so long: the carrier wants a rest (20429), or the way to it does.
    Held(Duration),
    /// It may have been taken on.
    Unknown,
}

/// How a ring goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingStatus {
    /// It is queued, or rings.
    Ringing,
    /// A person has answered, or it is not known who.
    Person,
    /// A machine has answered.
    Machine,
    /// Nobody has answered: no answer, busy, failed, cancelled.
    Nobody,
    /// The call is over, having been answered.
    Completed,
}

/// Whether callers can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Models {
    /// No model is left.
    Out,
    /// Breakers have closed, and their slow start allows this.
    Back {
        /// Time between two rings.
        ring_every: Duration,
        /// Rings at once.
        ringing_max: usize,
    },
}

/// A text that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundText {
    /// The carrier's name of it: the same if it comes again.
    pub message: MessageSid,
    /// Who wrote.
    pub from: Number,
    /// What it asks for.
    pub intent: Intent<Utc>,
    /// The name of the promise, should there be a new one, drawn at random.
    pub promise: PromiseId,
    /// When they may be rung, from now on.
    pub hours: AllowedHours,
}
