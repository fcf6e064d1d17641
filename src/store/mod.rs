//! Keeps what must outlive a call's task: calls in progress, how calls ended, used tokens, promises and who wants none.
//!
//! [`Store`] is what the rest asks; [`embedded`] is a file beside the process (redb), [`messages`] a folder beside that,
//! [`redis`] what nodes share. It owns the form on disk, the keys that
//! seal it, and all waiting for it. It must not decide, knows no clock (it is told the time) and imports no carrier and no
//! provider. What is kept and what is promised about it: [`crate::docs::store`].

pub mod embedded;
mod error;
mod key;
pub mod messages;
pub mod promise_form;
mod records;
pub mod redis;
mod sealer;
pub mod shared;
mod tokens;

use std::fmt;

use futures_util::future::BoxFuture;

pub use self::error::StoreError;
pub use self::key::{KEY_FORM, KeyError, KeySource, SealingKey};
pub use self::records::{
    CallKey, CallRecord, CallerHash, Changed, Collected, EndedCall, Found, KnownCall,
    NODE_BYTES_MAX, PromiseChange, PromiseRecord, Promised, STATE_BYTES_MAX, SendId, SendRecord,
    SendStep, State, TokenId,
};
use crate::core::ids::{CallId, PromiseId};
use crate::core::region::owner::Ruling;
use crate::core::time::Utc;

/// An answer of the store; it comes within the time-out of the implementation, whatever the disk or the network does. What
/// was asked for is on its way before this is first polled, so that requests are carried out in the order in which they were
/// made.
pub type Answer<T> = BoxFuture<'static, Result<T, StoreError>>;

/// The most records that one look-up gives.
pub const LOOK_UP_MAX: usize = 1_000;

/// What is kept, wherever it is.
///
/// A write that was answered with `Ok` survives the end of the process and of the machine. Each method is one step: all of it
/// is kept, or nothing. What has expired at the `now` that a method is told does not exist for it; but an open promise does not expire,
/// whatever `now` is: whoever serves it ends it. One that is still open thirty days behind its expiry gives way to a new one of its caller.
///
/// On the path of a call are [`claim_token`](Self::claim_token) and [`call`](Self::call) (once each at its start),
/// [`promise`](Self::promise) (once, while a prompt plays) and [`end_call`](Self::end_call) (once, beside the goodbye); nobody
/// needs to wait for [`checkpoint`](Self::checkpoint). All of them are bounded in time by the implementation, and a call goes
/// on without the answer. The future may be dropped: what was asked for is done all the same, except where it says otherwise.
pub trait Store: fmt::Debug + Send + Sync {
    /// Keeps how far a call is, over what was kept of it before, if [`Title::rule`](crate::core::region::owner::Title::rule)
    /// says so.
    fn checkpoint(&self, call: CallRecord) -> Answer<Ruling>;

    /// Keeps that a call has ended, and drops its checkpoint, by the same rule. [`Ruling::Ended`]: it had ended before, and how it
    /// did then stays.
    fn end_call(&self, ended: EndedCall) -> Answer<Ruling>;

    /// What is known of a call.
    fn call(&self, key: CallKey, now: Utc) -> Answer<Option<KnownCall>>;

    /// Calls in progress in the order of their names, after `after`; at most `max`, and [`LOOK_UP_MAX`].
    fn calls(&self, after: Option<CallId>, max: usize, now: Utc) -> Answer<Vec<CallRecord>>;

    /// Whether this is the first use of a token. `false` as well from `expires` on.
    ///
    /// At most one caller in this process is ever told `true` or an error: after an error it is not known elsewhere, nor after
    /// a restart, that the token was used. Whoever lets the call in then does so on the word of this process alone.
    fn claim_token(&self, token: TokenId, expires: Utc, now: Utc) -> Answer<bool>;

    /// How a number is found again. The number must be in one form everywhere (E.164). Fails while no key was ever at hand. Waits for nothing.
    fn caller(&self, number: &str) -> Result<CallerHash, StoreError>;

    /// Keeps a new promise (its revision must be 0). Whoever stops waiting before it was begun is taken not to have promised.
    fn promise(&self, promise: PromiseRecord, now: Utc) -> Answer<Promised>;

    /// Keeps the next revision of a promise, and with it what is known of its requests. Like [`promise`](Self::promise), a
    /// change that nobody waits for any more is not begun.
    fn change_promise(&self, change: PromiseChange, now: Utc) -> Answer<Changed>;

    /// One promise.
    fn promise_by_id(&self, id: PromiseId, now: Utc) -> Answer<Option<PromiseRecord>>;

    /// The open promise of a caller.
    fn open_promise(&self, caller: CallerHash, now: Utc) -> Answer<Option<PromiseRecord>>;

    /// Promises in the order of their names, after `after`; at most `max`, and [`LOOK_UP_MAX`]. Fewer than both: there are no more.
    /// Those that cannot be read are passed over, and told.
    fn promises(
        &self,
        after: Option<PromiseId>,
        max: usize,
        now: Utc,
    ) -> Answer<Found<PromiseRecord>>;

    /// Keeps how far a call in progress is beside an open promise as well, over what stood there: until the promise ends, or is
    /// thrown away. `false`: there is no such call, or no such promise.
    fn keep_context(&self, promise: PromiseId, call: CallId, now: Utc) -> Answer<bool>;

    /// What was kept beside a promise: the state of a call.
    fn context(&self, promise: PromiseId) -> Answer<Option<State>>;

    /// Promises that are due, the longest due first; at most `max`, and [`LOOK_UP_MAX`].
    fn due(&self, max: usize, now: Utc) -> Answer<Vec<PromiseRecord>>;

    /// Requests that were begun and not ended, in the order of their names, after `after`; at most `max`, and [`LOOK_UP_MAX`].
    fn sends(&self, after: Option<SendId>, max: usize) -> Answer<Vec<SendRecord>>;

    /// Keeps that a caller wants nothing of us from `at` on (`Some`), or no longer so (`None`).
    fn set_opted_out(&self, caller: CallerHash, at: Option<Utc>) -> Answer<()>;

    /// Since when a caller wants nothing of us.
    fn opted_out(&self, caller: CallerHash) -> Answer<Option<Utc>>;

    /// Throws away all promises of a caller and their requests, up to [`LOOK_UP_MAX`] at once; how many there were. That they
    /// want nothing of us stays, by the hash alone.
    fn forget(&self, caller: CallerHash) -> Answer<usize>;

    /// Throws away some of what has expired, and can be read. To be called every few seconds, and again while it is not done.
    fn collect(&self, now: Utc) -> Answer<Collected>;

    /// Does what was asked for before, then closes. Later requests are refused.
    fn close(&self) -> Answer<()>;
}
