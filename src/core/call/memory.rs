//! What the next session must know: the conversation as it was *heard*, bounded.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::core::call::prompt::Prompt;
use crate::core::ids::{AttemptId, ItemId};

/// All words that are kept: beyond it the oldest turns go. Some 4,000 tokens, half an hour of talk.
const BYTES_MAX: usize = 16 * 1024;

/// Words of one turn: beyond it the rest of the turn is not kept.
const TURN_BYTES_MAX: usize = 4 * 1024;

/// Turns that are kept: beyond it the oldest go.
const TURNS_MAX: usize = 256;

/// Audio of all turns without a transcript, as raw µ-law: thirty seconds, unless the last turn alone has more. Beyond it older ones go.
const AUDIO_BYTES_MAX: usize = 240_000;

/// How long a letter takes to be said.
const LETTER: Duration = Duration::from_millis(60);

/// How long it takes at most: more audio than that is no speech, or says more than the words do.
const LETTER_MAX: Duration = Duration::from_millis(125);

/// The conversation so far, oldest first.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Memory {
    turns: VecDeque<Turn>,
}

/// One side's words.
#[derive(Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who spoke.
    pub speaker: Speaker,
    /// What was heard of it; empty while a transcript is awaited.
    pub text: String,
    /// The caller's words as raw µ-law, where no transcript came before the session was lost.
    pub audio: Bytes,
    /// Where it was said; `None` for what was keyed in.
    voice: Option<Voice>,
}

/// Who says something, and in which piece of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// An item of a session's conversation.
    Item(AttemptId, ItemId),
    /// A prompt from the cache.
    Prompt(Prompt),
}

/// A side of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The person on the phone.
    Caller,
    /// The model.
    Agent,
}

impl Memory {
    /// The turns that have words or audio, oldest first.
    pub fn turns(&self) -> impl DoubleEndedIterator<Item = &Turn> {
        self.turns
            .iter()
            .filter(|turn| !turn.text.is_empty() || !turn.audio.is_empty())
    }

    /// Whether nothing was said yet.
    pub fn is_empty(&self) -> bool {
        self.turns().next().is_none()
    }

    /// A turn, its words complete: for stores and tests.
    pub fn push(&mut self, speaker: Speaker, text: &str) {
        self.begin(speaker, None);
        self.extend_last(text);
    }

    /// A turn of the caller's of which there is no transcript, as raw µ-law: for stores and tests.
    pub fn push_audio(&mut self, audio: Bytes) {
        self.begin(Speaker::Caller, None);
        if let Some(turn) = self.turns.back_mut() {
            turn.audio = audio;
        }
    }

    /// The caller's words became an item; its transcript may follow later.
    pub(super) fn caller_item(&mut self, voice: Voice) {
        if self.find(voice).is_none() {
            self.begin(Speaker::Caller, Some(voice));
        }
    }

    /// The transcript of a caller's item: takes its place, whenever it comes. `false`: it says nothing new.
    pub(super) fn caller_text(&mut self, voice: Voice, text: &str) -> bool {
        self.caller_item(voice);
        let mut is_new = false;
        if let Some(turn) = self.find(voice) {
            let text = bounded(text, TURN_BYTES_MAX);
            is_new = turn.text != text;
            text.clone_into(&mut turn.text);
            turn.audio = Bytes::new();
        }
        self.trim();
        is_new
    }

    /// Whether this is the last that the caller has said.
    pub(super) fn is_last_of_caller(&self, voice: Voice) -> bool {
        self.last_of_caller()
            .is_some_and(|turn| turn.voice == Some(voice))
    }

    /// Whether the caller's last words have no transcript yet.
    pub(super) fn awaits_transcript(&self) -> bool {
        self.last_of_caller()
            .is_some_and(|turn| turn.text.is_empty() && turn.voice.is_some())
    }

    /// Keeps the caller's last words as audio until their transcript comes. Those of older ones stay as well: where the session that
    /// would write them down is gone, nothing else is left of them.
    pub(super) fn keep_audio(&mut self, audio: Bytes) {
        let last = self
            .turns
            .iter_mut()
            .rev()
            .find(|turn| turn.speaker == Speaker::Caller);
        let mut room = AUDIO_BYTES_MAX.saturating_sub(audio.len());
        if let Some(turn) = last.filter(|turn| turn.text.is_empty() && turn.voice.is_some()) {
            turn.audio = audio;
        }
        let with_audio = |turn: &&mut Turn| !turn.audio.is_empty();
        for turn in self.turns.iter_mut().rev().filter(with_audio).skip(1) {
            match room.checked_sub(turn.audio.len()) {
                Some(left) => room = left,
                None => turn.audio = Bytes::new(),
            }
        }
    }

    /// The sessions and streams in which all of it was said are gone: nothing more is written down, and nothing is said again.
    pub(super) fn settle(&mut self) {
        self.turns
            .retain(|turn| !turn.text.is_empty() || !turn.audio.is_empty());
        for turn in &mut self.turns {
            turn.voice = None;
        }
    }

    /// What the caller said since the agent last spoke is said again to another session, so it is not told as well.
    pub(super) fn forget_unanswered(&mut self) {
        let answered = self
            .turns
            .iter()
            .rposition(|turn| turn.speaker == Speaker::Agent);
        let mut index = 0;
        let first = answered.map_or(0, |last| last + 1);
        self.turns.retain(|turn| {
            index += 1;
            index <= first || turn.voice.is_none()
        });
    }

    /// More of the agent's words.
    pub(super) fn agent_text(&mut self, voice: Voice, text: &str) {
        if self.find(voice).is_none() {
            self.begin(Speaker::Agent, Some(voice));
        }
        if let Some(turn) = self.find(voice) {
            let more = bounded(text, TURN_BYTES_MAX - turn.text.len());
            turn.text.push_str(more);
        }
        self.trim();
    }

    /// Only a part of an item was heard: as many of its words are kept, to the last whole one.
    pub(super) fn cut(&mut self, voice: Voice, heard: Duration, received: Duration) {
        let Some(turn) = self.find(voice) else {
            return;
        };
        let before = turn.text.len();
        let share = if received.is_zero() {
            0.0
        } else {
            heard.as_secs_f64() / received.as_secs_f64()
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of at most 4 KiB"
        )]
        let kept = (before as f64 * share.clamp(0.0, 1.0)) as usize;
        if kept < before {
            let part = bounded(&turn.text, kept);
            let words = part
                .rfind(char::is_whitespace)
                .map_or("", |end| bounded(part, end));
            turn.text = words.to_owned();
        }
        self.turns
            .retain(|turn| !turn.text.is_empty() || turn.speaker == Speaker::Caller);
    }

    /// The same of what may be a flood: where it is more than anybody takes to say the words, they were said at the usual pace.
    pub(super) fn cut_flood(&mut self, voice: Voice, heard: Duration, received: Duration) {
        let Some(turn) = self.find(voice) else {
            return;
        };
        let letters = u32::try_from(turn.text.len()).unwrap_or(u32::MAX);
        let is_speech = received <= LETTER_MAX * letters;
        let said_in = if is_speech {
            received
        } else {
            LETTER * letters
        };
        if !heard.is_zero() && said_in <= heard {
            return; // All of them.
        }
        self.cut(voice, heard, said_in);
    }

    fn last_of_caller(&self) -> Option<&Turn> {
        self.turns
            .iter()
            .rev()
            .find(|turn| turn.speaker == Speaker::Caller)
    }

    fn find(&mut self, voice: Voice) -> Option<&mut Turn> {
        self.turns
            .iter_mut()
            .rev()
            .find(|turn| turn.voice == Some(voice))
    }

    fn begin(&mut self, speaker: Speaker, voice: Option<Voice>) {
        self.turns.push_back(Turn {
            speaker,
            text: String::new(),
            audio: Bytes::new(),
            voice,
        });
        self.trim();
    }

    fn extend_last(&mut self, text: &str) {
        if let Some(turn) = self.turns.back_mut() {
            let more = bounded(text, TURN_BYTES_MAX - turn.text.len());
            turn.text.push_str(more);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.bytes() > BYTES_MAX || self.turns.len() > TURNS_MAX {
            self.turns.pop_front();
        }
    }

    fn bytes(&self) -> usize {
        self.turns.iter().map(|turn| turn.text.len()).sum()
    }
}

/// The longest beginning of `text` that has at most `bytes` bytes.
fn bounded(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or("")
}

/// Without the words.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Memory({} turns, {} bytes)",
            self.turns.len(),
            self.bytes()
        )
    }
}

/// Without the words.
impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes)", self.speaker, self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn item(item: u32) -> Voice {
        Voice::Item(AttemptId(0), ItemId(item))
    }

    fn words(memory: &Memory) -> Vec<&str> {
        memory.turns().map(|turn| turn.text.as_str()).collect()
    }

    #[test]
    fn a_late_transcript_takes_the_place_of_its_turn() {
        let mut memory = Memory::default();
        memory.caller_item(item(0));
        memory.agent_text(item(1), "Of course.");
        memory.caller_text(item(0), "Can I come on Thursday?");
        assert_eq!(words(&memory), ["Can I come on Thursday?", "Of course."]);
    }

    #[test]
    fn of_a_cut_item_only_the_heard_words_are_remembered() {
        let mut memory = Memory::default();
        memory.agent_text(item(1), "one two three four five six");
        memory.cut(item(1), Duration::from_secs(1), Duration::from_secs(2));
        assert_eq!(words(&memory), ["one two"]);
        memory.cut(item(1), Duration::ZERO, Duration::from_secs(2));
        assert!(memory.is_empty());
    }

    #[test]
    fn the_oldest_turns_go_first() {
        let mut memory = Memory::default();
        for n in 0..10_000 {
            memory.push(Speaker::Caller, &format!("turn {n}"));
        }
        assert_eq!(words(&memory).len(), TURNS_MAX);
        assert_eq!(words(&memory).last(), Some(&"turn 9999"));
        memory.push(Speaker::Agent, &"ä".repeat(BYTES_MAX));
        assert!(memory.bytes() <= BYTES_MAX);
        assert!(words(&memory).last().unwrap().len() <= TURN_BYTES_MAX);
    }

    #[test]
    fn what_is_said_again_is_not_told_as_well() {
        let mut memory = Memory::default();
        memory.caller_text(item(0), "Hello?");
        memory.agent_text(item(1), "Hello.");
        memory.caller_text(item(2), "I have a question.");
        memory.push(Speaker::Caller, "(keyed in: 1)");
        memory.forget_unanswered();
        assert_eq!(words(&memory), ["Hello?", "Hello.", "(keyed in: 1)"]);
    }

    #[test]
    fn what_nobody_will_write_down_any_more_stays_as_audio() {
        let mut memory = Memory::default();
        memory.push_audio(Bytes::from(vec![1; 160]));
        memory.agent_text(item(1), "Of course.");
        memory.caller_item(item(2));
        memory.keep_audio(Bytes::from(vec![2; 160]));
        let audio = |memory: &Memory| -> Vec<_> {
            let turns = memory.turns().filter(|turn| turn.text.is_empty());
            turns.map(|turn| turn.audio.len()).collect()
        };
        assert_eq!(audio(&memory), [160, 160]);
        memory.caller_item(item(3));
        memory.keep_audio(Bytes::from(vec![3; AUDIO_BYTES_MAX - 160]));
        assert_eq!(
            audio(&memory),
            [160, AUDIO_BYTES_MAX - 160],
            "the oldest goes"
        );
        memory.caller_item(item(4));
        memory.keep_audio(Bytes::from(vec![4; 2 * AUDIO_BYTES_MAX]));
        assert_eq!(
            audio(&memory),
            [2 * AUDIO_BYTES_MAX],
            "the last turn is whole"
        );
    }

    #[test]
    fn what_was_said_on_a_stream_before_is_never_taken_for_what_is_said_again() {
        let mut memory = Memory::default();
        memory.caller_text(item(0), "I have a question.");
        memory.caller_item(item(1));
        memory.settle();
        memory.forget_unanswered();
        assert_eq!(words(&memory), ["I have a question."]);
        assert!(!memory.awaits_transcript());
    }

    #[test]
    fn words_without_a_transcript_are_kept_as_audio_until_it_comes() {
        let mut memory = Memory::default();
        memory.caller_item(item(0));
        assert!(memory.awaits_transcript());
        memory.keep_audio(Bytes::from_static(&[1; 160]));
        assert_eq!(memory.turns().count(), 1);
        memory.caller_text(item(0), "Hello?");
        assert!(memory.turns().all(|turn| turn.audio.is_empty()));
        assert!(!memory.awaits_transcript());
    }
}
