//! Warm spares: sessions that are connected before a call needs them.
//!
//! The pool says when one is to be dialled and which call is given it ([`crate::core::pool`]); here each has a small task that
//! dials it, keeps it alive and ends it in time. What waits lies on one shelf, from which a call takes it without waiting: a
//! session there is polled by its task under the lock of that session alone, which is never held across an `await`.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval_at, sleep, timeout};

use super::Shared;
use super::clock::Clock;
use super::drain::Stage;
use super::providers::Place;
use crate::core::fault::{DialStage, Fault};
use crate::core::pool::{Report, Rung, Seat};
use crate::core::time::{Instant, Utc};
use crate::provider::spare::{SpareEvent, SpareSocket};
use crate::telemetry::SpareEnd;

/// The spares that wait, by their seats; as many as the pool wants at most, and those that it has just given to a call.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<BTreeMap<Seat, Arc<Slot>>>);

/// A spare, until somebody takes it.
#[derive(Debug)]
struct Slot(Mutex<Option<SpareSocket>>);

impl Shelf {
    /// Takes the session of a spare; `None`: it is gone. Never waits.
    pub(super) fn take(&self, seat: Seat) -> Option<SpareSocket> {
        let slot = self.lock().remove(&seat)?;
        slot.lock().take()
    }

    fn put(&self, seat: Seat, socket: SpareSocket) -> Arc<Slot> {
        let slot = Arc::new(Slot(Mutex::new(Some(socket))));
        self.lock().insert(seat, Arc::clone(&slot));
        slot
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Seat, Arc<Slot>>> {
        // Between two steps of whoever panicked the map is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Option<SpareSocket>> {
        // A socket is taken as a whole, or not.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Dials one spare and keeps it until a call takes it, its time is over, it is lost or the process stops.
pub(super) async fn keep(shared: Arc<Shared>, rung: Rung) {
    let tasks = shared.tasks.clone();
    let held = Held {
        shared: Arc::clone(&shared),
        rung,
    };
    let end = tokio::select! {
        end = wait(&held) => end,
        () = tasks.reached(Stage::Stopping) => None,
    };
    if let Some(end) = end {
        shared.telemetry.spare_ended(rung.provider, rung.key, end);
    }
    if let Some(socket) = shared.spares.take(rung.seat) {
        drop(held); // Its place is free while it says goodbye.
        socket.close().await;
    }
}

/// A spare's seat, given up whatever happens to its task.
struct Held {
    shared: Arc<Shared>,
    rung: Rung,
}

impl Held {
    /// `false`: the pool has given it to a call.
    fn report(&self, report: Report) -> bool {
        let now = self.shared.clock.now();
        self.shared.providers.record(now, &self.rung, report)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Says nothing new to a pool that has heard of its end.
        self.report(Report::Ended);
    }
}

/// From the dial to the end; `None`: a call has it, which is told elsewhere.
async fn wait(held: &Held) -> Option<SpareEnd> {
    let Held { shared, rung } = held;
    // The pool names entries and keys of the configuration only.
    let place = shared.providers.place(rung.provider, rung.key)?;
    let (socket, expires_at) = match open(shared, place).await {
        Ok(opened) => opened,
        Err(fault) => {
            held.report(Report::Failed(fault));
            return Some(SpareEnd::Failed(fault));
        }
    };
    // First the shelf: whoever is told of it finds it there.
    let slot = shared.spares.put(rung.seat, socket);
    held.report(Report::Ready);
    let waits = time_to_wait(expires_at, Clock::utc(), place.spare_age_max);
    let waiting = async {
        tokio::select! {
            // What happened at the same time goes before what is only due.
            biased;
            end = alive(shared, &slot) => end,
            () = sleep(waits) => Some(SpareEnd::Expired),
        }
    };
    let end = waiting.await?;
    let is_ours = held.report(match end {
        SpareEnd::Lost(fault) | SpareEnd::Failed(fault) => Report::Failed(fault),
        SpareEnd::Expired | SpareEnd::Taken | SpareEnd::Dead => Report::Ended,
    });
    if !is_ours && end == SpareEnd::Expired {
        // A call was given it this very moment, and takes it before it waits for anything.
        sleep(HANDOVER).await;
        return None;
    }
    Some(end)
}

/// How long a call may take from being given a spare to taking it; it does so at once.
const HANDOVER: Duration = Duration::from_secs(1);

/// Connects and waits for the provider to open the session, both within the time of a call's dial.
async fn open(shared: &Shared, place: Place<'_>) -> Result<(SpareSocket, Option<Utc>), Fault> {
    let model = place.model.map(|model| &**model);
    let opening = async {
        let mut socket = SpareSocket::dial(place.endpoint, model, &shared.provider_limits).await?;
        loop {
            match poll_fn(|cx| socket.poll_event(cx)).await {
                SpareEvent::Opened { expires_at } => return Ok((socket, expires_at)),
                SpareEvent::Failed(fault) => return Err(fault),
                SpareEvent::Pong => {}
            }
        }
    };
    timeout(shared.settings.dial_timeout, opening)
        .await
        .unwrap_or(Err(Fault::DialTimedOut(DialStage::Session)))
}

/// How long a spare may wait: four fifths of what is left to it, so that a call still gets a part.
fn time_to_wait(expires_at: Option<Utc>, now: Utc, age_max: Duration) -> Duration {
    match expires_at.map(|at| at.since(now)) {
        // Our clock and the provider's differ by more than a session lasts: then the end is not known.
        None | Some(Duration::ZERO) => age_max,
        Some(left) => age_max.min(left * 4 / 5).max(WAIT_MIN),
    }
}

/// No spare is replaced sooner, whatever the provider says of its end.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// Polls and pings a spare until it is lost (its end), or taken (`None`).
async fn alive(shared: &Shared, slot: &Slot) -> Option<SpareEnd> {
    let mut pulse = Pulse::new(shared);
    loop {
        match turn(slot, &mut pulse.due).await {
            Turn::Taken => return None,
            Turn::Event(SpareEvent::Failed(fault)) => return Some(SpareEnd::Lost(fault)),
            Turn::Event(SpareEvent::Pong) => pulse.on_pong(),
            Turn::Event(SpareEvent::Opened { .. }) => {}
            Turn::PingDue => {
                if pulse.is_missed(shared) {
                    return Some(SpareEnd::Lost(Fault::NoPong));
                }
                if let Some(socket) = slot.lock().as_mut() {
                    socket.ping();
                }
            }
        }
    }
}

/// What happens next with a spare.
enum Turn {
    Taken,
    Event(SpareEvent),
    PingDue,
}

async fn turn(slot: &Slot, due: &mut Interval) -> Turn {
    poll_fn(|cx| {
        {
            let mut slot = slot.lock();
            let Some(socket) = slot.as_mut() else {
                return Poll::Ready(Turn::Taken);
            };
            if let Poll::Ready(event) = socket.poll_event(cx) {
                return Poll::Ready(Turn::Event(event));
            }
        }
        due.poll_tick(cx).map(|_| Turn::PingDue)
    })
    .await
}

/// Whether a spare answers; as with a live session, only one that has answered once is expected to.
struct Pulse {
    due: Interval,
    has_answered: bool,
    /// Since when a ping has had no answer.
    unanswered: Option<Instant>,
}

impl Pulse {
    fn new(shared: &Shared) -> Self {
        let every = shared.settings.ping_interval;
        let mut due = interval_at(shared.clock.timer_at(shared.clock.now() + every), every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            due,
            has_answered: false,
            unanswered: None,
        }
    }

    const fn on_pong(&mut self) {
        self.has_answered = true;
        self.unanswered = None;
    }

    /// A ping is due: `true` if the last ones have had no answer for too long.
    fn is_missed(&mut self, shared: &Shared) -> bool {
        let now = shared.clock.now();
        let since = *self.unanswered.get_or_insert(now);
        self.has_answered && now.since(since) >= shared.settings.pong_timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_waits_for_four_fifths_of_its_life_and_never_longer_than_it_may() {
        let now = Utc::from_millis(1_000_000);
        let max = Duration::from_mins(10);
        let waits = |seconds: u64| {
            let at = Utc::from_millis(now.millis() + seconds * 1_000);
            time_to_wait(Some(at), now, max)
        };
        assert_eq!(waits(300), Duration::from_mins(4));
        assert_eq!(waits(3_600), max);
        assert_eq!(waits(1), WAIT_MIN);
        assert_eq!(time_to_wait(None, now, max), max);
        // A clock that is wrong must not make a circle of dials.
        assert_eq!(time_to_wait(Some(Utc::from_millis(1)), now, max), max);
    }
}
