//! What happened in calls whose callers waited for long: for the agent after a stream was lost, or in silence. When documents were asked
//! for, when the models were asked, when they spoke, and what the caller did meanwhile.
//!
//! Owns the lines that are told of them. It judges nothing.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Sessions, Told, resumed};
use crate::twilio::note::Note;

/// Longer than this nobody should wait for the agent.
const LONG: Duration = Duration::from_millis(2_500);
/// Longer than this nobody should hear nothing.
const DEAD_AIR_LONG: Duration = Duration::from_secs(2);
/// So many calls are told of, for either reason.
const LINES_MAX: usize = 3;
/// From so long before it on.
const BEFORE: Duration = Duration::from_secs(3);

/// The longest three of either kind, a line each.
pub(super) fn complaints(told: &[&Told], sessions: &Sessions<'_>) -> Vec<String> {
    let mut complaints = without_agent(told, sessions);
    complaints.extend(in_silence(told, sessions));
    complaints
}

fn without_agent(told: &[&Told], sessions: &Sessions<'_>) -> Vec<String> {
    let mut long: Vec<_> = (told.iter())
        .flat_map(|told| {
            resumed::unheard(told).map(move |(at, from, until)| (told, at, from, until))
        })
        .filter(|(_, _, from, until)| *until > *from + LONG)
        .collect();
    long.sort_by_key(|(_, _, from, until)| Reverse(until.saturating_sub(*from)));
    let lines = long.into_iter().take(LINES_MAX);
    lines
        .map(|(told, at, from, until)| {
            format!(
                "call {} did not hear the agent for {} ms, from {} after its stream was lost: {}",
                told.report.number,
                until.saturating_sub(from).as_millis(),
                after(at, from),
                course(told, sessions, at, until)
            )
        })
        .collect()
}

fn in_silence(told: &[&Told], sessions: &Sessions<'_>) -> Vec<String> {
    let is_long = |told: &&&Told| told.report.dead_air_max > DEAD_AIR_LONG;
    let mut long: Vec<_> = told.iter().filter(is_long).collect();
    long.sort_by_key(|told| Reverse(told.report.dead_air_max));
    let lines = long.into_iter().take(LINES_MAX);
    lines
        .map(|told| {
            let report = &told.report;
            let until = report.dead_air_ended;
            let from = until.saturating_sub(report.dead_air_max);
            format!(
                "call {} heard nothing for {} ms, from {:.1} s on: {}",
                report.number,
                report.dead_air_max.as_millis(),
                from.as_secs_f64(),
                course(told, sessions, from, until)
            )
        })
        .collect()
}

/// What happened until then, and from a while before `at` on, from which it is counted.
fn course(told: &Told, sessions: &Sessions<'_>, at: Duration, until: Duration) -> String {
    let mut happened = happened(told, sessions);
    happened.retain(|(when, _)| *when + BEFORE > at && *when <= until);
    happened.sort();
    let happened: Vec<_> = happened
        .iter()
        .map(|(when, what)| format!("{} {what}", after(at, *when)))
        .collect();
    happened.join("; ")
}

/// Milliseconds after it, or before it.
fn after(at: Duration, when: Duration) -> String {
    match when.checked_sub(at) {
        Some(later) => format!("{} ms", later.as_millis()),
        None => format!("-{} ms", at.saturating_sub(when).as_millis()),
    }
}

fn happened(told: &Told, sessions: &Sessions<'_>) -> Vec<(Duration, String)> {
    let report = &told.report;
    let mut happened = Vec::new();
    for session in sessions.of(report.number) {
        let name = session.session;
        let steps = [(session.opened, "is opened"), (session.ready, "is ready")];
        let steps = steps.into_iter().filter_map(|(at, what)| Some((at?, what)));
        happened.extend(steps.map(|(at, what)| (at, format!("session {name} {what}"))));
        for response in &session.responses.list {
            let by = format!("{:?}", response.asked_by).to_lowercase();
            happened.push((
                response.asked,
                format!("session {name} is asked by the {by}"),
            ));
            if let Some(at) = response.first_audio {
                happened.push((at, format!("session {name} speaks")));
            }
            if let Some((at, outcome)) = response.done {
                happened.push((at, format!("session {name} has done: {outcome:?}")));
            }
        }
        if let Some(ended) = &session.ended {
            happened.push((ended.at, format!("session {name} ends")));
        }
    }
    for turn in &report.turns {
        happened.push((turn.began, "the caller speaks".into()));
        if let Some(ended) = turn.ended {
            happened.push((ended, "the caller is silent".into()));
        }
    }
    for item in &report.items {
        if let Some(at) = item.first_played {
            happened.push((at, format!("session {} is heard", item.stream)));
        }
    }
    for prompt in &report.prompts {
        happened.push((prompt.began, format!("{} is heard", prompt.name)));
    }
    let notes = told.voice().into_iter().flat_map(|voice| &voice.notes);
    happened.extend(notes.filter_map(|(at, note)| Some((*at, of_carrier(note)?))));
    happened
}

/// What the carrier noted, without addresses.
fn of_carrier(note: &Note) -> Option<String> {
    Some(match note {
        Note::Asks { why, .. } => format!("the carrier asks: {why:?}"),
        Note::Document { verbs, .. } => format!("it is told {}", verbs.join(", ")),
        Note::Failed { code, .. } => format!("it is told nothing of use ({code})"),
        Note::Answered => "the call is answered".into(),
        Note::Begins { verb, .. } => format!("{verb} begins"),
        Note::Keys { .. } => "keys are pressed".into(),
        Note::Opens { .. } => "a stream is opened".into(),
        Note::Opened { .. } => "it is open".into(),
        Note::NotOpened { .. } => "it does not open".into(),
        Note::StreamOver { over, .. } => format!("it is over: {over:?}"),
        Note::Updated => "the call is changed by REST".into(),
        Note::Ended(_) => "the call is over".into(),
        Note::Warns { .. } | Note::Dialled { .. } => return None,
    })
}
