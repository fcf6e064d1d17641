//! How many calls a drill has touched at all, and which streams it has moved while there was no need to.
//!
//! Owns the counting, by what callers' carriers and the models' doubles saw.

use std::time::Duration;

use super::{Outcome, Sessions, Told, Window, count, resumed};
use crate::report::{Figure, Figures};

/// What a partition moves may be moved so long after it.
const LATE_MAX: Duration = Duration::from_secs(5);

/// Longer than this nobody should be without a stream.
const LONG: Duration = Duration::from_secs(1);
/// So many calls are told of.
const WAITS_MAX: usize = 3;

pub(super) fn tally(
    outcomes: &[Outcome],
    told: &[&Told],
    sessions: &Sessions<'_>,
    window: &Window,
    figures: &mut Figures,
) {
    let Some(drill) = window.drill else { return };
    let is_touched = |outcome: &&Outcome| match outcome {
        Outcome::Over(told) => {
            let sessions = sessions.of(told.report.number);
            !told.is_complete(window.agent_hangs_up) || sessions.iter().any(|it| it.faults > 0)
        }
        Outcome::Refused(_) => true,
    };
    let touched = outcomes.iter().filter(is_touched).count();
    if !outcomes.is_empty() {
        let share = count(touched as u64) / count(outcomes.len() as u64);
        figures.set(Figure::CallsTouched, 100.0 * share);
    }
    if let Some((from, to)) = drill.parted {
        let to = to.saturating_add(LATE_MAX);
        let losses = told.iter().flat_map(|told| resumed::losses_at(told));
        let parted = losses.filter(|at| (from..to).contains(at));
        figures.set(Figure::StreamsLostParted, count(parted.count() as u64));
    }
}

/// What carriers did in the calls that were without a stream for long, the longest first; three at most.
pub(super) fn waits(told: &[&Told]) -> Vec<String> {
    let waits = told.iter().flat_map(|told| resumed::waits_of(told));
    let mut waits: Vec<_> = waits.filter(|(from, to, _)| *to > *from + LONG).collect();
    waits.sort_by_key(|(from, to, _)| std::cmp::Reverse(to.saturating_sub(*from)));
    let lines = waits.into_iter().take(WAITS_MAX).map(|(from, to, voice)| {
        let meanwhile = voice
            .notes
            .iter()
            .filter(|(at, _)| (from..=to).contains(at));
        let notes = meanwhile.map(|(at, note)| {
            let after = at.saturating_sub(from).as_millis();
            format!("{after} ms {}", note.sentence())
        });
        let notes: Vec<_> = notes.collect();
        format!("a call was without a stream: {}", notes.join("; "))
    });
    lines.collect()
}
