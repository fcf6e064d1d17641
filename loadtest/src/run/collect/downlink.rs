//! From the model to callers: what arrived, how late, and what the server believes was heard.

use std::time::Duration;

use super::{Sessions, Spread, Tally, Told, count, ms};
use crate::{
    carrier::{CallReport, PlayedItem},
    model::report::SessionReport,
    report::{Figure, Figures},
    stamp::BLOCK_BYTES,
};

/// A clear that comes later than this after the caller spoke up has another reason.
const CLEAR_MAX: Duration = Duration::from_secs(5);

pub(super) fn tally(told: &[&Told], sessions: &Sessions<'_>, figures: &mut Figures) -> Tally {
    let mut tally = Tally { lost: 0, twice: 0 };
    let mut received = 0;
    let mut latency = Spread::new();
    let mut clears = Spread::new();
    let mut truncations = Truncations::default();
    for told in told {
        let report = &told.report;
        let of_call = sessions.of(report.number);
        report
            .downlink_latencies
            .iter()
            .for_each(|&it| latency.add(it));
        for item in &report.items {
            received += u64::from(item.blocks_received);
            // What follows a cut is late audio, a violation of its own: the gap before it is what was cut.
            tally.lost += if item.cut { 0 } else { item.missing.into() };
            tally.twice += u64::from(item.duplicated) + u64::from(item.out_of_order);
        }
        for session in of_call {
            tally.lost += lost_ends(report, session);
            truncations.judge(report, session);
            clear_latencies(report, session, &mut clears);
        }
    }
    figures.set(Figure::FramesDown, count(received));
    figures.set_some(Figure::DownP50, latency.at(0.5));
    figures.set_some(Figure::DownP99, latency.at(0.99));
    figures.set_some(Figure::DownP999, latency.at(0.999));
    figures.set_some(Figure::ClearP50, clears.at(0.5));
    figures.set_some(Figure::ClearP99, clears.at(0.99));
    truncations.note(figures);
    tally
}

/// Blocks at the ends of items that the model sent and the phone did not get, though it got a later item and nothing was cleared.
fn lost_ends(report: &CallReport, session: &SessionReport) -> u64 {
    let mut items = report
        .items
        .iter()
        .filter(|item| item.stream == session.session)
        .peekable();
    let mut lost = 0;
    while let Some(item) = items.next() {
        let (Some(begin), Some(next)) = (item.first_played, items.peek()) else {
            continue; // What comes last may be cut by the end of the call.
        };
        let end = next.first_played.unwrap_or(Duration::MAX);
        let was_cleared = report.clears.iter().any(|&at| (begin..=end).contains(&at));
        if was_cleared || item.cut {
            continue;
        }
        let spoken = session.spoken.list.iter().find(|it| it.item == item.item);
        let blocks = spoken.map_or(0, |spoken| spoken.bytes / BLOCK_BYTES as u64);
        lost += blocks.saturating_sub(item.blocks_received.into());
    }
    lost
}

/// How soon the phone was told to fall silent when the model heard the caller speak up. Where nothing was left to play there may
/// be no clear: it is looked for until the caller speaks up again.
fn clear_latencies(report: &CallReport, session: &SessionReport, clears: &mut Spread) {
    let spoke_up = &session.speech_started.list;
    let next = spoke_up.iter().skip(1).chain([&Duration::MAX]);
    for (&spoke_up, &next) in spoke_up.iter().zip(next) {
        let mut due = report.clears.iter();
        let clear = due.find(|&&at| (spoke_up..next).contains(&at));
        let latency = clear.map(|&at| at.saturating_sub(spoke_up));
        if let Some(latency) = latency.filter(|&latency| latency <= CLEAR_MAX) {
            clears.add(latency);
        }
    }
}

/// What the server told the model that callers heard, against what they heard.
#[derive(Default)]
struct Truncations {
    /// Beyond the delay of the call's mark echoes, of which the server cannot know.
    errors: Vec<f64>,
    over_max: Option<f64>,
}

impl Truncations {
    fn judge(&mut self, report: &CallReport, session: &SessionReport) {
        let told = session.truncations.list.iter();
        let told = told.map(|it| (it.item, Duration::from_millis(it.audio_end_ms)));
        let deleted = session.deletions.list.iter();
        let deleted = deleted.filter_map(|it| it.item.map(|item| (item, Duration::ZERO)));
        for (item, claimed) in told.chain(deleted) {
            let is_it = |it: &&PlayedItem| it.stream == session.session && it.item == item;
            let played = report.items.iter().find(is_it);
            // An item of which nothing came is one of which nothing was heard.
            let played = played.map_or(Duration::ZERO, PlayedItem::played);
            let error = claimed.abs_diff(played).saturating_sub(report.echo_delay);
            self.errors.push(ms(error));
            let over = ms(claimed) - ms(played);
            self.over_max = Some(self.over_max.map_or(over, |max| max.max(over)));
        }
    }

    fn note(mut self, figures: &mut Figures) {
        self.errors.sort_by(f64::total_cmp);
        let place = (self.errors.len() * 95).div_ceil(100).saturating_sub(1);
        figures.set(Figure::Truncations, count(self.errors.len() as u64));
        figures.set_some(Figure::TruncationErrorP95, self.errors.get(place).copied());
        figures.set_some(Figure::TruncationOver, self.over_max);
    }
}
