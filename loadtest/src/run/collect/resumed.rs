//! What became of calls whose stream was lost, or handed over: whether they went on, how soon the agent was heard again, and what
//! the next model was told.
//!
//! Owns the judgement by what callers' carriers and the models' doubles saw. Callers say things that are different in each turn of each
//! call (a plan's `caller_texts`), so that it can be counted which of them the next model knows.

use std::time::Duration;

use super::{Sessions, Spread, Told, Window, count};
use crate::{
    carrier::CallReport,
    model::report::{Said, SessionReport},
    report::{Figure, Figures},
    twilio::{
        VoiceReport,
        note::{Note, StreamOver},
    },
};

/// A caller who leaves so soon after the loss did not stay.
const TOO_SOON: Duration = Duration::from_secs(3);
/// By then a turn that was heard to its end is written down.
const WRITTEN_MAX: Duration = Duration::from_secs(1);
/// Who has waited longer than this before speaking has waited for the agent.
const FLOOR_MAX: Duration = Duration::from_secs(2);
/// How the words of a turn begin that occur nowhere else: see `countable` in [`ModelSettings`](crate::model::settings::ModelSettings).
const COUNTED: &str = "This is call";
/// Calls of which it is told what was forgotten.
const COMPLAINTS_MAX: usize = 10;
/// A caller's frame.
const FRAME: Duration = Duration::from_millis(20);

/// A stream that was gone before its caller was.
struct Loss {
    /// When the carrier noticed.
    at: Duration,
    /// When the next one was open.
    opened: Option<Duration>,
    /// When the next one was gone, or the call was over.
    until: Duration,
}

pub(super) fn tally(
    told: &[&Told],
    sessions: &Sessions<'_>,
    window: &Window,
    figures: &mut Figures,
) {
    if told.iter().all(|told| told.voice().is_none()) {
        return;
    }
    let mut seen = Seen::default();
    for told in told {
        let Some(voice) = told.voice() else { continue };
        let losses = losses(voice, told.ended);
        seen.struck += u64::from(!losses.is_empty());
        for loss in &losses {
            seen.judge(told, sessions, loss);
        }
    }
    figures.set(Figure::CallsStruck, count(seen.struck));
    figures.set(Figure::CallsLost, count(seen.lost));
    if seen.asked > 0 {
        figures.set(Figure::CallsForgotten, count(seen.forgotten));
        figures.set(Figure::TurnsLost, count(seen.turns_lost));
    }
    let audible = Spread::of(seen.audible.into_iter());
    figures.set_some(Figure::AudibleP50, audible.at(0.5));
    figures.set_some(Figure::AudibleP99, audible.at(0.99));
    figures.set_some(Figure::AudibleMax, audible.at(1.0));
    let Some(drill) = window.drill else { return };
    let stayed = |it: &&&SessionReport| it.ended.is_none_or(|ended| ended.at > drill.quiet);
    let of_callers = |it: &&&SessionReport| !it.uplink.streams.is_empty();
    let left = sessions.all.iter().filter(of_callers).filter(stayed);
    figures.set(Figure::SessionsLeft, count(left.count() as u64));
    if let Some(harm) = drill.harm {
        latencies(sessions, harm, figures);
    }
}

/// When the streams of a call were lost, or moved by the server.
pub(super) fn losses_at(told: &Told) -> Vec<Duration> {
    let losses = told.voice().map(|voice| losses(voice, told.ended));
    let losses = losses.into_iter().flatten();
    losses.map(|loss| loss.at).collect()
}

/// From when to when a call was between two streams, and its carrier.
pub(super) fn waits_of(told: &Told) -> Vec<(Duration, Duration, &VoiceReport)> {
    let Some(voice) = told.voice() else {
        return Vec::new();
    };
    let losses = losses(voice, told.ended).into_iter();
    let waits = losses.filter_map(|loss| Some((loss.at, loss.opened?, voice)));
    waits.collect()
}

/// When streams of a call were lost, from when on the agent was missed, and until when it was.
pub(super) fn unheard(told: &Told) -> impl Iterator<Item = (Duration, Duration, Duration)> {
    let losses = told.voice().map(|voice| losses(voice, told.ended));
    let losses = losses.into_iter().flatten();
    losses.filter(|loss| loss.opened.is_some()).map(|loss| {
        let (from, heard) = heard_after(&told.report, &loss);
        (loss.at, from, heard.unwrap_or(loss.until))
    })
}

/// Which calls went on without what was said; ten at most.
pub(super) fn complaints(told: &[&Told], sessions: &Sessions<'_>) -> Vec<String> {
    let mut complaints = Vec::new();
    for told in told {
        let Some(voice) = told.voice() else { continue };
        for loss in losses(voice, told.ended) {
            let around = around(&told.report, sessions, loss.at);
            let Some((before, after)) = around.filter(|_| complaints.len() < COMPLAINTS_MAX) else {
                continue;
            };
            let missing = missing(&told.report, before, after, loss.at);
            if missing.completed > 0 || missing.open > 1 {
                complaints.push(format!(
                    "call {} lost its stream at {:.1} s: session {} was not told of {} turns and {} open ones of session {}; told: {:?}",
                    told.report.number,
                    loss.at.as_secs_f64(),
                    after.session,
                    missing.completed,
                    missing.open,
                    before.session,
                    after.seeds.list.iter().flat_map(turns_in).collect::<Vec<_>>(),
                ));
            }
        }
    }
    complaints
}

#[derive(Default)]
struct Seen {
    struck: u64,
    lost: u64,
    /// Losses whose next model could be asked what it knows.
    asked: u64,
    forgotten: u64,
    turns_lost: u64,
    audible: Vec<Duration>,
}

impl Seen {
    fn judge(&mut self, told: &Told, sessions: &Sessions<'_>, loss: &Loss) {
        let report = &told.report;
        let stayed = loss.until.saturating_sub(loss.at) > TOO_SOON;
        if loss.opened.is_none() {
            self.lost += u64::from(stayed);
            return;
        }
        let (from, heard) = heard_after(report, loss);
        match heard {
            Some(heard) => self.audible.push(heard.saturating_sub(from)),
            None if loss.until.saturating_sub(from) > TOO_SOON => {
                self.audible.push(loss.until.saturating_sub(from));
            }
            None => {}
        }
        let Some((before, after)) = around(report, sessions, loss.at) else {
            return;
        };
        let missing = missing(report, before, after, loss.at);
        self.asked += u64::from(before.conversation.iter().flat_map(turns_in).count() > 0);
        self.forgotten += u64::from(missing.completed > 0);
        self.turns_lost = self.turns_lost.max(missing.completed + missing.open);
    }
}

/// The streams of a call that were gone before its caller was.
fn losses(voice: &VoiceReport, ended: Duration) -> Vec<Loss> {
    let mut losses: Vec<Loss> = Vec::new();
    for (nth, (at, note)) in voice.notes.iter().enumerate() {
        let Note::StreamOver { over, .. } = note else {
            continue;
        };
        let later = || voice.notes.iter().skip(nth + 1);
        let opens = later().any(|(_, note)| matches!(note, Note::Opens { .. }));
        let is_loss = match over {
            StreamOver::Lost => true,
            // Else the call was over as well.
            StreamOver::Closed(_) => opens,
            StreamOver::ByCarrier => false,
        };
        if !is_loss {
            continue;
        }
        let opened =
            |(at, note): &(Duration, Note)| matches!(note, Note::Opened { .. }).then_some(*at);
        let over =
            |(at, note): &(Duration, Note)| matches!(note, Note::StreamOver { .. }).then_some(*at);
        let next_over = later().find_map(over).unwrap_or(ended);
        losses.push(Loss {
            at: *at,
            opened: later()
                .find_map(opened)
                .filter(|opened| *opened <= next_over),
            until: next_over.max(*at),
        });
    }
    losses
}

/// When the agent was heard after a loss, and from when on it was missed: a caller who speaks, or has begun to before there was any
/// need to wait, has the floor until the end of the turn.
fn heard_after(report: &CallReport, loss: &Loss) -> (Duration, Option<Duration>) {
    let mut from = loss.at;
    loop {
        let heard = report.items.iter().filter_map(|item| item.first_played);
        let heard = heard
            .filter(|heard| (from..loss.until).contains(heard))
            .min();
        let before = heard.unwrap_or(loss.until).min(from + FLOOR_MAX);
        let next = report.turns.iter().find_map(|turn| {
            // Who speaks to the end of the call is owed nothing more.
            let ended = turn.ended.unwrap_or(loss.until);
            (turn.began <= before && ended > from).then_some(ended)
        });
        match next {
            Some(ended) => from = ended,
            None => return (from, heard),
        }
    }
}

/// The session before the loss, and the one after it: it was opened later, or lay ready and got no frame of the caller's before.
fn around<'a>(
    report: &CallReport,
    sessions: &Sessions<'a>,
    at: Duration,
) -> Option<(&'a SessionReport, &'a SessionReport)> {
    let number = report.number;
    let first = |session: &&'a SessionReport| {
        let blocks = &session.uplink.streams.get(&number)?.blocks;
        let block = blocks.iter().map(|range| range.start).min()?;
        Some((report.began + FRAME * block, *session))
    };
    let mut all: Vec<_> = sessions.of(number).iter().filter_map(first).collect();
    all.sort_by_key(|(first, session)| (*first, session.session));
    // Frames count from the first stream's start, a moment after the call's.
    let is_later = |(first, session): &(Duration, &SessionReport)| {
        *first > at || session.opened.is_some_and(|opened| opened > at)
    };
    let before = all.iter().rfind(|it| !is_later(it))?;
    let after = all.iter().find(|it| is_later(it))?;
    Some((before.1, after.1))
}

/// Turns that the session before knew, and the one after was not told of.
#[derive(Debug, Default, PartialEq, Eq)]
struct Missing {
    /// They had been answered, and the answer was heard.
    completed: u64,
    /// The last one, which was open.
    open: u64,
}

/// A turn in which somebody paused is several to a model, and one to its caller.
fn missing(
    report: &CallReport,
    before: &SessionReport,
    after: &SessionReport,
    at: Duration,
) -> Missing {
    let mine = report.items.iter();
    let mine = mine.filter(|item| item.stream == before.session);
    let ends = mine.filter_map(|item| Some(item.first_played? + item.played()));
    let ended = ends.max().filter(|end| *end + WRITTEN_MAX <= at);
    let told: Vec<_> = after.seeds.list.iter().flat_map(turns_in).collect();
    let sounds = after.seeded_audio.streams.contains_key(&report.number);
    let turns = before.conversation.iter().flat_map(turns_in);
    let missing = turns.filter(|turn| !told.contains(turn));
    let begun = |at: Duration| report.turns.iter().filter(|turn| turn.began <= at).count();
    let mut spoken: Vec<_> = missing.filter_map(said_at).map(begun).collect();
    spoken.dedup();
    let last = begun(at);
    let last_said = report.turns.iter().rfind(|turn| turn.began <= at);
    // Whatever was heard after its end answered it.
    let is_open =
        last_said.is_some_and(|turn| ended.is_none_or(|end| turn.ended.is_none_or(|it| end < it)));
    let mut found = Missing::default();
    for turn in spoken {
        if turn < last || !is_open && !sounds {
            found.completed += 1;
        } else if !sounds {
            found.open += 1; // What nobody had written down yet may be given as it was said.
        }
    }
    found
}

/// When a turn was over, by its words.
fn said_at(turn: &str) -> Option<Duration> {
    let (_, at) = turn.rsplit_once("at ")?;
    let at = at.strip_suffix(" ms.")?.parse().ok()?;
    Some(Duration::from_millis(at))
}

/// The turns of a caller that an item tells of, by their words: one that sums up what was said earlier tells of several.
fn turns_in(said: &Said) -> impl Iterator<Item = &str> {
    let sentences = said.text.split_inclusive('.');
    sentences.filter_map(|sentence| sentence.find(COUNTED).and_then(|at| sentence.get(at..)))
}

/// Added latency before the first harm, and between it and the last.
fn latencies(sessions: &Sessions<'_>, harm: (Duration, Duration), figures: &mut Figures) {
    let of = |is: &dyn Fn(Duration, Duration) -> bool| {
        let mut spread = Spread::new();
        for session in &sessions.all {
            let (Some(opened), Some(ended)) = (session.opened, session.ended) else {
                continue;
            };
            if is(opened, ended.at) {
                for bar in session.uplink.latency_us.iter_recorded() {
                    spread.add_many(bar.value_iterated_to(), bar.count_at_value().into());
                }
            }
        }
        spread.at(0.99)
    };
    let before = of(&|_, ended| ended < harm.0);
    let during = of(&|opened, ended| opened >= harm.0 && ended <= harm.1);
    figures.set_some(Figure::UpP99Before, before);
    figures.set_some(Figure::UpP99During, during);
    if let (Some(before), Some(during)) = (before, during)
        && before > 0.0
    {
        figures.set(Figure::UpRatioToBefore, during / before);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{ModelSession, report::Role, settings::ModelSettings};

    const AT: Duration = Duration::from_mins(1);

    fn session(number: u32) -> SessionReport {
        let settings = Arc::new(ModelSettings::default());
        ModelSession::new(settings, Arc::default(), number, 1).report()
    }

    fn said(role: Role, text: &str) -> Said {
        Said {
            role,
            text: text.into(),
        }
    }

    /// Two turns, the second with a pause, and answered or not; the next model is told of these.
    fn found(answered: bool, told: &[&str]) -> Missing {
        let secs = Duration::from_secs;
        let mut before = session(1);
        before.conversation = vec![
            said(Role::User, "Before: This is call 1, turn 1, at 10000 ms."),
            said(Role::Assistant, "yes"),
            said(Role::User, "This is call 1, turn 2, at 49000 ms."),
            said(Role::User, "This is call 1, turn 3, at 50000 ms."),
        ];
        let mut after = session(2);
        let all = told.iter().map(|text| said(Role::User, text));
        after.seeds.list.extend(all);
        let turn = |began, ended| crate::carrier::Turn {
            began: secs(began),
            ended: Some(secs(ended)),
        };
        let mut played = crate::carrier::PlayedItem::of(1, secs(11));
        if answered {
            played = crate::carrier::PlayedItem::of(1, secs(51));
        }
        let report = CallReport {
            turns: vec![turn(8, 10), turn(47, 50)],
            items: vec![played],
            ..CallReport::default()
        };
        missing(&report, &before, &after, AT)
    }

    #[test]
    fn what_the_next_model_was_not_told_is_counted_and_an_open_turn_is_told_apart() {
        let of = |completed, open| Missing { completed, open };
        let one = "This is call 1, turn 1, at 10000 ms.";
        let two = "This is call 1, turn 2, at 49000 ms.";
        let three = "This is call 1, turn 3, at 50000 ms.";
        let all = format!("Caller: {one}\nYou: yes.\nCaller: {two}\nCaller: {three}");
        assert_eq!(found(true, &[&all]), of(0, 0));
        assert_eq!(found(false, &[one]), of(0, 1), "both belong to one turn");
        assert_eq!(found(true, &[one, two]), of(1, 0));
        assert_eq!(found(false, &[two, three]), of(1, 0));
        assert_eq!(found(true, &[]), of(2, 0));
    }

    #[test]
    fn a_caller_who_speaks_is_owed_nothing_before_the_end_of_the_turn() {
        let secs = Duration::from_secs;
        let turn = |began, ended| crate::carrier::Turn {
            began: secs(began),
            ended: Some(secs(ended)),
        };
        let last = crate::carrier::Turn {
            began: secs(50),
            ended: None,
        };
        let report = CallReport {
            turns: vec![turn(1, 2), turn(5, 8), turn(20, 21), last],
            ..CallReport::default()
        };
        let from = |at| {
            let loss = Loss {
                at: secs(at),
                opened: None,
                until: secs(60),
            };
            heard_after(&report, &loss).0
        };
        assert_eq!(from(6), secs(8), "it was being said");
        assert_eq!(from(4), secs(8), "it was begun a second later");
        assert_eq!(from(10), secs(10), "ten seconds are waiting");
        assert_eq!(from(49), secs(60), "it was being said when the call ended");
    }
}
