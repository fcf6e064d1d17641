//! One session after the other: never two voices, and no answer begun anew.

use std::time::Duration;

use loadtest::carrier::{Happening, PlayedItem};
use loadtest::model::report::{AskedBy, Outcome, Response, Role, SessionReport};

use ringback::core::fault::Fault;
use ringback::core::ids::AttemptId;
use ringback::core::observation::Observation;

use super::{Finding, IN_THE_AIR};
use crate::setup::Life;
use crate::succession::{Reign, failures, reigns};

/// What is on its way at the moment of a loss may be known or not.
const ON_ITS_WAY: Duration = Duration::from_millis(25);

/// What was sent to the carrier is at the phone by then.
const PASSED_ON_WITHIN: Duration = Duration::from_secs(1);

/// A session that takes over has asked for what is owed by then.
const ASKED_WITHIN: Duration = Duration::from_millis(500);

/// "One voice" over sessions: nothing of one that was left reaches the carrier once its successor speaks.
pub(crate) fn one_after_the_other(life: &Life, findings: &mut Vec<Finding>) {
    let reigns = reigns(life);
    for (place, reign) in reigns.iter().enumerate().skip(1) {
        let of = |session: u32| {
            life.phone
                .items
                .iter()
                .filter(move |item| item.stream == session)
        };
        let Some(begins) = of(reign.session.session).map(|item| item.received.0).min() else {
            continue;
        };
        for before in &reigns[..place] {
            let late = of(before.session.session).find(|item| item.received.1 > begins);
            if let Some(late) = late {
                let what = format!(
                    "{} speaks from {begins:?}, {} until {:?}",
                    reign.attempt, before.attempt, late.received.1
                );
                findings.push(("one voice", what));
            }
        }
    }
    let theirs: Vec<_> = reigns.iter().map(|reign| reign.session.session).collect();
    for item in &life.phone.items {
        if !theirs.contains(&item.stream) {
            let what = format!("{} was never the call's", item.stream);
            findings.push(("one voice", what));
        }
    }
}

/// Whether this is what a session said when it began to flood the call.
pub(crate) fn is_flood(life: &Life, item: &PlayedItem) -> bool {
    let is_flooded = failures(life)
        .filter(|failure| failure.fault == Fault::Flooded)
        .any(|failure| {
            let mut sessions = life.sessions();
            sessions.any(|(attempt, session)| {
                attempt == failure.attempt && session.session == item.stream
            })
        });
    let mut items = life.phone.items.iter();
    is_flooded && !items.any(|other| other.stream == item.stream && other.item > item.item)
}

/// When the last turn began, if a flood came over it: whether that answers anything is anybody's guess.
pub(crate) fn turn_of_a_flood(life: &Life, took_over: Duration) -> Option<Duration> {
    let began = life
        .happenings
        .iter()
        .rfind(|(at, what)| *at <= took_over && matches!(what, Happening::TurnBegan { .. }));
    let (began, _) = *began?;
    let mut during = life.observations.iter();
    let is_flooded = during
        .any(|(at, seen)| *seen == Observation::HeldOverflowed && (began..=took_over).contains(at));
    is_flooded.then_some(began)
}

/// When the first turn began of which a session that was left for being deaf then had noticed nothing.
pub(crate) fn unnoticed_since(life: &Life, lost_at: Duration) -> Option<Duration> {
    let deaf = failures(life)
        .filter(|failure| failure.fault == Fault::Deaf)
        .find(|failure| failure.at == lost_at)?;
    let (_, session) = life
        .sessions()
        .find(|(attempt, _)| *attempt == deaf.attempt)?;
    let noticed = session.speech_started.list.last().copied();
    let mut happenings = life.happenings.iter();
    let (began, _) = happenings.find(|(at, what)| {
        let is_later = noticed.is_none_or(|noticed| *at > noticed);
        is_later && matches!(what, Happening::TurnBegan { .. })
    })?;
    Some(*began)
}

/// "A flood ends": what a session has said beyond all bounds is thrown away with it, and nobody listens to it for minutes.
pub(crate) fn flood_ends(life: &Life, findings: &mut Vec<Finding>) {
    for flood in failures(life).filter(|failure| failure.fault == Fault::Flooded) {
        let mut sessions = life.sessions();
        let Some((_, session)) = sessions.find(|(attempt, _)| *attempt == flood.attempt) else {
            continue;
        };
        let mut items = life.phone.items.iter();
        let late = items.find(|item| {
            item.stream == session.session && item.received.1 > flood.at + PASSED_ON_WITHIN
        });
        if let Some(late) = late {
            let what = format!("{} until {:?}", flood.attempt, late.received.1);
            findings.push(("a flood ends", what));
        }
    }
}

/// "A cut answer is continued": who takes over in the middle of an answer is asked for its rest, in words of our own.
pub(crate) fn continued(life: &Life, findings: &mut Vec<Finding>) {
    for pair in reigns(life).windows(2) {
        let [lost, taker] = pair else { continue };
        let is_asked = !taker.was_ill_at_once() && !is_short(life, taker);
        if !is_asked || !was_cut_in_mid_answer(life, lost, taker.from) {
            continue;
        }
        let asked = taker.session.responses.list.first();
        let is_rest = |asked: &Response| asked.asked_by == AskedBy::Client && asked.instructed;
        if !asked.is_some_and(is_rest) {
            let what = format!("{} is asked {asked:?}", taker.attempt);
            findings.push(("a cut answer is continued", what));
        }
    }
}

/// Whether the caller was hearing an answer that was not complete, and has not said anything since. Of an answer that was too
/// long to be held nothing more is wanted.
fn was_cut_in_mid_answer(life: &Life, lost: &Reign<'_>, taken_over: Duration) -> bool {
    let overflows = |(_, seen): &(Duration, _)| *seen == Observation::HeldOverflowed;
    if life.observations.iter().any(overflows) {
        return false;
    }
    let Some(answer) = lost.session.responses.list.last() else {
        return false;
    };
    let Some(created) = answer.created else {
        return false;
    };
    let items = life.phone.items.iter();
    let mut items = items.filter(|item| item.stream == lost.session.session);
    let first = items.find(|item| item.received.0 >= created && item.first_played.is_some());
    let Some(heard) = first.and_then(|item| item.first_played) else {
        return false;
    };
    let is_open = match answer.done {
        None => true,
        // It went on after it was left.
        Some((at, Outcome::Completed)) => at > lost.until + ON_ITS_WAY,
        Some((_, Outcome::Failed(_))) => lost.session.ended.is_some_and(|end| end.by_model),
        Some((_, Outcome::TurnDetected | Outcome::ClientCancelled)) => false,
    };
    let is_cut = is_open && heard + ON_ITS_WAY < lost.until;
    is_cut && !spoke(life, created, taken_over + ASKED_WITHIN)
}

/// Whether the caller said or keyed anything then, or was saying it, or hung up.
fn spoke(life: &Life, from: Duration, to: Duration) -> bool {
    let mut spoke = false;
    for (at, what) in life.happenings.iter().filter(|(at, _)| *at <= to) {
        match what {
            Happening::TurnBegan { .. } => spoke = true,
            Happening::TurnEnded { .. } => spoke = *at >= from,
            Happening::Key { .. } | Happening::MenuKey | Happening::Ended(_) => {
                spoke |= *at >= from;
            }
            Happening::Started
            | Happening::PromptBegan { .. }
            | Happening::AgentBegan { .. }
            | Happening::AgentEnded
            | Happening::Cleared { .. }
            | Happening::Violated(_) => {}
        }
    }
    spoke
}

/// Whether it was gone before it could be asked for anything.
fn is_short(life: &Life, taker: &Reign<'_>) -> bool {
    let over = taker.until.min(life.phone.began + life.phone.lasted);
    over < taker.from + ASKED_WITHIN
}

/// Whether a pause of the caller was taken for the end of the turn, some of an answer to what came before was heard by the time its
/// session was lost, and the next one knows what the caller had said. Whoever had finished before the answer came did not pause.
pub(crate) fn is_half_told(
    life: &Life,
    attempt: AttemptId,
    (began, lost_at): (Duration, Duration),
) -> bool {
    let mut sessions = life.sessions();
    let knows = |session: &SessionReport| {
        let mut seeds = session.seeds.list.iter();
        seeds.any(|seed| seed.role == Role::User)
    };
    let is_told = sessions.any(|(taker, session)| taker == attempt && knows(session));
    let mut items = life.phone.items.iter();
    is_told
        && items.any(|item| {
            let (at, until) = (item.received.0, lost_at + IN_THE_AIR);
            let is_heard = item.first_played.is_some_and(|heard| heard <= until);
            began < at && is_heard && speaks_after(life, at, until)
        })
}

/// Whether the caller speaks at any time between two.
fn speaks_after(life: &Life, from: Duration, until: Duration) -> bool {
    let mut turns = life.happenings.iter().filter_map(|(at, what)| match what {
        Happening::TurnBegan { .. } => Some((*at, true)),
        Happening::TurnEnded { .. } => Some((*at, false)),
        _ => None,
    });
    let before = turns.clone().take_while(|(at, _)| *at <= from).last();
    let was_speaking = before.is_some_and(|(_, begins)| begins);
    was_speaking || turns.any(|(at, begins)| begins && from < at && at <= until)
}
