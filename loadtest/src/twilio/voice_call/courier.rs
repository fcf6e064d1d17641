//! Status callbacks of a call, delivered one after the other beside it.

use std::time::Duration;

use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::{Fetcher, Wanted};
use crate::{
    net::Clock,
    twilio::{fault::FetchFault, interpreter::Tell},
};

/// Callbacks that wait for those before them; further ones are not sent, counted as a delivery that failed.
const WAITING_MAX: usize = 256;

/// What came of a status callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When it was answered, or given up.
    pub at: Duration,
    /// What it told: `StreamEvent`, `CallStatus`, or nothing.
    pub what: String,
    /// The status of its answer, or why there is none.
    pub status: Result<u16, FetchFault>,
}

impl Delivery {
    /// Whether it arrived.
    pub fn is_good(&self) -> bool {
        self.status.is_ok_and(|status| (200..300).contains(&status))
    }
}

/// Delivers in order.
#[derive(Debug)]
pub(in crate::twilio) struct Courier {
    bag: mpsc::Sender<Tell>,
    done: mpsc::Receiver<Delivery>,
    rounds: JoinSet<()>,
    deliveries: Vec<Delivery>,
    clock: Clock,
}

impl Courier {
    pub(in crate::twilio) fn start(fetcher: Fetcher, clock: Clock) -> Self {
        let (bag, mut letters) = mpsc::channel::<Tell>(WAITING_MAX);
        let (delivered, done) = mpsc::channel(WAITING_MAX);
        let mut rounds = JoinSet::new();
        rounds.spawn(async move {
            while let Some(tell) = letters.recv().await {
                let wanted = Wanted {
                    address: &tell.address,
                    method: tell.method,
                    form: &tell.form,
                    idempotency: &tell.idempotency,
                };
                let answered = fetcher.fetch(wanted).await;
                let delivery = Delivery {
                    at: clock.now(),
                    what: what_of(&tell),
                    status: answered.answer.map(|(_, answer)| answer.status),
                };
                if delivered.send(delivery).await.is_err() {
                    return; // Nobody wants to know any more.
                }
            }
        });
        Self {
            bag,
            done,
            rounds,
            deliveries: Vec::new(),
            clock,
        }
    }

    /// Sends this after all that was sent before.
    pub(in crate::twilio) fn send(&mut self, tell: Tell) {
        self.collect();
        if let Err(refused) = self.bag.try_send(tell) {
            self.deliveries.push(Delivery {
                at: self.clock.now(),
                what: what_of(&refused.into_inner()),
                status: Err(FetchFault::ConnectTimedOut),
            });
        }
    }

    /// Waits for what is under way, at most so long, and tells what came of all.
    pub(in crate::twilio) async fn finish(mut self, most: Duration) -> Vec<Delivery> {
        drop(self.bag);
        let rest = async {
            while let Some(delivery) = self.done.recv().await {
                self.deliveries.push(delivery);
            }
        };
        // What is not delivered by then is given up with the task that carries it.
        let _done = timeout(most, rest).await;
        self.rounds.abort_all();
        self.deliveries
    }

    fn collect(&mut self) {
        while let Ok(delivery) = self.done.try_recv() {
            self.deliveries.push(delivery);
        }
    }
}

fn what_of(tell: &Tell) -> String {
    let what = tell.form.get("StreamEvent").or(tell.form.get("CallStatus"));
    what.unwrap_or_default().to_owned()
}
