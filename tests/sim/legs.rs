//! The provider's side of a simulated call: doors, sessions, and the pool that chooses among them.

use std::time::Duration;

use bytes::Bytes;
use loadtest::key::KeyMark;
use loadtest::model::ModelSession;
use loadtest::model::house::{Door, ModelHouse};
use loadtest::peer::{Action, Outbox, Peer};
use ringback::core::call::effect::{DialKind, ProviderCommand, Report as Fares};
use ringback::core::call::input::{DialAnswer, Input, ProviderEvent};
use ringback::core::fault::Fault;
use ringback::core::ids::AttemptId;
use ringback::core::pool::{Report, Rung};
use ringback::core::time::Instant;
use ringback::provider::openai::outgoing::Outgoing;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::openai::session::Session;
use ringback::provider::openai::settings::{SessionSettings, TurnDetection};
use ringback::provider::upgrade::fault_of_refusal;

use crate::network::{Parcel, Pipe};
use crate::setup::LegReport;
use crate::world::{World, parcel};

/// How long a synthetic session takes.
const PROBE_TIME: Duration = Duration::from_millis(800);

/// A provider session: our adapter and the double that it speaks with.
pub(crate) struct Leg {
    rung: Rung,
    session: Session,
    outgoing: Outgoing,
    model: Option<ModelSession>,
    /// When the double begins, if it has not.
    opens_at: Option<Duration>,
    /// The double's end of the socket: open, and it reads and writes.
    model_open: bool,
    is_frozen: bool,
    /// The server has let go of it, or lost it: it hears nothing of it any more.
    released_at: Option<Duration>,
}

impl Leg {
    fn new(rung: Rung) -> Self {
        Self {
            rung,
            session: Session::new(session_settings(), Dialect::Ga.quirks()),
            outgoing: Outgoing::new(),
            model: None,
            opens_at: None,
            model_open: true,
            is_frozen: false,
            released_at: None,
        }
    }

    /// When the double next wants to do something.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let model = self.model.as_ref().filter(|_| self.model_open)?;
        match self.opens_at {
            Some(at) => Some(at),
            None => model.deadline(),
        }
    }

    pub(crate) fn is_released(&self) -> bool {
        self.released_at.is_some()
    }

    pub(crate) fn into_report(self) -> LegReport {
        LegReport {
            session: self.model.map(ModelSession::into_report),
        }
    }

    /// Whether the double hears what comes.
    fn listens(&self) -> bool {
        self.model_open && !self.is_frozen
    }
}

impl World {
    pub(crate) fn dial(&mut self, attempt: AttemptId, kind: DialKind) -> DialAnswer {
        let now = self.instant();
        let ruling = self.desk.dial(&mut self.pool, now, attempt, kind);
        let seen = ruling.seen.map(|seen| (self.now, seen));
        self.life.observations.extend(seen);
        if let Some(rung) = ruling.rung {
            self.legs.insert(attempt, Leg::new(rung));
            self.network
                .send(self.now, Pipe::ServerToModel(attempt), Parcel::Open);
        }
        ruling.answer
    }

    pub(crate) fn report(&mut self, attempt: AttemptId, fares: Fares) {
        let now = self.instant();
        self.desk
            .report(&mut self.pool, now, attempt, fares, &mut self.news);
        self.start_probes();
    }

    pub(crate) fn leave(&mut self) {
        let now = self.instant();
        self.desk.leave(&mut self.pool, now, &mut self.news);
        for (_, rung) in self.probes.drain(..) {
            self.pool
                .record(now, rung.seat, Report::Ended, &mut self.news);
        }
    }

    pub(crate) fn abandon(&mut self, attempt: AttemptId) {
        let now = self.instant();
        self.desk
            .abandon(&mut self.pool, now, attempt, &mut self.news);
        self.release(attempt);
    }

    pub(crate) fn unreleased(&self) -> Vec<AttemptId> {
        let legs = self.legs.iter().filter(|(_, leg)| !leg.is_released());
        legs.map(|(&attempt, _)| attempt).collect()
    }

    pub(crate) fn pool_deadline(&self) -> Option<Duration> {
        let probes = self.probes.iter().map(|&(at, _)| at).min();
        let pool = self.pool.deadline().map(Instant::since_start);
        probes.into_iter().chain(pool).min()
    }

    pub(crate) fn tick_pool(&mut self) {
        let now = self.instant();
        let due = self.probes.iter().position(|&(at, _)| at <= self.now);
        if let Some(due) = due {
            let (_, rung) = self.probes.swap_remove(due);
            let fares = self.probe(rung);
            self.pool.record(now, rung.seat, fares, &mut self.news);
            if fares != Report::Failed(Fault::ServerError) {
                self.pool
                    .record(now, rung.seat, Report::Ended, &mut self.news);
            }
        }
        self.pool.tick(now, &mut self.news);
        self.start_probes();
    }

    fn start_probes(&mut self) {
        self.news.transitions.clear();
        let ends = self.now + PROBE_TIME;
        self.probes
            .extend(self.news.probes.drain(..).map(|rung| (ends, rung)));
    }

    /// A synthetic session is let in, or it is not.
    fn probe(&mut self, rung: Rung) -> Report {
        match self.knock(rung) {
            (_, Door::Open(_)) => Report::Answered { after: PROBE_TIME },
            (_, Door::Refuse(_) | Door::Hang(_) | Door::Reset) => {
                Report::Failed(Fault::ServerError)
            }
        }
    }

    fn knock(&mut self, rung: Rung) -> (Duration, Door) {
        let key = KeyMark::of(&format!("key-{}", rung.key.0));
        let house: &mut ModelHouse = &mut self.houses[usize::from(rung.provider.0)];
        let reception = house.knock(self.now, Some(key));
        (reception.after, reception.door)
    }

    pub(crate) fn tick_models(&mut self, out: &mut Outbox) {
        let now = self.now;
        let is_due = |leg: &Leg| leg.deadline().is_some_and(|at| at <= now);
        let due: Vec<_> = self
            .legs
            .iter()
            .filter(|(_, leg)| is_due(leg))
            .map(|(&attempt, _)| attempt)
            .collect();
        for attempt in due {
            if let Some(leg) = self.legs.get_mut(&attempt)
                && let Some(model) = &mut leg.model
            {
                match leg.opens_at.take() {
                    Some(_) => model.start(now, out),
                    None => model.tick(now, out),
                }
            }
            self.carry_model(attempt, out);
        }
    }

    pub(crate) fn reach_model(&mut self, attempt: AttemptId, parcel: Parcel, out: &mut Outbox) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| leg.listens()) else {
            return;
        };
        match (parcel, &mut leg.model) {
            (Parcel::Open, _) => {
                let rung = leg.rung;
                self.open_door(attempt, rung);
                return;
            }
            (Parcel::Text(text), Some(model)) => model.receive(now, &text, out),
            (Parcel::Ping, Some(_)) => {
                self.network
                    .send(now, Pipe::ModelToServer(attempt), Parcel::Pong);
            }
            (Parcel::Closed(code), model) => {
                leg.model_open = false;
                if let Some(model) = model {
                    model.closed(now, code);
                }
            }
            (Parcel::Text(_) | Parcel::Ping, None)
            | (Parcel::Binary | Parcel::Pong | Parcel::Refused { .. } | Parcel::Reset, _) => {}
        }
        self.carry_model(attempt, out);
    }

    fn open_door(&mut self, attempt: AttemptId, rung: Rung) {
        let (after, door) = self.knock(rung);
        let at = self.now + after;
        let back = Pipe::ModelToServer(attempt);
        match door {
            Door::Open(model) => {
                if let Some(leg) = self.legs.get_mut(&attempt) {
                    leg.model = Some(*model);
                    leg.opens_at = Some(at);
                }
            }
            Door::Refuse(refusal) => self.network.send(
                at,
                back,
                Parcel::Refused {
                    status: refusal.status,
                    retry_after: refusal.retry_after,
                    body: refusal.body,
                },
            ),
            Door::Reset => self.network.send(at, back, Parcel::Reset),
            Door::Hang(_) => {} // Whoever waits has to give up by themselves.
        }
    }

    pub(crate) fn reach_session(&mut self, attempt: AttemptId, parcel: Parcel) {
        let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| !leg.is_released()) else {
            return;
        };
        let event = match parcel {
            Parcel::Text(text) => {
                let event = leg.session.receive(&Bytes::from(text), &mut leg.outgoing);
                self.send_outgoing(attempt);
                event
            }
            Parcel::Binary => Some(ProviderEvent::Failed(Fault::Garbled)),
            Parcel::Closed(code) => Some(ProviderEvent::Failed(
                leg.session.closed(code.unwrap_or(1006), ""),
            )),
            Parcel::Refused {
                status,
                retry_after,
                body,
            } => {
                let quirks = Dialect::Ga.quirks();
                let fault = fault_of_refusal(status, retry_after, body.as_bytes(), quirks);
                Some(ProviderEvent::Failed(fault))
            }
            Parcel::Reset => Some(ProviderEvent::Failed(Fault::ConnectFailed)),
            Parcel::Pong => Some(ProviderEvent::Pong),
            Parcel::Open | Parcel::Ping => None,
        };
        if let Some(event) = event {
            if matches!(event, ProviderEvent::Failed(_)) {
                self.release(attempt);
            }
            self.input(Input::Provider(attempt, event));
        }
    }

    pub(crate) fn tell_provider(&mut self, attempt: AttemptId, command: &ProviderCommand) {
        if *command == ProviderCommand::Ping {
            self.network
                .send(self.now, Pipe::ServerToModel(attempt), Parcel::Ping);
            return;
        }
        if let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| !leg.is_released()) {
            leg.session.command(command, &mut leg.outgoing);
        }
        self.send_outgoing(attempt);
    }

    fn release(&mut self, attempt: AttemptId) {
        if let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| !leg.is_released()) {
            leg.released_at = Some(self.now);
            // A close waits its turn: what was said before it arrives.
            let close = Parcel::Closed(Some(1000));
            self.network
                .send(self.now, Pipe::ServerToModel(attempt), close);
        }
    }

    fn send_outgoing(&mut self, attempt: AttemptId) {
        let Some(leg) = self.legs.get_mut(&attempt) else {
            return;
        };
        while let Some(text) = leg.outgoing.pop() {
            let text = String::from_utf8(text.to_vec()).unwrap();
            self.network
                .send(self.now, Pipe::ServerToModel(attempt), Parcel::Text(text));
        }
    }

    fn carry_model(&mut self, attempt: AttemptId, out: &mut Outbox) {
        for action in out.drain(..) {
            let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| leg.model_open) else {
                continue;
            };
            if action == Action::Freeze {
                leg.is_frozen = true;
                continue;
            }
            let (parcel, ends) = parcel(action);
            leg.model_open = !ends;
            if !leg.is_frozen || ends {
                self.network
                    .send(self.now, Pipe::ModelToServer(attempt), parcel);
            }
        }
    }
}

fn session_settings() -> SessionSettings {
    SessionSettings {
        model: None,
        instructions: "You answer the phone of a dentist.".into(),
        voice: Some("marin".into()),
        language: Some("en-US".into()),
        greeting: None,
        transcription_model: None,
        turn_detection: TurnDetection::default(),
    }
}
