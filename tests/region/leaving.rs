//! A node's calls on its way out: each finishes, or lets go at the end of its turn when the node is that far, or is cut.
//!
//! What a call of the server knows of itself is known here of all of them.

use std::collections::BTreeMap;

use ringback::core::ids::CallSid;
use ringback::core::region::drain::{Drain, DrainSettings, Report, Stage};
use ringback::core::time::Instant;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is between two turns: its checkpoint is kept, as handed over, then its stream is closed.
    HandOver(CallSid),
    /// The same, wherever it is.
    Cut(CallSid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Live {
    Idle,
    InTurn,
    LetGo,
}

#[derive(Debug)]
pub(crate) struct Leaving {
    drain: Drain,
    calls: BTreeMap<CallSid, Live>,
    calls_max: usize,
}

impl Leaving {
    pub(crate) const fn new(settings: DrainSettings, calls_max: usize) -> Self {
        Self {
            drain: Drain::new(settings),
            calls: BTreeMap::new(),
            calls_max,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.drain.stage() == Stage::Serving
    }

    pub(crate) fn live(&self) -> usize {
        self.calls.len()
    }

    /// What became of its calls, once nobody waits for them any more.
    pub(crate) fn report(&self) -> Option<Report> {
        let is_done = self.drain.stage() == Stage::Done;
        is_done.then(|| self.drain.report())
    }

    pub(crate) fn begin(&mut self, now: Instant, orders: &mut Vec<Order>) {
        self.drain.begin(now, self.calls.len());
        self.look(orders);
    }

    pub(crate) fn tick(&mut self, now: Instant, orders: &mut Vec<Order>) {
        self.drain.tick(now, self.calls.len());
        self.look(orders);
    }

    /// `false`: there is no room, or it would be cut at once. One that comes late has a turn first: where it can go nowhere else, it
    /// would be handed over and come back without end.
    pub(crate) fn call_began(&mut self, call: CallSid) -> bool {
        let has_room = self.calls.len() < self.calls_max || self.calls.contains_key(&call);
        let live = match self.drain.stage() {
            Stage::Serving | Stage::Stopping => Live::Idle,
            Stage::HandingOver => Live::InTurn,
            Stage::Draining | Stage::Done => return false,
        };
        if has_room {
            self.calls.insert(call, live);
        }
        has_room
    }

    pub(crate) fn turn_began(&mut self, call: CallSid) {
        if let Some(live @ Live::Idle) = self.calls.get_mut(&call) {
            *live = Live::InTurn;
        }
    }

    pub(crate) fn turn_ended(&mut self, call: CallSid, orders: &mut Vec<Order>) {
        if let Some(live @ Live::InTurn) = self.calls.get_mut(&call) {
            *live = Live::Idle;
        }
        self.look(orders);
    }

    pub(crate) fn call_ended(&mut self, call: CallSid) {
        self.calls.remove(&call);
    }

    fn look(&mut self, orders: &mut Vec<Order>) {
        for (call, live) in &mut self.calls {
            match (self.drain.stage(), *live) {
                (Stage::HandingOver, Live::Idle) => {
                    *live = Live::LetGo;
                    orders.push(Order::HandOver(*call));
                }
                (Stage::Draining, Live::Idle | Live::InTurn) => {
                    *live = Live::LetGo;
                    orders.push(Order::Cut(*call));
                }
                (Stage::HandingOver, Live::InTurn)
                | (Stage::HandingOver | Stage::Draining, Live::LetGo)
                | (Stage::Serving | Stage::Stopping | Stage::Done, _) => {}
            }
        }
    }
}
