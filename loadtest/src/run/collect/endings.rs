//! How calls ended: by their callers, with an apology, or before their time; and how soon the model was first heard.

use std::time::Duration;

use super::{Outcome, Seen, Spread, Told, Window, count, ms};
use crate::{
    model::dials::End,
    report::{Figure, Figures},
};

pub(super) fn tally(outcomes: &[Outcome], told: &[&Told], window: &Window, figures: &mut Figures) {
    let is_complete = |told: &&&Told| told.is_complete(window.agent_hangs_up);
    let started = outcomes.len() as u64 + u64::from(window.unfinished);
    let complete = told.iter().filter(is_complete).count() as u64;
    figures.set(Figure::CallsStarted, count(started));
    figures.set(Figure::CallsCompleted, count(complete));
    figures.set(Figure::CallsFailed, count(started - complete));
    let is_silent = |told: &&&Told| told.report.first_sound.is_none();
    let silent = told.iter().filter(is_silent).count();
    figures.set(Figure::CallsSilent, count(silent as u64));
    apologies(told, figures);
}

/// Calls that the server ended after words of its own.
fn apologies(told: &[&Told], figures: &mut Figures) {
    let apologized = || told.iter().filter(|told| told.was_apologized_to());
    figures.set(Figure::CallsApologized, count(apologized().count() as u64));
    let waits = apologized().filter_map(|told| {
        let owed = told.report.gaps.last().filter(|gap| !gap.answered)?;
        Some(told.report.prompted?.saturating_sub(owed.from))
    });
    figures.set_some(Figure::ApologyAfter, waits.max().map(ms));
}

/// How soon the model was first heard, in all calls and in those that began while a breaker was to be open.
pub(super) fn first_audio(told: &[&Told], seen: &[Seen], window: &Window, figures: &mut Figures) {
    let open = open_times(seen, window);
    let began_then = |told: &&&Told| {
        open.iter()
            .any(|&(from, until)| (from..until).contains(&told.began))
    };
    let firsts = |told: &&Told| told.report.first_model_media;
    let all = Spread::of(told.iter().filter_map(firsts));
    figures.set_some(Figure::FirstModelP50, all.at(0.5));
    figures.set_some(Figure::FirstModelP99, all.at(0.99));
    let open = Spread::of(told.iter().filter(began_then).filter_map(firsts));
    figures.set_some(Figure::FirstModelOpenP50, open.at(0.5));
    figures.set_some(Figure::FirstModelOpenP99, open.at(0.99));
}

/// When breakers were to be open: from a while after a dial that failed, until a probe is due.
fn open_times(seen: &[Seen], window: &Window) -> Vec<(Duration, Duration)> {
    let mut times: Vec<(Duration, Duration)> = Vec::new();
    for dial in seen.iter().flat_map(|seen| &seen.dials.list.list) {
        let at = window.zero + dial.at;
        let is_known = times.last().is_some_and(|&(_, until)| at < until);
        if !is_known && !matches!(dial.end, End::Opened(_)) {
            let from = at + window.breaker.opens_within();
            times.push((from, from + window.breaker.cool_down()));
        }
    }
    times
}
