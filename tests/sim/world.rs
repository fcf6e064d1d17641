//! One call in virtual time: the doubles of `loadtest`, the wires, the core and the pool, coupled without a socket or a clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use loadtest::carrier::Phone;
use loadtest::model::house::ModelHouse;
use loadtest::peer::{Action, Outbox, Peer};
use ringback::carrier::twilio::Stream;
use ringback::core::call::Call;
use ringback::core::call::effect::{CarrierCommand, Effect, Effects};
use ringback::core::call::input::{CarrierEvent, Input};
use ringback::core::desk::Desk;
use ringback::core::fault::Refusal;
use ringback::core::ids::{AttemptId, CallId, TenantId};
use ringback::core::pool::{Control, News, Pool, Rung};
use ringback::core::time::{Instant, Utc};

use crate::legs::Leg;
use crate::network::{Network, Parcel, Pipe};
use crate::setup::{EPOCH_S, Interlude, Life, Setup};
use crate::streams::Door;

/// Nobody's call lasts longer; what is still going on then hangs.
const LONGEST: Duration = Duration::from_mins(10);

/// Inputs at one moment: more of them is a loop that never rests.
const INPUTS_AT_ONCE_MAX: usize = 60_000;

/// The sessions of a house are numbered apart from those of the others.
const SESSIONS_OF_HOUSE: usize = 1_000;

pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) now: Duration,
    pub(crate) network: Network,
    pub(crate) phone: Phone,
    pub(crate) phone_open: bool,
    pub(crate) stream: Stream,
    pub(crate) stream_open: bool,
    pub(crate) call: Call,
    /// Where a call may have several streams.
    pub(crate) door: Option<Door>,
    /// What the call is to be told next, before anything else happens.
    pub(crate) inputs: VecDeque<Input>,
    /// What the desk answers, and when.
    pub(crate) answers_due: Vec<(Duration, Input)>,
    pub(crate) wishes: usize,
    effects: Effects,
    pub(crate) desk: Desk,
    pub(crate) pool: Pool,
    pub(crate) news: News,
    /// Synthetic sessions, and when each is over.
    pub(crate) probes: Vec<(Duration, Rung)>,
    pub(crate) houses: Vec<ModelHouse>,
    pub(crate) legs: BTreeMap<AttemptId, Leg>,
    text: BytesMut,
    out: Outbox,
    inputs_now: (Duration, usize),
    pub(crate) life: Life,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let id = CallId::from_bits(u128::from(setup.seed));
        let utc = Utc::from_millis(EPOCH_S * 1_000);
        let call = Call::new(id, Instant::ZERO, utc, setup.call.clone());
        let carrier = Arc::new(setup.carrier.clone());
        let phone = Phone::new(Arc::clone(&setup.recording), carrier, 1, setup.seed);
        let script = Arc::new(setup.recording.agent.clone());
        let house = |(first, model)| {
            let model = Arc::new(Clone::clone(model));
            ModelHouse::new(model, Arc::clone(&script), setup.seed ^ u64::from(first))
                .numbered_from(first)
        };
        let life = Life {
            lasted: Duration::ZERO,
            reason: None,
            phone: phone.report(),
            legs: BTreeMap::new(),
            observations: Vec::new(),
            transitions: Vec::new(),
            probes: Vec::new(),
            leaked: Vec::new(),
            streams: Vec::new(),
            answers: Vec::new(),
            seated: 0,
            happenings: Vec::new(),
            menu: Vec::new(),
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
            door: setup.carriage.map(|carriage| Door::new(carriage, id)),
            inputs: VecDeque::new(),
            answers_due: Vec::new(),
            wishes: 0,
            effects: Effects::new(),
            desk: Desk::new(Instant::ZERO, id, TenantId::default()),
            pool: Pool::new(setup.policy.clone(), setup.seed).unwrap(),
            news: News::default(),
            probes: Vec::new(),
            houses: (1..)
                .step_by(SESSIONS_OF_HOUSE)
                .zip(&setup.models)
                .map(house)
                .collect(),
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
        self.input(Input::Caller(self.setup.desk.caller));
        if self.door.is_some() {
            self.ring(&mut out);
        } else {
            self.phone.start(self.now, &mut out);
        }
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
            self.life.legs.insert(attempt, leg.into_report());
        }
        let status = self.pool.status(self.instant());
        self.life.seated = status
            .providers
            .iter()
            .map(|provider| provider.sessions)
            .sum();
        if let Some(door) = self.door {
            (self.life.streams, self.life.answers) = (door.streams, door.answers);
        }
        self.life.happenings = self.phone.take_happenings();
        self.life.phone = self.phone.into_report();
        self.life
    }

    fn next_moment(&self) -> Option<Duration> {
        let phone = self.phone.deadline().filter(|_| self.phone_lives());
        let door = self.door.as_ref().and_then(Door::deadline);
        let call = self.call.deadline().map(Instant::since_start);
        let models = self.legs.values().filter_map(Leg::deadline).min();
        let pool = self.pool_deadline();
        let interlude = self.setup.interludes.first().map(|&(at, _)| at);
        let interlude = interlude.filter(|_| self.life.reason.is_none());
        [
            self.network.deadline(),
            phone,
            door,
            call,
            models,
            pool,
            interlude,
            self.desk_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due now: one thing of each kind, the network first.
    fn step(&mut self) {
        if self
            .setup
            .interludes
            .first()
            .is_some_and(|&(at, _)| at <= self.now)
        {
            let (_, interlude) = self.setup.interludes.remove(0);
            return self.interlude(interlude);
        }
        if self.desk_answers() {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        if let Some((pipe, parcel)) = self.network.arrived(self.now) {
            self.deliver(pipe, parcel, &mut out);
        } else if self.ask_next(&mut out) {
            self.carry_phone(&mut out);
        } else if self.phone_lives() && self.phone.deadline().is_some_and(|at| at <= self.now) {
            self.phone.tick(self.now, &mut out);
            self.carry_phone(&mut out);
        } else if self
            .call
            .deadline()
            .is_some_and(|at| at.since_start() <= self.now)
        {
            self.input(Input::Tick);
        } else if self.pool_deadline().is_some_and(|at| at <= self.now) {
            self.tick_pool();
        } else {
            self.tick_models(&mut out);
        }
        self.out = out;
    }

    fn interlude(&mut self, interlude: Interlude) {
        match interlude {
            Interlude::CarrierGone => {
                self.phone_open = false;
                self.input(Input::Carrier(CarrierEvent::Closed));
            }
            Interlude::CarrierSilent => self.phone_open = false,
            Interlude::CarrierStuck => self.input(Input::Carrier(CarrierEvent::WriteOverflow)),
            Interlude::Drain => self.input(Input::Drain),
            Interlude::HandOver => self.input(Input::HandOver),
            Interlude::AllIsolated => self.control_all(Control::Isolate),
            Interlude::ModelsBack => {
                self.control_all(Control::Close);
                let told = self.now + Duration::from_millis(100);
                self.answers_due.push((told, Input::ModelsBack));
            }
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
                        self.stream_lost(true);
                    }
                    // To a phone that has hung up, or nothing that a server sends a phone.
                    Parcel::Text(_)
                    | Parcel::Closed(_)
                    | Parcel::Binary
                    | Parcel::Open
                    | Parcel::DialFailed(_)
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
            Parcel::Open | Parcel::DialFailed(_) | Parcel::Ping | Parcel::Pong => {
                return;
            }
        };
        self.input(Input::Carrier(event));
    }

    /// Tells the call, and does what it wants.
    pub(crate) fn input(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            self.count_input();
            self.see_input(&input);
            self.note(|| format!("{input:?}"));
            let mut effects = std::mem::take(&mut self.effects);
            self.call.handle(self.instant(), input, &mut effects);
            for effect in effects.drain() {
                self.note(|| format!("    → {effect:?}"));
                self.perform(effect);
            }
            self.effects = effects;
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        Instant::from_start(self.now)
    }

    fn perform(&mut self, effect: Effect) {
        self.see_effect(&effect);
        match effect {
            Effect::Dial(attempt, kind) => {
                let answer = self.dial(attempt, kind);
                self.inputs.push_back(Input::DialAnswer(attempt, answer));
            }
            Effect::Report(attempt, fares) => self.report(attempt, fares),
            Effect::Abandon(attempt) => self.abandon(attempt),
            Effect::Checkpoint(checkpoint) => {
                if let Some(door) = &mut self.door {
                    door.keep(*checkpoint);
                }
            }
            Effect::Promise(_) => self.wish(),
            Effect::Record(record) => self.record(&record),
            Effect::ToCarrier(command) => self.tell_carrier(&command),
            Effect::ToProvider(attempt, command) => self.tell_provider(attempt, &command),
            Effect::EndCall(reason) => {
                self.life.reason = Some(reason);
                self.life.leaked = self.unreleased();
                self.leave();
                self.stream_ended(reason);
                self.stream_open = false;
                self.network
                    .send(self.now, Pipe::ServerToPhone, Parcel::Closed(Some(1000)));
            }
            Effect::Observe(observation) => self.life.observations.push((self.now, observation)),
        }
    }

    fn tell_carrier(&mut self, command: &CarrierCommand) {
        self.stream.write(command, &mut self.text);
        let text = String::from_utf8(self.text.split().to_vec()).unwrap();
        self.network
            .send(self.now, Pipe::ServerToPhone, Parcel::Text(text));
    }

    /// Whether the caller is on the line: also between streams, where there may be several.
    fn phone_lives(&self) -> bool {
        self.phone_open || (self.door.is_some() && !self.phone.is_over())
    }

    pub(crate) fn carry_phone(&mut self, out: &mut Outbox) {
        let mut is_cut = false;
        for action in out.drain(..) {
            is_cut |= action == Action::Cut;
            let (parcel, ends) = parcel(action);
            if self.phone_open {
                self.network.send(self.now, Pipe::PhoneToServer, parcel);
            }
            self.phone_open &= !ends;
        }
        if is_cut {
            self.phone.closed(self.now, None);
            self.stream_lost(false);
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

    /// Writes down what happened, for people and the digest, where the setup wants it.
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

/// An action as it travels, and whether the socket ends with it.
pub(crate) fn parcel(action: Action) -> (Parcel, bool) {
    match action {
        Action::Send(text) => (Parcel::Text(text), false),
        Action::SendBinary(_) => (Parcel::Binary, false),
        Action::Close { code, .. } => (Parcel::Closed(Some(code)), true),
        Action::Cut => (Parcel::Closed(None), true),
        Action::Freeze => {
            unreachable!("a phone never freezes, and whoever has a model looks for it")
        }
    }
}
