//! What is told of a drill while it runs, and of what went wrong in the end.
//!
//! Owns the sentences. No number of a phone is in them, but its last two digits, which is what `ringback callbacks list` shows of one; a
//! text is named by its SID.

use std::time::Duration;

use super::callers::Callers;
use crate::{net::Clock, run::interface::Interface, twilio::network::tally::PhoneSeen};

/// How often it is told how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// Lines that are kept for the report.
const TOLD_MAX: usize = 10_000;
/// Phones of which it is told what went wrong.
const COMPLAINTS_MAX: usize = 10;

/// Tells.
pub(super) struct Story<'a> {
    clock: Clock,
    say: &'a mut dyn FnMut(&str),
    told: Vec<(Duration, String)>,
    progressed: Duration,
}

impl<'a> Story<'a> {
    pub(super) fn new(clock: Clock, say: &'a mut dyn FnMut(&str)) -> Self {
        Self {
            clock,
            say,
            told: Vec::new(),
            progressed: Duration::ZERO,
        }
    }

    /// Something has happened.
    pub(super) fn say(&mut self, what: &str) {
        let now = self.clock.now();
        (self.say)(&format!("{:>8.1} s  {what}", now.as_secs_f64()));
        if self.told.len() < TOLD_MAX {
            self.told.push((now, what.to_owned()));
        }
    }

    /// Something that is told now and then.
    pub(super) fn now_and_then(&mut self, every: Duration, what: impl FnOnce() -> String) {
        let at = self.clock.now();
        if at.saturating_sub(self.progressed) >= every {
            self.progressed = at;
            self.say(&what());
        }
    }

    /// All of it, once.
    pub(super) fn told(&mut self) -> Vec<(Duration, String)> {
        std::mem::take(&mut self.told)
    }

    /// How far it is, now and then.
    pub(super) fn progress(&mut self, callers: &Callers, interface: &Interface, now: bool) {
        let at = self.clock.now();
        if !now && at.saturating_sub(self.progressed) < PROGRESS_EVERY {
            return;
        }
        self.progressed = at;
        let counts = interface.counts();
        self.say(&format!(
            "{} calls, {} of them live; {} promises, {} of them not reached yet; {} texts, {} rings",
            callers.made(),
            callers.live(),
            counts.promises,
            counts.promises_lost,
            counts.texts,
            counts.rings,
        ));
    }
}

/// What went wrong with whom; ten phones at most.
pub(super) fn complaints(interface: &Interface) -> Vec<String> {
    let tally = interface.account.network.tally();
    let complaints = tally
        .phones()
        .filter_map(|(number, seen)| complaint(number, seen));
    complaints.take(COMPLAINTS_MAX).collect()
}

fn complaint(number: &str, seen: &PhoneSeen) -> Option<String> {
    let end = number.get(number.len().saturating_sub(2)..);
    let end = end.unwrap_or_default();
    let promised = seen.promised_at.unwrap_or_default().as_secs_f64();
    if seen.is_lost() {
        let refused = seen.texts.iter().filter(|text| !text.accepted).count();
        let undelivered = seen.texts.len() - refused;
        return Some(format!(
            "lost: …{end}, promised at {promised:.1} s, {refused} texts refused, {undelivered} taken and not delivered, {} rings that never rang",
            seen.rings.len()
        ));
    }
    let taken: Vec<_> = seen.texts.iter().filter(|text| text.accepted).collect();
    if taken.len() > seen.calls.max(1) as usize {
        let texts = taken
            .iter()
            .map(|text| format!("{} at {:.1} s", text.sid, text.at.as_secs_f64()));
        let texts: Vec<_> = texts.collect();
        let calls = seen.calls;
        return Some(format!(
            "too many texts for {calls} calls of …{end}: {}",
            texts.join(", ")
        ));
    }
    None
}
