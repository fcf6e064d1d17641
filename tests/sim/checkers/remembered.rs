//! What a session is told of the conversation before it, against what the caller really heard.

use std::time::Duration;

use loadtest::carrier::PlayedItem;
use loadtest::model::report::{Role, SessionReport, SpokenItem};

use ringback::core::fault::Fault;
use ringback::core::ids::AttemptId;

use super::Finding;
use super::voices::is_flood;
use crate::setup::Life;
use crate::succession::{Reign, failures, reigns};

/// Audio whose words may be remembered although it was not played: the echo of the last mark comes late.
const UNHEARD_MAX: u64 = 300 * 8;

/// A caller who interrupts while a session takes over cuts what that one was told already. It is not told again.
const THROWN_AWAY_WITHIN: Duration = Duration::from_secs(10);

/// What a session has said and the phone has not got so long after the session was left was never passed on.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// No line lasts as long as this: a flood's words say nothing about its audio.
const LINE_MAX: u64 = 30 * 8_000;

/// How the turns that are packed into one message begin.
const PACKED: &str = "This phone call began before you joined it.";

/// Fewer words than these are told from others by chance.
const WORDS_MIN: usize = 12;

/// So much audio for each letter is no speech, however slow: noise comes in other lengths than the words that go with it.
const LETTER_MAX: u64 = 125 * 8;

/// Of less audio than this nothing is certain to have been heard: the echo of a mark takes its time.
const WHOLE_MIN: u64 = 1_000 * 8;

/// "Nothing unheard is remembered": what a session is told that the agent has said was played, or is in the carrier's buffer.
///
/// And "what was heard is remembered": nothing that was played to its end is missing.
pub(crate) fn remembered(life: &Life, findings: &mut Vec<Finding>) {
    let reigns = reigns(life);
    for (place, reign) in reigns.iter().enumerate().skip(1) {
        if reign.was_ill_at_once() {
            continue;
        }
        let told = lines(reign.session);
        let mut items = heard(life, &reigns[..place], reign.from).into_iter();
        let mut missing = Vec::new();
        for line in &told {
            let mut passed = Vec::new();
            let found = items.find(|item| {
                let is_it = item.holds(line);
                if !is_it {
                    passed.push(*item);
                }
                is_it
            });
            if found.is_none() {
                let what = format!("{} is told {line:?}", reign.attempt);
                findings.push(("nothing unheard is remembered", what));
                return;
            }
            missing.extend(passed);
        }
        missing.extend(items);
        // Where two sessions have said the same, either may have been told.
        let is_told = |item: &Heard<'_>| {
            told.iter()
                .any(|line| line.trim_end() == item.words.trim_end())
        };
        let lost = missing.iter().find(|item| item.is_whole && !is_told(item));
        if let Some(item) = lost {
            let what = format!("{} is not told {:?}", reign.attempt, item.words);
            findings.push(("what was heard is remembered", what));
        }
    }
}

/// "Memory handed on": the session that takes over knows that something was said before it. Of a flood nobody can tell which of its
/// words were heard.
pub(super) fn memory_handed_on(life: &Life, findings: &mut Vec<Finding>) {
    for reign in reigns(life).iter().skip(1) {
        let is_told = reign.was_ill_at_once() || !reign.session.seeds.list.is_empty();
        let said = |item: &PlayedItem| {
            let began = item.first_played.is_some_and(|at| at < reign.from);
            let is_whole = item.cut_at.is_none() && item.bytes_played >= WHOLE_MIN;
            began && is_whole && has_words_of_its_length(life, item)
        };
        if !is_told && life.phone.items.iter().any(said) {
            let what = format!("{} at {:?}", reign.attempt, reign.from);
            findings.push(("memory handed on", what));
        }
    }
}

/// Whether what was played is speech, as far as its session knows.
fn has_words_of_its_length(life: &Life, item: &PlayedItem) -> bool {
    let mut sessions = life.sessions().map(|(_, session)| session);
    sessions.all(|session| {
        let is_its =
            |spoken: &&SpokenItem| (session.session, spoken.item) == (item.stream, item.item);
        let mut spoken = session.spoken.list.iter().filter(is_its);
        spoken.all(|spoken| !is_out_of_step(session, spoken))
    })
}

/// What the agent has said, as a session was told it.
fn lines(session: &SessionReport) -> Vec<String> {
    let mut lines = Vec::new();
    for seed in &session.seeds.list {
        match seed.role {
            Role::Assistant => lines.push(seed.text.clone()),
            Role::User if seed.text.starts_with(PACKED) => {
                let own = seed
                    .text
                    .lines()
                    .filter_map(|line| line.strip_prefix("You: "));
                lines.extend(own.map(str::to_owned));
            }
            Role::User | Role::System | Role::FunctionCall | Role::FunctionOutput => {}
        }
    }
    lines
}

/// An item, and how much of its words may be known.
#[derive(Clone, Copy, Debug)]
struct Heard<'a> {
    words: &'a str,
    known_max: usize,
    /// It was played to its end, before it was told.
    is_whole: bool,
}

impl<'a> Heard<'a> {
    /// Of these words nothing has reached the caller, or ever will.
    const fn nothing(words: &'a str) -> Self {
        Self {
            words,
            known_max: 0,
            is_whole: false,
        }
    }

    fn holds(&self, line: &str) -> bool {
        let line = line.trim_end();
        !line.is_empty() && self.words.starts_with(line) && line.len() <= self.known_max
    }
}

/// The items of these sessions in order, as they were heard by then or will be.
fn heard<'a>(life: &Life, before: &[Reign<'a>], told_at: Duration) -> Vec<Heard<'a>> {
    let items = before.iter().flat_map(|reign| {
        let last = reign.session.spoken.list.last().map(|last| last.item);
        reign.session.spoken.list.iter().map(move |spoken| {
            let is_last = is_noise(life, reign.attempt) && last == Some(spoken.item);
            let is_struck = is_last || is_out_of_step(reign.session, spoken);
            let unheard_max = if is_struck { u64::MAX / 2 } else { UNHEARD_MAX };
            let played = played(life, reign.session.session, spoken.item);
            if played.is_none() && reign.until + ON_ITS_WAY < told_at {
                return Heard::nothing(&spoken.words);
            }
            known(life, played, spoken, (told_at, unheard_max))
        })
    });
    items.collect()
}

/// Whether something was wrong with this item, such that its length says nothing about its words. A session that makes noise may be
/// left for something else, or in the middle of the next item.
fn is_out_of_step(session: &SessionReport, spoken: &SpokenItem) -> bool {
    session.faults > 0 && spoken.bytes > LETTER_MAX * spoken.words.len() as u64
}

/// Whether it was left for its noise.
fn is_noise(life: &Life, attempt: AttemptId) -> bool {
    failures(life).any(|failure| failure.attempt == attempt && failure.fault == Fault::Noise)
}

fn played(life: &Life, stream: u32, item: u16) -> Option<&PlayedItem> {
    let mut items = life.phone.items.iter();
    items.find(|played| (played.stream, played.item) == (stream, item))
}

fn known<'a>(
    life: &Life,
    item: Option<&PlayedItem>,
    spoken: &'a SpokenItem,
    (told_at, unheard_max): (Duration, u64),
) -> Heard<'a> {
    // Whatever the server had was about to be played when it was told, and was thrown away after that.
    let soon = told_at..told_at + THROWN_AWAY_WITHIN;
    let is_thrown_away = life.phone.clears.iter().any(|at| soon.contains(at));
    let played = match item {
        None if is_thrown_away => spoken.bytes,
        None => 0,
        Some(item) => match item.cut_at {
            Some(at) if at <= told_at => item.bytes_played,
            Some(_) => spoken.bytes,
            None => u64::from(item.blocks_received + 1) * super::BLOCK,
        },
    };
    let sent = spoken.bytes.max(1);
    let known = (played + unheard_max).min(sent) * spoken.words.len() as u64 / sent;
    let is_endless = spoken.bytes > LINE_MAX;
    let known = match usize::try_from(known).unwrap() {
        _ if is_endless => spoken.words.len(),
        known => known,
    };
    // To the end of the word.
    let rest = spoken.words.get(known..).unwrap_or_default();
    let known_max = rest
        .find(' ')
        .map_or(spoken.words.len(), |end| known + end + 1);
    let is_whole = item.is_some_and(|item| {
        let was_played = item.cut_at.is_none() && item.bytes_played + super::BLOCK > spoken.bytes;
        let counts = spoken.words.len() >= WORDS_MIN && spoken.bytes >= WHOLE_MIN;
        was_played && item.received.1 < told_at && counts && !is_flood(life, item)
    });
    Heard {
        words: &spoken.words,
        known_max,
        is_whole,
    }
}
