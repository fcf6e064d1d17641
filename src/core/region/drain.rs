//! How a node leaves: new calls go elsewhere, live ones finish, what is left is handed over between two turns, and in the end cut.
//!
//! Every live call is known here from its beginning, so that none is forgotten. Whoever is handed over or cut is asked for by the
//! carrier elsewhere; a call that is cut may lose the turn that it is in.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::ids::CallSid;
use crate::core::time::Instant;

/// The numbers of leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainSettings {
    /// How long live calls may finish by themselves.
    pub grace: Duration,
    /// How long calls are handed over at the end of a turn.
    pub hand_over: Duration,
    /// How long is waited for those that were cut.
    pub last: Duration,
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(20),
            hand_over: Duration::from_secs(20),
            last: Duration::from_secs(5),
        }
    }
}

impl DrainSettings {
    /// How long it takes in all, at most.
    pub fn bound(&self) -> Duration {
        self.grace + self.hand_over + self.last
    }
}

/// What is to be done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Keep its checkpoint, as handed over, and close its stream when that is kept, or after a moment: it is between two turns.
    HandOver(CallSid),
    /// The same, wherever it is.
    Cut(CallSid),
}

/// What became of the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// They came to their end.
    pub finished: u32,
    /// They were handed over between two turns.
    pub handed_over: u32,
    /// They were cut.
    pub cut: u32,
    /// They were still there when nobody waited any more.
    pub left: u32,
}

/// How far a node is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It serves.
    Serving,
    /// Nobody new comes; live calls finish.
    Finishing {
        /// Until then.
        until: Instant,
    },
    /// Calls are handed over at the end of their turn.
    HandingOver {
        /// Until then.
        until: Instant,
    },
    /// The rest was cut.
    Cutting {
        /// Until then it is waited for.
        until: Instant,
    },
    /// The process may end.
    Done(Report),
}

/// The calls of a node, and its way out.
#[derive(Clone, Debug)]
pub struct Drain {
    settings: DrainSettings,
    stage: Stage,
    calls: BTreeMap<CallSid, Live>,
    calls_max: usize,
    report: Report,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Live {
    /// Between two turns.
    Idle,
    /// In a turn.
    InTurn,
    /// Ordered to be handed over.
    HandedOver,
    /// Ordered to be cut.
    Cut,
}

impl Drain {
    /// A node that serves up to so many calls.
    pub const fn new(settings: DrainSettings, calls_max: usize) -> Self {
        Self {
            settings,
            stage: Stage::Serving,
            calls: BTreeMap::new(),
            calls_max,
            report: Report {
                finished: 0,
                handed_over: 0,
                cut: 0,
                left: 0,
            },
        }
    }

    /// How far it is.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether new calls may come.
    pub const fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Serving)
    }

    /// How many calls are live.
    pub fn live(&self) -> usize {
        self.calls.len()
    }

    /// It is to leave. Told again, nothing changes.
    pub fn begin(&mut self, now: Instant, orders: &mut Vec<Order>) {
        if self.is_ready() {
            let until = now + self.settings.grace;
            self.stage = Stage::Finishing { until };
        }
        self.tick(now, orders);
    }

    /// A stream was opened. `false`: there is no room, or it would be cut at once.
    ///
    /// Whoever was given a document before comes all the same: the call is taken, and leaves with the others. One that comes late
    /// has a turn first: where it can go nowhere else, it would be handed over and come back without end.
    pub fn call_began(&mut self, call: CallSid) -> bool {
        let has_room = self.calls.len() < self.calls_max || self.calls.contains_key(&call);
        let live = match self.stage {
            Stage::Serving | Stage::Finishing { .. } => Live::Idle,
            Stage::HandingOver { .. } => Live::InTurn,
            Stage::Cutting { .. } | Stage::Done(_) => return false,
        };
        if has_room {
            self.calls.insert(call, live);
        }
        has_room
    }

    /// A turn of a call began.
    pub fn turn_began(&mut self, call: CallSid) {
        if let Some(live @ Live::Idle) = self.calls.get_mut(&call) {
            *live = Live::InTurn;
        }
    }

    /// A turn of a call is over.
    pub fn turn_ended(&mut self, call: CallSid, orders: &mut Vec<Order>) {
        if let Some(live @ Live::InTurn) = self.calls.get_mut(&call) {
            *live = Live::Idle;
        }
        self.look_at(call, orders);
    }

    /// The stream of a call is closed, however it ended.
    pub fn call_ended(&mut self, call: CallSid) {
        let count = match self.calls.remove(&call) {
            None => return,
            Some(Live::Idle | Live::InTurn) => &mut self.report.finished,
            Some(Live::HandedOver) => &mut self.report.handed_over,
            Some(Live::Cut) => &mut self.report.cut,
        };
        // What ended before it was to leave is no part of the report.
        if !matches!(self.stage, Stage::Serving) {
            *count = count.saturating_add(1);
        }
        self.end_if_empty();
    }

    /// When [`tick`](Self::tick) has something to do; `None`: never.
    pub const fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Serving | Stage::Done(_) => None,
            Stage::Finishing { until }
            | Stage::HandingOver { until }
            | Stage::Cutting { until } => Some(until),
        }
    }

    /// Lets time pass.
    pub fn tick(&mut self, now: Instant, orders: &mut Vec<Order>) {
        if matches!(self.stage, Stage::Serving) {
            return;
        }
        self.end_if_empty();
        while self.deadline().is_some_and(|until| now >= until) {
            self.stage = match self.stage {
                Stage::Finishing { until } => {
                    let until = until + self.settings.hand_over;
                    Stage::HandingOver { until }
                }
                Stage::HandingOver { until } => {
                    let until = until + self.settings.last;
                    Stage::Cutting { until }
                }
                Stage::Cutting { .. } => {
                    self.report.left = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
                    Stage::Done(self.report)
                }
                stage @ (Stage::Serving | Stage::Done(_)) => stage,
            };
            let calls: Vec<_> = self.calls.keys().copied().collect();
            for call in calls {
                self.look_at(call, orders);
            }
        }
    }

    /// Whether something is to be done about this call now.
    fn look_at(&mut self, call: CallSid, orders: &mut Vec<Order>) {
        let Some(live) = self.calls.get_mut(&call) else {
            return;
        };
        match (self.stage, *live) {
            (Stage::HandingOver { .. }, Live::Idle) => {
                *live = Live::HandedOver;
                orders.push(Order::HandOver(call));
            }
            (Stage::Cutting { .. }, Live::Idle | Live::InTurn) => {
                *live = Live::Cut;
                orders.push(Order::Cut(call));
            }
            (Stage::HandingOver { .. }, Live::InTurn)
            | (Stage::HandingOver { .. } | Stage::Cutting { .. }, Live::HandedOver | Live::Cut)
            | (Stage::Serving | Stage::Finishing { .. } | Stage::Done(_), _) => {}
        }
    }

    fn end_if_empty(&mut self) {
        let is_leaving = !matches!(self.stage, Stage::Serving | Stage::Done(_));
        if is_leaving && self.calls.is_empty() {
            self.stage = Stage::Done(self.report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(number: u32) -> CallSid {
        CallSid::parse(&format!("CA{number:032x}")).unwrap()
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn each_call_finishes_is_handed_over_or_cut_and_is_in_the_report() {
        let mut drain = Drain::new(DrainSettings::default(), 10);
        let mut orders = Vec::new();
        for call in 0..5 {
            assert!(drain.call_began(sid(call)));
        }
        drain.call_ended(sid(0));
        assert!(drain.is_ready());
        drain.begin(at(0), &mut orders);
        assert!(!drain.is_ready());
        drain.call_ended(sid(1));
        drain.turn_began(sid(3));
        drain.turn_began(sid(4));
        drain.tick(at(19), &mut orders);
        assert_eq!(orders, []);
        drain.tick(at(20), &mut orders);
        assert_eq!(orders, [Order::HandOver(sid(2))]);
        drain.turn_ended(sid(3), &mut orders);
        assert_eq!(orders.pop(), Some(Order::HandOver(sid(3))));
        orders.clear();
        // Somebody who was given a document before.
        assert!(drain.call_began(sid(6)));
        assert_eq!(orders.pop(), None, "not before it had a turn");
        drain.turn_ended(sid(6), &mut orders);
        assert_eq!(orders.pop(), Some(Order::HandOver(sid(6))));
        for call in [2, 3, 6] {
            drain.call_ended(sid(call));
        }
        orders.clear();
        drain.tick(at(40), &mut orders);
        assert_eq!(orders, [Order::Cut(sid(4))]);
        assert_eq!(drain.deadline(), Some(at(45)));
        assert!(!drain.call_began(sid(7)), "it would be cut");
        drain.call_ended(sid(4));
        let report = Report {
            finished: 1,
            handed_over: 3,
            cut: 1,
            left: 0,
        };
        assert_eq!(drain.stage(), Stage::Done(report));
        assert!(!drain.call_began(sid(7)), "nobody is there");
    }

    #[test]
    fn it_ends_at_its_bound_whatever_hangs_and_at_once_where_nobody_is() {
        let mut drain = Drain::new(DrainSettings::default(), 1);
        let mut orders = Vec::new();
        assert!(drain.call_began(sid(0)));
        assert!(!drain.call_began(sid(1)), "there is room for one");
        assert!(drain.call_began(sid(0)), "its next stream");
        drain.begin(at(0), &mut orders);
        drain.tick(at(0) + DrainSettings::default().bound(), &mut orders);
        let report = Report {
            left: 1,
            ..Report::default()
        };
        assert_eq!(drain.stage(), Stage::Done(report));
        assert_eq!(drain.deadline(), None);

        let mut drain = Drain::new(DrainSettings::default(), 1);
        drain.begin(at(0), &mut orders);
        assert_eq!(drain.stage(), Stage::Done(Report::default()));
    }
}
