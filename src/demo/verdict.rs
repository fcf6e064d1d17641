//! What the demo says of a call when it is over.

mod rung_back;

use std::path::Path;
use std::time::Duration;

use loadtest::call::voice_complaints;
use loadtest::carrier::CallReport;
use loadtest::model::report::{Role, SessionReport};
use loadtest::recording::Recording;
use loadtest::twilio::VoiceReport;

pub(super) use self::rung_back::{RungBack, rung_back};
use super::tell;

/// How far the model may be wrong about what was heard: the way of an echo and of a clear.
const HEARD_TOLERANCE: Duration = Duration::from_millis(200);

/// How long a caller may hear nothing while an answer, or the rest of one, is owed.
const DEAD_AIR_MAX: Duration = Duration::from_secs(2);

/// Says how the healthy call went; `true` if it was a good one.
pub(super) fn healthy(voice: &VoiceReport, session: Option<&SessionReport>, heard: &Path) -> bool {
    let (report, mut wrong) = (&voice.call, voice_complaints(voice));
    let answers = report.answer_latencies.len();
    let slowest = report.answer_latencies.iter().max().copied();
    tell(&format!(
        "\n{} turns, {answers} answers, the slowest after {} ms; longest silence while an answer was owed: {} ms",
        report.turns_said,
        slowest.unwrap_or_default().as_millis(),
        report.dead_air_max.as_millis(),
    ));
    match session {
        None => wrong.push("the model has no session to tell of".to_owned()),
        Some(session) => {
            wrong.extend(judge_cuts(report, session));
            wrong.extend(judge_uplink(report, &[session]));
        }
    }
    conclude(
        &wrong,
        heard,
        "nothing was lost, nothing stayed unanswered, and the model knows what was heard",
    )
}

/// Says how the call went whose provider died; `true` if the caller hardly noticed.
pub(super) fn killed(
    voice: &VoiceReport,
    (first, standby): &(Option<SessionReport>, Option<SessionReport>),
    recording: &Recording,
    heard: &Path,
) -> bool {
    let (report, mut wrong) = (&voice.call, voice_complaints(voice));
    let (Some(first), Some(standby)) = (first, standby) else {
        wrong.push("there were not two sessions: nobody was killed, or nobody took over".into());
        return conclude(&wrong, heard, "");
    };
    let gap = gap(report, first, standby);
    tell(&match gap {
        Some(gap) => format!(
            "\nthe provider died in mid-sentence; the caller heard the rest of it after a gap of {} ms",
            gap.as_millis()
        ),
        None => "\nthe provider died in mid-sentence, and nobody went on with it".into(),
    });
    if gap.is_none_or(|gap| gap > DEAD_AIR_MAX) {
        wrong.push("the caller heard nothing for too long".into());
    }
    let turns = first.utterances.list.len();
    wrong.extend(judge_memory(turns, ("the standby", standby), recording));
    wrong.extend(judge_uplink(report, &[first, standby]));
    conclude(
        &wrong,
        heard,
        "the call went on with another provider, and nothing was lost or said twice",
    )
}

/// How long the model was missing: from the last sound before the other provider spoke. Zero, if the buffer covered it.
fn gap(report: &CallReport, first: &SessionReport, standby: &SessionReport) -> Option<Duration> {
    let died = first.ended?.at;
    let is_standbys = |item: &&loadtest::carrier::PlayedItem| {
        item.stream == standby.session && item.first_played.is_some_and(|at| at > died)
    };
    let back = report.items.iter().filter(is_standbys);
    let back = back.filter_map(|item| item.first_played).min()?;
    let fits = |gap: &&loadtest::carrier::Gap| gap.to > died && gap.from <= back;
    let gaps = report.gaps.iter().filter(fits);
    let longest = gaps.map(|gap| gap.to.saturating_sub(gap.from)).max();
    Some(longest.unwrap_or_default())
}

/// What the model was told that goes on: the turns that the caller had said, and of the cut answer no more than was said.
fn judge_memory(
    turns: usize,
    (name, next): (&str, &SessionReport),
    recording: &Recording,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let said = recording.caller.iter().take(turns);
    let is_told = |text: &str| {
        let mut seeds = next.seeds.list.iter();
        seeds.any(|seed| seed.role == Role::User && seed.text == text)
    };
    let told = said.clone().filter(|turn| is_told(&turn.line.text));
    let (told, said) = (told.count(), said.count());
    tell(&format!(
        "{name} was told {told} of the caller's {said} turns before, word for word"
    ));
    if told < said {
        wrong.push("words of the caller were lost".to_owned());
    }
    let mut seeds = next.seeds.list.iter().rev();
    let last = seeds.find(|seed| seed.role == Role::Assistant);
    let is_part = |seed: &loadtest::model::report::Said| {
        let mut lines = recording.agent.iter();
        lines.any(|line| line.text.starts_with(&seed.text) && line.text != seed.text)
    };
    match last.filter(|seed| is_part(seed)) {
        Some(seed) => tell(&format!(
            "and that the sentence broke off at: \"{}\"",
            seed.text.trim_end()
        )),
        None => wrong.push(format!("{name} does not know where the sentence broke off")),
    }
    wrong
}

/// What the model was told of each answer that was cut, against what was played of it.
fn judge_cuts(report: &CallReport, session: &SessionReport) -> Vec<String> {
    let mut wrong = Vec::new();
    for cut in &session.truncations.list {
        let is_it = |item: &&loadtest::carrier::PlayedItem| {
            item.stream == cut.session && item.item == cut.item
        };
        let played = report.items.iter().find(is_it);
        let played = played
            .map(loadtest::carrier::PlayedItem::played)
            .unwrap_or_default();
        let told = Duration::from_millis(cut.audio_end_ms);
        tell(&format!(
            "interrupted: the caller heard {} ms, the model was told {} ms",
            played.as_millis(),
            told.as_millis()
        ));
        if told.abs_diff(played) > HEARD_TOLERANCE {
            wrong.push("the model believes something else than the caller heard".to_owned());
        }
    }
    wrong
}

/// Whether all that the caller sent reached one of the sessions.
fn judge_uplink(report: &CallReport, sessions: &[&SessionReport]) -> Option<String> {
    let streams = sessions.iter();
    let streams = streams.filter_map(|session| session.uplink.streams.get(&report.number));
    let mut blocks: Vec<_> = streams.flat_map(|stream| stream.blocks.clone()).collect();
    blocks.sort_by_key(|range| range.start);
    let mut next = 0;
    let mut missing = 0;
    for range in blocks {
        missing += range.start.saturating_sub(next);
        next = next.max(range.end);
    }
    (missing > 0).then(|| format!("{missing} frames of the caller were lost"))
}

fn conclude(wrong: &[String], heard: &Path, praise: &str) -> bool {
    tell(&format!(
        "what was heard (caller left, agent right): {}",
        heard.display()
    ));
    if wrong.is_empty() {
        tell(&format!("verdict: good: {praise}"));
    } else {
        tell(&format!("verdict: bad: {}", wrong.join("; ")));
    }
    wrong.is_empty()
}
