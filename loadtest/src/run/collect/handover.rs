//! What became of calls whose session went wrong: who took over, how soon, and what the successor was given.

use std::{ops::Range, time::Duration};

use super::{
    Sessions, Told, count,
    gaps::{Phase, gap_of, phase},
    ms,
};
use crate::{
    carrier::{CallReport, Turn},
    model::report::{Role, SessionReport},
    recording::Line,
    report::{Figure, Figures},
};

/// A caller who leaves this soon after a fault was not kept long enough to tell.
const TOO_SOON: Duration = Duration::from_secs(3);
/// One that waits this much longer than another was overtaken by it: who waits asks again within a quarter of a second.
const OVERTAKEN_MIN: Duration = Duration::from_millis(500);
/// By then all that was buffered of an answer has been played.
const BUFFERED_MAX: Duration = Duration::from_secs(6);
/// A caller's frame.
const FRAME: Duration = Duration::from_millis(20);

pub(super) fn tally(
    told: &[&Told],
    sessions: &Sessions<'_>,
    lines: &[&Line],
    figures: &mut Figures,
) {
    let mut handovers = Handovers::default();
    for told in told {
        for &session in sessions.of(told.report.number) {
            let struck = session.first_fault;
            let during = told.began..told.ended;
            if let Some(at) = struck.filter(|at| during.contains(at)) {
                handovers.judge(told, sessions, session, at, lines);
            }
        }
    }
    handovers.note(figures);
}

#[derive(Default)]
struct Handovers {
    stranded: u64,
    torn: u64,
    broken_off: u64,
    noticed: Option<Duration>,
    remembered: Option<f64>,
    waits: Vec<Wait>,
}

/// A call without a session: lost then, seated then.
struct Wait {
    from: Duration,
    seated: Option<Duration>,
    until: Duration,
}

impl Handovers {
    fn judge(
        &mut self,
        told: &Told,
        sessions: &Sessions<'_>,
        session: &SessionReport,
        at: Duration,
        lines: &[&Line],
    ) {
        let report = &told.report;
        let of_call = sessions.of(report.number);
        let phase = phase(report, session, at);
        let next = of_call
            .iter()
            .filter(|it| it.session != session.session && it.opened >= Some(at))
            .min_by_key(|it| it.opened);
        let seated = next.and_then(|next| next.opened);
        if seated.is_some() || told.was_apologized_to() {
            self.waits.push(Wait {
                from: at,
                seated,
                until: told.ended,
            });
        }
        let goes_on = session.ended.is_none_or(|ended| ended.at > at + TOO_SOON);
        let is_late = told.ended.saturating_sub(at) < TOO_SOON;
        if !is_late && next.is_none() && !goes_on && !told.was_apologized_to() {
            self.stranded += 1;
        }
        if let Some(&next) = next {
            self.noticed = self.noticed.max(noticed(report, phase, at, seated));
            self.torn += u64::from(is_torn(report, session, next, phase, at));
            if phase == Phase::MidAnswer && told.ended > at + BUFFERED_MAX {
                let remembered = remembered(report, session, next, lines);
                self.remembered = remembered.map_or(self.remembered, |it| {
                    Some(self.remembered.map_or(it, |most| most.max(it)))
                });
            }
        }
        if phase == Phase::MidAnswer && !is_late {
            self.broken_off += u64::from(is_broken_off(told, session, at));
        }
    }

    fn note(&self, figures: &mut Figures) {
        figures.set(Figure::CallsStranded, count(self.stranded));
        figures.set(Figure::TurnsTorn, count(self.torn));
        figures.set(Figure::AnswersBrokenOff, count(self.broken_off));
        figures.set_some(Figure::NoticedAfter, self.noticed.map(ms));
        figures.set_some(Figure::RememberedUnheard, self.remembered);
        figures.set(Figure::Overtaken, count(overtaken(&self.waits)));
    }
}

/// From the fault, or the end of the turn after it, to the next session, if the model was owed then.
fn noticed(
    report: &CallReport,
    phase: Phase,
    at: Duration,
    seated: Option<Duration>,
) -> Option<Duration> {
    let phase = match phase {
        // Nobody was owed anything yet: the next turn is what was waited for.
        Phase::Idle => Phase::Speaking,
        Phase::Speaking | Phase::Waiting | Phase::MidAnswer => phase,
    };
    let gap = gap_of(report, phase, at)?;
    let seated = seated?;
    let owed = gap.from.max(at);
    (seated <= gap.to)
        .then_some(seated)
        .and_then(|seated| seated.checked_sub(owed))
}

/// Whether the turn that nobody had answered did not reach the next session whole.
fn is_torn(
    report: &CallReport,
    before: &SessionReport,
    next: &SessionReport,
    phase: Phase,
    at: Duration,
) -> bool {
    if !matches!(phase, Phase::Speaking | Phase::Waiting) {
        return false;
    }
    let turn = report.turns.iter().rev().find(|turn| turn.began <= at);
    let Some(blocks) = turn.and_then(|turn| blocks_of(report, before, turn, at)) else {
        return false;
    };
    let stream = next.uplink.streams.get(&report.number);
    !stream.is_some_and(|stream| stream.has_all(blocks))
}

/// The frames of a turn, or of what was said of it since it was last answered. None if the call ended in it, or before anybody
/// could have been told of it.
fn blocks_of(
    report: &CallReport,
    before: &SessionReport,
    turn: &Turn,
    at: Duration,
) -> Option<Range<u32>> {
    let ended = turn.ended?;
    if ended + TOO_SOON > report.began + report.lasted {
        return None;
    }
    let answered = before.responses.list.iter();
    let answered = answered.filter_map(|it| it.first_audio);
    let answered = answered.filter(|answered| (turn.began..at).contains(answered));
    let from = answered.max().unwrap_or(turn.began);
    let block = |at: Duration| {
        let frames = at.saturating_sub(report.began).as_micros() / FRAME.as_micros();
        u32::try_from(frames).ok()
    };
    Some(block(from)?..block(ended)?)
}

/// Whether an answer that was being made was not gone on with before the caller spoke again.
fn is_broken_off(told: &Told, session: &SessionReport, at: Duration) -> bool {
    let report = &told.report;
    let next_turn = report.turns.iter().map(|turn| turn.began);
    let until = next_turn.filter(|&began| began > at).min();
    let until = until.unwrap_or(told.ended);
    let in_time = |it: Duration| (at..until).contains(&it);
    let by_another = report
        .items
        .iter()
        .any(|item| item.stream != session.session && item.first_played.is_some_and(in_time));
    let by_itself = session
        .responses
        .list
        .iter()
        .any(|it| it.created.is_some_and(in_time) && it.first_audio.is_some_and(in_time));
    !by_another && !by_itself
}

/// How much more of the last answer the next session believes to be said than was played, in milliseconds of its length.
fn remembered(
    report: &CallReport,
    before: &SessionReport,
    next: &SessionReport,
    lines: &[&Line],
) -> Option<f64> {
    let mut seeds = next.seeds.list.iter().rev();
    let said = seeds.find(|said| said.role == Role::Assistant)?;
    let line = lines
        .iter()
        .find(|line| line.text.starts_with(&said.text))?;
    let last = before.spoken.list.last()?;
    let is_it =
        |it: &&crate::carrier::PlayedItem| it.stream == before.session && it.item == last.item;
    let played = report
        .items
        .iter()
        .find(is_it)
        .map(|item| ms(item.played()));
    let length = ms(crate::g711::duration(line.audio.len()));
    let share = count(said.text.len() as u64) / count(line.text.len().max(1) as u64);
    Some(length * share - played.unwrap_or_default())
}

/// Calls that waited for a session while another, lost later, got one.
fn overtaken(waits: &[Wait]) -> u64 {
    let is_overtaken = |it: &&Wait| {
        let until = it.seated.unwrap_or(it.until);
        waits.iter().any(|other| {
            let is_later = other.from > it.from + OVERTAKEN_MIN;
            is_later
                && other
                    .seated
                    .is_some_and(|seated| seated + OVERTAKEN_MIN < until)
        })
    };
    waits.iter().filter(is_overtaken).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_longer_than_a_later_one_was_overtaken() {
        const S: fn(u64) -> Duration = Duration::from_secs;
        let wait = |from, seated: Option<u64>| Wait {
            from: S(from),
            seated: seated.map(S),
            until: S(20),
        };
        let fair = [wait(1, Some(5)), wait(2, Some(6)), wait(3, None)];
        assert_eq!(overtaken(&fair), 0);
        let unfair = [wait(1, Some(9)), wait(2, Some(6)), wait(3, Some(7))];
        assert_eq!(overtaken(&unfair), 1);
    }
}
