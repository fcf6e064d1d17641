//! Finds out who says what when in a call of two channels, and what the caller does after each turn.
//!
//! Owns the derivation, by energy alone. A turn is what the caller says without a long pause; an answer is all that the agent says
//! between two of them.

use std::{ops::Range, time::Duration};

use super::dtmf::{self, Key};
use crate::{
    g711,
    listen::{Ear, EarSettings, SpeechEdge},
    recording::{Line, Recording, Then, Turn},
};

/// Silence that ends a turn or a piece of an answer.
const TURN_GAP: Duration = Duration::from_millis(600);
/// Kept before the first word and after the last one: soft sounds are not loud.
const MARGIN: usize = 800;
/// The agent must speak so far into a turn to have been interrupted by it.
const OVERLAP: usize = 800;
/// Keys that are further apart were not pressed in one go.
const KEYS_GAP: usize = 24_000;
/// Keys in one go; what comes beyond is left out.
const KEYS_MAX: usize = 64;

/// The two sides of a call, as µ-law from its beginning.
#[derive(Clone, PartialEq, Eq)]
pub struct Sides {
    /// The caller's.
    pub caller: Vec<u8>,
    /// The agent's.
    pub agent: Vec<u8>,
}

impl std::fmt::Debug for Sides {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sides({:?})", g711::duration(self.caller.len()))
    }
}

/// What a call is made of.
#[derive(Clone, Debug)]
pub struct Derived {
    /// Its turns and answers, without words, name or language. Keys are as they were pressed.
    pub recording: Recording,
    /// How many keys were found.
    pub keys: usize,
}

/// Derives a recording. Keypad tones are taken out of both sides.
pub fn derive(mut sides: Sides) -> Derived {
    let keys = dtmf::find(&sides.caller);
    dtmf::mute(&mut sides.caller, &keys);
    // The caller's keys can be heard in the agent's channel as an echo.
    let echoes = dtmf::find(&sides.agent);
    dtmf::mute(&mut sides.agent, &echoes);

    let agent = utterances(&sides.agent);
    let deeds = deeds(utterances(&sides.caller), &keys, &agent);
    let mut caller = Vec::with_capacity(deeds.len());
    for (number, deed) in deeds.iter().enumerate() {
        caller.push(Turn {
            line: line(&sides.caller, deed.said.as_ref()),
            then: then(deed, deeds.get(number + 1), &agent),
        });
    }
    let opening = deeds
        .first()
        .map_or(Then::Wait, |first| reaction(0, first, &agent));
    let recording = Recording {
        name: String::new(),
        language: String::new(),
        opening,
        caller,
        agent: answers(&sides.agent, &deeds, &agent),
    };
    Derived {
        recording,
        keys: keys.len(),
    }
}

/// Writes every digit as 0. How many there were stays, and so do `*`, `#` and letters, which are commands and no secrets.
pub fn hide_keys(recording: &mut Recording) {
    for turn in &mut recording.caller {
        if let Then::Keys(keys) = &mut turn.then {
            *keys = keys.replace(|key: char| key.is_ascii_digit(), "0");
        }
    }
}

/// Something that the caller does: says something, presses keys, or one after the other.
#[derive(Clone, PartialEq, Eq)]
struct Deed {
    said: Option<Range<usize>>,
    keys: String,
    begins: usize,
    ends: usize,
}

/// Puts keys to the turn that they follow; keys that answer the agent are a deed of their own, as are keys before the first word.
fn deeds(turns: Vec<Range<usize>>, keys: &[Key], agent: &[Range<usize>]) -> Vec<Deed> {
    let mut deeds: Vec<Deed> = turns
        .into_iter()
        .map(|said| Deed {
            begins: said.start,
            ends: said.end,
            said: Some(said),
            keys: String::new(),
        })
        .collect();
    for key in keys {
        let begins = key.bytes.start;
        let before = deeds.partition_point(|deed| deed.begins <= begins);
        let last = before.checked_sub(1).and_then(|last| deeds.get_mut(last));
        let agent_spoke = |since: usize| agent.iter().any(|a| (since..begins).contains(&a.start));
        match last {
            Some(last)
                if !agent_spoke(last.ends)
                    && (last.keys.is_empty() || begins < last.ends + KEYS_GAP) =>
            {
                if last.keys.len() < KEYS_MAX {
                    last.keys.push(key.key);
                }
                last.ends = last.ends.max(key.bytes.end);
            }
            Some(_) | None => deeds.insert(
                before,
                Deed {
                    said: None,
                    keys: key.key.into(),
                    begins,
                    ends: key.bytes.end,
                },
            ),
        }
    }
    deeds
}

/// What the caller does after a deed, by what comes next.
fn then(deed: &Deed, next: Option<&Deed>, agent: &[Range<usize>]) -> Then {
    if !deed.keys.is_empty() {
        return Then::Keys(deed.keys.clone());
    }
    match next {
        Some(next) => reaction(deed.ends, next, agent),
        None if agent.iter().any(|answer| answer.start >= deed.ends) => Then::Wait,
        None => Then::HangUp,
    }
}

/// How the caller came to the next deed after being quiet since `since`: by waiting, by interrupting, or unasked.
fn reaction(since: usize, next: &Deed, agent: &[Range<usize>]) -> Then {
    let begins = next.begins;
    // Files begin a little before the first word, and end a little after the last one.
    let lead = if next.said.is_some() {
        MARGIN.min(begins)
    } else {
        0
    };
    let mut answer = agent.iter().filter(|a| (since..begins).contains(&a.start));
    let Some(first) = answer.clone().next() else {
        let trail = if since == 0 { 0 } else { MARGIN };
        let pause = (begins - since.min(begins)).saturating_sub(lead + trail);
        return Then::Pause(millis(pause));
    };
    if answer.any(|answer| answer.end >= begins + OVERLAP) {
        let after = millis((begins - first.start).saturating_sub(lead));
        return Then::BargeIn { after };
    }
    Then::Wait
}

/// What the agent says before the first deed and after each.
fn answers(audio: &[u8], deeds: &[Deed], agent: &[Range<usize>]) -> Vec<Line> {
    let mut lines: Vec<(usize, Range<usize>)> = Vec::new();
    for piece in agent {
        let deed = deeds.partition_point(|deed| deed.begins <= piece.start);
        match lines.last_mut() {
            Some((last, whole)) if *last == deed => whole.end = piece.end,
            Some(_) | None => lines.push((deed, piece.clone())),
        }
    }
    let lines = lines.into_iter();
    lines.map(|(_, whole)| line(audio, Some(&whole))).collect()
}

fn line(audio: &[u8], said: Option<&Range<usize>>) -> Line {
    let said = said.and_then(|said| {
        let end = (said.end + MARGIN).min(audio.len());
        audio.get(said.start.saturating_sub(MARGIN)..end)
    });
    Line {
        audio: said.unwrap_or_default().to_vec(),
        text: String::new(),
    }
}

/// Where somebody speaks, in bytes.
fn utterances(audio: &[u8]) -> Vec<Range<usize>> {
    let mut ear = Ear::new(EarSettings {
        hangover: TURN_GAP,
        ..EarSettings::default()
    });
    let mut found = Vec::new();
    let mut begin = None;
    for frame in audio.chunks(160) {
        match ear.hear(frame) {
            Some(SpeechEdge::Began { at }) => begin = Some(g711::bytes_in(at)),
            Some(SpeechEdge::Ended { at }) => {
                found.extend(begin.take().map(|begin| begin..g711::bytes_in(at)));
            }
            None => {}
        }
    }
    found.extend(begin.map(|begin| begin..audio.len()));
    found
}

fn millis(bytes: usize) -> Duration {
    Duration::from_millis(u64::try_from(bytes / 8).unwrap_or(u64::MAX))
}
