//! The caller's audio on its way to a session: straight through while one takes it, else kept in a bounded ring.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::core::audio::{Frame, bytes_in};

/// Audio is flushed to a new session in pieces of this size: 200 ms.
const FLUSH_BYTES: usize = 1_600;

/// The ring of audio that no session has taken yet.
///
/// It holds raw copies, never slices of messages, and takes no memory while it is empty.
#[derive(Debug)]
pub(super) struct Uplink {
    ring: VecDeque<u8>,
    bytes_max: usize,
}

impl Uplink {
    /// A ring that keeps the last `uplink_max` of audio.
    pub(super) fn new(uplink_max: Duration) -> Self {
        let bytes_max = usize::try_from(bytes_in(uplink_max)).unwrap_or(usize::MAX);
        Self {
            ring: VecDeque::new(),
            bytes_max,
        }
    }

    /// Keeps a frame. At the limit the oldest audio goes, since the last words matter most; returns how many bytes went.
    pub(super) fn keep(&mut self, frame: &Frame) -> usize {
        self.ring.extend(frame.to_raw());
        let surplus = self.ring.len().saturating_sub(self.bytes_max);
        self.ring.drain(..surplus);
        surplus
    }

    /// Takes out everything that was kept, in order, in pieces of at most 200 ms.
    pub(super) fn flush(&mut self) -> impl Iterator<Item = Frame> + use<> {
        let kept = Bytes::from(Vec::from(std::mem::take(&mut self.ring)));
        let cuts = (0..kept.len()).step_by(FLUSH_BYTES);
        cuts.map(move |start| {
            Frame::from_raw(kept.slice(start..kept.len().min(start + FLUSH_BYTES)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_out_in_order_and_once() {
        let mut uplink = Uplink::new(Duration::from_secs(1));
        let said: Vec<u8> = (0..=255).cycle().take(4_000).collect();
        for frame in said.chunks(160) {
            assert_eq!(
                uplink.keep(&Frame::from_raw(Bytes::copy_from_slice(frame))),
                0
            );
        }
        let flushed: Vec<u8> = uplink.flush().flat_map(|frame| frame.to_raw()).collect();
        assert_eq!(flushed, said);
        assert_eq!(uplink.flush().count(), 0);
    }

    #[test]
    fn at_the_limit_the_oldest_goes_and_is_counted() {
        let mut uplink = Uplink::new(Duration::from_millis(40));
        let dropped: usize = (1..=5)
            .map(|n| uplink.keep(&Frame::from_raw(Bytes::from(vec![n; 160]))))
            .sum();
        assert_eq!(dropped, 3 * 160);
        let kept: Vec<u8> = uplink.flush().flat_map(|frame| frame.to_raw()).collect();
        assert_eq!(kept, [vec![4; 160], vec![5; 160]].concat());
    }
}
