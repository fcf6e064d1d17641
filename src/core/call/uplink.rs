//! The caller's audio that no model has answered yet: kept in a bounded ring, so that it can be given to another session.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::core::audio::{Frame, bytes_in};

/// Audio is replayed to a new session in pieces of this size: 200 ms.
const REPLAY_BYTES: usize = 1_600;

/// What is kept while no turn is open: a turn begins before anybody notices.
const PRE_ROLL: Duration = Duration::from_secs(1);

/// What is kept of an answered turn: less than the silence after it, by which its end is known.
const LAST_MOMENT: Duration = Duration::from_millis(400);

/// The ring of the caller's current turn.
///
/// It holds raw copies, never slices of messages.
#[derive(Debug)]
pub struct Uplink {
    ring: VecDeque<u8>,
    bytes_max: usize,
    turn: Turn,
}

/// What becomes of the audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nobody speaks and nobody waits: only the pre-roll is kept.
    None,
    /// The caller speaks or waits: everything is kept, up to the limit.
    Open,
    /// An answer is on its way to the caller, who may yet go on before any of it is heard: everything is still kept.
    Answered,
}

impl Uplink {
    /// A ring with an open turn that keeps the last `uplink_max` of audio.
    pub fn new(uplink_max: Duration) -> Self {
        Self {
            ring: VecDeque::new(),
            bytes_max: size(uplink_max),
            turn: Turn::Open,
        }
    }

    /// Keeps audio. At the limit the oldest goes, since the last words matter most; returns how many bytes of an open turn
    /// went.
    pub fn keep(&mut self, audio: &[u8]) -> usize {
        self.ring.extend(audio);
        let bytes_max = match self.turn {
            Turn::None => size(PRE_ROLL).min(self.bytes_max),
            Turn::Open | Turn::Answered => self.bytes_max,
        };
        let surplus = self.ring.len().saturating_sub(bytes_max);
        self.ring.drain(..surplus);
        if self.is_open() { surplus } else { 0 }
    }

    /// The caller begins to speak: from the pre-roll on everything is kept. Who goes on before the answer was heard has not been
    /// answered: it is still the same turn.
    pub const fn open(&mut self) {
        self.turn = Turn::Open;
    }

    /// Whether a turn is open.
    pub const fn is_open(&self) -> bool {
        matches!(self.turn, Turn::Open)
    }

    /// Nobody speaks and nobody waits: only the pre-roll is kept from now on, unless an answer is on its way.
    pub const fn rest(&mut self) {
        if self.is_open() {
            self.turn = Turn::None;
        }
    }

    /// An answer to the open turn is on its way. Its hearing [closes](Self::close) the turn.
    pub const fn answer(&mut self) {
        if self.is_open() {
            self.turn = Turn::Answered;
        }
    }

    /// Whether an answer is on its way, of which nothing was heard.
    pub const fn is_answered(&self) -> bool {
        matches!(self.turn, Turn::Answered)
    }

    /// What was kept is answered: it is not to be heard again, but for the last moment, in which the next words may begin. The
    /// memory of a long turn is given back.
    pub fn close(&mut self) {
        if self.turn != Turn::None {
            self.turn = Turn::None;
            let answered = self.ring.len().saturating_sub(size(LAST_MOMENT));
            self.ring.drain(..answered);
            self.ring.shrink_to(size(PRE_ROLL));
        }
    }

    /// Everything that is kept, in order, in pieces of at most 200 ms. It stays kept: the session that takes it may fail too.
    pub fn replay(&self) -> impl Iterator<Item = Frame> + use<> {
        let kept = self.copy();
        let cuts = (0..kept.len()).step_by(REPLAY_BYTES);
        cuts.map(move |start| {
            Frame::from_raw(kept.slice(start..kept.len().min(start + REPLAY_BYTES)))
        })
    }

    /// A copy of everything that is kept.
    pub fn copy(&self) -> Bytes {
        self.ring.iter().copied().collect()
    }
}

fn size(duration: Duration) -> usize {
    usize::try_from(bytes_in(duration)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(uplink: &Uplink) -> Vec<u8> {
        uplink.replay().flat_map(|frame| frame.to_raw()).collect()
    }

    #[test]
    fn an_open_turn_is_replayed_in_order_as_often_as_it_takes() {
        let mut uplink = Uplink::new(Duration::from_secs(1));
        let moment = size(LAST_MOMENT);
        let said: Vec<u8> = (0..=255).cycle().take(4_000).collect();
        for frame in said.chunks(160) {
            assert_eq!(uplink.keep(frame), 0);
        }
        assert_eq!(replayed(&uplink), said);
        assert_eq!(replayed(&uplink), said);
        uplink.close();
        assert_eq!(replayed(&uplink), said[said.len() - moment..]);
    }

    #[test]
    fn who_goes_on_before_the_answer_is_heard_is_still_in_the_same_turn() {
        let mut uplink = Uplink::new(Duration::from_secs(30));
        uplink.keep(&[1; 16_000]);
        uplink.answer();
        uplink.keep(&[2; 160]);
        assert!(uplink.is_answered());
        uplink.open();
        uplink.keep(&[3; 160]);
        let turn = [vec![1; 16_000], vec![2; 160], vec![3; 160]].concat();
        assert_eq!(replayed(&uplink), turn);
    }

    #[test]
    fn at_the_limit_the_oldest_goes_and_is_counted() {
        let mut uplink = Uplink::new(Duration::from_millis(40));
        let dropped: usize = (1..=5).map(|n| uplink.keep(&[n; 160])).sum();
        assert_eq!(dropped, 3 * 160);
        assert_eq!(replayed(&uplink), [vec![4; 160], vec![5; 160]].concat());
    }

    #[test]
    fn a_turn_begins_before_it_is_noticed() {
        let mut uplink = Uplink::new(Duration::from_secs(30));
        uplink.rest();
        for _ in 0..500 {
            assert_eq!(
                uplink.keep(&[1; 160]),
                0,
                "what nobody waits for is not lost"
            );
        }
        uplink.open();
        uplink.keep(&[2; 160]);
        assert_eq!(replayed(&uplink), [vec![1; 8_000], vec![2; 160]].concat());
    }
}
