//! The judges: what must hold for every call, whatever its seed. Each has a name, and says what it saw.

use std::collections::BTreeMap;
use std::time::Duration;

use loadtest::carrier::{PlayedItem, Violation};
use ringback::core::observation::Observation;

use crate::world::Life;

/// Without any sound, while an answer is owed.
const DEAD_AIR_MAX: Duration = Duration::from_secs(2);

/// A model is told at most this much more than was played.
const OVERSTATED_MAX_MS: i64 = 80;

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
    never_overstated(life, &mut findings);
    protocol_kept(life, &mut findings);
    bounds_hold(life, &mut findings);
    findings
}

/// "Every call ends": both sides, and no session is left open.
fn ends(life: &Life, findings: &mut Vec<Finding>) {
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

/// "Frames conserved", up: every frame of the caller reaches a model, once and in order, from the first on.
fn uplink_conserved(life: &Life, findings: &mut Vec<Finding>) {
    let mut next = 0;
    for (attempt, session) in &life.sessions {
        let uplink = &session.uplink;
        let Some(stream) = uplink.streams.get(&life.phone.number) else {
            continue;
        };
        let first = stream.blocks.first().map_or(0, |range| range.start);
        let whole = stream.blocks.len() == 1 && stream.repeated == 0 && stream.out_of_order == 0;
        if !whole || first != next || uplink.unstamped_bytes > 0 {
            let what = format!("{attempt}: expected from {next}: {:?}", stream.blocks);
            findings.push(("frames conserved up", what));
        }
        next = stream.blocks.last().map_or(next, |range| range.end);
    }
    // What was on its way when the call ended is lost to nobody.
    let sent = life.phone.frames_sent;
    if u64::from(next) + 50 < sent && life.sessions.len() == 1 {
        findings.push(("frames conserved up", format!("{next} of {sent} arrived")));
    }
}

/// "Frames conserved", down: of each item the caller hears a beginning without a gap, and all of it unless it was cut.
fn downlink_conserved(life: &Life, findings: &mut Vec<Finding>) {
    let wrong =
        |item: &&PlayedItem| item.missing > 0 || item.duplicated > 0 || item.out_of_order > 0;
    let damaged: Vec<_> = life.phone.items.iter().filter(wrong).collect();
    if !damaged.is_empty() {
        findings.push(("frames conserved down", format!("{damaged:?}")));
    }
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
