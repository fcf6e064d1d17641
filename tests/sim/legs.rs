//! The provider's side of a simulated call: sessions that are open, and what goes both ways on them.

use std::time::Duration;

use bytes::Bytes;
use loadtest::model::ModelSession;
use loadtest::peer::{Action, Outbox, Peer};
use ringback::core::call::effect::{ProviderCommand, Report as Fares};
use ringback::core::call::input::{Input, ProviderEvent};
use ringback::core::fault::Fault;
use ringback::core::ids::AttemptId;
use ringback::core::pool::{Report, Rung};
use ringback::core::time::Instant;
use ringback::provider::flood::Flood;
use ringback::provider::openai::outgoing::Outgoing;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::openai::session::Session;
use ringback::provider::openai::settings::{SessionSettings, TurnDetection};
use ringback::provider::socket::SocketLimits;

use crate::doors::Met;
use crate::network::{Parcel, Pipe};
use crate::setup::LegReport;
use crate::world::{World, parcel};

/// A provider session: our adapter and the double that it speaks with.
pub(crate) struct Leg {
    rung: Rung,
    dialled_at: Duration,
    session: Session,
    outgoing: Outgoing,
    model: Option<ModelSession>,
    /// When the double begins, if it has not.
    opens_at: Option<Duration>,
    /// The double's end of the socket: open, and it reads and writes.
    model_open: bool,
    is_frozen: bool,
    /// What the dial met.
    pub(crate) met: Met,
    ready_at: Option<Duration>,
    /// The server has let go of it, or lost it.
    released_at: Option<Duration>,
    /// Until then it is heard although the server has let go of it.
    heard_until: Option<Duration>,
    /// The end has come, and nothing is heard after it.
    has_failed: bool,
    flood: Flood,
    /// Bytes that were written to a model that does not read.
    unread: usize,
}

impl Leg {
    pub(crate) fn new(rung: Rung, now: Duration) -> Self {
        Self {
            rung,
            dialled_at: now,
            session: Session::new(session_settings(), Dialect::Ga.quirks()),
            outgoing: Outgoing::new(),
            model: None,
            opens_at: None,
            model_open: true,
            is_frozen: false,
            met: Met::Nobody,
            ready_at: None,
            released_at: None,
            heard_until: None,
            has_failed: false,
            flood: Flood::new(),
            unread: 0,
        }
    }

    /// The double is there, and begins then.
    pub(crate) fn open(&mut self, model: ModelSession, at: Duration) {
        self.model = Some(model);
        self.opens_at = Some(at);
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
            provider: self.rung.provider,
            key: self.rung.key,
            charge: self.rung.charge,
            dialled_at: self.dialled_at,
            met: self.met,
            ready_at: self.ready_at,
            released_at: self.released_at,
            session: self.model.map(ModelSession::into_report),
        }
    }

    /// Whether the double hears what comes.
    fn listens(&self) -> bool {
        self.model_open && !self.is_frozen
    }

    /// Whether the call is told what comes.
    fn is_heard(&self, now: Duration) -> bool {
        !self.has_failed && (!self.is_released() || self.heard_until.is_some_and(|at| now < at))
    }

    /// What a text message tells the call.
    fn read(&mut self, now: Duration, text: String) -> Option<ProviderEvent> {
        if text.len() > SocketLimits::default().message_bytes_max {
            return Some(ProviderEvent::Failed(Fault::Oversized));
        }
        let event = self.session.receive(&Bytes::from(text), &mut self.outgoing);
        let audio = match &event {
            Some(ProviderEvent::Failed(_)) => return event,
            Some(ProviderEvent::Audio { frame, .. }) => frame.duration(),
            Some(_) | None => Duration::ZERO,
        };
        if self.flood.take(audio, || Instant::from_start(now)) {
            return Some(ProviderEvent::Failed(Fault::Flooded));
        }
        event
    }
}

impl World {
    pub(crate) fn report(&mut self, attempt: AttemptId, fares: Fares) {
        let now = self.instant();
        self.desk
            .report(&mut self.pool, now, attempt, fares, &mut self.news);
        self.take_news();
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

    /// When the pool next has something to do. It never rests; when the call is over, nobody waits for it.
    pub(crate) fn pool_deadline(&self) -> Option<Duration> {
        if self.life.reason.is_some() {
            return None;
        }
        let probes = self.probes.iter().map(|&(at, _)| at).min();
        let pool = self.pool.deadline().map(Instant::since_start);
        probes.into_iter().chain(pool).min()
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
            | (Parcel::Binary | Parcel::Pong | Parcel::DialFailed(_), _) => {}
        }
        self.carry_model(attempt, out);
    }

    pub(crate) fn reach_session(&mut self, attempt: AttemptId, parcel: Parcel) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| leg.is_heard(now)) else {
            return;
        };
        let event = match parcel {
            Parcel::Text(text) => {
                let event = leg.read(now, text);
                self.send_outgoing(attempt);
                event
            }
            Parcel::Binary => Some(ProviderEvent::Failed(Fault::Garbled)),
            Parcel::Closed(code) => Some(ProviderEvent::Failed(
                leg.session.closed(code.unwrap_or(1006), ""),
            )),
            Parcel::DialFailed(fault) => Some(ProviderEvent::Failed(fault)),
            Parcel::Pong => Some(ProviderEvent::Pong),
            Parcel::Open | Parcel::Ping => None,
        };
        if let Some(event) = event {
            self.tell_call(attempt, event);
        }
    }

    fn tell_call(&mut self, attempt: AttemptId, event: ProviderEvent) {
        if let Some(leg) = self.legs.get_mut(&attempt) {
            leg.has_failed |= matches!(event, ProviderEvent::Failed(_));
            if matches!(event, ProviderEvent::Ready { .. }) {
                leg.ready_at.get_or_insert(self.now);
            }
            if leg.has_failed {
                self.release(attempt);
            }
        }
        self.input(Input::Provider(attempt, event));
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
        let lingers = self.setup.lingers;
        if let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| !leg.is_released()) {
            leg.released_at = Some(self.now);
            leg.heard_until = Some(self.now + lingers);
            // A close waits its turn: what was said before it arrives.
            let close = Parcel::Closed(Some(1000));
            self.network
                .send(self.now + lingers, Pipe::ServerToModel(attempt), close);
        }
    }

    fn send_outgoing(&mut self, attempt: AttemptId) {
        let Some(leg) = self.legs.get_mut(&attempt) else {
            return;
        };
        while let Some(text) = leg.outgoing.pop() {
            if leg.is_frozen {
                leg.unread += text.len();
                continue;
            }
            let text = String::from_utf8(text.to_vec()).unwrap();
            self.network
                .send(self.now, Pipe::ServerToModel(attempt), Parcel::Text(text));
        }
        let overflows = leg.unread > self.setup.unread_max;
        if overflows && !leg.is_released() && !leg.has_failed {
            leg.has_failed = true;
            leg.released_at = Some(self.now);
            let fault = ProviderEvent::Failed(Fault::WriteOverflow);
            self.inputs.push_back(Input::Provider(attempt, fault));
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
        turn_detection: Some(TurnDetection::default()),
    }
}
