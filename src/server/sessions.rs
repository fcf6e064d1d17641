//! The providers' sockets of one call: at most two, dialled, open or on their way out.

use std::future::pending;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::core::call::effect::ProviderCommand;
use crate::core::call::input::ProviderEvent;
use crate::core::fault::Fault;
use crate::core::ids::AttemptId;
use crate::provider::socket::ProviderSocket;

/// A call has a session, and at most one that is to follow it.
pub(super) const SESSIONS_MAX: usize = 2;

/// How many abandoned sockets say goodbye at a time; beyond it the oldest is dropped without.
const CLOSING_MAX: usize = 4;

type Dialling = Pin<Box<dyn Future<Output = Result<ProviderSocket, Fault>> + Send>>;
type Closing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The sockets, by the attempt that each was dialled for.
#[derive(Default)]
pub(super) struct Sessions {
    slots: [Option<Slot>; SESSIONS_MAX],
    closing: Vec<Closing>,
}

struct Slot {
    attempt: AttemptId,
    state: State,
}

enum State {
    Dialling(Dialling),
    /// It waited for a call; this one has asked for its settings, and they are not confirmed yet.
    Warm(Box<Warm>),
    Open(Box<ProviderSocket>),
    /// Writing failed; the call has not been told yet.
    Failed(Box<ProviderSocket>, Fault),
}

/// A spare that a call took.
struct Warm {
    socket: ProviderSocket,
    /// When it is taken for dead.
    patience: Pin<Box<Sleep>>,
    /// What is done then.
    dialling: Dialling,
}

impl Sessions {
    /// Takes over a session that waited and was just told its settings. If it turns out dead before it confirms them, or does
    /// not do so in time, it is forgotten and the dial begins: the call notices nothing but the time.
    pub(super) fn take_over(
        &mut self,
        attempt: AttemptId,
        socket: ProviderSocket,
        patience: Duration,
        dialling: Dialling,
    ) {
        self.put(
            attempt,
            State::Warm(Box::new(Warm {
                socket,
                patience: Box::pin(sleep(patience)),
                dialling,
            })),
        );
    }

    /// Begins a dial; its socket's events come from [`Self::poll_event`], and its failure too.
    pub(super) fn dial(&mut self, attempt: AttemptId, dialling: Dialling) {
        self.put(attempt, State::Dialling(dialling));
    }

    fn put(&mut self, attempt: AttemptId, state: State) {
        let free = self.slots.iter_mut().find(|slot| slot.is_none());
        let free = free.expect("a call abandons a session before it dials a third");
        *free = Some(Slot { attempt, state });
    }

    /// Sends to a session, if it is there and open; the call is told of a failure by [`Self::poll_event`].
    pub(super) fn send(&mut self, attempt: AttemptId, command: &ProviderCommand) {
        let Some(slot) = self.find(attempt) else {
            return;
        };
        let Some(Slot { state, .. }) = slot else {
            return;
        };
        let State::Open(socket) = state else {
            return;
        };
        if let Err(fault) = socket.send(command)
            && let Some(Slot {
                state: State::Open(socket),
                ..
            }) = slot.take()
        {
            let state = State::Failed(socket, fault);
            *slot = Some(Slot { attempt, state });
        }
    }

    /// Closes a session, or stops dialling it.
    pub(super) fn abandon(&mut self, attempt: AttemptId) {
        if let Some(slot) = self.find(attempt) {
            let slot = slot.take();
            self.close_slot(slot);
        }
    }

    /// What the session in this slot says. One that failed has said so, and is gone.
    pub(super) fn poll_event(
        &mut self,
        index: usize,
        cx: &mut Context<'_>,
    ) -> Poll<(AttemptId, ProviderEvent)> {
        let Some(slot) = self.slots.get_mut(index) else {
            return Poll::Pending;
        };
        let Some(session) = slot else {
            return Poll::Pending;
        };
        let event = ready!(session.poll_event(cx));
        let attempt = session.attempt;
        if matches!(event, ProviderEvent::Failed(_)) {
            let slot = slot.take();
            self.close_slot(slot);
        }
        Poll::Ready((attempt, event))
    }

    /// Sends on its way what the sockets take, and goes on saying goodbye to those that were abandoned.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) {
        for slot in self.slots.iter_mut().flatten() {
            let socket = match &mut slot.state {
                State::Open(socket) => socket,
                State::Warm(warm) => &mut warm.socket,
                State::Dialling(_) | State::Failed(..) => continue,
            };
            match socket.poll_flush(cx) {
                Poll::Ready(()) | Poll::Pending => {}
            }
        }
        self.closing
            .retain_mut(|closing| closing.as_mut().poll(cx).is_pending());
    }

    /// Closes all that is left; each socket takes a second at most, all at the same time.
    pub(super) async fn close(mut self) {
        for index in 0..SESSIONS_MAX {
            let slot = self.slots.get_mut(index).and_then(Option::take);
            self.close_slot(slot);
        }
        std::future::poll_fn(|cx| {
            self.poll_flush(cx);
            if self.closing.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn find(&mut self, attempt: AttemptId) -> Option<&mut Option<Slot>> {
        self.slots
            .iter_mut()
            .find(|slot| slot.as_ref().is_some_and(|slot| slot.attempt == attempt))
    }

    fn close_slot(&mut self, slot: Option<Slot>) {
        let socket = match slot.map(|slot| slot.state) {
            // A dial that is dropped is stopped where it stands.
            None | Some(State::Dialling(_)) => return,
            Some(State::Open(socket) | State::Failed(socket, _)) => *socket,
            Some(State::Warm(warm)) => warm.socket,
        };
        if self.closing.len() >= CLOSING_MAX {
            drop(self.closing.remove(0));
        }
        self.closing.push(Box::pin(socket.close()));
    }
}

impl Slot {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<ProviderEvent> {
        if let State::Warm(warm) = &mut self.state {
            let event = warm.socket.poll_event(cx);
            let is_dead = match &event {
                Poll::Ready(ProviderEvent::Failed(_)) => true,
                Poll::Ready(_) => false,
                Poll::Pending => warm.patience.as_mut().poll(cx).is_ready(),
            };
            if !is_dead {
                if matches!(event, Poll::Ready(ProviderEvent::Ready { .. })) {
                    self.change(|warm| State::Open(Box::new(warm.socket)));
                }
                return event;
            }
            self.change(|warm| State::Dialling(warm.dialling));
        }
        if let State::Dialling(dialling) = &mut self.state {
            match ready!(dialling.as_mut().poll(cx)) {
                Ok(socket) => self.state = State::Open(Box::new(socket)),
                Err(fault) => return Poll::Ready(ProviderEvent::Failed(fault)),
            }
        }
        match &mut self.state {
            State::Open(socket) => socket.poll_event(cx),
            State::Failed(_, fault) => Poll::Ready(ProviderEvent::Failed(*fault)),
            State::Dialling(_) | State::Warm(_) => Poll::Pending,
        }
    }

    /// What was warm becomes something else.
    fn change(&mut self, into: impl FnOnce(Warm) -> State) {
        let nothing = State::Dialling(Box::pin(pending()));
        self.state = match mem::replace(&mut self.state, nothing) {
            State::Warm(warm) => into(*warm),
            other @ (State::Dialling(_) | State::Open(_) | State::Failed(..)) => other,
        };
    }
}
