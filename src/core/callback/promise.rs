//! One promise as it is kept: to whom, how far it is, and what was done for it. What is only true of this process is not in here.

use std::fmt;
use std::time::Duration;

use crate::core::callback::hours::AllowedHours;
use crate::core::callback::ledger::later;
use crate::core::callback::number::{Language, Number};
use crate::core::callback::settings::{REMEMBERED_FOR, RINGS_MAX};
use crate::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use crate::core::time::Utc;

/// What a caller was told would happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Its name.
    pub id: PromiseId,
    /// The call that was lost.
    pub call: CallId,
    /// Who is texted and rung.
    pub to: Number,
    /// From which number the call came; `None`: withheld.
    pub caller: Option<Number>,
    /// The number that was called: texts and rings come from it.
    pub called: Number,
    /// What the caller speaks.
    pub language: Language,
    /// How `to` became known.
    pub source: Source,
    /// Whether the caller chose it.
    pub consent: Consent,
    /// Whether `to` has answered by text since.
    pub is_confirmed: bool,
    /// When ringing is allowed, wherever `to` may be.
    pub hours: AllowedHours,
    /// What the caller asked for by text: not before then.
    pub not_before: Option<Utc>,
    /// When it was promised.
    pub promised: Utc,
    /// When it ends whatever has become of it.
    pub expires: Utc,
    /// How far it is.
    pub stage: Stage,
    /// The texts and rings that may have cost something, in order; [`ACTS_MAX`] at most.
    pub acts: Vec<Act>,
    /// The last texts of theirs that changed something, so that one that comes again changes nothing; [`HEARD_MAX`] at most.
    pub heard: Vec<MessageSid>,
}

/// The most acts of one promise: all texts and rings that [`super::settings::Settings`] can ask for are cut to it.
pub const ACTS_MAX: usize = 32;

/// How many of a caller's texts are remembered.
pub const HEARD_MAX: usize = 8;

/// How soon after it was counted a request is made, or not at all.
pub(super) const FRESH: Duration = Duration::from_secs(30);

/// How a number became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The network says that the call came from it.
    CallerId,
    /// The network says so and does not believe it (`StirVerstat` failed).
    Doubted,
    /// The caller keyed it in.
    KeyedIn,
}

/// Whether a caller chose the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// They did, with a key.
    Given,
    /// They kept silent, and the business takes that for a yes; or hung up.
    Implied,
}

/// How far a promise is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its text waits for its turn; it was requested `tries` times, and is known not to have been taken on.
    Promised {
        /// How often.
        tries: u8,
    },
    /// The text is about to be requested, or was: from here on it may have been sent.
    Texting {
        /// How often, this one included.
        tries: u8,
    },
    /// The caller is rung only after an answer by text.
    Asked {
        /// What became of the text.
        text: Texted,
    },
    /// To be rung.
    Due {
        /// What became of the text.
        text: Texted,
        /// Not before.
        from: Utc,
        /// How often they were rung.
        rings: u8,
    },
    /// The ring is about to be requested, or was: from here on it may ring.
    Ringing {
        /// What became of the text.
        text: Texted,
        /// How often they were rung, this time included.
        rings: u8,
        /// The carrier's name of the call, once known.
        call: Option<CallSid>,
    },
    /// A person has answered, and speaks with us.
    Connected {
        /// What became of the text.
        text: Texted,
        /// How often they were rung.
        rings: u8,
        /// The carrier's name of the call.
        call: CallSid,
    },
    /// Over.
    Ended(End),
}

impl Stage {
    /// Whether something is still to happen.
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Ended(_))
    }

    /// Whether its caller was told of it, or may have been: what was kept too late is no promise.
    pub const fn was_told(&self) -> bool {
        !matches!(self, Self::Ended(End::GaveUp(Why::Untold)))
    }

    /// What became of the text, where it is known.
    pub const fn text(&self) -> Option<Texted> {
        match self {
            Self::Asked { text }
            | Self::Due { text, .. }
            | Self::Ringing { text, .. }
            | Self::Connected { text, .. } => Some(*text),
            Self::Promised { .. } | Self::Texting { .. } | Self::Ended(_) => None,
        }
    }

    pub(super) const fn text_mut(&mut self) -> Option<&mut Texted> {
        match self {
            Self::Asked { text }
            | Self::Due { text, .. }
            | Self::Ringing { text, .. }
            | Self::Connected { text, .. } => Some(text),
            Self::Promised { .. } | Self::Texting { .. } | Self::Ended(_) => None,
        }
    }

    /// Its name, for operators and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Promised { .. } => "promised",
            Self::Texting { .. } => "texting",
            Self::Asked { .. } => "asked",
            Self::Due { .. } => "due",
            Self::Ringing { .. } => "ringing",
            Self::Connected { .. } => "connected",
            Self::Ended(end) => end.name(),
        }
    }
}

/// What became of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texted {
    /// None was sent: the number takes none, or the carrier does not take them on, or it would have been too late.
    Not,
    /// It is not known, nor will it be: none is sent again.
    Unknown,
    /// The carrier has it.
    Sent(MessageSid),
    /// It was delivered.
    Delivered(MessageSid),
    /// It was not.
    Failed(MessageSid),
}

impl Texted {
    /// The carrier's name of the text.
    pub const fn message(self) -> Option<MessageSid> {
        match self {
            Self::Sent(message) | Self::Delivered(message) | Self::Failed(message) => Some(message),
            Self::Not | Self::Unknown => None,
        }
    }
}

/// How a promise ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A person was rung and spoke with us.
    Done,
    /// Nothing more is tried.
    GaveUp(Why),
    /// The caller wants nothing of us.
    OptedOut,
    /// Its time was over.
    Expired,
}

/// Why nothing more is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The caller said no.
    Declined,
    /// They did not answer any of the rings.
    Unanswered,
    /// An answer by text is needed, and no text can be sent.
    NoText,
    /// The carrier does not ring this number.
    NotRung,
    /// It was not durable in time, and the caller was not told.
    Untold,
    /// An operator ended it.
    Cancelled,
}

impl End {
    /// Its name, for operators and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::GaveUp(Why::Declined) => "declined",
            Self::GaveUp(Why::Unanswered) => "unanswered",
            Self::GaveUp(Why::NoText) => "no_text",
            Self::GaveUp(Why::NotRung) => "not_rung",
            Self::GaveUp(Why::Untold) => "untold",
            Self::GaveUp(Why::Cancelled) => "cancelled",
            Self::OptedOut => "opted_out",
            Self::Expired => "expired",
        }
    }
}

/// Something that may have cost money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// What.
    pub kind: SendKind,
    /// When.
    pub at: Utc,
}

/// What is requested of the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SendKind {
    /// A text.
    Text,
    /// A ring.
    Ring,
}

/// Odd, so that no two numbers of a promise give the same name.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// The name of one request to the carrier, made of the promise's. All requests of one text share it, so that whichever was
/// taken on is found; each ring has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(u128);

impl SendId {
    /// The text of a promise.
    pub const fn text(promise: PromiseId) -> Self {
        Self::of(promise, 0)
    }

    /// A ring of a promise, by its number.
    pub const fn ring(promise: PromiseId, number: u8) -> Self {
        Self::of(promise, number as u128 + 1)
    }

    const fn of(promise: PromiseId, number: u128) -> Self {
        let sum = promise.bits().wrapping_add(SPREAD.wrapping_mul(number + 1));
        Self(sum ^ (sum >> 67))
    }

    /// A name from its bits, as it came back in a callback's path.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits of the name: for the path of its callbacks.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The promises whose request this may be, if it is of this kind.
    pub fn promises(self, kind: SendKind) -> impl Iterator<Item = PromiseId> {
        // Half of the bits and more were shifted, so that shifting once more undoes it.
        let sum = self.0 ^ (self.0 >> 67);
        let numbers = match kind {
            SendKind::Text => 0..=0,
            SendKind::Ring => 2..=RINGS_MAX + 1,
        };
        numbers.map(move |number| {
            let spread = SPREAD.wrapping_mul(u128::from(number) + 1);
            PromiseId::from_bits(sum.wrapping_sub(spread))
        })
    }

    /// What stands in the text, by which it is found again in the carrier's list: ten letters and digits that are not mistaken
    /// for each other, 50 bits of the name.
    pub fn reference(self) -> String {
        const ALPHABET: [char; 32] = [
            '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G',
            'H', 'J', 'K', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
        ];
        let letter = |place: u32| {
            let bits = usize::try_from(self.0 >> (5 * place) & 31).ok()?;
            ALPHABET.get(bits).copied()
        };
        (0..10).filter_map(letter).collect()
    }
}

impl fmt::Display for SendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Promise {
    /// Until when it is to be kept: as long as what was done for it counts against the caps, and its caller may ask again.
    pub fn kept_until(&self) -> Utc {
        later(self.expires, REMEMBERED_FOR)
    }

    /// When something is to be done about it at the latest, for whoever looks for what is overdue.
    pub fn due(&self) -> Option<Utc> {
        match self.stage {
            Stage::Due { from, .. } => Some(from),
            Stage::Promised { .. } => Some(self.promised),
            Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Ringing { .. }
            | Stage::Connected { .. } => Some(self.expires),
            Stage::Ended(_) => None,
        }
    }

    /// Whether the caller may not be rung before an answer by text.
    pub const fn needs_yes(&self) -> bool {
        !self.is_confirmed && !matches!(self.source, Source::CallerId)
    }

    /// The request that may be under way.
    pub const fn flight(&self) -> Option<SendId> {
        match self.stage {
            Stage::Texting { .. } => Some(SendId::text(self.id)),
            Stage::Ringing { rings, .. } => Some(SendId::ring(self.id, rings)),
            Stage::Promised { .. }
            | Stage::Asked { .. }
            | Stage::Due { .. }
            | Stage::Connected { .. }
            | Stage::Ended(_) => None,
        }
    }

    /// When a request of this kind was last counted.
    pub(super) fn last_act(&self, kind: SendKind) -> Option<Utc> {
        let mut acts = self.acts.iter().rev();
        acts.find(|act| act.kind == kind).map(|act| act.at)
    }

    /// Whether what was counted was counted just now: what took long to be kept is counted anew.
    pub(super) fn is_fresh(&self, kind: SendKind, now: Utc) -> bool {
        self.last_act(kind).is_some_and(|at| now.since(at) <= FRESH)
    }

    pub(super) fn acted(&mut self, kind: SendKind, at: Utc) {
        if self.acts.len() < ACTS_MAX {
            self.acts.push(Act { kind, at });
        }
    }

    /// A request was refused, or never left: it cost nothing. When it was counted.
    pub(super) fn unacted(&mut self, kind: SendKind) -> Option<Utc> {
        let last = self.acts.iter().rposition(|act| act.kind == kind)?;
        Some(self.acts.remove(last).at)
    }

    /// Whether this text of theirs is new; it is remembered.
    pub(super) fn hears(&mut self, message: MessageSid) -> bool {
        if self.heard.contains(&message) {
            return false;
        }
        if self.heard.len() >= HEARD_MAX {
            self.heard.remove(0);
        }
        self.heard.push(message);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_ring_has_a_name_of_its_own_and_a_text_is_found_by_its_reference() {
        let mut names = BTreeSet::new();
        let mut references = BTreeSet::new();
        for bits in 0..200 {
            let promise = PromiseId::from_bits(bits);
            let rings = (1..=8).map(|number| SendId::ring(promise, number));
            for send in rings.chain([SendId::text(promise)]) {
                assert!(names.insert(send));
                assert!(references.insert(send.reference()));
                assert_eq!(send.reference().len(), 10);
                assert_eq!(SendId::from_bits(send.bits()), send);
            }
            let of = |send: SendId, kind| send.promises(kind).collect::<Vec<_>>();
            assert_eq!(of(SendId::text(promise), SendKind::Text), [promise]);
            let ring = of(SendId::ring(promise, RINGS_MAX), SendKind::Ring);
            assert!(ring.len() == usize::from(RINGS_MAX) && ring.contains(&promise));
        }
    }
}
