//! The response that is being made: its plan, and the item that is being spoken.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::condition::Voice;
use super::faults::FLOOD_BYTES_MAX;
use super::report::Outcome;
use super::settings::ModelSettings;
use crate::recording::Line;
use crate::stamp::{BLOCK_BYTES, Stamp};

/// A response that is not done.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) id: String,
    /// Its number in the session, from 1.
    pub(super) number: u32,
    pub(super) metadata: Value,
    /// The place of its line in the script.
    pub(super) line: usize,
    /// Grows with every change of plan: a step that was planned before does not count.
    pub(super) plan: u64,
    pub(super) stage: Stage,
    /// The items that are still to be spoken.
    pub(super) pieces: VecDeque<Line>,
    /// The items that are done, as events carry them.
    pub(super) output: Vec<Value>,
    pub(super) items: usize,
    pub(super) speed: f64,
    /// Whether it ends with a call of `end_call`.
    pub(super) says_goodbye: bool,
    /// Bytes of µ-law of all its items that went out.
    pub(super) bytes: u64,
    pub(super) flood: Option<Flood>,
    /// It is made outside of the conversation.
    pub(super) is_recital: bool,
}

/// What a response is to say.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// The next line of the script.
    Line,
    /// The greeting, where there is one.
    Greeting,
    /// This, outside of the conversation.
    Recital(Line),
}

/// An answer that does not end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flood {
    pub(super) speed: u32,
    pub(super) lasts_ms: u32,
}

impl Flood {
    /// How long the answer becomes; at most [`FLOOD_BYTES_MAX`].
    pub(super) fn bytes(self) -> usize {
        let ms = u64::from(self.speed) * u64::from(self.lasts_ms);
        usize::try_from(ms.saturating_mul(8))
            .map_or(FLOOD_BYTES_MAX, |bytes| bytes.min(FLOOD_BYTES_MAX))
    }
}

/// Where a response stands.
#[derive(Debug)]
pub(super) enum Stage {
    /// Asked for; the client has not heard of it.
    Asked,
    /// Announced; the next item, if there is one, has not begun.
    BetweenItems,
    /// An item is being spoken.
    Speaking(Speech),
    /// Cut off: what was under way still comes.
    Cut {
        speech: Option<Speech>,
        outcome: Outcome,
        /// Late deltas before `response.done`, and after it.
        late: (u32, u32),
    },
}

/// An item that is being spoken.
pub(super) struct Speech {
    pub(super) item_id: String,
    pub(super) number: u16,
    pub(super) output_index: usize,
    audio: Vec<u8>,
    sent: usize,
    /// Up to where the blocks have their stamps: the next block's beginning.
    stamped: usize,
    text: String,
    told: usize,
}

impl std::fmt::Debug for Speech {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Speech(item {}, {} bytes)", self.number, self.sent)
    }
}

/// A piece of an item: what goes into one delta.
pub(super) struct Delta<'a> {
    pub(super) mulaw: &'a [u8],
    /// The words that go out before it: the transcript is a little ahead of the audio.
    pub(super) words: &'a str,
}

impl Speech {
    pub(super) fn new(item_id: String, number: u16, output_index: usize, line: Line) -> Self {
        Self {
            item_id,
            number,
            output_index,
            audio: line.audio,
            sent: 0,
            stamped: 0,
            text: line.text,
            told: 0,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.sent >= self.audio.len()
    }

    /// The words that went out.
    pub(super) fn told(&self) -> &str {
        self.text.split_at(self.told).0
    }

    /// The next delta of at most this length.
    ///
    /// A block's stamp says when the delta left in which the block *begins*: of a block that is cut by two deltas the rest may
    /// leave later. `stream` is `None` for audio without stamps.
    pub(super) fn next(&mut self, bytes: usize, now: Duration, stream: Option<u32>) -> Delta<'_> {
        let from = self.sent;
        self.sent = (self.sent + bytes).min(self.audio.len());
        if let Some(stream) = stream {
            self.stamp(now, stream);
        }
        // Whole words, and at least as much of them as of the audio.
        let due = self.text.len() * self.sent / self.audio.len().max(1);
        let rest = self.text.get(due..).and_then(|rest| rest.find(' '));
        let told_from = self.told;
        self.told = match rest {
            Some(space) if !self.is_over() => self.told.max(due + space + 1),
            // The last word, or the middle of a letter of several bytes: it will be told with the end.
            _ if self.is_over() => self.text.len(),
            _ => self.told,
        };
        Delta {
            mulaw: self.audio.get(from..self.sent).unwrap_or_default(),
            words: self.text.get(told_from..self.told).unwrap_or_default(),
        }
    }

    fn stamp(&mut self, now: Duration, stream: u32) {
        while self.stamped < self.sent {
            let block = u32::try_from(self.stamped / BLOCK_BYTES).unwrap_or(u32::MAX);
            let stamp = Stamp {
                stream,
                item: self.number,
                block,
                sent: now,
            };
            if let Some(rest) = self.audio.get_mut(self.stamped..) {
                stamp.write(rest);
            }
            self.stamped += BLOCK_BYTES;
        }
    }

    /// Makes the audio at least this long, with what it already says.
    pub(super) fn prolong(&mut self, bytes: usize) {
        let more = bytes.saturating_sub(self.audio.len());
        let again: Vec<u8> = self.audio.iter().copied().cycle().take(more).collect();
        self.audio.extend(again);
    }

    /// Says the rest, from the next block on, in this voice.
    pub(super) fn speak_in(&mut self, voice: Voice) {
        let from = self.stamped.max(self.sent).min(self.audio.len());
        let rest = self.audio.split_off(from);
        self.audio.extend(voice.of(rest));
    }

    pub(super) fn sent(&self) -> usize {
        self.sent
    }
}

/// How many bytes the next delta has.
pub(super) fn delta_bytes(settings: &ModelSettings, rng: &mut fastrand::Rng) -> usize {
    let bytes = settings.delta_ms.pick_ms(rng) as usize * 8;
    let aligned = (bytes / BLOCK_BYTES).max(1) * BLOCK_BYTES;
    if rng.f64() < settings.unaligned_share {
        aligned + rng.usize(1..BLOCK_BYTES)
    } else {
        aligned
    }
}

/// A line as the items of an answer: mostly one. They begin at whole blocks of the line.
pub(super) fn split(
    line: &Line,
    settings: &ModelSettings,
    rng: &mut fastrand::Rng,
) -> VecDeque<Line> {
    /// An item is at least a word: 400 ms.
    const BLOCKS_MIN: usize = 20;
    let blocks = line.audio.len() / BLOCK_BYTES;
    let most = (settings.items_max as usize).min(blocks / BLOCKS_MIN);
    let count = if most >= 2 && rng.f64() < settings.several_items_share {
        rng.usize(2..=most)
    } else {
        1
    };
    let words: Vec<&str> = line.text.split_inclusive(' ').collect();
    let part = |i: usize, whole: usize| (whole * i / count, whole * (i + 1) / count);
    let piece = |i: usize| {
        let (from, to) = part(i, blocks);
        let (from, to) = (from * BLOCK_BYTES, to * BLOCK_BYTES);
        // The rest that is no whole block belongs to the last one.
        let to = if i + 1 == count { line.audio.len() } else { to };
        let (first, end) = part(i, words.len());
        Line {
            audio: line.audio.get(from..to).unwrap_or_default().to_vec(),
            text: words.get(first..end).unwrap_or_default().concat(),
        }
    };
    (0..count).map(piece).collect()
}
