//! What happened in calls in which the agent was not heard for long after a stream was lost: when the models were asked, when they spoke,
//! and what the caller did meanwhile.
//!
//! Owns the lines that are told of them. It judges nothing.

use std::time::Duration;

use super::{Sessions, Told, resumed};

/// Longer than this nobody should wait for the agent.
const LONG: Duration = Duration::from_millis(2_500);
/// So many calls are told of.
const LINES_MAX: usize = 3;
/// From so long before the loss on.
const BEFORE: Duration = Duration::from_secs(3);

/// The longest three, a line each.
pub(super) fn complaints(told: &[&Told], sessions: &Sessions<'_>) -> Vec<String> {
    let mut long: Vec<_> = (told.iter())
        .flat_map(|told| {
            resumed::unheard(told).map(move |(at, from, until)| (told, at, from, until))
        })
        .filter(|(_, _, from, until)| *until > *from + LONG)
        .collect();
    long.sort_by_key(|(_, _, from, until)| std::cmp::Reverse(until.saturating_sub(*from)));
    let lines = long.into_iter().take(LINES_MAX);
    lines
        .map(|(told, at, from, until)| {
            let mut happened = happened(told, sessions);
            happened.retain(|(when, _)| *when + BEFORE > at && *when <= until);
            happened.sort();
            let happened: Vec<_> = happened
                .iter()
                .map(|(when, what)| format!("{} {what}", after(at, *when)))
                .collect();
            format!(
                "call {} did not hear the agent for {} ms, from {} after its stream was lost: {}",
                told.report.number,
                until.saturating_sub(from).as_millis(),
                after(at, from),
                happened.join("; ")
            )
        })
        .collect()
}

/// Milliseconds after the loss, or before it.
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
    happened
}
