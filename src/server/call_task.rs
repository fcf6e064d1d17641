//! One call, one task, one loop: it owns the call's sockets and polls them directly.
//!
//! There is one place that waits, [`CallTask::poll_turn`]: it takes what the sockets have, one input after the other, tells the
//! call, carries out what the call wants, and flushes once for all of it. No channel, no lock and no other task is on the path
//! of a frame.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::ws::WebSocket;
use tokio::time::Sleep;

use super::Shared;
use super::calls::{Seat, Start};
use super::clock::Clock;
use super::desk::CallDesk;
use super::front::{foreign_card, is_final};
use super::sessions::{SESSIONS_MAX, Sessions};
use crate::carrier::socket::CarrierSocket;
use crate::carrier::twilio;
use crate::config::{Agent, Found};
use crate::core::call::Call;
use crate::core::call::checkpoint::Checkpoint;
use crate::core::call::effect::{Effects, EndReason};
use crate::core::call::input::{CarrierEvent, DialAnswer, Input, Started};
use crate::core::call::prompt::Prompts;
use crate::core::fault::Refusal;
use crate::core::front::Card;
use crate::core::ids::{AttemptId, CallId, CallSid, TenantId};
use crate::core::time::Instant;
use crate::telemetry::{CallLog, Count};

/// How many inputs are taken before other calls have their turn.
const INPUTS_PER_TURN: usize = 64;

/// What is polled in turn: the carrier and the sessions.
const SOURCES: usize = 1 + SESSIONS_MAX;

/// The task of one call.
pub(super) struct CallTask {
    pub(super) shared: Arc<Shared>,
    call: Call,
    pub(super) carrier: CarrierSocket,
    /// The carrier's write buffer overflowed; the call has not been told yet.
    pub(super) carrier_is_stuck: bool,
    pub(super) sessions: Sessions,
    /// The call's place at the pool.
    pub(super) desk: CallDesk,
    /// What became of wishes to dial; the call is told before anything else. As many as it wished in its last turn: two.
    pub(super) answers: VecDeque<(AttemptId, DialAnswer)>,
    /// Whom the caller speaks with; the default until the stream has started.
    pub(super) agent: Arc<Agent>,
    /// The language that the stream says the caller speaks.
    language: Option<Box<str>>,
    effects: Effects,
    pub(super) log: CallLog,
    pub(super) seat: Seat,
    /// Whose stream it is, once the front door let it in.
    pub(super) admitted: Option<(CallSid, Card)>,
    /// The source that is asked first, the next time: whoever was served last is asked last.
    next_source: usize,
    timer: Timer,
    /// Whether the call knows that it is to end.
    is_draining: bool,
}

impl CallTask {
    /// The task of a socket that was just upgraded.
    pub(super) fn new(id: CallId, socket: WebSocket, seat: Seat, shared: Arc<Shared>) -> Self {
        let now = shared.clock.now();
        let stream = twilio::Stream::new(Arc::clone(&shared.accounts));
        let (agent, _) = shared.agents.find(None, None);
        Self {
            call: Call::new(id, now, Clock::utc(), shared.settings.clone()),
            carrier: CarrierSocket::new(socket, stream),
            carrier_is_stuck: false,
            sessions: Sessions::default(),
            desk: CallDesk::new(Arc::clone(&shared), now, id, TenantId::default()),
            answers: VecDeque::new(),
            agent: Arc::clone(agent),
            language: None,
            effects: Effects::new(),
            log: shared.telemetry.call(id),
            seat,
            admitted: None,
            next_source: 0,
            timer: Timer::default(),
            is_draining: false,
            shared,
        }
    }

    /// Lives the call to its end, then closes both sides, which takes a second at most.
    pub(super) async fn run(mut self) {
        let tasks = self.shared.tasks.clone();
        let mut woken_to_drain = pin!(tasks.woken_to_drain());
        let mut is_first_turn = true;
        poll_fn(|cx| {
            // Polled once, it wakes the task when the time comes; the frames until then pay nothing for it.
            if mem::take(&mut is_first_turn) {
                match woken_to_drain.as_mut().poll(cx) {
                    Poll::Ready(()) | Poll::Pending => {}
                }
                self.seat.wake_when_superseded(cx);
            }
            self.poll_turn(cx)
        })
        .await;
        self.seat.end();
        self.desk.leave();
        let Self {
            carrier, sessions, ..
        } = self;
        tokio::join!(carrier.close(), sessions.close());
    }

    /// Takes what there is; ready when the call is over.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..INPUTS_PER_TURN {
            let now = self.shared.clock.now();
            if let Poll::Ready(input) = self.poll_input(now, cx) {
                self.handle(now, input);
                if self.call.is_over() {
                    return Poll::Ready(());
                }
                continue;
            }
            self.poll_flush(cx);
            // Ready if the deadline passed meanwhile: then it is an input.
            ready!(self.timer.poll(self.call.deadline(), &self.shared, cx));
        }
        self.poll_flush(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next thing that happened. Nobody waits behind a busy socket: what has a bound in time comes first, and the sockets
    /// take turns.
    fn poll_input(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<Input> {
        if let Some((attempt, answer)) = self.answers.pop_front() {
            return Poll::Ready(Input::DialAnswer(attempt, answer));
        }
        if mem::take(&mut self.carrier_is_stuck) {
            return Poll::Ready(Input::Carrier(CarrierEvent::WriteOverflow));
        }
        if !self.is_draining && self.shared.tasks.is_draining() {
            self.is_draining = true;
            return Poll::Ready(Input::Drain);
        }
        if self.seat.is_superseded() {
            // The caller hears another stream: this one is as good as gone.
            return Poll::Ready(Input::Carrier(CarrierEvent::Closed));
        }
        if self.call.deadline().is_some_and(|deadline| now >= deadline) {
            return Poll::Ready(Input::Tick);
        }
        for _ in 0..SOURCES {
            let source = self.next_source;
            self.next_source = (source + 1) % SOURCES;
            let input = match source.checked_sub(1) {
                None => self.carrier.poll_event(cx).map(Input::Carrier),
                Some(session) => self
                    .sessions
                    .poll_event(session, cx)
                    .map(|(attempt, event)| Input::Provider(attempt, event)),
            };
            if input.is_ready() {
                return input;
            }
        }
        Poll::Pending
    }

    /// Sends on their way what the sockets take; they wake the task when they take more.
    fn poll_flush(&mut self, cx: &mut Context<'_>) {
        match self.carrier.poll_flush(cx) {
            Poll::Ready(()) | Poll::Pending => {}
        }
        self.sessions.poll_flush(cx);
    }

    /// Tells the call, and does what it wants.
    fn handle(&mut self, now: Instant, input: Input) {
        let input = match input {
            Input::Carrier(CarrierEvent::Started(started)) => {
                let started = self.on_started(now, started);
                let prompts = Input::Prompts(self.prompts());
                self.call.handle(now, prompts, &mut self.effects);
                if let Some(checkpoint) = self.checkpoint(now) {
                    let resumed = Input::Resumed(Box::new(checkpoint));
                    self.call.handle(now, resumed, &mut self.effects);
                }
                Input::Carrier(started)
            }
            Input::Carrier(CarrierEvent::Media(_)) => {
                self.log.frame_in();
                input
            }
            Input::Carrier(_)
            | Input::Provider(..)
            | Input::DialAnswer(..)
            | Input::Prompts(_)
            | Input::Resumed(_)
            | Input::Tick
            | Input::Drain => input,
        };
        self.call.handle(now, input, &mut self.effects);
        let mut effects = mem::take(&mut self.effects);
        for effect in effects.drain() {
            self.perform(now, effect);
        }
        self.effects = effects;
    }

    /// Where an earlier stream of this call has left it, if it was lost.
    fn checkpoint(&self, now: Instant) -> Option<Checkpoint> {
        let call = self.seat.call()?;
        self.shared.checkpoints.take(now, &call)
    }

    /// What this caller is told without a model.
    fn prompts(&self) -> Box<Prompts> {
        let language = self.language.as_deref();
        let prompts = self.shared.prompts.for_call(&self.agent.name, language);
        Box::new(Prompts::clone(&prompts))
    }

    /// The stream started: the call takes its place among the live ones, and its agent.
    fn on_started(&mut self, now: Instant, started: Started) -> CarrierEvent {
        let parameters = self.carrier.take_parameters();
        if let Err(refusal) = self.admit(now, started.call, &parameters) {
            return CarrierEvent::Refused(refusal);
        }
        let agents = &self.shared.agents;
        let (agent, found) = agents.find(parameters.get("agent"), parameters.get("to"));
        self.agent = Arc::clone(agent);
        self.language = parameters.get("language").map(Into::into);
        let tenant = self.shared.tenants.get(&agent.name).copied();
        let shared = Arc::clone(&self.shared);
        self.desk = CallDesk::new(shared, now, self.call.id(), tenant.unwrap_or_default());
        match found {
            Found::Named | Found::Unnamed => {}
            Found::Unknown => self.log.unknown_agent(),
        }
        CarrierEvent::Started(started)
    }
}

impl CallTask {
    /// Lets the stream in, by what its document gave it, and gives it its call.
    fn admit(
        &mut self,
        now: Instant,
        call: CallSid,
        papers: &twilio::Parameters,
    ) -> Result<(), Refusal> {
        let own = foreign_card(self.call.id());
        let card = match &self.shared.front {
            None => own,
            Some(front) => match front.admit(now, call, papers) {
                Ok(card) => card.unwrap_or(own),
                Err(count) => {
                    self.shared.telemetry.refused(count);
                    return Err(Refusal::Unauthenticated);
                }
            },
        };
        match self.seat.start(call, card.epoch) {
            Start::First => {}
            Start::TookOver => self.shared.telemetry.count(Count::StreamsSuperseded),
            Start::Refused => return Err(Refusal::DuplicateCall),
        }
        if self.shared.front.is_some() {
            tracing::debug!(call = %self.call.id(), of = %card.id, epoch = card.epoch, "let in");
            self.admitted = Some((call, card));
        }
        Ok(())
    }

    /// The call is over: what comes after its stream is known before its socket closes.
    pub(super) fn remember_end(&self, now: Instant, reason: EndReason) {
        if let (Some(front), Some((call, card))) = (&self.shared.front, self.admitted)
            && is_final(reason)
        {
            front.ended(now, call, card);
        }
    }
}

/// Wakes the task at the call's deadline.
///
/// The deadline moves with almost every frame, mostly away. The timer is set anew only if it moved nearer, or when it has
/// rung.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    rings_at: Option<Instant>,
}

impl Timer {
    /// Ready when the deadline has passed.
    fn poll(
        &mut self,
        deadline: Option<Instant>,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        loop {
            if self.rings_at.is_none_or(|rings_at| rings_at > deadline) {
                self.set(deadline, shared);
            }
            let Some(sleep) = &mut self.sleep else {
                return Poll::Pending;
            };
            ready!(sleep.as_mut().poll(cx));
            self.rings_at = None;
            if shared.clock.now() >= deadline {
                return Poll::Ready(());
            }
        }
    }

    fn set(&mut self, deadline: Instant, shared: &Shared) {
        let at = shared.clock.timer_at(deadline);
        self.rings_at = Some(deadline);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }
}
