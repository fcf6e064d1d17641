//! One call in virtual time: the doubles of `loadtest`, the wires and the core, coupled without a socket or a clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use loadtest::carrier::{CallReport, CarrierSettings, Happening, Phone};
use loadtest::model::ModelSession;
use loadtest::model::report::SessionReport;
use loadtest::model::settings::ModelSettings;
use loadtest::peer::{Action, Outbox, Peer};
use loadtest::recording::Recording;
use ringback::carrier::twilio::Stream;
use ringback::core::call::effect::{CarrierCommand, Effect, Effects, EndReason, ProviderCommand};
use ringback::core::call::input::{CarrierEvent, Input, ProviderEvent};
use ringback::core::call::{Call, CallSettings};
use ringback::core::fault::{Fault, Refusal};
use ringback::core::ids::{AttemptId, CallId};
use ringback::core::observation::Observation;
use ringback::core::time::{Instant, Utc};
use ringback::provider::openai::outgoing::Outgoing;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::openai::session::Session;
use ringback::provider::openai::settings::{SessionSettings, TurnDetection};

use crate::network::{Network, Parcel, Pipe};

/// Nobody's call lasts longer; what is still going on then hangs.
const LONGEST: Duration = Duration::from_mins(10);

/// Inputs at one moment: more of them is a loop that never rests.
const INPUTS_AT_ONCE_MAX: usize = 20_000;

/// The wall clock's seconds at the beginning of every call.
pub(crate) const EPOCH_S: u64 = 1_700_000_000;

/// How a call is set up: everything else follows from the seed.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) recording: Arc<Recording>,
    pub(crate) carrier: CarrierSettings,
    pub(crate) model: ModelSettings,
    pub(crate) call: CallSettings,
    /// The least and the most that a parcel takes on its way.
    pub(crate) latency: (Duration, Duration),
    /// Whether the story is written down.
    pub(crate) tells: bool,
}

/// What became of a call.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) lasted: Duration,
    pub(crate) reason: Option<EndReason>,
    pub(crate) phone: CallReport,
    pub(crate) sessions: BTreeMap<AttemptId, SessionReport>,
    pub(crate) observations: Vec<(Duration, Observation)>,
    /// Attempts that were dialled and were neither abandoned nor lost when the call ended.
    pub(crate) leaked: Vec<AttemptId>,
    /// What the caller did and heard, and when.
    pub(crate) happenings: Vec<(Duration, Happening)>,
    pub(crate) frames: u64,
    /// A digest of every input and effect, in order.
    pub(crate) trace: u64,
    pub(crate) story: Vec<String>,
}

/// A provider session: our adapter and the double that it speaks with.
struct Leg {
    session: Session,
    outgoing: Outgoing,
    model: ModelSession,
    model_open: bool,
    /// The server has let go of it, or lost it: it hears nothing of it any more.
    released: bool,
}

pub(crate) struct World {
    setup: Setup,
    now: Duration,
    network: Network,
    phone: Phone,
    phone_open: bool,
    stream: Stream,
    stream_open: bool,
    call: Call,
    effects: Effects,
    legs: BTreeMap<AttemptId, Leg>,
    text: BytesMut,
    out: Outbox,
    inputs_now: (Duration, usize),
    life: Life,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let call = Call::new(
            CallId::from_bits(u128::from(setup.seed)),
            Instant::ZERO,
            Utc::from_millis(EPOCH_S * 1_000),
            setup.call.clone(),
        );
        let phone = Phone::new(
            Arc::clone(&setup.recording),
            Arc::new(setup.carrier.clone()),
            1,
            setup.seed,
        );
        let life = Life {
            lasted: Duration::ZERO,
            reason: None,
            phone: phone.report(),
            sessions: BTreeMap::new(),
            observations: Vec::new(),
            leaked: Vec::new(),
            happenings: Vec::new(),
            frames: 0,
            trace: 0xcbf2_9ce4_8422_2325,
            story: Vec::new(),
        };
        Self {
            now: Duration::ZERO,
            network: Network::new(setup.seed, setup.latency),
            phone,
            phone_open: true,
            stream: Stream::new(Arc::new([])),
            stream_open: true,
            call,
            effects: Effects::new(),
            legs: BTreeMap::new(),
            text: BytesMut::new(),
            out: Outbox::new(),
            inputs_now: (Duration::ZERO, 0),
            life,
            setup,
        }
    }

    /// Lives the call to its end.
    pub(crate) fn live(mut self) -> Life {
        let mut out = std::mem::take(&mut self.out);
        self.phone.start(self.now, &mut out);
        self.carry_phone(&mut out);
        self.out = out;
        while let Some(next) = self.next_moment().filter(|&next| next <= LONGEST) {
            self.now = next.max(self.now);
            self.step();
        }
        self.life.lasted = self.now;
        if self.life.reason.is_none() {
            self.life.leaked = self.unreleased();
        }
        for (attempt, leg) in std::mem::take(&mut self.legs) {
            self.life.sessions.insert(attempt, leg.model.into_report());
        }
        self.life.happenings = self.phone.take_happenings();
        self.life.phone = self.phone.into_report();
        self.life
    }

    fn next_moment(&self) -> Option<Duration> {
        let phone = self.phone.deadline().filter(|_| self.phone_open);
        let call = self.call.deadline().map(Instant::since_start);
        let models = self.legs.values().filter(|leg| leg.model_open);
        let models = models.filter_map(|leg| leg.model.deadline()).min();
        [self.network.deadline(), phone, call, models]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due now: one thing of each kind, the network first.
    fn step(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        if let Some((pipe, parcel)) = self.network.arrived(self.now) {
            self.deliver(pipe, parcel, &mut out);
        } else if self.phone_open && self.phone.deadline().is_some_and(|at| at <= self.now) {
            self.phone.tick(self.now, &mut out);
            self.carry_phone(&mut out);
        } else if self
            .call
            .deadline()
            .is_some_and(|at| at.since_start() <= self.now)
        {
            self.input(Input::Tick);
        } else {
            self.tick_models(&mut out);
        }
        self.out = out;
    }

    fn tick_models(&mut self, out: &mut Outbox) {
        let due: Vec<_> = self
            .legs
            .iter()
            .filter(|(_, leg)| {
                leg.model_open && leg.model.deadline().is_some_and(|at| at <= self.now)
            })
            .map(|(&attempt, _)| attempt)
            .collect();
        for attempt in due {
            if let Some(leg) = self.legs.get_mut(&attempt) {
                leg.model.tick(self.now, out);
            }
            self.carry_model(attempt, out);
        }
    }

    fn deliver(&mut self, pipe: Pipe, parcel: Parcel, out: &mut Outbox) {
        match pipe {
            Pipe::PhoneToServer => self.reach_server(parcel),
            Pipe::ServerToPhone => {
                match parcel {
                    Parcel::Text(text) if self.phone_open => {
                        self.phone.receive(self.now, &text, out);
                    }
                    Parcel::Closed(code) if self.phone_open => {
                        self.phone_open = false;
                        self.phone.closed(self.now, code);
                    }
                    // To a phone that has hung up, or nothing that a server sends a phone.
                    Parcel::Text(_)
                    | Parcel::Closed(_)
                    | Parcel::Binary
                    | Parcel::Open
                    | Parcel::Ping
                    | Parcel::Pong => {}
                }
                self.carry_phone(out);
            }
            Pipe::ServerToModel(attempt) => self.reach_model(attempt, parcel, out),
            Pipe::ModelToServer(attempt) => self.reach_session(attempt, parcel),
        }
    }

    fn reach_server(&mut self, parcel: Parcel) {
        if !self.stream_open {
            return;
        }
        let event = match parcel {
            Parcel::Text(text) => {
                self.life.frames += 1;
                self.stream.receive(&Bytes::from(text))
            }
            Parcel::Binary => CarrierEvent::Refused(Refusal::Binary),
            Parcel::Closed(_) => CarrierEvent::Closed,
            Parcel::Open | Parcel::Ping | Parcel::Pong => return,
        };
        self.input(Input::Carrier(event));
    }

    fn reach_model(&mut self, attempt: AttemptId, parcel: Parcel, out: &mut Outbox) {
        let now = self.now;
        let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| leg.model_open) else {
            return;
        };
        match parcel {
            Parcel::Open => leg.model.start(now, out),
            Parcel::Text(text) => leg.model.receive(now, &text, out),
            Parcel::Ping => self
                .network
                .send(now, Pipe::ModelToServer(attempt), Parcel::Pong),
            Parcel::Closed(code) => {
                leg.model_open = false;
                leg.model.closed(now, code);
            }
            Parcel::Binary | Parcel::Pong => {}
        }
        self.carry_model(attempt, out);
    }

    fn reach_session(&mut self, attempt: AttemptId, parcel: Parcel) {
        let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| !leg.released) else {
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
            Parcel::Pong => Some(ProviderEvent::Pong),
            Parcel::Open | Parcel::Ping => None,
        };
        if let Some(event) = event {
            if matches!(event, ProviderEvent::Failed(_)) {
                self.abandon(attempt);
            }
            self.input(Input::Provider(attempt, event));
        }
    }

    /// Tells the call, and does what it wants.
    fn input(&mut self, input: Input) {
        self.count_input();
        self.note(|| format!("{input:?}"));
        let mut effects = std::mem::take(&mut self.effects);
        self.call
            .handle(Instant::from_start(self.now), input, &mut effects);
        for effect in effects.drain() {
            self.note(|| format!("    → {effect:?}"));
            self.perform(effect);
        }
        self.effects = effects;
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Dial(attempt) => self.dial(attempt),
            Effect::Abandon(attempt) => self.abandon(attempt),
            Effect::ToCarrier(command) => self.tell_carrier(&command),
            Effect::ToProvider(attempt, command) => self.tell_provider(attempt, &command),
            Effect::EndCall(reason) => {
                self.life.reason = Some(reason);
                self.life.leaked = self.unreleased();
                self.stream_open = false;
                self.network
                    .send(self.now, Pipe::ServerToPhone, Parcel::Closed(Some(1000)));
            }
            Effect::Observe(observation) => self.life.observations.push((self.now, observation)),
        }
    }

    fn dial(&mut self, attempt: AttemptId) {
        let seed = self.setup.seed ^ (u64::from(attempt.0) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let number = attempt.0;
        let script = Arc::new(self.setup.recording.agent.clone());
        let model = ModelSession::new(Arc::new(self.setup.model.clone()), script, number, seed);
        let session = Session::new(session_settings(), Dialect::Ga.quirks());
        let leg = Leg {
            session,
            outgoing: Outgoing::new(),
            model,
            model_open: true,
            released: false,
        };
        self.legs.insert(attempt, leg);
        self.network
            .send(self.now, Pipe::ServerToModel(attempt), Parcel::Open);
    }

    fn abandon(&mut self, attempt: AttemptId) {
        if let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| !leg.released) {
            leg.released = true;
            // A close waits its turn: what was said before it arrives.
            let close = Parcel::Closed(Some(1000));
            self.network
                .send(self.now, Pipe::ServerToModel(attempt), close);
        }
    }

    fn unreleased(&self) -> Vec<AttemptId> {
        let legs = self.legs.iter().filter(|(_, leg)| !leg.released);
        legs.map(|(&attempt, _)| attempt).collect()
    }

    fn tell_carrier(&mut self, command: &CarrierCommand) {
        self.stream.write(command, &mut self.text);
        let text = String::from_utf8(self.text.split().to_vec()).unwrap();
        self.network
            .send(self.now, Pipe::ServerToPhone, Parcel::Text(text));
    }

    fn tell_provider(&mut self, attempt: AttemptId, command: &ProviderCommand) {
        if *command == ProviderCommand::Ping {
            self.network
                .send(self.now, Pipe::ServerToModel(attempt), Parcel::Ping);
            return;
        }
        if let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| !leg.released) {
            leg.session.command(command, &mut leg.outgoing);
        }
        self.send_outgoing(attempt);
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

    fn carry_phone(&mut self, out: &mut Outbox) {
        for action in out.drain(..) {
            let (parcel, ends) = parcel(action);
            if self.phone_open {
                self.network.send(self.now, Pipe::PhoneToServer, parcel);
            }
            self.phone_open &= !ends;
        }
    }

    fn carry_model(&mut self, attempt: AttemptId, out: &mut Outbox) {
        for action in out.drain(..) {
            if action == Action::Freeze {
                self.freeze(attempt);
                continue;
            }
            let (parcel, ends) = parcel(action);
            let Some(leg) = self.legs.get_mut(&attempt).filter(|leg| leg.model_open) else {
                continue;
            };
            leg.model_open = !ends;
            self.network
                .send(self.now, Pipe::ModelToServer(attempt), parcel);
        }
    }

    /// The model neither hears nor says anything any more, and the socket stays open.
    fn freeze(&mut self, attempt: AttemptId) {
        if let Some(leg) = self.legs.get_mut(&attempt) {
            leg.model_open = false;
        }
    }

    fn count_input(&mut self) {
        if self.inputs_now.0 != self.now {
            self.inputs_now = (self.now, 0);
        }
        self.inputs_now.1 += 1;
        assert!(
            self.inputs_now.1 < INPUTS_AT_ONCE_MAX,
            "the call never rests at {:?}: seed {}",
            self.now,
            self.setup.seed
        );
    }

    /// Writes down what happened, for people where the setup wants it, and always for the digest.
    fn note(&mut self, what: impl Fn() -> String) {
        if self.setup.tells {
            let line = format!("{:9.3}  {}", self.now.as_secs_f64(), what());
            for byte in line.bytes() {
                self.life.trace =
                    (self.life.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            self.life.story.push(line);
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

/// An action as it travels, and whether the socket ends with it.
fn parcel(action: Action) -> (Parcel, bool) {
    match action {
        Action::Send(text) => (Parcel::Text(text), false),
        Action::SendBinary(_) => (Parcel::Binary, false),
        Action::Close { code, .. } => (Parcel::Closed(Some(code)), true),
        Action::Cut => (Parcel::Closed(None), true),
        Action::Freeze => unreachable!("phones do not freeze, and models are frozen above"),
    }
}
