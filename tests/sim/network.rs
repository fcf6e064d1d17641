//! The network of a simulated call: what is on its way, and when it arrives.

use std::collections::BTreeMap;
use std::time::Duration;

use ringback::core::fault::Fault;
use ringback::core::ids::AttemptId;

/// One direction of one socket: what goes in comes out later, in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pipe {
    PhoneToServer,
    ServerToPhone,
    ServerToModel(AttemptId),
    ModelToServer(AttemptId),
}

/// What travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parcel {
    Text(String),
    Binary,
    /// A dial reaches the model.
    Open,
    /// The dial came to nothing.
    DialFailed(Fault),
    /// The sender closed, with a close code if it said goodbye.
    Closed(Option<u16>),
    Ping,
    Pong,
}

/// Everything that is on its way.
#[derive(Debug)]
pub(crate) struct Network {
    rng: fastrand::Rng,
    latency: (Duration, Duration),
    /// By their arrival, and then in the order in which they were sent.
    queue: BTreeMap<(Duration, u64), (Pipe, Parcel)>,
    /// When the last parcel of each pipe arrives: the next one does not overtake it.
    last: BTreeMap<Pipe, Duration>,
    sent: u64,
}

impl Network {
    /// A network whose pipes take between these times, drawn for each parcel.
    pub(crate) fn new(seed: u64, latency: (Duration, Duration)) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(seed),
            latency,
            queue: BTreeMap::new(),
            last: BTreeMap::new(),
            sent: 0,
        }
    }

    pub(crate) fn send(&mut self, now: Duration, pipe: Pipe, parcel: Parcel) {
        let (least, most) = self.latency;
        let micros = self.rng.u64(micros(least)..=micros(most));
        let before = self.last.entry(pipe).or_default();
        let at = (now + Duration::from_micros(micros)).max(*before);
        *before = at;
        self.sent += 1;
        self.queue.insert((at, self.sent), (pipe, parcel));
    }

    /// When the next parcel arrives.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next parcel that has arrived by now.
    pub(crate) fn arrived(&mut self, now: Duration) -> Option<(Pipe, Parcel)> {
        if self.deadline()? > now {
            return None;
        }
        self.queue.pop_first().map(|(_, what)| what)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap()
}
