//! An open promise with what is only true of this process: which write is out, which request, and who waits for the outcome.

use std::time::Duration;

use crate::core::callback::effect::{Reply, Told, WriteId};
use crate::core::callback::ledger::later;
use crate::core::callback::promise::{Promise, SendId, Stage, Texted};
use crate::core::ids::{CallId, MessageSid};
use crate::core::time::{Instant, Utc};

/// Calls and texts that wait for one write; whoever comes then is told that the store is slow.
pub(super) const WAITS_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) promise: Promise,
    /// Its place in line: who was promised earlier has a lower one.
    pub(super) place: u64,
    /// What the store has.
    pub(super) revision: u64,
    /// The request that the store has as begun.
    pub(super) noted: Option<SendId>,
    /// A request that the store may have as begun: the write that said so came back without an outcome.
    pub(super) doubtful: Option<SendId>,
    pub(super) writing: Writing,
    pub(super) step: Step,
    pub(super) queued: Queued,
    /// When the next text may be requested at the earliest.
    pub(super) text_at: Instant,
    /// Until then their last call may still go on: they are not rung.
    pub(super) on_line_until: Instant,
    /// The last ring that a person answered: it is told more than once.
    pub(super) answered: Option<SendId>,
    /// In how many whole looks through the store it was missing of late.
    pub(super) missed: u8,
    pub(super) waits: Vec<Waiting>,
}

impl Entry {
    pub(super) fn new(promise: Promise, place: u64, text_at: Instant) -> Self {
        Self {
            promise,
            place,
            revision: 0,
            noted: None,
            doubtful: None,
            writing: Writing::None,
            step: Step::Idle,
            queued: Queued::No,
            text_at,
            on_line_until: Instant::ZERO,
            answered: None,
            missed: 0,
            waits: Vec::new(),
        }
    }

    /// When the caller has hung up, as far as is known: `utc`, which is `now`, at the earliest.
    pub(super) fn off_line(&self, now: Instant, utc: Utc) -> Utc {
        later(utc, self.on_line_until.since(now))
    }

    /// Whether the store has never said that it has it.
    pub(super) const fn is_new(&self) -> bool {
        matches!(self.writing, Writing::Out { is_first: true, .. })
    }
}

/// By how much what many are about to do at once is spread: one of a hundred parts each.
const SPREAD: Duration = Duration::from_millis(40);

impl Entry {
    /// By how much later than others it does what many want to do at once: up to four seconds.
    pub(super) fn spread(&self) -> Duration {
        let part = u32::try_from(self.place % 100).unwrap_or(0);
        SPREAD.saturating_mul(part)
    }
}

/// What is on its way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// Nothing: the store has what is here.
    None,
    /// A write; what is here has changed since, if it is dirty.
    Out {
        write: WriteId,
        is_first: bool,
        is_dirty: bool,
        /// What the store will have as begun.
        noting: Option<SendId>,
    },
    /// Nothing yet: the last write failed, and is made again then.
    Again { at: Instant },
}

/// How far the request of the stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is none.
    Idle,
    /// It is made once it is kept that it is about to be.
    Noted,
    /// It was made; without an outcome by then it is unknown.
    Out { until: Instant },
    /// It is not known what became of it: looked up then.
    Unknown { look_at: Instant, looks: Looks },
    /// It is looked up; without an answer by then there is none.
    Looking { until: Instant, looks: Looks },
    /// It rings, or a person speaks; looked up if nothing is heard of it until then.
    Placed { look_at: Instant },
}

impl Step {
    /// When something is to be done about it.
    pub(super) const fn alarm(self) -> Option<Instant> {
        match self {
            Self::Idle | Self::Noted => None,
            Self::Out { until: at }
            | Self::Unknown { look_at: at, .. }
            | Self::Looking { until: at, .. }
            | Self::Placed { look_at: at } => Some(at),
        }
    }

    /// Whether the request may have been made.
    pub(super) const fn is_made(self) -> bool {
        !matches!(self, Self::Idle | Self::Noted)
    }
}

/// How often a request has to be missing in the carrier's list to be taken not to have been made.
pub(super) const MISSED_MAX: u8 = 2;

/// What look-ups have given so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Looks {
    /// How often it was not there.
    pub(super) missed: u8,
    /// How often there was no answer.
    pub(super) failed: u8,
}

/// In which line a promise stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    No,
    Text(Instant),
    Ring(Utc),
    /// To be rung as soon as there is room.
    Ready(Turn),
}

/// Whose turn it is: who was not rung yet goes before who did not pick up; of these, who has heard nothing since before who has a
/// text; and of these, who was promised it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) rings: u8,
    pub(super) is_texted: bool,
    pub(super) promised: Utc,
}

impl Turn {
    /// That of a promise that is due.
    pub(super) const fn of(promise: &Promise) -> Self {
        let rings = match promise.stage {
            Stage::Due { rings, .. }
            | Stage::Ringing { rings, .. }
            | Stage::Connected { rings, .. } => rings,
            Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Ended(_) => 0,
        };
        let is_texted = matches!(
            promise.stage.text(),
            Some(Texted::Sent(_) | Texted::Delivered(_))
        );
        Self {
            rings,
            is_texted,
            promised: promise.promised,
        }
    }
}

/// Who waits until what is here is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Call {
        call: CallId,
        by: Instant,
        told: Told,
    },
    Text {
        message: MessageSid,
        /// Until when its webhook waits; `None`: no more.
        by: Option<Instant>,
        reply: Reply,
    },
}

impl Waiting {
    pub(super) const fn by(&self) -> Option<Instant> {
        match self {
            Self::Call { by, .. } => Some(*by),
            Self::Text { by, .. } => *by,
        }
    }
}
