//! The judges: what must hold for every call, whatever its seed. Each has a name, and says what it saw.

mod dials;
mod remembered;
mod voices;

use std::collections::BTreeMap;
use std::time::Duration;

use loadtest::carrier::{Happening, PlayedItem, Violation};
use loadtest::model::report::SessionReport;
use ringback::core::call::effect::EndReason;
use ringback::core::ids::AttemptId;
use ringback::core::observation::Observation;

use crate::checkers::dials::{
    budget_holds, lasting_is_not_retried, no_caller_as_a_probe, no_rash_failover,
    retry_after_honoured,
};
use crate::checkers::remembered::memory_handed_on;
pub(crate) use crate::checkers::remembered::remembered;
use crate::checkers::voices::{
    continued, flood_ends, is_flood, is_half_told, one_after_the_other, turn_of_a_flood,
    unnoticed_since,
};
use crate::setup::{Life, Setup};
use crate::succession::reigns;

/// Without any sound, while an answer is owed.
const DEAD_AIR_MAX: Duration = Duration::from_secs(2);

/// A model is told at most this much more than was played.
const OVERSTATED_MAX_MS: i64 = 80;

/// From a model's word that the caller speaks to the agent's silence at the phone: two ways through the network, and room.
const YIELDS_WITHIN: Duration = Duration::from_millis(100);

/// Bytes of audio that have a stamp of their own.
const BLOCK: u64 = 160;

/// Errors of a provider that say that what we asked for was already so: races that nobody can avoid.
const HARMLESS: [&str; 2] = [
    "response_cancel_not_active",
    "conversation_already_has_active_response",
];

/// What a checker found wrong.
pub(crate) type Finding = (&'static str, String);

/// Everything that is wrong with a healthy call: no fault was planned for it.
pub(crate) fn judge(setup: &Setup, life: &Life) -> Vec<Finding> {
    let mut findings = judge_any(setup, life);
    ends(life, &mut findings);
    heard_to_the_end(life, &mut findings);
    heard_out(life, &mut findings);
    yields_the_floor(life, &mut findings);
    protocol_kept(life, &mut findings);
    findings
}

/// Everything that is wrong with a call, whatever happened to it.
pub(crate) fn judge_any(setup: &Setup, life: &Life) -> Vec<Finding> {
    let mut findings = Vec::new();
    no_dead_air(life, &mut findings);
    one_voice(life, &mut findings);
    one_after_the_other(life, &mut findings);
    flood_ends(life, &mut findings);
    continued(life, &mut findings);
    uplink_conserved(life, &mut findings);
    heard_while_it_lasted(life, &mut findings);
    downlink_conserved(life, &mut findings);
    memory_handed_on(life, &mut findings);
    remembered(life, &mut findings);
    never_overstated(life, &mut findings);
    no_rash_failover(setup, life, &mut findings);
    budget_holds(life, &mut findings);
    retry_after_honoured(life, &mut findings);
    no_caller_as_a_probe(life, &mut findings);
    lasting_is_not_retried(life, &mut findings);
    bounds_hold(life, &mut findings);
    findings
}

/// "Every call ends": both sides, for a reason that a healthy call has, and no session is left open.
fn ends(life: &Life, findings: &mut Vec<Finding>) {
    if !matches!(
        life.reason,
        None | Some(EndReason::CallerHungUp | EndReason::Goodbye)
    ) {
        findings.push(("every call ends", format!("{:?}", life.reason)));
    }
    if life.reason.is_none() || life.phone.ended.is_none() || !life.leaked.is_empty() {
        let what = format!(
            "{:?}, {:?}, leaked {:?}",
            life.reason, life.phone.ended, life.leaked
        );
        findings.push(("every call ends", what));
    }
}

/// "No dead air": the caller is never owed an answer in silence for long.
fn no_dead_air(life: &Life, findings: &mut Vec<Finding>) {
    if life.phone.dead_air_max > DEAD_AIR_MAX {
        findings.push(("no dead air", format!("{:?}", life.phone.dead_air_max)));
    }
}

/// How often the call moved to a fresh session while the caller spoke or waited for an answer.
pub(crate) fn moved_in_mid_turn(life: &Life) -> usize {
    let moved = |(at, seen): &&(Duration, Observation)| match seen {
        Observation::Rotated { attempt } => open_turn(life, *attempt, (*at, *at), 0).is_some(),
        _ => false,
    };
    life.observations.iter().filter(moved).count()
}

/// When the turn began that the caller was speaking, or was owed an answer to, when a session took over; the one before it was
/// gone since `lost_at`. What was on its way by then answers a turn, too; less than `heard_min` of an item answers nothing.
pub(crate) fn open_turn(
    life: &Life,
    taker: AttemptId,
    (lost_at, took_over): (Duration, Duration),
    heard_min: u64,
) -> Option<Duration> {
    let mut turns: Vec<(Duration, Option<Duration>)> = Vec::new();
    for (at, what) in life.happenings.iter().filter(|(at, _)| *at <= took_over) {
        match what {
            Happening::TurnBegan { .. } => turns.push((*at, None)),
            Happening::TurnEnded { .. } => {
                if let Some((_, ended)) = turns.last_mut() {
                    *ended = Some(*at);
                }
            }
            Happening::Started
            | Happening::PromptBegan { .. }
            | Happening::Key { .. }
            | Happening::MenuKey
            | Happening::AgentBegan { .. }
            | Happening::AgentEnded
            | Happening::Cleared { .. }
            | Happening::Violated(_)
            | Happening::Ended(_) => {}
        }
    }
    let heard = heard_of_others(life, taker, heard_min);
    let mut open = None;
    for (nth, &(began, ended)) in turns.iter().enumerate() {
        open = open.or(Some(began));
        let until = turns
            .get(nth + 1)
            .map_or(took_over + ON_ITS_WAY, |&(next, _)| next);
        // What had come before the caller finished answers something else, however late it is heard.
        let is_answered = |ended: Duration| {
            let mut heard = heard.iter();
            heard.any(|&(came, at)| came >= ended && (ended..=until).contains(&at))
        };
        if ended.is_some_and(|ended| ended <= lost_at && is_answered(ended)) {
            open = None;
        }
    }
    open
}

/// When each item of the sessions before this attempt's came, and when the caller first heard it, if that was so much of it.
fn heard_of_others(life: &Life, attempt: AttemptId, min: u64) -> Vec<(Duration, Duration)> {
    let sessions = life.sessions().filter(|(before, _)| *before < attempt);
    let before: BTreeMap<u32, Duration> = sessions
        .map(|(_, session)| (session.session, said_all_by(session)))
        .collect();
    let heard = |item: &PlayedItem| {
        // What the carrier has no room for is held back, and comes to the phone long after it was made.
        let said_by = before.get(&item.stream)?;
        Some((item.received.0.min(*said_by), item.first_played?))
    };
    let mut items: Vec<_> = life.phone.items.iter().collect();
    items.retain(|item| item.bytes_played >= min);
    items.into_iter().filter_map(heard).collect()
}

/// When the last response of this session was complete.
fn said_all_by(session: &SessionReport) -> Duration {
    let responses = session.responses.list.iter();
    let done = responses.map(|response| response.done.map_or(Duration::MAX, |(at, _)| at));
    done.max().unwrap_or(Duration::MAX)
}

/// From a server's word to the caller's ear, behind a prompt that is playing.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// "One voice": what was cut never plays again.
fn one_voice(life: &Life, findings: &mut Vec<Finding>) {
    let late: Vec<_> = life
        .phone
        .items
        .iter()
        .filter(|item| item.received_after_cut > 0)
        .collect();
    if !late.is_empty() || life.phone.violations.contains_key(&Violation::LateAudio) {
        findings.push(("one voice", format!("{late:?}")));
    }
}

/// "Frames conserved", up: each session gets the caller's frames in order, without a gap and once. One that takes over gets the
/// turn that is not answered from its beginning on, and nothing that was.
fn uplink_conserved(life: &Life, findings: &mut Vec<Finding>) {
    let mut next = 0;
    for (attempt, session) in life.sessions() {
        let uplink = &session.uplink;
        let Some(stream) = uplink.streams.get(&life.phone.number) else {
            continue;
        };
        let before = next;
        let first = stream.blocks.first().map_or(0, |range| range.start);
        let whole = stream.blocks.len() == 1 && stream.repeated == 0 && stream.out_of_order == 0;
        next = stream.blocks.last().map_or(next, |range| range.end);
        if returned(life, attempt) {
            continue; // What was said in the menu was said to nobody.
        }
        let allowed = first_allowed(life, attempt).unwrap_or((0, before));
        if !whole || !(allowed.0..=allowed.1).contains(&first) || uplink.unstamped_bytes > 0 {
            let what = format!("{attempt}: expected from {allowed:?}: {:?}", stream.blocks);
            findings.push(("frames conserved up", what));
        }
    }
}

/// Whether this attempt took the call over from a menu.
fn returned(life: &Life, attempt: AttemptId) -> bool {
    let by_it = |seen: &Observation| matches!(seen, Observation::Returned { attempt: by, .. } if *by == attempt);
    life.observations.iter().any(|(_, seen)| by_it(seen))
}

/// What was on its way when the call ended is lost to nobody; all else reached a model.
fn heard_to_the_end(life: &Life, findings: &mut Vec<Finding>) {
    let streams = life
        .sessions()
        .filter_map(|(_, session)| session.uplink.streams.get(&life.phone.number));
    let ends = streams.filter_map(|stream| Some(stream.blocks.last()?.end));
    let (heard, sent) = (ends.max().unwrap_or(0), life.phone.frames_sent);
    if u64::from(heard) + 50 < sent {
        findings.push(("frames conserved up", format!("{heard} of {sent} arrived")));
    }
}

/// "Frames conserved", up: a session with which nothing is wrong gets what the caller says until it is left.
fn heard_while_it_lasted(life: &Life, findings: &mut Vec<Finding>) {
    for reign in reigns(life)
        .iter()
        .filter(|reign| reign.session.faults == 0)
    {
        let stream = reign.session.uplink.streams.get(&life.phone.number);
        let last = stream.and_then(|stream| stream.blocks.last());
        let heard = last.map_or(0, |range| range.end);
        let until = reign.until.min(life.phone.began + life.phone.lasted);
        let said = until.saturating_sub(life.phone.began + IN_THE_AIR);
        let said = u32::try_from(said.as_millis() / 20).unwrap();
        if reign.until > reign.from + IN_THE_AIR && heard < said {
            let what = format!("{} heard {heard} of {said} by {until:?}", reign.attempt);
            findings.push(("frames conserved up", what));
        }
    }
}

/// Of an answer that was cut so soon nobody can say whether it was heard: the echo of its first mark is on its way.
const HARDLY_HEARD: u64 = 300 * 8;

/// What may be on its way when a session ends, at either end.
const IN_THE_AIR: Duration = Duration::from_millis(200);

/// The first frame that a session which took over may be given: from the second before the open turn, in which its beginning
/// goes unnoticed, to that beginning; without one, any of the last second. All since the start belongs to a turn that began before
/// any model was heard; and what a model had answered in the middle of it is told, not given again.
fn first_allowed(life: &Life, attempt: AttemptId) -> Option<(u32, u32)> {
    let (took_over, lost_at) = life.observations.iter().find_map(|(at, seen)| match seen {
        Observation::Rotated { attempt: by } if *by == attempt => Some((*at, *at)),
        Observation::FailedOver { attempt: by, after } if *by == attempt => {
            Some((*at, at.saturating_sub(*after)))
        }
        _ => None,
    })?;
    let frame = |at: Duration| {
        let since = at.saturating_sub(life.phone.began);
        u32::try_from(since.as_millis() / 20).unwrap()
    };
    let heard = heard_of_others(life, attempt, 0);
    let earliest = |began: Duration, heard_by: Duration| {
        let anything_answered = heard.iter().any(|&(_, at)| at <= heard_by);
        let before = frame(began).saturating_sub(FRAMES_BEFORE_TURN);
        if anything_answered { before } else { 0 }
    };
    if let Some(began) = turn_of_a_flood(life, took_over) {
        return Some((earliest(began, began), frame(took_over)));
    }
    let open = open_turn(life, attempt, (lost_at, took_over), 0);
    let since = open_turn(life, attempt, (lost_at, took_over), HARDLY_HEARD);
    let began = open.unwrap_or(took_over);
    let latest = if is_half_told(life, attempt, (began, lost_at)) {
        took_over
    } else {
        began
    };
    let heard_by = open.unwrap_or(took_over + ON_ITS_WAY);
    let since = since
        .unwrap_or(began)
        .min(unnoticed_since(life, lost_at).unwrap_or(began));
    Some((earliest(since, heard_by), frame(latest)))
}

/// A second of pre-roll, and what the network makes of it.
const FRAMES_BEFORE_TURN: u32 = 60;

/// "Frames conserved", down: of each item the caller hears a beginning without a gap. A flood repeats itself, stamps and all.
fn downlink_conserved(life: &Life, findings: &mut Vec<Finding>) {
    let wrong = |item: &&PlayedItem| {
        let is_damaged = item.missing > 0 || item.duplicated > 0 || item.out_of_order > 0;
        is_damaged && item.blocks_received < FLOOD_BLOCKS && !is_flood(life, item)
    };
    let damaged: Vec<_> = life.phone.items.iter().filter(wrong).collect();
    if !damaged.is_empty() {
        findings.push(("frames conserved down", format!("{damaged:?}")));
    }
}

/// No line has as many blocks: half a minute.
const FLOOD_BLOCKS: u32 = 1_500;

/// "Heard out": what was not cut is heard to its last byte before anything that follows it, and before a goodbye takes effect.
fn heard_out(life: &Life, findings: &mut Vec<Finding>) {
    // What came after an interruption, of an item that had not begun, was never ours to play.
    if saw(life, |seen| matches!(seen, Observation::LateAudio)) {
        return;
    }
    let said_goodbye = life.reason == Some(EndReason::Goodbye);
    let spoken = life
        .sessions()
        .flat_map(|(_, session)| &session.spoken.list);
    // The rest of an item that fills no block has no stamp: it is told by how much came in all.
    let bytes: u64 = spoken.map(|item| item.bytes.next_multiple_of(BLOCK)).sum();
    if said_goodbye && life.phone.clears.is_empty() && life.phone.media_bytes != bytes {
        let what = format!("{} of {bytes} bytes in all", life.phone.media_bytes);
        findings.push(("heard out", what));
    }
    for (_, session) in life.sessions() {
        let cut = |item: u16| {
            let truncated = session.truncations.list.iter().any(|cut| cut.item == item);
            truncated
                || session
                    .deletions
                    .list
                    .iter()
                    .any(|gone| gone.item == Some(item))
        };
        let heard = |item: u16| {
            let mut items = life.phone.items.iter();
            items.find(|heard| (heard.stream, heard.item) == (session.session, item))
        };
        for spoken in &session.spoken.list {
            let followed = life.phone.items.iter().any(|later| {
                let is_later = (later.stream, later.item) > (session.session, spoken.item);
                is_later && later.first_played.is_some()
            });
            let played = heard(spoken.item).map_or(0, |item| item.bytes_played);
            let is_cut = cut(spoken.item) || heard(spoken.item).is_some_and(|item| item.cut);
            let missing = spoken.bytes.saturating_sub(played);
            if missing >= BLOCK && !is_cut && (followed || said_goodbye) {
                let what = format!("{played} of {} bytes of {}", spoken.bytes, spoken.item);
                findings.push(("heard out", what));
            }
        }
    }
}

/// "Yields the floor": once a model has noticed that the caller speaks, the agent falls silent, also if the model had finished.
fn yields_the_floor(life: &Life, findings: &mut Vec<Finding>) {
    let noticed = life
        .sessions()
        .flat_map(|(_, session)| &session.speech_started.list);
    for &at in noticed {
        let began = life
            .happenings
            .iter()
            .rfind(|(when, what)| *when <= at && matches!(what, Happening::AgentBegan { .. }));
        let Some((began, _)) = began else { continue };
        let silent = life.happenings.iter().find(|(when, what)| {
            when > began && matches!(what, Happening::AgentEnded | Happening::Cleared { .. })
        });
        if silent.is_some_and(|(silent, _)| *silent > at + YIELDS_WITHIN) {
            let what = format!("the caller spoke at {at:?}, the agent until {silent:?}");
            findings.push(("yields the floor", what));
        }
    }
}

fn saw(life: &Life, what: impl Fn(&Observation) -> bool) -> bool {
    life.observations.iter().any(|(_, seen)| what(seen))
}

/// "Never overstated": a model is never told that more was heard than was played.
fn never_overstated(life: &Life, findings: &mut Vec<Finding>) {
    for (told, played) in truncations(life) {
        if told > played + OVERSTATED_MAX_MS {
            findings.push(("never overstated", format!("told {told} ms of {played} ms")));
        }
    }
}

/// What models were told of cut items, and what of them was really played; both in milliseconds.
pub(crate) fn truncations(life: &Life) -> Vec<(i64, i64)> {
    let played: BTreeMap<_, _> = life
        .phone
        .items
        .iter()
        .map(|item| ((item.stream, item.item), millis(item.played())))
        .collect();
    let of = |session: u32, item: u16| played.get(&(session, item)).copied().unwrap_or(0);
    let mut pairs = Vec::new();
    for (_, session) in life.sessions() {
        for cut in &session.truncations.list {
            let told = i64::try_from(cut.audio_end_ms).unwrap();
            pairs.push((told, of(cut.session, cut.item)));
        }
        for gone in &session.deletions.list {
            if let Some(item) = gone.item {
                pairs.push((0, of(gone.session, item)));
            }
        }
    }
    pairs
}

/// "Protocol kept": neither side has anything to complain of.
fn protocol_kept(life: &Life, findings: &mut Vec<Finding>) {
    if !life.phone.violations.is_empty() {
        findings.push((
            "protocol kept",
            format!("the carrier saw {:?}", life.phone.violations),
        ));
    }
    for (attempt, session) in life.sessions() {
        if session.violations != loadtest::model::report::Violations::default() {
            findings.push((
                "protocol kept",
                format!("{attempt}: {:?}", session.violations),
            ));
        }
        let errors: Vec<_> = session
            .errors
            .iter()
            .filter(|(code, _)| !HARMLESS.contains(&code.as_str()))
            .filter(|(code, _)| *code != "session_expired" || !life.was_expected(attempt))
            .collect();
        if !errors.is_empty() {
            findings.push((
                "protocol kept",
                format!("{attempt} was refused: {errors:?}"),
            ));
        }
    }
}

/// "Bounds hold", and what is dropped is dropped for a reason that a healthy call does not have: a model that sends far too much.
fn bounds_hold(life: &Life, findings: &mut Vec<Finding>) {
    let has_faults = life.sessions().any(|(_, session)| session.faults > 0);
    let is_flooded = saw(life, |seen| matches!(seen, Observation::HeldOverflowed));
    for (at, observation) in &life.observations {
        let is_drop = matches!(
            observation,
            Observation::UnknownMark
                | Observation::MessageRefused(_)
                | Observation::UnknownCarrierEvent
        ) || (*observation == Observation::HeldOverflowed && !has_faults)
            // Behind a flood an answer may go unheard, and the turn stays open.
            || (matches!(observation, Observation::UplinkOverflowed { .. }) && !is_flooded);
        if is_drop {
            findings.push(("bounds hold", format!("{at:?} {observation:?}")));
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}
