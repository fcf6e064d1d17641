//! Where the caller's ear is: how much of what was sent to the carrier has been played, as its mark echoes tell.
//!
//! Positions count bytes sent since the last clear. An echo tells that everything before its mark was played a moment ago (the
//! echo's own way is unknown, so the estimate errs on the side of *less*); from there the audio plays on at its own speed, up
//! to where it was certain to run without a break.

use std::collections::VecDeque;

use crate::core::audio::{bytes_in, duration_of};
use crate::core::call::input::Mark;
use crate::core::time::Instant;

/// Marks on their way; beyond it the oldest is forgotten, which makes its echo an unknown mark. Five seconds ahead with a mark
/// each 200 ms are 25, and each item adds two.
const MARKS_MAX: usize = 256;

/// Stretches of unbroken audio whose marks are on their way.
const BURSTS_MAX: usize = 256;

/// The play-out of one stream.
#[derive(Debug)]
pub(super) struct Playout {
    /// How many clears were sent.
    generation: u32,
    /// Marks sent over the whole stream.
    marks_sent: u32,
    /// Bytes sent in this generation.
    sent: u64,
    /// When the last byte sent will have been played if the carrier lost no time: our own clock.
    plays_until: Instant,
    /// The last echo: this position was played at this time.
    echo: Option<(u64, Instant)>,
    /// Where audio began after the carrier may have run dry, beyond the last echo.
    bursts: VecDeque<u64>,
    /// Marks of this generation whose echo is awaited, and their positions.
    marks: VecDeque<(u32, u64)>,
    /// Marks of older generations whose echo is awaited: they come back flushed.
    flushed: usize,
}

/// What the echo of a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// The audio before it was played.
    Played,
    /// The audio before it was thrown away by a clear.
    Flushed,
    /// We are not waiting for this mark.
    Unknown,
}

impl Playout {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            generation: 0,
            marks_sent: 0,
            sent: 0,
            plays_until: now,
            echo: None,
            bursts: VecDeque::new(),
            marks: VecDeque::new(),
            flushed: 0,
        }
    }

    /// Bytes sent in this generation.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// When all that was sent will have been played, by our own clock.
    pub(super) const fn plays_until(&self) -> Instant {
        self.plays_until
    }

    /// Whether audio sent now would begin after a break.
    pub(super) fn is_dry(&self, now: Instant) -> bool {
        now >= self.plays_until
    }

    /// Books `bytes` as sent.
    pub(super) fn send(&mut self, now: Instant, bytes: u64) {
        if self.is_dry(now) {
            if self.bursts.len() == BURSTS_MAX {
                self.bursts.pop_front();
            }
            self.bursts.push_back(self.sent);
            self.plays_until = now;
        }
        self.plays_until = self.plays_until + duration_of(bytes);
        self.sent += bytes;
    }

    /// Books a mark as sent after what was sent so far, and names it.
    pub(super) fn mark(&mut self) -> Mark {
        self.marks_sent = self.marks_sent.wrapping_add(1);
        if self.marks.len() == MARKS_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back((self.marks_sent, self.sent));
        Mark {
            generation: self.generation,
            number: self.marks_sent,
        }
    }

    /// The position up to which marks were sent.
    pub(super) fn marked(&self) -> u64 {
        self.marks
            .back()
            .map(|&(_, at)| at)
            .or(self.echo.map(|(at, _)| at))
            .unwrap_or(0)
    }

    /// A mark came back.
    pub(super) fn on_mark(&mut self, now: Instant, mark: Mark) -> Echo {
        if mark.generation < self.generation && self.flushed > 0 {
            self.flushed -= 1;
            return Echo::Flushed;
        }
        let place = self
            .marks
            .iter()
            .position(|&(number, _)| number == mark.number);
        let (Some(place), true) = (place, mark.generation == self.generation) else {
            return Echo::Unknown;
        };
        // The carrier answers in order: those before it are played as well.
        if let Some((_, position)) = self.marks.drain(..=place).next_back() {
            self.echo = Some((position, now));
            self.bursts.retain(|&start| start >= position);
        }
        Echo::Played
    }

    /// How much of this generation was certainly heard by now.
    pub(super) fn heard(&self, now: Instant) -> u64 {
        let Some((position, at)) = self.echo else {
            return 0;
        };
        let unbroken_until = self.bursts.front().copied().unwrap_or(self.sent);
        (position + bytes_in(now.since(at))).min(unbroken_until)
    }

    /// Whether the carrier has said of all that was sent that it was played. The end of audio has a mark of its own.
    pub(super) fn is_played(&self) -> bool {
        self.marks.is_empty() && self.marked() == self.sent
    }

    /// Everything at the carrier is thrown away: a new generation begins.
    pub(super) fn clear(&mut self, now: Instant) {
        self.generation = self.generation.wrapping_add(1);
        self.flushed = (self.flushed + self.marks.len()).min(MARKS_MAX);
        self.marks.clear();
        self.bursts.clear();
        self.echo = None;
        self.sent = 0;
        self.plays_until = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(ms: u64) -> Instant {
        Instant::from_start(Duration::from_millis(ms))
    }

    #[test]
    fn nothing_is_heard_before_the_first_echo() {
        let mut playout = Playout::new(at(0));
        playout.send(at(0), 8_000);
        playout.mark();
        assert_eq!(playout.heard(at(900)), 0);
    }

    #[test]
    fn after_an_echo_the_audio_plays_on_at_its_own_speed_and_not_beyond_its_end() {
        let mut playout = Playout::new(at(0));
        playout.send(at(0), 160);
        let mark = playout.mark();
        playout.send(at(0), 1_600);
        assert_eq!(playout.on_mark(at(250), mark), Echo::Played);
        assert_eq!(playout.heard(at(300)), 160 + 400);
        assert_eq!(playout.heard(at(5_000)), 1_760);
    }

    #[test]
    fn audio_after_a_break_is_not_heard_before_an_echo_of_its_own() {
        let mut playout = Playout::new(at(0));
        playout.send(at(0), 160);
        let first = playout.mark();
        assert_eq!(playout.on_mark(at(150), first), Echo::Played);
        playout.send(at(1_000), 8_000);
        assert_eq!(
            playout.heard(at(1_200)),
            160,
            "the carrier starts anew, nobody knows when"
        );
        let second = playout.mark();
        assert_eq!(playout.on_mark(at(2_200), second), Echo::Played);
        assert_eq!(playout.heard(at(2_200)), 8_160);
        assert!(playout.is_played());
    }

    #[test]
    fn an_echo_after_a_clear_is_flushed_and_not_played() {
        let mut playout = Playout::new(at(0));
        playout.send(at(0), 8_000);
        let mark = playout.mark();
        playout.clear(at(100));
        assert_eq!(playout.on_mark(at(120), mark), Echo::Flushed);
        assert_eq!(
            playout.on_mark(at(121), mark),
            Echo::Unknown,
            "it came back already"
        );
        assert_eq!(playout.heard(at(200)), 0);
    }
}
