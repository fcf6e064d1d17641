//! What happens in a life, and to whom.

use std::time::Duration;

use ringback::core::ids::{CallSid, PromiseId};
use ringback::core::region::ballot::Vote;
use ringback::core::region::resume::HomeSays;
use ringback::core::region::role::Letter;
use ringback::core::region::{Life, Node as Name, Peer};

use crate::carrier::{Doc, Opening, Question, RingState};
use crate::store::{Answer, Op};
use crate::weather::Harm;

/// A node, by its place in the world and its life: what is meant for a life that is over does not arrive.
pub(crate) type Whom = (usize, Life);

/// Why something was asked of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Checkpoint(CallSid, u32),
    Parting(CallSid, u32),
    Resume(u64),
    Promise(PromiseId),
    Duty(PromiseId),
    /// A claim, with a ring noted in the same step.
    Begin(PromiseId),
    Rows,
    Stop(usize),
}

/// Something that is to happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// At a node, if it lives then, and as soon as it is awake.
    At(Whom, Arrival),
    Ring(usize),
    Documented {
        ask: u64,
        doc: Doc,
    },
    Unanswered {
        ask: u64,
    },
    Open(usize, u64, Opening),
    Turn {
        call: usize,
        stream: u32,
        is_end: bool,
    },
    HangsUp(usize),
    Noticed {
        call: usize,
        stream: u32,
    },
    Store {
        from: Whom,
        purpose: Purpose,
        asked: Duration,
        op: Op,
    },
    HomeAsked {
        home: Peer,
        from: Whom,
        ask: u64,
        call: CallSid,
    },
    Letter {
        from: Whom,
        letter: Letter,
    },
    RingOver {
        promise: PromiseId,
        number: u8,
    },
    Stop(usize),
    Boot(usize),
    Watch,
    Harm(Harm, bool),
}

/// What comes to a node.
#[derive(Clone, Debug)]
pub(crate) enum Arrival {
    Asked {
        ask: u64,
        question: Question,
    },
    Start {
        call: CallSid,
        stream: u32,
        opening: Opening,
    },
    Goodbye {
        call: CallSid,
    },
    Closed {
        call: CallSid,
        stream: u32,
    },
    Stored {
        purpose: Purpose,
        asked: Duration,
        answer: Answer,
    },
    HomeSaid {
        ask: u64,
        home: Peer,
        says: HomeSays<Vec<u32>>,
    },
    Decide {
        ask: u64,
    },
    Voted {
        voter: Name,
        round: u64,
        vote: Vote,
    },
    Texted {
        promise: PromiseId,
        is_known: bool,
    },
    Rung {
        promise: PromiseId,
    },
    Found {
        promise: PromiseId,
        asked: Duration,
        text: bool,
        ring: Option<(u8, RingState)>,
    },
    Second,
}
