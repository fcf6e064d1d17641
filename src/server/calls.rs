//! Which calls are live, and how many may be. Touched when a socket comes, when its stream starts and when it goes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::core::ids::CallSid;
use crate::telemetry::Count;

/// The calls of this process.
#[derive(Debug)]
pub(super) struct Calls {
    /// The calls whose stream has started; at most as many as there are seats.
    live: Mutex<BTreeSet<CallSid>>,
    sockets: Arc<Semaphore>,
    sockets_max: usize,
    unstarted: Arc<Semaphore>,
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
            unstarted: Some(unstarted),
            call: None,
        })
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

    fn lock(&self) -> MutexGuard<'_, BTreeSet<CallSid>> {
        // Nothing is done under the lock that could leave the set half changed.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One socket's place among the calls; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    calls: Arc<Calls>,
    _socket: OwnedSemaphorePermit,
    unstarted: Option<OwnedSemaphorePermit>,
    call: Option<CallSid>,
}

impl Seat {
    /// The stream of this call started; `false` if the call has a live stream already.
    pub(super) fn start(&mut self, call: CallSid) -> bool {
        if !self.calls.lock().insert(call) {
            return false;
        }
        self.call = Some(call);
        self.unstarted = None;
        true
    }

    /// The call that has started here, if one has.
    pub(super) const fn call(&self) -> Option<CallSid> {
        self.call
    }

    /// The call is over, though its sockets are still to be closed: its next stream may come.
    pub(super) fn end(&mut self) {
        if let Some(call) = self.call.take() {
            self.calls.lock().remove(&call);
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
        assert!(first.start(sid('a')));
        assert!(!second.start(sid('a')));
        drop(second); // It never had the call, so it does not take it along.
        assert_eq!(calls.live(), 1);
        first.end();
        assert!(calls.seat().unwrap().start(sid('a')));
        drop(first);
        assert_eq!(calls.live(), 0);
    }

    #[test]
    fn seats_are_limited_and_fewer_before_their_start() {
        let calls = Arc::new(Calls::new(2, 1));
        let mut first = calls.seat().unwrap();
        assert_eq!(calls.seat().unwrap_err(), Count::UpgradesOverUnstarted);
        first.start(sid('a'));
        let mut second = calls.seat().unwrap();
        second.start(sid('b'));
        assert_eq!((calls.sockets(), calls.sockets_max()), (2, 2));
        assert_eq!(calls.seat().unwrap_err(), Count::UpgradesOverCalls);
        drop(first);
        calls.seat().unwrap();
    }
}
