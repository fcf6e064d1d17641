//! The judges: what must hold for every call, whatever its seed. Each has a name, and says what it saw.

use std::collections::BTreeMap;
use std::time::Duration;

use loadtest::carrier::{Happening, PlayedItem, Violation};
use ringback::core::call::effect::EndReason;
use ringback::core::ids::AttemptId;
use ringback::core::observation::Observation;

use crate::world::Life;

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
pub(crate) fn judge(life: &Life) -> Vec<Finding> {
    let mut findings = Vec::new();
    ends(life, &mut findings);
    no_dead_air(life, &mut findings);
    one_voice(life, &mut findings);
    uplink_conserved(life, &mut findings);
    downlink_conserved(life, &mut findings);
    heard_out(life, &mut findings);
    yields_the_floor(life, &mut findings);
    memory_handed_on(life, &mut findings);
    never_overstated(life, &mut findings);
    protocol_kept(life, &mut findings);
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
    let moved = |(at, seen): &&(Duration, Observation)| {
        matches!(seen, Observation::Rotated { .. }) && open_turn(life, *at).is_some()
    };
    life.observations.iter().filter(moved).count()
}

/// When the turn began that the caller was speaking, or was owed an answer to, at this time.
fn open_turn(life: &Life, at: Duration) -> Option<Duration> {
    let before = life.happenings.iter().rev().filter(|(when, _)| *when < at);
    let mut turning = before.filter_map(|(when, what)| match what {
        Happening::TurnBegan { .. } => Some(Some(*when)),
        Happening::AgentBegan { .. } => Some(None),
        Happening::Started
        | Happening::TurnEnded { .. }
        | Happening::Key { .. }
        | Happening::AgentEnded
        | Happening::Cleared { .. }
        | Happening::Violated(_)
        | Happening::Ended(_) => None,
    });
    turning.next().flatten()
}

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

/// "Frames conserved", up: every frame of the caller reaches a model in order, from the first on, and each session gets it once.
/// A session that takes over in the middle of a turn is given that turn again, and nothing that was answered.
fn uplink_conserved(life: &Life, findings: &mut Vec<Finding>) {
    let mut next = 0;
    for (attempt, session) in &life.sessions {
        let uplink = &session.uplink;
        let Some(stream) = uplink.streams.get(&life.phone.number) else {
            continue;
        };
        let first = stream.blocks.first().map_or(0, |range| range.start);
        let whole = stream.blocks.len() == 1 && stream.repeated == 0 && stream.out_of_order == 0;
        let is_gapless =
            (again_from(life, *attempt).unwrap_or(next).min(next)..=next).contains(&first);
        if !whole || !is_gapless || uplink.unstamped_bytes > 0 {
            let what = format!("{attempt}: expected from {next}: {:?}", stream.blocks);
            findings.push(("frames conserved up", what));
        }
        next = stream.blocks.last().map_or(next, |range| range.end);
    }
    // What was on its way when the call ended is lost to nobody.
    let sent = life.phone.frames_sent;
    if u64::from(next) + 50 < sent {
        findings.push(("frames conserved up", format!("{next} of {sent} arrived")));
    }
}

/// The first frame that a session may be given although one before it had it: where the open turn began, and the second before
/// that in which its beginning goes unnoticed.
fn again_from(life: &Life, attempt: AttemptId) -> Option<u32> {
    let took_over = Observation::Rotated { attempt };
    let (at, _) = life
        .observations
        .iter()
        .find(|(_, seen)| *seen == took_over)?;
    let began = open_turn(life, *at)?.saturating_sub(life.phone.began);
    let frame = u32::try_from(began.as_millis() / 20).unwrap();
    Some(frame.saturating_sub(FRAMES_BEFORE_TURN))
}

/// A second of pre-roll, and what the network makes of it.
const FRAMES_BEFORE_TURN: u32 = 55;

/// "Frames conserved", down: of each item the caller hears a beginning without a gap.
fn downlink_conserved(life: &Life, findings: &mut Vec<Finding>) {
    let wrong =
        |item: &&PlayedItem| item.missing > 0 || item.duplicated > 0 || item.out_of_order > 0;
    let damaged: Vec<_> = life.phone.items.iter().filter(wrong).collect();
    if !damaged.is_empty() {
        findings.push(("frames conserved down", format!("{damaged:?}")));
    }
}

/// "Heard out": what was not cut is heard to its last byte before anything that follows it, and before a goodbye takes effect.
fn heard_out(life: &Life, findings: &mut Vec<Finding>) {
    // What came after an interruption, of an item that had not begun, was never ours to play.
    if saw(life, |seen| matches!(seen, Observation::LateAudio)) {
        return;
    }
    let said_goodbye = life.reason == Some(EndReason::Goodbye);
    let spoken = life
        .sessions
        .values()
        .flat_map(|session| &session.spoken.list);
    // The rest of an item that fills no block has no stamp: it is told by how much came in all.
    let bytes: u64 = spoken.map(|item| item.bytes.next_multiple_of(BLOCK)).sum();
    if said_goodbye && life.phone.clears.is_empty() && life.phone.media_bytes != bytes {
        let what = format!("{} of {bytes} bytes in all", life.phone.media_bytes);
        findings.push(("heard out", what));
    }
    for session in life.sessions.values() {
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
        .sessions
        .values()
        .flat_map(|session| &session.speech_started.list);
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

/// "Memory handed on": the session that takes over knows what was said before it.
fn memory_handed_on(life: &Life, findings: &mut Vec<Finding>) {
    for (seen_at, seen) in &life.observations {
        let Observation::Rotated { attempt } = seen else {
            continue;
        };
        let knows = life.sessions.get(attempt);
        if knows.is_none_or(|session| session.seeds.list.is_empty()) {
            findings.push(("memory handed on", format!("{attempt} at {seen_at:?}")));
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
    for session in life.sessions.values() {
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
    for (attempt, session) in &life.sessions {
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
            .collect();
        if !errors.is_empty() {
            findings.push((
                "protocol kept",
                format!("{attempt} was refused: {errors:?}"),
            ));
        }
    }
}

/// "Bounds hold", and what is dropped is dropped for a reason that a healthy call does not have.
fn bounds_hold(life: &Life, findings: &mut Vec<Finding>) {
    for (at, observation) in &life.observations {
        let is_drop = matches!(
            observation,
            Observation::UplinkOverflowed { .. }
                | Observation::HeldOverflowed
                | Observation::UnknownMark
                | Observation::MessageRefused(_)
                | Observation::UnknownCarrierEvent
        );
        if is_drop {
            findings.push(("bounds hold", format!("{at:?} {observation:?}")));
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}
