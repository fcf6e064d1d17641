//! The agent's audio on its way to the caller: booked against its item, aligned to 20 ms, paced, marked.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::core::audio::{FRAME_BYTES, Frame, SILENCE, bytes_in, duration_of};
use crate::core::call::effect::{CarrierCommand, Effects};
use crate::core::call::input::Mark;
use crate::core::call::memory::Voice;
use crate::core::call::playout::{Echo, Playout};
use crate::core::time::Instant;

/// A mark is sent after each such stretch of audio: 200 ms.
const MARK_BYTES: u64 = 1_600;

/// Held audio is let go in pieces of this size, so that the call wakes five times a second for it.
const RELEASE_BYTES: u64 = 1_600;

/// Items whose audio is not heard to its end. More of them at once would be an answer of absurd shape; the oldest is then
/// taken as heard.
const ITEMS_MAX: usize = 64;

/// What an interruption leaves of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Whose it is.
    pub(super) voice: Voice,
    /// How much of it was heard.
    pub(super) heard: Duration,
    /// How much of it had come.
    pub(super) received: Duration,
}

/// The way from a session to the caller's ear.
#[derive(Debug)]
pub(super) struct Downlink {
    playout: Playout,
    items: VecDeque<Booked>,
    /// The bytes of the last item that do not fill 20 ms yet.
    carry: BytesMut,
    held: VecDeque<Held>,
    held_bytes: u64,
    ahead_max: Duration,
    held_max: Duration,
}

/// An item's place in what is sent. Positions count bytes since the last clear, held ones included.
#[derive(Debug)]
struct Booked {
    voice: Voice,
    start: u64,
    received: u64,
    is_complete: bool,
}

/// What waits for its time. Raw copies: a slice of a message would pin the socket's read buffer.
#[derive(Debug)]
enum Held {
    Audio(Bytes),
    /// An item ends here: a mark is due.
    End,
}

/// More audio than may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldOverflow;

impl Downlink {
    pub(super) fn new(now: Instant, ahead_max: Duration, held_max: Duration) -> Self {
        Self {
            playout: Playout::new(now),
            items: VecDeque::new(),
            carry: BytesMut::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            ahead_max,
            held_max,
        }
    }

    /// Nothing was heard since then, on a stream before this one.
    pub(super) fn rest_since(&mut self, since: Instant) {
        self.playout = Playout::new(since);
    }

    /// Takes the next audio of an item and sends on what may be sent.
    pub(super) fn play(
        &mut self,
        now: Instant,
        voice: Voice,
        frame: Frame,
        effects: &mut Effects,
    ) -> Result<(), HeldOverflow> {
        let goes_on = |last: &Booked| last.voice == voice && !last.is_complete;
        if !self.items.back().is_some_and(goes_on) {
            self.finish(now, effects);
            self.begin(now, voice);
        }
        let bytes = frame.len() as u64;
        let room = self
            .ahead_max
            .saturating_sub(self.playout.plays_until().since(now));
        if duration_of(self.held_bytes + bytes) > self.held_max + room {
            return Err(HeldOverflow);
        }
        if let Some(item) = self.items.back_mut() {
            item.received += bytes;
        }
        if self.passes_unchanged(now, &frame) {
            self.send(now, frame, effects);
        } else {
            self.hold(&frame);
            self.release(now, effects);
        }
        Ok(())
    }

    /// Whether this item is the last one that was played.
    pub(super) fn is_at(&self, voice: Voice) -> bool {
        self.items.back().is_some_and(|last| last.voice == voice)
    }

    /// How much came of this item; `None` of one that is complete and was heard to its end.
    pub(super) fn received(&self, voice: Voice) -> Option<Duration> {
        let item = self.items.iter().rfind(|item| item.voice == voice)?;
        Some(duration_of(item.received))
    }

    /// The last item has no more audio: its remainder goes out, filled up with silence, and a mark after it.
    pub(super) fn finish(&mut self, now: Instant, effects: &mut Effects) {
        let Some(item) = self.items.back_mut().filter(|item| !item.is_complete) else {
            return;
        };
        item.is_complete = true;
        if !self.carry.is_empty() {
            self.carry.resize(FRAME_BYTES, SILENCE);
            let last = self.carry.split().freeze();
            self.held_bytes += last.len() as u64;
            self.held.push_back(Held::Audio(last));
        }
        self.held.push_back(Held::End);
        self.release(now, effects);
    }

    /// Sends what is held, as far as the carrier may be ahead.
    pub(super) fn release(&mut self, now: Instant, effects: &mut Effects) {
        while let Some(next) = self.held.front_mut() {
            match next {
                Held::End => {
                    self.held.pop_front();
                    self.mark(effects);
                }
                Held::Audio(audio) => {
                    let ahead = self.playout.plays_until().since(now);
                    let room = bytes_in(self.ahead_max.saturating_sub(ahead));
                    let mut bytes = usize::try_from(room).unwrap_or(usize::MAX).min(audio.len());
                    bytes -= bytes % FRAME_BYTES;
                    if self.playout.is_dry(now) {
                        // The first 20 ms get a mark of their own: its echo tells when the carrier began to play.
                        bytes = bytes.min(FRAME_BYTES);
                    }
                    if bytes == 0 {
                        break;
                    }
                    let piece = audio.split_to(bytes);
                    if audio.is_empty() {
                        self.held.pop_front();
                    }
                    self.held_bytes -= bytes as u64;
                    self.send(now, Frame::from_raw(piece), effects);
                }
            }
        }
    }

    /// When [`release`](Self::release) is next worth calling.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.held.is_empty() {
            return None;
        }
        let room = duration_of(self.held_bytes.min(RELEASE_BYTES).max(FRAME_BYTES as u64));
        Some(self.playout.plays_until() - self.ahead_max.saturating_sub(room))
    }

    /// A mark came back.
    pub(super) fn on_mark(&mut self, now: Instant, mark: Mark) -> Echo {
        let echo = self.playout.on_mark(now, mark);
        self.forget_heard(now);
        echo
    }

    /// Whether something that was said is not heard to its end.
    pub(super) fn has_unheard(&self, now: Instant) -> bool {
        self.queued() > self.playout.heard(now) || !self.carry.is_empty()
    }

    /// Bytes that were heard since the last clear.
    pub(super) fn heard(&self, now: Instant) -> u64 {
        self.playout.heard(now)
    }

    /// Whether the carrier confirmed that all was played.
    pub(super) fn is_played(&self) -> bool {
        self.held.is_empty() && self.carry.is_empty() && self.playout.is_played()
    }

    /// When all that is sent and held will have been played.
    pub(super) fn plays_until(&self) -> Instant {
        self.playout.plays_until() + duration_of(self.held_bytes)
    }

    /// What an end of the audio at this moment leaves of each item, oldest first.
    pub(super) fn cuts(&self, now: Instant) -> Vec<Cut> {
        let heard = self.playout.heard(now);
        let cuts = self.items.iter().filter_map(|item| item.cut_at(heard));
        cuts.collect()
    }

    /// Throws away all that is not heard, here and at the carrier; says what was cut, oldest first.
    pub(super) fn interrupt(&mut self, now: Instant, effects: &mut Effects) -> Vec<Cut> {
        let heard = self.playout.heard(now);
        let cuts = self.cuts(now);
        if self.playout.sent() > heard || !self.playout.is_played() {
            effects.to_carrier(CarrierCommand::Clear);
            self.playout.clear(now);
        }
        self.items.clear();
        self.carry.clear();
        self.held.clear();
        self.held_bytes = 0;
        cuts
    }

    /// Throws away what is held here, and leaves the carrier what it has; says what was cut, oldest first.
    pub(super) fn drop_held(&mut self, effects: &mut Effects) -> Vec<Cut> {
        let sent = self.playout.sent();
        let mut cuts = Vec::new();
        for item in &mut self.items {
            if let Some(cut) = item.cut_at(sent).filter(|cut| cut.heard < cut.received) {
                item.received = bytes_in(cut.heard);
                cuts.push(cut);
            }
            item.is_complete = true;
        }
        self.items.retain(|item| item.received > 0);
        self.carry.clear();
        self.held.clear();
        self.held_bytes = 0;
        if sent > self.playout.marked() {
            self.mark(effects);
        }
        cuts
    }

    fn begin(&mut self, now: Instant, voice: Voice) {
        self.forget_heard(now);
        if self.items.len() == ITEMS_MAX {
            self.items.pop_front();
        }
        let start = self.queued();
        self.items.push_back(Booked {
            voice,
            start,
            received: 0,
            is_complete: false,
        });
    }

    /// Whether a frame can go out as it came: aligned, nothing waits before it, and the carrier is near enough. Where the
    /// carrier has run dry only 20 ms can: they get a mark of their own.
    fn passes_unchanged(&self, now: Instant, frame: &Frame) -> bool {
        self.held.is_empty()
            && self.carry.is_empty()
            && frame.is_aligned()
            && (frame.len() == FRAME_BYTES || !self.playout.is_dry(now))
            && self.playout.plays_until().since(now) + frame.duration() <= self.ahead_max
    }

    fn hold(&mut self, frame: &Frame) {
        let raw = frame.to_raw();
        let audio = if self.carry.is_empty() && raw.len().is_multiple_of(FRAME_BYTES) {
            raw
        } else {
            self.carry.extend_from_slice(&raw);
            let whole = self.carry.len() - self.carry.len() % FRAME_BYTES;
            Bytes::copy_from_slice(&self.carry.split_to(whole))
        };
        if !audio.is_empty() {
            self.held_bytes += audio.len() as u64;
            self.held.push_back(Held::Audio(audio));
        }
    }

    fn send(&mut self, now: Instant, frame: Frame, effects: &mut Effects) {
        let begins = self.playout.is_dry(now);
        self.playout.send(now, frame.len() as u64);
        effects.to_carrier(CarrierCommand::Media(frame));
        if begins || self.playout.sent() - self.playout.marked() >= MARK_BYTES {
            self.mark(effects);
        }
    }

    fn mark(&mut self, effects: &mut Effects) {
        effects.to_carrier(CarrierCommand::Mark(self.playout.mark()));
    }

    /// Bytes sent and held since the last clear.
    pub(super) const fn queued(&self) -> u64 {
        self.playout.sent() + self.held_bytes
    }

    fn forget_heard(&mut self, now: Instant) {
        let heard = self.playout.heard(now);
        while self
            .items
            .front()
            .is_some_and(|item| item.is_complete && item.cut_at(heard).is_none())
        {
            self.items.pop_front();
        }
    }
}

impl Booked {
    /// What is left of the item if the caller has heard up to this position; `None` if that is all of it.
    fn cut_at(&self, position: u64) -> Option<Cut> {
        let heard = position.saturating_sub(self.start).min(self.received);
        (heard < self.received || !self.is_complete).then(|| Cut {
            voice: self.voice,
            heard: duration_of(heard),
            received: duration_of(self.received),
        })
    }
}
