//! The carrier's play-out buffer: what was sent to the caller and when it sounds.
//!
//! Owns the play-out clock, the marks that wait for it and what the caller heard. Since audio plays in order and without a gap until
//! the buffer is empty, every sound's time is known when it arrives, and only a `clear` changes it.

use std::{collections::VecDeque, time::Duration};

use super::{
    report::{Timeline, Violation},
    settings::{CarrierSettings, draw},
};
use crate::{
    g711,
    listen::{WINDOW_BYTES, is_loud},
};

/// More audio than this is dropped, counted: the carrier names no bound, but memory is one.
const BUFFER_MAX: Duration = Duration::from_mins(10);
/// More marks than this are dropped, counted.
const MARKS_MAX: usize = 4_096;

/// Up to 20 ms of the agent's audio, and when it is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// When it begins to sound.
    pub(super) begins: Duration,
    /// When it has sounded.
    pub(super) ends: Duration,
    /// Whether it can be heard.
    pub(super) loud: bool,
    /// Whether it came with a stamp.
    pub(super) stamped: bool,
    /// When it came.
    pub(super) received: Duration,
}

#[derive(Debug)]
pub(super) struct PlayOut {
    delay_ms: [u64; 2],
    /// From what a mark stands for to its echo.
    pub(super) echo_delay: Duration,
    loud_dbfs: f64,
    began: Duration,
    /// When the burst began to sound, or will: the last time that audio met an empty buffer.
    begins: Duration,
    /// When all that came has been played; in the past if nothing is buffered.
    ends: Duration,
    /// Bytes that were played or still will be.
    bytes: u64,
    windows: VecDeque<Window>,
    loud_windows: usize,
    marks: VecDeque<(Duration, String)>,
    /// What the caller hears, including what is still to come.
    pub(super) heard: Option<Timeline>,
}

impl PlayOut {
    pub(super) fn new(settings: &CarrierSettings, rng: &mut fastrand::Rng) -> Self {
        let longest = Duration::from_millis(settings.record_max_ms);
        Self {
            delay_ms: settings.play_out_delay_ms,
            echo_delay: draw(settings.echo_delay_ms, rng),
            loud_dbfs: settings.loud_dbfs,
            began: Duration::ZERO,
            begins: Duration::ZERO,
            ends: Duration::ZERO,
            bytes: 0,
            windows: VecDeque::new(),
            loud_windows: 0,
            marks: VecDeque::new(),
            heard: settings.record.then(|| Timeline::new(longest)),
        }
    }

    /// The stream begins.
    pub(super) fn start(&mut self, now: Duration) {
        (self.began, self.begins, self.ends) = (now, now, now);
    }

    /// Whether there is room for more.
    pub(super) fn admit(&self, now: Duration) -> Result<(), Violation> {
        if self.ends.saturating_sub(now) > BUFFER_MAX {
            return Err(Violation::BufferOverflow);
        }
        Ok(())
    }

    /// Puts audio behind what is buffered.
    pub(super) fn queue(
        &mut self,
        now: Duration,
        audio: &[u8],
        stamped: bool,
        rng: &mut fastrand::Rng,
    ) {
        if self.ends <= now {
            self.begins = now + draw(self.delay_ms, rng);
            self.ends = self.begins;
        }
        if let Some(heard) = &mut self.heard {
            heard.lay(self.ends.saturating_sub(self.began), audio);
        }
        for piece in audio.chunks(WINDOW_BYTES) {
            let begins = self.ends;
            self.ends += g711::duration(piece.len());
            let loud = is_loud(piece, self.loud_dbfs);
            self.loud_windows += usize::from(loud);
            self.windows.push_back(Window {
                begins,
                ends: self.ends,
                loud,
                stamped,
                received: now,
            });
        }
        self.bytes += audio.len() as u64;
    }

    /// Remembers a mark until all before it was played.
    pub(super) fn mark(&mut self, now: Duration, name: String) -> Result<(), Violation> {
        if self.marks.len() >= MARKS_MAX {
            return Err(Violation::MarkOverflow);
        }
        self.marks
            .push_back((self.ends.max(now) + self.echo_delay, name));
        Ok(())
    }

    /// Empties the buffer and gives all marks free. Returns how much will not be heard.
    pub(super) fn clear(&mut self, now: Duration) -> Duration {
        let unplayed = g711::duration(self.unplayed(now));
        self.bytes = self.played(now);
        while let Some(window) = self.windows.back_mut() {
            if window.begins < now {
                window.ends = window.ends.min(now);
                break;
            }
            self.loud_windows -= usize::from(window.loud);
            self.windows.pop_back();
        }
        if let Some(heard) = &mut self.heard {
            heard.cut(now.saturating_sub(self.began));
        }
        self.ends = self.ends.min(now);
        for (due, _) in &mut self.marks {
            *due = (*due).min(now + self.echo_delay);
        }
        unplayed
    }

    /// How many bytes were played by now, of all that were not cleared away.
    pub(super) fn played(&self, now: Duration) -> u64 {
        self.bytes - self.unplayed(now) as u64
    }

    /// When the last of it sounded, by now.
    pub(super) fn sounded_until(&self, now: Duration) -> Duration {
        self.ends.min(now)
    }

    /// The place of the next byte that comes, in the count of [`played`](Self::played).
    pub(super) fn place(&self) -> u64 {
        self.bytes
    }

    /// The next window that has sounded by now.
    pub(super) fn next_window(&mut self, now: Duration) -> Option<Window> {
        self.windows.front().filter(|window| window.ends <= now)?;
        let window = self.windows.pop_front()?;
        self.loud_windows -= usize::from(window.loud);
        Some(window)
    }

    /// When all that came will have sounded.
    pub(super) fn ends(&self) -> Duration {
        self.ends
    }

    /// Whether something that can be heard is buffered.
    pub(super) fn has_sound(&self) -> bool {
        self.loud_windows > 0
    }

    /// The next mark to send back by now.
    pub(super) fn next_mark(&mut self, now: Duration) -> Option<String> {
        self.marks.front().filter(|(due, _)| *due <= now)?;
        let (_, name) = self.marks.pop_front()?;
        Some(name)
    }

    /// When the next mark is to be sent back.
    pub(super) fn next_mark_due(&self) -> Option<Duration> {
        self.marks.front().map(|&(due, _)| due)
    }

    fn unplayed(&self, now: Duration) -> usize {
        g711::bytes_in(self.ends.saturating_sub(now.max(self.begins)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn play_out() -> (PlayOut, fastrand::Rng) {
        let settings = CarrierSettings {
            play_out_delay_ms: [100, 100],
            echo_delay_ms: [30, 30],
            ..CarrierSettings::default()
        };
        let mut rng = fastrand::Rng::with_seed(7);
        let mut line = PlayOut::new(&settings, &mut rng);
        line.start(MS(1_000));
        (line, rng)
    }

    #[test]
    fn a_burst_starts_late_and_then_plays_without_a_gap() {
        let (mut line, mut rng) = play_out();
        line.queue(MS(2_000), &[0; 320], false, &mut rng);
        line.queue(MS(2_139), &[0; 160], false, &mut rng);
        let windows: Vec<_> = std::iter::from_fn(|| line.next_window(MS(9_000))).collect();
        let begins: Vec<_> = windows.iter().map(|window| window.begins).collect();
        assert_eq!(begins, [MS(2_100), MS(2_120), MS(2_140)]);
        line.queue(MS(2_160), &[0; 160], false, &mut rng);
        assert_eq!(line.next_window(MS(2_279)), None);
        assert_eq!(line.next_window(MS(2_280)).unwrap().begins, MS(2_260));
    }

    #[test]
    fn marks_come_back_when_what_they_stand_for_was_played() {
        let (mut line, mut rng) = play_out();
        line.mark(MS(2_000), "empty".into()).unwrap();
        line.queue(MS(2_000), &[0; 160], false, &mut rng);
        line.mark(MS(2_010), "one".into()).unwrap();
        assert_eq!(line.next_mark_due(), Some(MS(2_030)));
        assert_eq!(line.next_mark(MS(2_030)).as_deref(), Some("empty"));
        assert_eq!(line.next_mark(MS(2_149)), None);
        assert_eq!(line.next_mark(MS(2_150)).as_deref(), Some("one"));
    }

    #[test]
    fn a_clear_leaves_what_was_heard_and_returns_the_marks() {
        let (mut line, mut rng) = play_out();
        line.queue(MS(2_000), &[1; 1_600], false, &mut rng);
        line.mark(MS(2_000), "end".into()).unwrap();
        assert_eq!((line.played(MS(2_100)), line.played(MS(2_130))), (0, 240));
        assert_eq!(line.clear(MS(2_130)), MS(170));
        assert_eq!(line.next_mark_due(), Some(MS(2_160)));
        assert_eq!((line.played(MS(2_130)), line.place()), (240, 240));
        assert_eq!(line.heard.as_ref().unwrap().duration(), MS(1_130));
        line.queue(MS(2_131), &[2; 80], false, &mut rng);
        let windows: Vec<_> = std::iter::from_fn(|| line.next_window(MS(9_000))).collect();
        assert_eq!(windows.len(), 3);
        assert_eq!(windows[1].ends, MS(2_130));
        assert_eq!(windows[2].begins, MS(2_231));
        assert_eq!((line.played(MS(2_231)), line.played(MS(2_241))), (240, 320));
    }

    #[test]
    fn a_clear_before_the_first_sound_leaves_nothing() {
        let (mut line, mut rng) = play_out();
        line.queue(MS(2_000), &[1; 1_600], false, &mut rng);
        assert_eq!(line.clear(MS(2_050)), MS(200));
        assert_eq!(
            (line.played(MS(9_000)), line.next_window(MS(9_000))),
            (0, None)
        );
    }

    #[test]
    fn the_buffer_and_the_marks_have_an_end() {
        let (mut line, mut rng) = play_out();
        let minute = vec![0xff; 480_000];
        let mut taken = 0;
        while line.admit(MS(2_000)).is_ok() {
            line.queue(MS(2_000), &minute, false, &mut rng);
            taken += 1;
            assert!(taken < 20);
        }
        assert_eq!(taken, 10, "the last one begins within ten minutes");
        let marked = (0..=MARKS_MAX).filter(|_| line.mark(MS(2_000), String::new()).is_ok());
        assert_eq!(marked.count(), MARKS_MAX);
    }
}
