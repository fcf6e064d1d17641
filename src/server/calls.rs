//! Which calls are live, and how many may be. Touched when a socket comes, when its stream starts and when it goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::addresses::Place;
use crate::core::ids::CallSid;
use crate::telemetry::Count;

/// The calls of this process.
#[derive(Debug)]
pub(super) struct Calls {
    /// The calls whose stream has started; at most as many as there are seats.
    live: Mutex<BTreeMap<CallSid, Live>>,
    sockets: Arc<Semaphore>,
    sockets_max: usize,
    unstarted: Arc<Semaphore>,
}

/// The live stream of a call.
#[derive(Debug)]
struct Live {
    /// Which document of the call it belongs to.
    epoch: u32,
    line: Arc<Line>,
}

/// How a stream learns that another one of its call took over.
#[derive(Debug, Default)]
struct Line {
    is_superseded: AtomicBool,
    task: AtomicWaker,
}

impl Calls {
    /// Room for `calls_max` sockets, of which `unstarted_max` may wait for their stream to start.
    pub(super) fn new(calls_max: usize, unstarted_max: usize) -> Self {
        Self {
            live: Mutex::default(),
            sockets: Arc::new(Semaphore::new(calls_max)),
            sockets_max: calls_max,
            unstarted: Arc::new(Semaphore::new(unstarted_max)),
        }
    }

    /// A seat for one more socket; what it is to be counted as if there is none.
    pub(super) fn seat(self: &Arc<Self>) -> Result<Seat, Count> {
        let unstarted = Arc::clone(&self.unstarted).try_acquire_owned();
        let unstarted = unstarted.map_err(|_| Count::UpgradesOverUnstarted)?;
        let socket = Arc::clone(&self.sockets).try_acquire_owned();
        let socket = socket.map_err(|_| Count::UpgradesOverCalls)?;
        Ok(Seat {
            calls: Arc::clone(self),
            _socket: socket,
            unstarted: Some((unstarted, None)),
            call: None,
            line: Arc::default(),
        })
    }

    /// Whether one more socket would find a seat.
    pub(super) fn has_room(&self) -> bool {
        self.sockets.available_permits() > 0 && self.unstarted.available_permits() > 0
    }

    /// Whether one of these calls is live.
    pub(super) fn are_live(&self, calls: &[CallSid]) -> bool {
        let live = self.lock();
        calls.iter().any(|call| live.contains_key(call))
    }

    /// The call is not this stream's any more: it lets go. `false`: it has gone already, or is told already.
    pub(super) fn let_go(&self, call: CallSid, epoch: u32) -> bool {
        let live = self.lock();
        let Some(stream) = live.get(&call).filter(|live| live.epoch == epoch) else {
            return false;
        };
        let was_told = stream.line.is_superseded.swap(true, Ordering::AcqRel);
        stream.line.task.wake();
        !was_told
    }

    /// How many calls are live.
    pub(super) fn live(&self) -> usize {
        self.lock().len()
    }

    /// How many sockets of carriers are open.
    pub(super) fn sockets(&self) -> usize {
        self.sockets_max
            .saturating_sub(self.sockets.available_permits())
    }

    /// How many there may be.
    pub(super) const fn sockets_max(&self) -> usize {
        self.sockets_max
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CallSid, Live>> {
        // Nothing is done under the lock that could leave the map half changed.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket's place among the calls; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    calls: Arc<Calls>,
    _socket: OwnedSemaphorePermit,
    /// Its place among those that have not started, and among those of its address where it came without a signature.
    unstarted: Option<(OwnedSemaphorePermit, Option<Place>)>,
    /// The call, and which document of it the stream belongs to.
    call: Option<(CallSid, u32)>,
    line: Arc<Line>,
}

/// What becomes of a stream that starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// It is its call's only one.
    First,
    /// It took over from one of an older document.
    TookOver,
    /// Its call has a live one of its own document, or of a newer one.
    Refused,
}

impl Seat {
    /// Holds its address's place until the stream starts.
    #[must_use]
    pub(super) fn with_place(mut self, place: Option<Place>) -> Self {
        if let Some((_, held)) = &mut self.unstarted {
            *held = place;
        }
        self
    }

    /// The stream of this call started; `epoch` is its document's.
    pub(super) fn start(&mut self, call: CallSid, epoch: u32) -> Start {
        let stream = Live {
            epoch,
            line: Arc::clone(&self.line),
        };
        let mut calls = self.calls.lock();
        if calls.get(&call).is_some_and(|live| live.epoch >= epoch) {
            return Start::Refused;
        }
        let before = calls.insert(call, stream);
        drop(calls);
        self.call = Some((call, epoch));
        self.unstarted = None;
        match before {
            None => Start::First,
            Some(before) => {
                before.line.is_superseded.store(true, Ordering::Release);
                before.line.task.wake();
                Start::TookOver
            }
        }
    }

    /// Whether another stream of the call took over: cheap enough to be asked at every frame.
    pub(super) fn is_superseded(&self) -> bool {
        self.line.is_superseded.load(Ordering::Acquire)
    }

    /// Wakes this task when that happens.
    pub(super) fn wake_when_superseded(&self, cx: &Context<'_>) {
        self.line.task.register(cx.waker());
    }

    /// The call is over, though its sockets are still to be closed: its next stream may come.
    pub(super) fn end(&mut self) {
        let Some((call, epoch)) = self.call.take() else {
            return;
        };
        let mut live = self.calls.lock();
        // A newer one that took over stays.
        if live.get(&call).is_some_and(|live| live.epoch == epoch) {
            live.remove(&call);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(digit: char) -> CallSid {
        CallSid::parse(&format!("CA{}", digit.to_string().repeat(32))).unwrap()
    }

    #[test]
    fn a_call_has_one_live_stream() {
        let calls = Arc::new(Calls::new(10, 10));
        let mut first = calls.seat().unwrap();
        let mut second = calls.seat().unwrap();
        assert_eq!(first.start(sid('a'), 0), Start::First);
        assert_eq!(second.start(sid('a'), 0), Start::Refused);
        drop(second); // It never had the call, so it does not take it along.
        assert_eq!(calls.live(), 1);
        first.end();
        assert_eq!(calls.seat().unwrap().start(sid('a'), 0), Start::First);
        drop(first);
        assert_eq!(calls.live(), 0);
    }

    #[test]
    fn a_stream_of_a_newer_document_takes_over_in_whatever_order_they_end() {
        let calls = Arc::new(Calls::new(10, 10));
        let mut old = calls.seat().unwrap();
        let mut new = calls.seat().unwrap();
        old.start(sid('a'), 1);
        assert_eq!(new.start(sid('a'), 2), Start::TookOver);
        assert!(old.is_superseded() && !new.is_superseded());
        old.end();
        assert_eq!(calls.live(), 1, "the new one is still there");
        assert_eq!(calls.seat().unwrap().start(sid('a'), 1), Start::Refused);
        new.end();
        assert_eq!(calls.live(), 0);
    }

    #[test]
    fn who_is_to_let_go_is_told_once_and_nobody_else_is() {
        let calls = Arc::new(Calls::new(10, 10));
        let mut seat = calls.seat().unwrap();
        seat.start(sid('a'), 2);
        assert!(!calls.let_go(sid('a'), 1), "that one has gone");
        assert!(!calls.let_go(sid('b'), 2));
        assert!(!seat.is_superseded());
        assert!(calls.let_go(sid('a'), 2) && !calls.let_go(sid('a'), 2));
        assert!(seat.is_superseded());
    }

    #[test]
    fn seats_are_limited_and_fewer_before_their_start() {
        let calls = Arc::new(Calls::new(2, 1));
        let mut first = calls.seat().unwrap();
        assert_eq!(calls.seat().unwrap_err(), Count::UpgradesOverUnstarted);
        first.start(sid('a'), 0);
        let mut second = calls.seat().unwrap();
        second.start(sid('b'), 0);
        assert_eq!((calls.sockets(), calls.sockets_max()), (2, 2));
        assert_eq!(calls.seat().unwrap_err(), Count::UpgradesOverCalls);
        drop(first);
        calls.seat().unwrap();
    }
}
