//! The one task that owns the ledger: told by a channel, and never waiting for anything else than that and the time.
//!
//! A bug in it ends one life of it: whoever waits is told that it was in vain, and the next life begins with what is kept.

use std::collections::BTreeMap;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::archive::{Archive, Common};
use super::restoring::restore;
use super::served::DeskName;
use super::standing::Standing;
use super::sweeping::Sweep;
use super::{Answered, Callbacks, Message, models};
use crate::carrier::twilio::rest::Rest;
use crate::config::{self, PromiseDurability};
use crate::core::callback::CallbackLedger;
use crate::core::callback::effect::{Effect, Effects, Told, Write, WriteId};
use crate::core::callback::input::{
    InboundText, Input, Models, RingOutcome, RingStatus, Stored, TextOutcome, Wanted,
};
use crate::core::callback::number::Number;
use crate::core::callback::promise::SendKind;
use crate::core::ids::{CallId, MessageSid, PromiseId};
use crate::core::time::{Instant, Utc};
use crate::server::Shared;
use crate::server::admin::view::CallbackVerb;
use crate::server::clock::{Clock, draw_desk_name};
use crate::server::drain::Stage;
use crate::telemetry::Count;

/// How long the next life is waited for at first, and at most: a bug that is always there must not keep the process busy.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// How often is looked whether models have room.
const MODELS_EVERY: Duration = Duration::from_secs(1);

/// How often is looked whether calls are left, while the process stops: one of them may want a promise.
const CALLS_EVERY: Duration = Duration::from_millis(50);

/// The ledger is never told the time more often than this.
const TICK_PAUSE: Duration = Duration::from_millis(5);

/// Who may wait at once; beyond it the oldest name is told that it was in vain.
const WAITING_MAX: usize = 16_384;

/// Serves the ledger until the process stops.
pub(in crate::server) async fn keep(shared: Arc<Shared>) {
    let Some(callbacks) = &shared.callbacks else {
        return;
    };
    let Some(mut inbox) = callbacks.take_inbox() else {
        return;
    };
    let mut pause = PAUSE;
    for life in 0.. {
        let desk = Desk::new(Arc::clone(&shared), callbacks, life);
        let living = AssertUnwindSafe(desk.live(&mut inbox)).catch_unwind();
        if living.await.is_ok() {
            return;
        }
        shared.telemetry.panicked(&"callbacks");
        let until = shared.clock.timer_at(shared.clock.now() + pause);
        // Whoever asks meanwhile is not kept waiting: their channels close.
        while let Ok(Some(message)) = tokio::time::timeout_at(until, inbox.recv()).await {
            drop(message);
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// The ledger in one life of its task, and who waits for it.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) tell: mpsc::Sender<Message>,
    /// What was asked for in another life is not answered in this one: names of writes begin anew.
    pub(super) life: u32,
    settings: config::Callbacks,
    pub(super) ledger: CallbackLedger,
    /// Where promises are kept; `None`: nowhere, and nothing is promised.
    pub(super) archive: Option<Archive>,
    /// Where nodes share them.
    pub(super) standing: Option<Standing>,
    pub(super) sweep: Sweep,
    effects: Effects,
    pub(super) models: Models,
    models_at: Instant,
    pub(super) is_stopping: bool,
    /// The calls that want something, and what.
    pub(super) calls: BTreeMap<CallId, (Box<Wanted>, oneshot::Sender<Told>)>,
    /// The webhooks of texts, and who wrote.
    pub(super) texts: BTreeMap<MessageSid, (Number, Vec<oneshot::Sender<Answered>>)>,
    forgetting: BTreeMap<Number, Vec<oneshot::Sender<()>>>,
    /// The writes that make a number forgotten.
    forgotten_by: BTreeMap<WriteId, Number>,
}

impl Desk {
    fn new(shared: Arc<Shared>, callbacks: &Callbacks, life: u32) -> Self {
        let settings = callbacks.settings().clone();
        let archive = open(&shared, settings.durability);
        let standing = match &archive {
            Some(Archive::Common(common)) => {
                let (node, replicas_min) = shared.keeper.sharer();
                let common = Arc::clone(common);
                Some(Standing::new(common, node, settings.claims, replicas_min))
            }
            Some(Archive::Own(_)) | None => None,
        };
        Self {
            archive,
            standing,
            sweep: Sweep::default(),
            tell: callbacks.tell.clone(),
            life,
            ledger: CallbackLedger::new(settings.ledger.clone()),
            settings,
            effects: Effects::new(),
            models: Models::Out,
            models_at: Instant::ZERO,
            is_stopping: false,
            calls: BTreeMap::new(),
            texts: BTreeMap::new(),
            forgetting: BTreeMap::new(),
            forgotten_by: BTreeMap::new(),
            shared,
        }
    }

    pub(super) const fn settings(&self) -> &config::Callbacks {
        &self.settings
    }

    pub(super) fn rest(&self) -> Option<Arc<Rest>> {
        let orders = self.shared.orders.as_ref()?;
        Some(orders.rest())
    }

    async fn live(mut self, inbox: &mut mpsc::Receiver<Message>) {
        if let Some(archive) = &self.archive {
            let (shared, tell) = (Arc::clone(&self.shared), self.tell.clone());
            let restoring = restore(shared, archive.clone(), self.life, tell);
            self.shared.tasks.spawn("promises", restoring);
        }
        let tasks = self.shared.tasks.clone();
        let mut stopping = pin!(tasks.reached(Stage::Stopping));
        loop {
            let wake_at = self.shared.clock.timer_at(self.wake_at());
            let message = tokio::select! {
                () = &mut stopping, if !self.is_stopping => {
                    self.is_stopping = true;
                    self.step_down();
                    None
                }
                message = inbox.recv() => message,
                () = sleep_until(wake_at) => None,
            };
            if tasks.stage() == Stage::Draining {
                return;
            }
            self.turn(message);
        }
    }

    fn wake_at(&self) -> Instant {
        let now = self.shared.clock.now();
        let looks = if self.is_stopping {
            now + CALLS_EVERY
        } else {
            self.models_at
        };
        let due = self.ledger.deadline().map_or(looks, |at| at.min(looks));
        let shares = self.standing.as_ref().filter(|_| !self.is_stopping);
        let claim = shares.map_or(due, |standing| standing.claim_at);
        due.min(claim).max(now + TICK_PAUSE)
    }

    /// Takes what there is.
    fn turn(&mut self, message: Option<Message>) {
        let now = self.shared.clock.now();
        let utc = Clock::utc();
        if now >= self.models_at {
            self.models_at = now + MODELS_EVERY;
            self.look_at_models(now, utc);
            self.look_at_role(now);
        }
        self.claim(now);
        self.sweep(now);
        match message {
            Some(message) => self.take(now, utc, message),
            None if self.ledger.deadline().is_some_and(|at| at <= now) => {
                self.handle(now, utc, Input::Tick);
            }
            None => {}
        }
        self.shared.telemetry.callbacks_open(self.ledger.open());
    }

    /// While the process stops nobody is rung: there would be nobody to speak with.
    fn look_at_models(&mut self, now: Instant, utc: Utc) {
        let models = if self.is_stopping {
            Models::Out
        } else {
            let is_ring_due = self.ledger.is_ring_due(utc);
            models::models(&self.shared, &self.settings, now, is_ring_due)
        };
        if models != self.models {
            self.models = models;
            self.handle(now, utc, Input::Models(models));
        }
    }

    fn take(&mut self, now: Instant, utc: Utc, message: Message) {
        // What another desk serves is served here, if somebody asks for it here.
        if let Some(message) = self.seek(message) {
            self.take_here(now, utc, message);
        }
    }

    pub(super) fn take_here(&mut self, now: Instant, utc: Utc, message: Message) {
        match message {
            Message::Claimed(life, asked, claimed) if life == self.life => {
                self.on_claimed(asked, &claimed);
            }
            Message::Swept(life, swept) if life == self.life => self.on_swept(now, utc, swept),
            Message::Taken(life, taken, then) if life == self.life => {
                self.on_taken((now, utc), taken, then);
            }
            Message::Restored(life, promises) if life == self.life => {
                for promise in promises {
                    self.handle(now, utc, promise);
                }
            }
            // Of another life.
            Message::Claimed(..)
            | Message::Swept(..)
            | Message::Taken(..)
            | Message::Restored(..) => {}
            Message::Wanted(wanted, told) => self.on_wanted(now, utc, wanted, told),
            Message::Text(text, answer) => self.on_text(now, utc, text, answer),
            Message::Heard(input) => self.handle(now, utc, input),
            // It may be anybody's: there is a person on the line all the same, and what became of the ring is looked up.
            Message::Answered(..) if !self.ledger.is_ready() => {}
            Message::Answered(send, call, reply) => {
                self.handle(now, utc, Input::RingStatus(send, call, RingStatus::Person));
                reply.send(self.connected(send, call)).ok(); // The carrier may have given up.
            }
            Message::Outcome(life, input, by) => self.on_outcome(now, utc, life, input, by),
            Message::Look(id, reply) => {
                reply.send(self.view(utc, id)).ok(); // As above.
            }
            Message::Number(id, reply) => {
                let mut promises = self.ledger.promises();
                let promise = promises.find(|promise| promise.id == id);
                reply.send(promise.map(|promise| promise.to)).ok(); // As above.
            }
            Message::Order(id, verb, reply) => {
                let is_there = self.ledger.promises().any(|promise| promise.id == id);
                self.handle(now, utc, order(id, verb));
                reply.send(is_there).ok(); // As above.
            }
            Message::Forget(number, reply) => {
                let waiting = self.forgetting.entry(number).or_default();
                waiting.retain(|operator| !operator.is_closed());
                waiting.push(reply);
                self.handle(now, utc, Input::Forget(number));
            }
        }
    }

    fn on_wanted(
        &mut self,
        now: Instant,
        utc: Utc,
        wanted: Box<Wanted>,
        told: oneshot::Sender<Told>,
    ) {
        if self.calls.len() >= WAITING_MAX {
            self.calls.pop_first();
        }
        self.calls.insert(wanted.call, (wanted.clone(), told));
        if let Some(standing) = &mut self.standing {
            standing.has_made(now, wanted.promise);
        }
        self.handle(now, utc, Input::Wanted(wanted));
    }

    fn on_text(
        &mut self,
        now: Instant,
        utc: Utc,
        text: Box<InboundText>,
        answer: oneshot::Sender<Answered>,
    ) {
        if self.texts.len() >= WAITING_MAX {
            self.texts.pop_first();
        }
        let (_, waiting) = self
            .texts
            .entry(text.message)
            .or_insert_with(|| (text.from, Vec::new()));
        waiting.retain(|webhook| !webhook.is_closed());
        waiting.push(answer);
        self.handle(now, utc, Input::Text(text));
    }

    fn on_outcome(&mut self, now: Instant, utc: Utc, life: u32, input: Input, by: Option<Instant>) {
        if life != self.life {
            return;
        }
        if by.is_some_and(|by| now >= by) {
            // It might be taken for that of the next try.
            self.shared.telemetry.count(Count::CallbackOutcomesLate);
            return;
        }
        if let Input::Stored(write, stored) = &input
            && let Some(number) = self.forgotten_by.remove(write)
            && *stored == Stored::Kept
        {
            let waiting = self.forgetting.remove(&number);
            for operator in waiting.unwrap_or_default() {
                operator.send(()).ok(); // They may have gone.
            }
        }
        if input == Input::Ready {
            self.sweep.at = Some(now);
        }
        self.handle(now, utc, input);
    }

    pub(super) fn handle(&mut self, now: Instant, utc: Utc, input: Input) {
        let mut effects = mem::take(&mut self.effects);
        self.ledger.handle(now, utc, input, &mut effects);
        for effect in effects.drain() {
            self.perform((now, utc), effect);
        }
        self.effects = effects;
    }

    /// Whether somebody of this number is speaking with us, or with a person whom we have connected them to: they are rung a minute
    /// later, if still at all.
    fn is_on_line(&self, now: Instant, number: Number) -> bool {
        let calls = self.shared.callers.calls_of(now, number);
        let is_with_person = || {
            self.shared.front.as_ref().is_some_and(|front| {
                let memory = front.memory();
                let mut calls = calls.iter();
                calls.any(|call| memory.endings.is_with_person(now, *call))
            })
        };
        let is_on_line = self.shared.calls.are_live(&calls) || is_with_person();
        if is_on_line {
            tracing::info!("a caller who is to be rung is on the line; later");
        }
        is_on_line
    }

    fn perform(&mut self, (now, utc): (Instant, Utc), effect: Effect) {
        match effect {
            Effect::Write(id, write) => {
                if let Write::Forget(number) = write {
                    self.forgotten_by.insert(id, number);
                }
                self.write(id, write);
            }
            // Whoever is texted now is rung by another process, which knows nothing of it until this one is gone.
            Effect::Text(request)
                if self.is_stopping
                    || !self.may_request((now, utc), request.send, SendKind::Text) =>
            {
                self.outcome(Input::Texted(request.send, TextOutcome::NotSent));
            }
            Effect::Text(request) => self.text(now, &request),
            Effect::LookUpText { send, to } => self.look_up_text(now, send, to),
            Effect::Ring(request)
                if self.is_stopping
                    || self.is_on_line(now, request.to)
                    || !self.may_request((now, utc), request.send, SendKind::Ring) =>
            {
                self.outcome(Input::Rung(request.send, RingOutcome::NotSent));
            }
            Effect::Ring(request) => self.ring(now, &request),
            Effect::LookUpRing {
                send,
                to,
                call,
                since,
            } => self.look_up_ring(now, (send, to), call, since),
            Effect::CancelRing(call) => self.cancel_ring(call),
            Effect::Tell(call, told) => self.tell_call(call, told),
            Effect::Answer(message, answer) => self.answer(message, answer),
            Effect::CheckTime => self.check_time(),
            Effect::Observe(seen) => self.shared.telemetry.callback(seen),
        }
    }

    /// Something is done beside the loop, and its outcome is an input; if that fails in a way of its own, it is `otherwise`.
    pub(super) fn ask(
        &self,
        name: &'static str,
        by: Option<Instant>,
        otherwise: Input,
        asking: impl Future<Output = Input> + Send + 'static,
    ) {
        let (tell, life) = (self.tell.clone(), self.life);
        let telemetry = self.shared.telemetry.clone();
        self.shared.tasks.spawn(name, async move {
            let asking = AssertUnwindSafe(asking).catch_unwind();
            let outcome = tokio::select! {
                outcome = asking => outcome,
                // The process stops: what became of a request is looked up in its next life.
                () = tell.closed(), if by.is_some() => return,
            };
            let outcome = outcome.unwrap_or_else(|_| {
                telemetry.panicked(&name);
                otherwise
            });
            // If there is no room for a while, the ledger finds out for itself.
            tell.send(Message::Outcome(life, outcome, by)).await.ok();
        });
    }

    /// An outcome that is known already, told as all others are.
    pub(super) fn outcome(&self, outcome: Input) {
        let otherwise = outcome.clone();
        self.ask("outcome", None, otherwise, async move { outcome });
    }
}

/// Where promises are kept, for a new life.
fn open(shared: &Shared, durability: PromiseDurability) -> Option<Archive> {
    let file = shared.keeper.store().cloned();
    match durability {
        PromiseDurability::Disk => file.map(Archive::Own),
        PromiseDurability::Shared => {
            let store = shared.keeper.shared_store().cloned()?;
            Some(Archive::Common(Arc::new(Common {
                store,
                file,
                me: DeskName(draw_desk_name()),
                tasks: shared.tasks.clone(),
            })))
        }
    }
}

const fn order(id: PromiseId, verb: CallbackVerb) -> Input {
    match verb {
        CallbackVerb::Cancel => Input::Cancel(id),
        CallbackVerb::Retry => Input::Retry(id),
    }
}
