//! What callers heard of a session that went wrong: how long the model was missing, by what the call was doing just then.

use std::time::Duration;

use super::{Sessions, Spread, Told, count, ms};
use crate::{
    carrier::{After, CallReport, Gap, PAUSE_MAX},
    model::report::SessionReport,
    report::{Figure, Figures},
};

/// Who leaves, or speaks again, sooner than this has not waited in vain.
const LEFT_MAX: Duration = Duration::from_secs(4);

/// What a call was doing when its session went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The caller spoke.
    Speaking,
    /// The caller waited.
    Waiting,
    /// The model was answering.
    MidAnswer,
    /// Nobody owed anything.
    Idle,
}

pub(super) fn tally(told: &[&Told], sessions: &Sessions<'_>, figures: &mut Figures) {
    let mut kills = Kills::new();
    for told in told {
        for session in sessions.of(told.report.number) {
            let struck = session.first_fault;
            let during = told.began..told.ended;
            if let Some(at) = struck.filter(|at| during.contains(at)) {
                kills.judge(&told.report, session, at);
            }
        }
    }
    kills.note(figures);
}

struct Kills {
    counts: [u64; 3],
    /// By phase.
    spreads: [Spread; 3],
    /// Where the model was owed, and nothing was buffered.
    owed: Spread,
    max: Option<Duration>,
    unanswered: u64,
}

impl Kills {
    fn new() -> Self {
        Self {
            counts: [0; 3],
            spreads: [(); 3].map(|()| Spread::new()),
            owed: Spread::new(),
            max: None,
            unanswered: 0,
        }
    }

    fn judge(&mut self, report: &CallReport, session: &SessionReport, at: Duration) {
        let phase = phase(report, session, at);
        let place = match phase {
            Phase::Speaking => 0,
            Phase::Waiting => 1,
            Phase::MidAnswer => 2,
            Phase::Idle => return,
        };
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        let Some(gap) = gap_of(report, phase, at) else {
            return; // What was buffered, or the caller's own words, covered it.
        };
        let missing = gap.to.saturating_sub(gap.from.max(at));
        self.unanswered += u64::from(!gap.answered && missing > LEFT_MAX);
        if let Some(spread) = self.spreads.get_mut(place) {
            spread.add(missing);
        }
        if phase != Phase::Speaking && gap.from <= at + PAUSE_MAX {
            self.owed.add(missing);
            self.max = self.max.max(Some(missing));
        }
    }

    fn note(&self, figures: &mut Figures) {
        let [speaking, waiting, mid_answer] = &self.spreads;
        let [in_speech, in_waiting, in_answer] = self.counts;
        figures.set(Figure::StruckSpeaking, count(in_speech));
        figures.set(Figure::StruckWaiting, count(in_waiting));
        figures.set(Figure::StruckMidAnswer, count(in_answer));
        figures.set_some(Figure::GapSpeakingP50, speaking.at(0.5));
        figures.set_some(Figure::GapSpeakingP99, speaking.at(0.99));
        figures.set_some(Figure::GapSpeakingMax, speaking.at(1.0));
        figures.set_some(Figure::GapWaitingP50, waiting.at(0.5));
        figures.set_some(Figure::GapWaitingP99, waiting.at(0.99));
        figures.set_some(Figure::GapWaitingMax, waiting.at(1.0));
        figures.set_some(Figure::GapMidAnswerP50, mid_answer.at(0.5));
        figures.set_some(Figure::GapMidAnswerP99, mid_answer.at(0.99));
        figures.set_some(Figure::GapMidAnswerMax, mid_answer.at(1.0));
        figures.set_some(Figure::GapP50, self.owed.at(0.5));
        figures.set_some(Figure::GapP99, self.owed.at(0.99));
        figures.set_some(Figure::GapMax, self.max.map(ms));
        figures.set(Figure::GapsUnanswered, count(self.unanswered));
    }
}

pub(super) fn phase(report: &CallReport, session: &SessionReport, at: Duration) -> Phase {
    let speaks = |turn: &&crate::carrier::Turn| {
        turn.began <= at && turn.ended.is_none_or(|ended| at < ended)
    };
    if report.turns.iter().rev().find(speaks).is_some() {
        return Phase::Speaking;
    }
    let waits = |gap: &&Gap| gap.after == After::Turn && gap.from <= at && at < gap.to;
    if report.gaps.iter().find(waits).is_some() {
        return Phase::Waiting;
    }
    let last = session
        .responses
        .list
        .iter()
        .rev()
        .find(|it| it.asked <= at);
    let unfinished = last.is_some_and(|it| it.done.is_none_or(|(done, _)| done >= at));
    if unfinished {
        Phase::MidAnswer
    } else {
        Phase::Idle
    }
}

/// The gap that a blow at this moment caused, or fell into.
pub(super) fn gap_of(report: &CallReport, phase: Phase, at: Duration) -> Option<Gap> {
    let next_turn = report
        .turns
        .iter()
        .map(|turn| turn.began)
        .find(|&began| began > at);
    let fits = |gap: &&Gap| {
        let in_time = gap.to > at && next_turn.is_none_or(|next| gap.from < next);
        in_time
            && match phase {
                Phase::Speaking => gap.after == After::Turn && gap.from >= at,
                Phase::Waiting => gap.after == After::Turn,
                Phase::MidAnswer => gap.after == After::Speech,
                Phase::Idle => false,
            }
    };
    let mut gaps = report.gaps.iter().filter(fits).copied();
    if phase == Phase::MidAnswer {
        // Others are breaths in what was buffered, or in the rest.
        return gaps.max_by_key(|gap| gap.to.saturating_sub(gap.from.max(at)));
    }
    gaps.next()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        carrier::Turn,
        model::{
            ModelSession,
            report::{AskedBy, Outcome, Response},
            settings::ModelSettings,
        },
    };

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A call with a turn of one second that is answered after another one; the answer takes four seconds and breaks off for one.
    fn call() -> (CallReport, SessionReport) {
        let gap = |from, to, after| Gap {
            from: MS(from),
            to: MS(to),
            after,
            answered: true,
        };
        let turn = |began| Turn {
            began: MS(began),
            ended: Some(MS(began + 1_000)),
        };
        let report = CallReport {
            turns: vec![turn(1_000), turn(9_000)],
            gaps: vec![
                gap(2_000, 3_000, After::Turn),
                gap(4_000, 5_000, After::Speech),
                gap(10_000, 10_700, After::Turn),
            ],
            ..CallReport::default()
        };
        let settings = Arc::new(ModelSettings::default());
        let mut session = ModelSession::new(settings, Arc::default(), 1, 1).report();
        session.responses.list.push(Response {
            asked_by: AskedBy::Turn,
            asked: MS(2_000),
            instructed: false,
            created: Some(MS(2_010)),
            first_audio: Some(MS(2_500)),
            done: Some((MS(7_000), Outcome::Completed)),
        });
        (report, session)
    }

    #[test]
    fn a_gap_is_told_by_what_the_call_was_doing_and_measured_from_the_blow() {
        for (at, expected, missing) in [
            (1_500, Phase::Speaking, Some(1_000)),
            (2_400, Phase::Waiting, Some(600)),
            // With a little buffered, and with more than that.
            (3_900, Phase::MidAnswer, Some(1_000)),
            (4_300, Phase::MidAnswer, Some(700)),
            (6_000, Phase::MidAnswer, None),
            (8_000, Phase::Idle, None),
            (9_500, Phase::Speaking, Some(700)),
        ] {
            let (report, session) = call();
            let at = MS(at);
            let phase = phase(&report, &session, at);
            assert_eq!(phase, expected, "{at:?}");
            let gap = gap_of(&report, phase, at);
            let measured = gap.map(|gap| gap.to.saturating_sub(gap.from.max(at)));
            assert_eq!(measured, missing.map(MS), "{at:?}");
        }
    }

    #[test]
    fn what_was_buffered_when_it_happened_is_no_gap_of_those_that_count() {
        let (report, session) = call();
        let mut kills = Kills::new();
        kills.judge(&report, &session, MS(3_500));
        assert_eq!((kills.counts, kills.max), ([0, 0, 1], None));
        kills.judge(&report, &session, MS(3_900));
        kills.judge(&report, &session, MS(1_500));
        assert_eq!((kills.counts, kills.max), ([1, 0, 2], Some(MS(1_000))));
    }
}
