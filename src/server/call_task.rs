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
use super::checkpoints::Left;
use super::clock::Clock;
use super::desk::CallDesk;
use super::drain::Stage;
use super::front::foreign_card;
use super::keeper::CallState;
use super::menu::MenuDesk;
use super::parting::Parting;
use super::sessions::{SESSIONS_MAX, Sessions};
use crate::carrier::socket::CarrierSocket;
use crate::carrier::twilio;
use crate::config::{Agent, Found};
use crate::core::call::Call;
use crate::core::call::checkpoint::{Checkpoint, Origin};
use crate::core::call::effect::Effects;
use crate::core::call::input::{CarrierEvent, DialAnswer, Input, Started};
use crate::core::call::prompt::Prompts;
use crate::core::fault::Refusal;
use crate::core::front::Card;
use crate::core::ids::{AttemptId, CallId, CallSid, TenantId};
use crate::core::region::owner::{NOT_COUNTED, Tenure};
use crate::core::region::resume::{Fate, Resumed};
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
    /// Whose stream it is, once it was let in.
    pub(super) admitted: Option<(CallSid, Card)>,
    /// When the call was put together again, as its document says.
    resumed: Resumed,
    /// The number of its next checkpoint: no two have the same.
    next_checkpoint: u32,
    /// What the end of the call waits for.
    pub(super) parting: Option<Parting>,
    /// What a caller without a model waits for.
    pub(super) menu: MenuDesk,
    /// The source that is asked first, the next time: whoever was served last is asked last.
    next_source: usize,
    timer: Timer,
    /// How far the process is on its way out, as far as the call knows.
    stage: Stage,
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
            resumed: Resumed::default(),
            next_checkpoint: 0,
            parting: None,
            menu: MenuDesk::default(),
            next_source: 0,
            timer: Timer::default(),
            stage: Stage::Serving,
            shared,
        }
    }

    /// Lives the call to its end, then closes both sides, which takes a second and a half at most.
    pub(super) async fn run(mut self) {
        let tasks = self.shared.tasks.clone();
        let mut moved = pin!(tasks.woken_when_moved());
        let mut waits_in = None;
        poll_fn(|cx| {
            if waits_in.is_none() {
                self.seat.wake_when_superseded(cx);
            }
            // Polled once a stage, it wakes the task when the next one comes; the frames until then pay nothing for it.
            if waits_in.replace(self.stage) != Some(self.stage) {
                moved.set(tasks.woken_when_moved());
                match moved.as_mut().poll(cx) {
                    Poll::Ready(()) | Poll::Pending => {}
                }
            }
            let turn = self.poll_turn(cx);
            if waits_in != Some(self.stage) {
                cx.waker().wake_by_ref();
            }
            turn
        })
        .await;
        self.seat.end();
        self.desk.leave();
        let Self {
            carrier,
            sessions,
            parting,
            ..
        } = self;
        let hang_up = async {
            if let Some(parting) = parting {
                parting.wait().await;
            }
            carrier.close().await;
        };
        tokio::join!(hang_up, sessions.close());
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
        let stage = self.shared.tasks.stage();
        if stage != mem::replace(&mut self.stage, stage) {
            match stage {
                Stage::Serving | Stage::Stopping => {}
                Stage::HandingOver => return Poll::Ready(Input::HandOver),
                Stage::Draining => return Poll::Ready(Input::Drain),
            }
        }
        if self.seat.is_superseded() {
            // The caller hears another stream: this one is as good as gone.
            return Poll::Ready(Input::Carrier(CarrierEvent::Closed));
        }
        if self.call.deadline().is_some_and(|deadline| now >= deadline) {
            return Poll::Ready(Input::Tick);
        }
        let answer = self.menu.poll_answer(cx);
        if answer.is_ready() {
            return answer;
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
                let call = started.call;
                let (started, resumed) = self.on_started(now, started);
                let prompts = Input::Prompts(Box::new(self.prompts()));
                self.call.handle(now, prompts, &mut self.effects);
                for input in self.menu_inputs(now, call) {
                    self.call.handle(now, input, &mut self.effects);
                }
                if let Some((origin, checkpoint)) = resumed {
                    let resumed = Input::Resumed(origin, Box::new(checkpoint));
                    self.call.handle(now, resumed, &mut self.effects);
                }
                Input::Carrier(started)
            }
            Input::Carrier(CarrierEvent::Media(_)) => {
                self.log.frame_in();
                if self.call.is_apologizing() && self.menu.are_models_back(now, &self.shared) {
                    let back = Input::ModelsBack;
                    self.call.handle(now, back, &mut self.effects);
                }
                input
            }
            Input::Carrier(_)
            | Input::Provider(..)
            | Input::DialAnswer(..)
            | Input::Prompts(_)
            | Input::Resumed(..)
            | Input::Menu(_)
            | Input::Caller(_)
            | Input::Promised(_)
            | Input::Recorded(_)
            | Input::ModelsBack
            | Input::Tick
            | Input::HandOver
            | Input::Drain => input,
        };
        self.call.handle(now, input, &mut self.effects);
        let mut effects = mem::take(&mut self.effects);
        for effect in effects.drain() {
            self.perform(now, effect);
        }
        self.effects = effects;
    }

    /// What this caller is told without a model.
    fn prompts(&self) -> Prompts {
        let language = self.language.as_deref();
        let prompts = self
            .shared
            .prompts
            .now()
            .for_call(&self.agent.name, language);
        Prompts::clone(&prompts)
    }

    /// The stream started: the call takes its place among the live ones, and its agent. With it comes where an earlier stream of
    /// the call has left it, if that was lost.
    fn on_started(
        &mut self,
        now: Instant,
        started: Started,
    ) -> (CarrierEvent, Option<(Origin, Checkpoint)>) {
        if self.admitted.is_some() {
            return (CarrierEvent::Started(started), None); // The call refuses a second start.
        }
        let parameters = self.carrier.take_parameters();
        let checkpoint = match self.admit(now, started.call, &parameters) {
            Ok(checkpoint) => checkpoint,
            Err(refusal) => return (CarrierEvent::Refused(refusal), None),
        };
        let agents = &self.shared.agents;
        let (agent, found) = agents.find(parameters.get("agent"), parameters.get("to"));
        self.agent = Arc::clone(agent);
        self.language = parameters.get("language").map(Into::into);
        self.menu.start(parameters.get("to"));
        let tenant = self.shared.tenants.get(&agent.name).copied();
        let shared = Arc::clone(&self.shared);
        self.desk = CallDesk::new(shared, now, self.call.id(), tenant.unwrap_or_default());
        match found {
            Found::Named | Found::Unnamed => {}
            Found::Unknown => self.log.unknown_agent(),
        }
        let rings_back = parameters.get("promise").is_some();
        let origin = self.origin(now, started.call, rings_back);
        // Whoever is rung back is told so, also where nothing is known any more of what they said.
        let checkpoint = checkpoint.or_else(|| rings_back.then(Checkpoint::default));
        let resumed = checkpoint.map(|checkpoint| (origin, checkpoint));
        (CarrierEvent::Started(started), resumed)
    }

    /// Why there is a stream of a call that had another before.
    fn origin(&self, now: Instant, call: CallSid, rings_back: bool) -> Origin {
        let front = self.shared.front.as_ref();
        if rings_back {
            Origin::RingBack
        } else if front.is_some_and(|front| front.memory().endings.is_unreached(now, call)) {
            Origin::TransferFailed
        } else {
            Origin::LineLost
        }
    }

    /// The call's name.
    pub(super) const fn id(&self) -> CallId {
        self.call.id()
    }

    /// The language that the caller hears without a model.
    pub(super) fn spoken_language(&self) -> &str {
        let own = self.language.as_deref().or(self.agent.language.as_deref());
        own.unwrap_or("en")
    }
}

impl CallTask {
    /// Lets the stream in, by what its document gave it, and gives it its call, with where that was left.
    fn admit(
        &mut self,
        now: Instant,
        call: CallSid,
        papers: &twilio::Parameters,
    ) -> Result<Option<Checkpoint>, Refusal> {
        let shared = &self.shared;
        let admitted = match &shared.front {
            None => None,
            Some(front) => front
                .admit(now, &shared.keeper, call, papers)
                .map_err(|count| {
                    shared.telemetry.refused(count);
                    Refusal::Unauthenticated
                })?,
        };
        let card = admitted.map(|admitted| admitted.card);
        let resumed = admitted.map(|admitted| admitted.resumed);
        let epoch = card.map_or(NOT_COUNTED, |card| card.epoch);
        match self.seat.start(call, epoch) {
            Start::First => {}
            Start::TookOver => {
                shared.telemetry.count(Count::StreamsSuperseded);
            }
            Start::Refused => return Err(Refusal::DuplicateCall),
        }
        let (id, checkpoint) = shared.checkpoints.take(now, &call).unzip();
        // Who goes on with a call of which nothing is known greets nobody, and asks for what was said last.
        let goes_on = admitted.is_some_and(|admitted| !admitted.is_fresh);
        let unknown = || Checkpoint {
            is_mid_turn: true,
            ..Checkpoint::default()
        };
        let checkpoint = checkpoint.or_else(|| goes_on.then(unknown));
        // A document that was not ours knows no name of the call: it keeps the one that it had, or that of its first socket.
        let foreign = || foreign_card(id.unwrap_or(self.call.id()));
        let card = card.unwrap_or_else(foreign);
        self.take_name(now, card.id);
        self.admitted = Some((call, card));
        self.resumed = resumed.unwrap_or_default();
        if card.epoch == NOT_COUNTED {
            // Its streams are told apart by when they began: none has as many checkpoints as seconds.
            let seconds = Clock::utc().millis() / 1_000;
            self.next_checkpoint = u32::try_from(seconds).unwrap_or_default();
        }
        // Should the process die in its first turn, the call is to go on and not to begin again.
        self.keep(now, checkpoint.clone().unwrap_or_default());
        if goes_on {
            self.shared.tell_opened(call, card);
        }
        Ok(checkpoint)
    }

    /// Until its stream starts a socket goes by a name of its own; from then on by that of its call. Nothing has happened in
    /// between that a call remembers.
    fn take_name(&mut self, now: Instant, id: CallId) {
        if id != self.call.id() {
            self.call = Call::new(id, now, Clock::utc(), self.shared.settings.clone());
            self.log = self.shared.telemetry.call(id);
        }
    }

    /// The call stands here now: another stream goes on from there, here or elsewhere, in this life of the process or in the next.
    pub(super) fn keep(&mut self, now: Instant, checkpoint: Checkpoint) {
        let Some((call, numbered, state)) = self.leave(now, Fate::GoesOn, checkpoint) else {
            return;
        };
        let keeper = &self.shared.keeper;
        if keeper.is_there() {
            keeper.keep_call(call, numbered, &state);
        }
    }

    /// Remembers the next checkpoint of the call, with its number. `None`: it is another stream's by now, or nobody's yet.
    pub(super) fn leave(
        &mut self,
        now: Instant,
        fate: Fate,
        checkpoint: Checkpoint,
    ) -> Option<(CallSid, (Card, u32), CallState)> {
        let (call, card) = self.admitted.filter(|_| !self.seat.is_superseded())?;
        let turn = self.next_checkpoint;
        self.next_checkpoint = turn.saturating_add(1);
        let left = Left {
            by: Tenure {
                card,
                owner: self.shared.me,
            },
            turn,
            fate,
            resumed: self.resumed,
            checkpoint: checkpoint.clone(),
        };
        self.shared.checkpoints.keep(now, call, left);
        let state = CallState {
            checkpoint,
            resumed: self.resumed,
            fate,
        };
        Some((call, (card, turn), state))
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
