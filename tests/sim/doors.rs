//! The doors of the providers: who is let in, who is kept out, and the synthetic sessions that look whether one is well.

use std::time::Duration;

use loadtest::key::KeyMark;
use loadtest::model::house::{Door, ModelHouse};
use loadtest::model::outages::Stage;
use ringback::core::call::effect::DialKind;
use ringback::core::call::input::DialAnswer;
use ringback::core::fault::{DialStage, Fault};
use ringback::core::ids::{AttemptId, KeyId, ProviderId};
use ringback::core::pool::{Control, Report, Rung, Transition};
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::upgrade::fault_of_refusal;

use crate::legs::Leg;
use crate::network::{Parcel, Pipe};
use crate::world::World;

/// How long a synthetic session takes.
const PROBE_TIME: Duration = Duration::from_millis(800);

/// A way to a provider that is broken: the doubles have neither names nor TLS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BrokenWay {
    pub(crate) provider: ProviderId,
    /// It is mended then.
    pub(crate) until: Duration,
    /// How long a dial takes to fail.
    pub(crate) after: Duration,
    pub(crate) fault: Fault,
}

/// What a dial met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// It never arrived.
    Nobody,
    /// The way was broken.
    BrokenWay,
    /// A session.
    Session,
    /// A refusal.
    Refused {
        status: u16,
        retry_after: Option<Duration>,
        /// When the server heard of it, but for the way back.
        at: Duration,
    },
    /// Nothing.
    Hung,
    /// A reset connection.
    Reset,
}

/// A synthetic session that was let in or was not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub(crate) provider: ProviderId,
    pub(crate) key: KeyId,
    pub(crate) at: Duration,
    pub(crate) was_good: bool,
}

impl World {
    pub(crate) fn dial(&mut self, attempt: AttemptId, kind: DialKind) -> DialAnswer {
        let now = self.instant();
        let ruling = self.desk.dial(&mut self.pool, now, attempt, kind);
        let seen = ruling.seen.map(|seen| (self.now, seen));
        self.life.observations.extend(seen);
        if let Some(rung) = ruling.rung {
            let mut leg = Leg::new(rung, self.now);
            let broken = self.setup.broken_ways.iter();
            let broken = broken
                .copied()
                .find(|way| way.provider == rung.provider && self.now < way.until);
            if let Some(way) = broken {
                leg.met = Met::BrokenWay;
                let parcel = Parcel::DialFailed(way.fault);
                let back = Pipe::ModelToServer(attempt);
                self.network.send(self.now + way.after, back, parcel);
            } else {
                self.network
                    .send(self.now, Pipe::ServerToModel(attempt), Parcel::Open);
            }
            self.legs.insert(attempt, leg);
        }
        ruling.answer
    }

    /// A dial has arrived.
    pub(crate) fn open_door(&mut self, attempt: AttemptId, rung: Rung) {
        let (after, door) = self.knock(rung);
        let at = self.now + after;
        let back = Pipe::ModelToServer(attempt);
        let gives_up_at = self.now + self.setup.upgrade_timeout;
        let Some(leg) = self.legs.get_mut(&attempt) else {
            return;
        };
        leg.met = match door {
            Door::Open(model) => {
                leg.open(*model, at);
                Met::Session
            }
            Door::Refuse(refusal) => {
                let (status, retry_after) = (refusal.status, refusal.retry_after);
                let body = refusal.body.as_bytes();
                let fault = fault_of_refusal(status, retry_after, body, Dialect::Ga.quirks());
                self.network.send(at, back, Parcel::DialFailed(fault));
                Met::Refused {
                    status,
                    retry_after,
                    at,
                }
            }
            Door::Reset => {
                let parcel = Parcel::DialFailed(Fault::ConnectFailed);
                self.network.send(at, back, parcel);
                Met::Reset
            }
            Door::Hang(stage) => {
                let parcel = Parcel::DialFailed(Fault::DialTimedOut(stage_of(stage)));
                self.network.send(gives_up_at, back, parcel);
                Met::Hung
            }
        };
    }

    fn knock(&mut self, rung: Rung) -> (Duration, Door) {
        let key = KeyMark::of(&format!("key-{}", rung.key.0));
        let house: &mut ModelHouse = &mut self.houses[usize::from(rung.provider.0)];
        let reception = house.knock(self.now, Some(key));
        (reception.after, reception.door)
    }

    pub(crate) fn tick_pool(&mut self) {
        let now = self.instant();
        let due = self.probes.iter().position(|&(at, _)| at <= self.now);
        if let Some(due) = due {
            let (_, rung) = self.probes.swap_remove(due);
            let fares = self.probe(rung);
            self.pool.record(now, rung.seat, fares, &mut self.news);
            if !matches!(fares, Report::Failed(_)) {
                self.pool
                    .record(now, rung.seat, Report::Ended, &mut self.news);
            }
        }
        self.pool.tick(now, &mut self.news);
        self.take_news();
    }

    pub(crate) fn control_all(&mut self, control: Control) {
        let now = self.instant();
        for place in (0..).take(self.houses.len()) {
            self.pool
                .control(now, ProviderId(place), None, control, &mut self.news);
        }
        self.take_news();
    }

    /// Notes what breakers did, and runs the synthetic sessions that are wanted.
    pub(crate) fn take_news(&mut self) {
        let now = self.now;
        let changes = self.news.transitions.drain(..);
        let changes = changes.map(|change: Transition| (now, change));
        self.life.transitions.extend(changes);
        let ends = now + PROBE_TIME;
        self.probes
            .extend(self.news.probes.drain(..).map(|rung| (ends, rung)));
    }

    /// A synthetic session is let in, or it is not.
    fn probe(&mut self, rung: Rung) -> Report {
        let (_, door) = self.knock(rung);
        let was_good = matches!(door, Door::Open(_));
        self.life.probes.push(Probe {
            provider: rung.provider,
            key: rung.key,
            at: self.now,
            was_good,
        });
        if was_good {
            Report::Answered { after: PROBE_TIME }
        } else {
            Report::Failed(Fault::ServerError)
        }
    }
}

const fn stage_of(stage: Stage) -> DialStage {
    match stage {
        Stage::Connect => DialStage::Connect,
        Stage::Tls => DialStage::Tls,
        Stage::Upgrade => DialStage::Upgrade,
        Stage::Session => DialStage::Session,
    }
}
