//! What is kept, as those who keep it see it: a few fields that it is found by, and bytes that only their owner reads.
//!
//! The bytes of a `state` begin with a version of their owner's; the store does not look into them. They are sealed on disk.

use std::fmt;
use std::time::Duration;

use super::LOOK_UP_MAX;
use super::error::StoreError;
use crate::core::ids::{CallId, CallSid, PromiseId};
use crate::core::region::owner::{Tenure, Title};
use crate::core::time::Utc;

/// The longest `state`: four times the conversation that a call remembers.
pub const STATE_BYTES_MAX: usize = 64 * 1024;

/// The longest name of a node.
pub const NODE_BYTES_MAX: usize = crate::core::region::NAME_BYTES_MAX;

/// Bytes of an owner who versions them himself: the words of a call, a number. Never printed.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(pub Vec<u8>);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({} bytes)", self.0.len())
    }
}

/// How a caller is found again without keeping the number: a keyed hash, of no use without the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerHash(pub(super) u128);

/// Without its value: whoever has the key finds the number by trying all of them.
impl fmt::Debug for CallerHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerHash(_)")
    }
}

/// The name of something that may be used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub u128);

/// A call in progress: enough to go on with it elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// The carrier's name of it; it stays the same.
    pub sid: CallSid,
    /// Our name of it, which of its documents its stream belongs to, and whose it is.
    pub by: Tenure,
    /// Which checkpoint of that stream this is: each has a number of its own.
    pub turn: u32,
    /// When this was written.
    pub updated: Utc,
    /// From when on it is forgotten.
    pub expires: Utc,
    /// What its owner needs.
    pub state: State,
}

impl CallRecord {
    /// Our name of it.
    pub const fn id(&self) -> CallId {
        self.by.card.id
    }

    /// Whose it is once this is kept.
    pub const fn title(&self) -> Title {
        Title::Held {
            tenure: self.by,
            turn: self.turn,
        }
    }
}

/// A call that has ended, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedCall {
    /// Our name of it.
    pub id: CallId,
    /// The carrier's name of it.
    pub sid: CallSid,
    /// Whose stream has said everything: of who was superseded nothing is kept. `None`: the carrier says that it is over, and
    /// knows.
    pub by: Option<Tenure>,
    /// When.
    pub at: Utc,
    /// From when on that is forgotten.
    pub expires: Utc,
    /// How, and what is to follow.
    pub state: State,
}

/// What a call is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKey {
    /// Our name.
    Id(CallId),
    /// The carrier's name.
    Sid(CallSid),
}

/// What is known of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownCall {
    /// It goes on, or its node died.
    InProgress(CallRecord),
    /// It has ended.
    Ended(EndedCall),
}

/// Something that a caller was told would happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromiseRecord {
    /// Its name.
    pub id: PromiseId,
    /// To whom.
    pub caller: CallerHash,
    /// How often it changed; the first is 0.
    pub revision: u64,
    /// Whether something is still to happen. A caller has one open promise at most.
    pub is_open: bool,
    /// When it is next to be looked at; `None`: when something happens to it.
    pub due: Option<Utc>,
    /// From when on it is forgotten, open or not.
    pub expires: Utc,
    /// How far it is, and all else.
    pub state: State,
}

/// What became of a new promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promised {
    /// It is kept.
    Kept,
    /// The caller has this open one already: nothing was kept.
    Already(PromiseId),
    /// The caller wants nothing of us: nothing was kept.
    OptedOut,
}

/// The next revision of a promise, all of it in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromiseChange {
    /// Which.
    pub id: PromiseId,
    /// The revision that it is the successor of.
    pub from_revision: u64,
    /// As in [`PromiseRecord::is_open`].
    pub is_open: bool,
    /// As in [`PromiseRecord::due`].
    pub due: Option<Utc>,
    /// As in [`PromiseRecord::expires`].
    pub expires: Utc,
    /// As in [`PromiseRecord::state`].
    pub state: State,
    /// What is kept of a request to the carrier in the same step.
    pub send: SendStep,
}

/// What is kept of a request to the carrier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SendStep {
    /// Nothing.
    #[default]
    None,
    /// It is about to be made: from here on it may have happened.
    Begin(SendRecord),
    /// What became of it is known.
    End(SendId),
}

/// The name of one request to the carrier (a text, a ring): the carrier is given it too, so that it is found again there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(pub u128);

/// A request to the carrier of which it is not known yet what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRecord {
    /// Its name.
    pub id: SendId,
    /// What it serves.
    pub promise: PromiseId,
    /// When it was made.
    pub at: Utc,
    /// What it was.
    pub state: State,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is kept.
    Kept,
    /// There is no such promise.
    Unknown,
    /// Somebody else changed it: it has this revision now, and nothing was kept.
    Stale(u64),
    /// The caller wants nothing of us, and something was to be sent: nothing was kept.
    OptedOut,
    /// The caller has this other open promise, and a closed one was to be opened: nothing was kept.
    Already(PromiseId),
}

/// What a look-up of many records has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// The records.
    pub records: Vec<T>,
    /// Why others that stand there cannot be read: a newer version has written them, or they are damaged. They are left alone; at most
    /// [`LOOK_UP_MAX`] are told.
    pub unread: Vec<StoreError>,
}

impl<T> Found<T> {
    pub(super) const fn nothing() -> Self {
        Self {
            records: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// One more, if it is to be found; one that cannot be read stops nobody. Fails where the store does.
    pub(super) fn add(&mut self, read: Result<Option<T>, StoreError>) -> Result<(), StoreError> {
        match read {
            Ok(record) => self.records.extend(record),
            Err(why) if why.is_of_one_record() => self.leave([why]),
            Err(why) => return Err(why),
        }
        Ok(())
    }

    /// What comes after it.
    pub(super) fn extend(&mut self, next: Self) {
        self.records.extend(next.records);
        self.leave(next.unread);
    }

    fn leave(&mut self, unread: impl IntoIterator<Item = StoreError>) {
        let room = LOOK_UP_MAX.saturating_sub(self.unread.len());
        self.unread.extend(unread.into_iter().take(room));
    }

    /// The records, where all of them can be read.
    pub(super) fn whole(self) -> Result<Vec<T>, StoreError> {
        let why = self.unread.into_iter().next();
        why.map_or(Ok(self.records), Err)
    }
}

/// What was thrown away because its time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collected {
    /// How many records.
    pub removed: usize,
    /// How many more there are that cannot be read, or are of a kind that this version does not know: they are left alone.
    pub left_alone: usize,
    /// Whether that was all: if not, ask again.
    pub is_done: bool,
}

/// Refuses a state that is too long.
pub(super) fn check_length(what: &'static str, state: &State) -> Result<(), StoreError> {
    let fits = state.0.len() <= STATE_BYTES_MAX;
    fits.then_some(()).ok_or(StoreError::TooLong(what))
}

/// Whether a record that expires then is gone.
pub(super) const fn is_over(expires: u64, now: Utc) -> bool {
    expires <= now.millis()
}

/// How long behind its expiry an open promise stands in the way of a new one to its caller. Whoever serves it ends it long before; no
/// clock does.
pub(super) const OPEN_KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// Whether an open promise that expires then has been left open by everybody, and makes room for another one to its caller.
pub(super) fn gives_way(expires: u64, now: Utc) -> bool {
    let kept = u64::try_from(OPEN_KEPT_FOR.as_millis()).unwrap_or(u64::MAX);
    is_over(expires.saturating_add(kept), now)
}
