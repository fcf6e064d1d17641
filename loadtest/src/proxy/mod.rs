//! A TCP proxy that is a bad network: between any two parties, on a plan or on command.
//!
//! Owns the connections. What the network is like at a moment is [`weather`]'s, the words for it are [`plan`]'s, and one
//! connection is in `line`. It knows nothing of what is said over it.

mod line;
pub mod plan;
pub mod weather;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::net::Clock;
use plan::{Row, What};
use weather::Weather;

/// More connections than this are not taken at once: those beyond wait in the kernel.
const LINES_MAX: usize = 4_096;

/// The proxy's end that takes orders. Clones order the same proxy.
#[derive(Clone, Debug)]
pub struct Control(Arc<Orders>);

#[derive(Debug)]
struct Orders {
    /// What was ordered by hand, beside the plan; at most [`ROWS_MAX`].
    rows: Mutex<Vec<Row>>,
    changed: watch::Sender<u64>,
    clock: Clock,
}

/// More orders than this are not kept: `clear` forgets them.
pub const ROWS_MAX: usize = 1_000;

impl Control {
    /// A control of a proxy that does nothing yet.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Orders {
            rows: Mutex::default(),
            changed: watch::Sender::new(0),
            clock,
        }))
    }

    /// From now on it is so, or it happens now.
    pub fn order(&self, row: Row) -> Result<(), String> {
        let row = row.at(self.0.clock.now());
        {
            let mut rows = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
            if rows.len() >= ROWS_MAX {
                return Err(format!("{ROWS_MAX} orders are enough: say clear first"));
            }
            rows.push(row);
        }
        self.0.changed.send_modify(|changed| *changed += 1);
        Ok(())
    }

    /// Forgets all orders; the plan goes on.
    pub fn clear(&self) {
        let mut rows = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        // What has happened stays counted: a reset that is forgotten must not look like a new one.
        rows.retain(|row| row.what.is_moment());
        drop(rows);
        self.0.changed.send_modify(|changed| *changed += 1);
    }

    fn rows(&self) -> Vec<Row> {
        let rows = self.0.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.clone()
    }
}

/// Passes on what comes to `listener`, to `to`, through the weather of `plan` and of `control`, until it is dropped.
pub async fn run(
    listener: TcpListener,
    to: SocketAddr,
    plan: Vec<Row>,
    control: Control,
    seed: u64,
) -> io::Result<()> {
    let clock = control.0.clock;
    let weather = watch::Sender::new(Weather::default());
    let mut lines = JoinSet::new();
    let mut changed = control.0.changed.subscribe();
    let mut number = 0_u64;
    loop {
        let rows = [plan.clone(), control.rows()].concat();
        let now = clock.now();
        weather.send_if_modified(|weather| {
            let before = std::mem::replace(weather, Weather::of(&rows, now));
            before != *weather
        });
        let next = rows
            .iter()
            .filter_map(|row| row.span.next_change(now))
            .min();
        tokio::select! {
            arrived = listener.accept(), if lines.len() < LINES_MAX => {
                let (client, _from) = match arrived {
                    Ok(arrived) => arrived,
                    // The visitor is gone already, or files are short: the next one may have more luck.
                    Err(_error) => continue,
                };
                let now = Weather::of(&rows, clock.now());
                if now.refuses {
                    line::reset(&client);
                    continue;
                }
                number += 1;
                let rng = fastrand::Rng::with_seed(seed.wrapping_add(number));
                lines.spawn(connect(client, to, weather.subscribe(), rng));
            }
            Some(_line) = lines.join_next() => {}
            _changed = changed.changed() => {}
            () = until(clock, next) => {}
        }
    }
}

async fn connect(
    client: TcpStream,
    to: SocketAddr,
    weather: watch::Receiver<Weather>,
    rng: fastrand::Rng,
) {
    let Ok(server) = TcpStream::connect(to).await else {
        return line::reset(&client);
    };
    line::carry(client, server, weather, rng).await;
}

async fn until(clock: Clock, at: Option<Duration>) {
    match at {
        Some(at) => clock.wait_until(at).await,
        None => std::future::pending().await,
    }
}

/// What is ordered by a line of text: a row, or to clear all.
pub fn obey(control: &Control, line: &str) -> Result<(), String> {
    match line.trim() {
        "" => Ok(()),
        "clear" => {
            control.clear();
            Ok(())
        }
        order => control.order(Row::parse(order)?),
    }
}

impl What {
    /// Whether it happens at a moment, and does not last.
    pub(crate) fn is_moment(self) -> bool {
        match self {
            Self::Reset | Self::Close | Self::HalfOpen => true,
            Self::Latency { .. } | Self::Bandwidth { .. } | Self::BlackHole | Self::Refuse => false,
        }
    }
}
