//! What only a store that all nodes share has: who is there, what one tells the others, who may act, and who leads.
//!
//! Names, bytes and plain numbers: what they mean is decided in [`crate::core`]. Who keeps it: [`super::redis`].

use std::time::Duration;

use futures_util::stream::BoxStream;

use super::{Answer, CallerHash, State};
use crate::core::time::Utc;

/// The most nodes that are known at once; further ones are refused.
pub const NODES_MAX: usize = 256;

/// The longest advice; a longer one is refused, and dropped where it comes in.
pub const ADVICE_BYTES_MAX: usize = 4 * 1024;

/// How many pieces of advice wait for somebody who listens; beyond it the oldest goes.
pub const ADVICE_MAX: usize = 256;

/// A node that says that it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Its name, at most [`NODE_BYTES_MAX`](super::NODE_BYTES_MAX) bytes. Two nodes of one name overwrite each other: put what tells
    /// them apart into the state.
    pub node: String,
    /// How it is.
    pub state: State,
    /// How long that still counts.
    pub life: Duration,
}

/// The name of something that one node at a time may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(pub u128);

/// Who wants to be the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What for.
    pub id: ClaimId,
    /// Who: different for each life of a process, at most [`NODE_BYTES_MAX`](super::NODE_BYTES_MAX) bytes.
    pub owner: String,
    /// In which epoch; one who has seen a later one refuses it.
    pub epoch: u64,
    /// How long, by the clock of the store, from when it is granted.
    pub lease: Duration,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is theirs for `lease`. Whoever acts on it wants `replicas` to be at least 1: a claim that no replica has is lost with
    /// the primary, and somebody else gets it then.
    Granted {
        /// How many replicas said that they have it, of those that were waited for.
        replicas: usize,
    },
    /// Somebody else has it.
    Held(Holder),
    /// A later epoch was there: whoever asks is of the past, and is to let go.
    Fenced {
        /// That epoch.
        epoch: u64,
    },
    /// It is nobody's (any more); a new claim is needed. Answers only a renewal or a release.
    Free,
}

/// Who has a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub owner: String,
    /// In which epoch.
    pub epoch: u64,
    /// How long still.
    pub left: Duration,
}

/// Who leads where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRecord {
    /// How often that changed; the first is 1. It fences what is older.
    pub epoch: u64,
    /// Who, at most [`NODE_BYTES_MAX`](super::NODE_BYTES_MAX) bytes.
    pub owner: String,
    /// Whatever else is to be known.
    pub state: State,
}

/// The next one to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// The epoch that it follows; 0: there was none.
    pub from_epoch: u64,
    /// As in [`RoleRecord::owner`].
    pub owner: String,
    /// As in [`RoleRecord::state`].
    pub state: State,
}

/// What became of a change of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleChanged {
    /// It is kept, and so many replicas have it.
    Kept {
        /// The epoch that begins with it.
        epoch: u64,
        /// How many replicas said that they have it, of those that were waited for.
        replicas: usize,
    },
    /// Somebody else was first: this is the epoch now, and nothing was kept.
    Stale(u64),
}

/// What all nodes of a store share. Each method is one step, and bounded in time like those of [`Store`](super::Store).
pub trait Shared: std::fmt::Debug + Send + Sync {
    /// Keeps that a node is there, over what was kept of it before, until its `life` is over.
    fn keep_presence(&self, presence: Presence) -> Answer<()>;

    /// The nodes that are there, in the order of their names.
    fn presences(&self) -> Answer<Vec<Presence>>;

    /// Tells all who listen; how many stores that reached. Nobody acknowledges it, and nobody hears it later.
    fn advise(&self, advice: State) -> Answer<usize>;

    /// What others, and this node, tell from now on. It goes on after an outage, without what was told meanwhile; what a
    /// listener does not take in time is dropped, the oldest first ([`ADVICE_MAX`]). It ends when the store is closed.
    fn advice(&self) -> BoxStream<'static, State>;

    /// Claims something: granted to one owner at a time, until the lease is over by the clock of the store. The owner may claim
    /// it again, which prolongs it.
    fn claim(&self, claim: Claim) -> Answer<Claimed>;

    /// Prolongs a claim by its owner; one whose lease is over is not theirs any more, whether or not somebody else has it.
    fn renew_claim(&self, claim: Claim) -> Answer<Claimed>;

    /// Gives a claim back, by its owner. [`Claimed::Free`]: it is nobody's now.
    fn release_claim(&self, claim: Claim) -> Answer<Claimed>;

    /// Who has a claim.
    fn claim_holder(&self, id: ClaimId) -> Answer<Option<Holder>>;

    /// Who leads where, by the name of what is led.
    fn role(&self, name: &str) -> Answer<Option<RoleRecord>>;

    /// Changes who leads, unless somebody else has done so since `from_epoch`.
    fn change_role(&self, name: &str, change: RoleChange) -> Answer<RoleChanged>;

    /// As [`opted_out`](super::Store::opted_out), but surely from the primary: fails where it cannot be written there, or where
    /// fewer replicas follow it than the settings ask for.
    fn opted_out_surely(&self, caller: CallerHash) -> Answer<Option<Utc>>;
}
