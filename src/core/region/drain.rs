//! How a node leaves: new calls go elsewhere, live ones finish, what is left is handed over between two turns, and in the end cut.
//!
//! It owns the stages and their limits, and is told how many calls are live. When a call is between two turns that call knows
//! itself ([`crate::core::call`]): it is told that it is to be handed over, lets go at its next pause, and keeps a checkpoint that
//! says so ([`resume::Fate::HandedOver`](super::resume::Fate::HandedOver)). A call that is cut may lose the turn that it is in.

use std::time::Duration;

use crate::core::time::Instant;

/// The numbers of leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainSettings {
    /// How long live calls may finish by themselves.
    pub grace: Duration,
    /// How long calls are handed over at their next pause.
    pub hand_over: Duration,
    /// How long is waited for those that were cut.
    pub last: Duration,
}

/// How far a node is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It serves.
    Serving,
    /// Nobody new comes; live calls finish.
    Stopping,
    /// Calls are handed over at their next pause.
    HandingOver,
    /// The rest is cut, and waited for.
    Draining,
    /// The process may end.
    Done,
}

/// What became of the calls: how many were live when each stage began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// They were live when the node was to leave.
    pub live: usize,
    /// They did not finish by themselves, and were to be handed over.
    pub handed_over: usize,
    /// They were cut.
    pub cut: usize,
    /// They were still there when nobody waited any more.
    pub left: usize,
}

/// The way out of a node.
#[derive(Clone, Debug)]
pub struct Drain {
    settings: DrainSettings,
    stage: Stage,
    /// When the stage is over, whoever is there; `None`: it has no end.
    until: Option<Instant>,
    report: Report,
}

impl Drain {
    /// A node that serves.
    pub const fn new(settings: DrainSettings) -> Self {
        Self {
            settings,
            stage: Stage::Serving,
            until: None,
            report: Report {
                live: 0,
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

    /// What became of the calls so far.
    pub const fn report(&self) -> Report {
        self.report
    }

    /// It is to leave, with so many calls. Told again, nothing changes.
    pub fn begin(&mut self, now: Instant, live: usize) {
        if self.stage == Stage::Serving {
            self.stage = Stage::Stopping;
            self.until = Some(now + self.settings.grace);
            self.report.live = live;
        }
        self.tick(now, live);
    }

    /// Whoever is there is cut now.
    pub fn hurry(&mut self, now: Instant, live: usize) {
        self.begin(now, live);
        while self.stage < Stage::Draining {
            self.advance(now, live);
        }
    }

    /// When [`tick`](Self::tick) has something to do at the latest; `None`: never.
    pub const fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Lets time pass, or calls end: so many are live. It is done as soon as none is left.
    pub fn tick(&mut self, now: Instant, live: usize) {
        if self.stage > Stage::Serving && live == 0 {
            self.stage = Stage::Done;
            self.until = None;
        }
        while let Some(until) = self.until.filter(|until| now >= *until) {
            self.advance(until, live);
        }
    }

    /// The next stage, which begins at this moment.
    fn advance(&mut self, at: Instant, live: usize) {
        let DrainSettings {
            hand_over, last, ..
        } = self.settings;
        let (stage, until, count) = match self.stage {
            Stage::Serving | Stage::Done => return,
            Stage::Stopping => {
                let count = &mut self.report.handed_over;
                (Stage::HandingOver, Some(at + hand_over), count)
            }
            Stage::HandingOver => (Stage::Draining, Some(at + last), &mut self.report.cut),
            Stage::Draining => (Stage::Done, None, &mut self.report.left),
        };
        *count = live;
        self.stage = stage;
        self.until = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: DrainSettings = DrainSettings {
        grace: Duration::from_secs(20),
        hand_over: Duration::from_secs(10),
        last: Duration::from_secs(5),
    };

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn each_stage_has_its_time_and_the_report_says_how_many_saw_it() {
        let mut drain = Drain::new(SETTINGS);
        drain.tick(at(7), 0);
        assert_eq!((drain.stage(), drain.deadline()), (Stage::Serving, None));
        drain.begin(at(10), 5);
        assert_eq!(drain.deadline(), Some(at(30)));
        drain.tick(at(29), 4);
        assert_eq!(drain.stage(), Stage::Stopping);
        drain.tick(at(30), 3);
        assert_eq!(drain.stage(), Stage::HandingOver);
        drain.tick(at(40), 1);
        assert_eq!(
            (drain.stage(), drain.deadline()),
            (Stage::Draining, Some(at(45)))
        );
        drain.tick(at(41), 0);
        assert_eq!((drain.stage(), drain.deadline()), (Stage::Done, None));
        let report = Report {
            live: 5,
            handed_over: 3,
            cut: 1,
            left: 0,
        };
        assert_eq!(drain.report(), report);
    }

    #[test]
    fn it_ends_at_its_bound_whatever_hangs_and_at_once_where_nobody_is() {
        let mut drain = Drain::new(SETTINGS);
        drain.begin(at(0), 1);
        drain.tick(at(35), 1);
        assert_eq!(drain.stage(), Stage::Done);
        assert_eq!(drain.report().left, 1);

        let mut drain = Drain::new(SETTINGS);
        drain.begin(at(0), 0);
        assert_eq!(drain.stage(), Stage::Done);
        assert_eq!(drain.report(), Report::default());
    }

    #[test]
    fn who_is_in_a_hurry_cuts_at_once() {
        let mut drain = Drain::new(SETTINGS);
        drain.begin(at(0), 2);
        drain.hurry(at(3), 2);
        assert_eq!(
            (drain.stage(), drain.deadline()),
            (Stage::Draining, Some(at(8)))
        );
        drain.hurry(at(4), 2);
        assert_eq!(drain.deadline(), Some(at(8)), "once");
    }
}
