//! The caller's audio as it reached the model: how much, from whom, in what order, how late.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::stamp::{BLOCK_BYTES, Stamp};

/// What a session received of callers' audio.
#[derive(Clone, Debug, PartialEq)]
pub struct Uplink {
    /// Messages of audio.
    pub appends: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that no stamp vouches for: the server changed or made them, or the caller does not stamp.
    pub unstamped_bytes: u64,
    /// What came of each call, by the call's number in the stamps; at most [`STREAMS_MAX`] calls, the first ones.
    pub streams: BTreeMap<u32, Stream>,
    /// From the caller's carrier to here, in microseconds, for every stamped block that left since the session was ready: what
    /// was said before had to wait.
    pub latency_us: Histogram<u32>,
    /// When the session was ready.
    ready: Duration,
    /// Audio since the last whole block: less than a block.
    carry: Vec<u8>,
}

/// What is later is as late as this.
const LATENCY_MAX: Duration = Duration::from_mins(1);

/// The most calls that one session tells apart: it should be one.
pub const STREAMS_MAX: usize = 64;

impl Uplink {
    pub(super) fn new() -> Self {
        Self {
            appends: 0,
            bytes: 0,
            unstamped_bytes: 0,
            streams: BTreeMap::new(),
            latency_us: Histogram::new(3).expect("three significant digits are allowed"),
            ready: Duration::ZERO,
            carry: Vec::new(),
        }
    }

    /// The session can hear from now on.
    pub(super) fn open(&mut self, now: Duration) {
        self.ready = now;
    }

    /// Takes the audio of one message.
    pub(super) fn append(&mut self, now: Duration, mut audio: &[u8]) {
        self.appends += 1;
        self.bytes += audio.len() as u64;
        while self.carry.is_empty()
            && let Some((block, rest)) = audio.split_at_checked(BLOCK_BYTES)
            && let Some(stamp) = Stamp::read(block)
        {
            self.note(now, &stamp);
            audio = rest;
        }
        if !audio.is_empty() {
            self.search(now, audio);
        }
    }

    /// The slow way: looks for stamps wherever they are.
    fn search(&mut self, now: Duration, audio: &[u8]) {
        let mut searched = std::mem::take(&mut self.carry);
        searched.extend_from_slice(audio);
        let mut rest = searched.as_slice();
        while let Some((begin, stamp)) = Stamp::find(rest) {
            self.note(now, &stamp);
            self.unstamped_bytes += begin as u64;
            rest = rest.get(begin + BLOCK_BYTES..).unwrap_or_default();
        }
        let passed = rest.len().saturating_sub(BLOCK_BYTES - 1);
        self.unstamped_bytes += passed as u64;
        let kept = searched.len() - rest.len() + passed;
        searched.drain(..kept);
        self.carry = searched;
    }

    fn note(&mut self, now: Duration, stamp: &Stamp) {
        if stamp.sent >= self.ready {
            let latency = now.saturating_sub(stamp.sent).min(LATENCY_MAX).as_micros();
            let latency = u64::try_from(latency).unwrap_or(u64::MAX).max(1);
            self.latency_us
                .record(latency)
                .expect("the histogram grows as it needs to");
        }
        if self.streams.len() < STREAMS_MAX || self.streams.contains_key(&stamp.stream) {
            let stream = self.streams.entry(stamp.stream).or_default();
            stream.note(stamp.block);
        }
    }
}

/// What came of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// The blocks that came, without overlap, in their order; at most [`RANGES_MAX`] ranges, later ones are not told apart.
    pub blocks: Vec<Range<u32>>,
    /// How many blocks came, each one counted once for every time.
    pub received: u64,
    /// How many of them had come before.
    pub repeated: u64,
    /// How many came after one that belongs behind them.
    pub out_of_order: u64,
    /// The block that came last.
    last: Option<u32>,
}

/// The most ranges of a [`Stream`]: a stream with more gaps than that is broken anyway.
pub const RANGES_MAX: usize = 4_096;

impl Stream {
    /// The blocks that are missing between the first and the last that came.
    pub fn missing(&self) -> u64 {
        let gaps = self.blocks.iter().zip(self.blocks.iter().skip(1));
        gaps.map(|(before, after)| u64::from(after.start.saturating_sub(before.end)))
            .sum()
    }

    /// How many different blocks came.
    pub fn distinct(&self) -> u64 {
        self.blocks.iter().map(|range| range.len() as u64).sum()
    }

    /// Whether all of these blocks came, once or more often.
    pub fn has_all(&self, blocks: Range<u32>) -> bool {
        let mut ranges = self.blocks.iter();
        blocks.is_empty() || ranges.any(|it| it.start <= blocks.start && blocks.end <= it.end)
    }

    /// Whether what came came in its order, and nothing twice.
    pub fn is_in_order(&self) -> bool {
        self.repeated == 0 && self.out_of_order == 0
    }

    fn note(&mut self, block: u32) {
        self.received += 1;
        if self.last.is_some_and(|last| block < last) {
            self.out_of_order += 1;
        }
        self.last = Some(block);
        // Nearly always it is the one after the last.
        if let Some(range) = self.blocks.last_mut()
            && range.end == block
        {
            range.end += 1;
            return;
        }
        let place = self.blocks.partition_point(|range| range.end < block);
        let has_room = self.blocks.len() < RANGES_MAX;
        match self.blocks.get_mut(place) {
            Some(range) if range.contains(&block) => self.repeated += 1,
            Some(range) if range.end == block => {
                range.end += 1;
                self.join(place);
            }
            Some(range) if range.start == block + 1 => range.start = block,
            Some(_) | None if has_room => self.blocks.insert(place, block..block + 1),
            Some(_) | None => {}
        }
    }

    /// Joins the range at `place` with the next one if they touch.
    fn join(&mut self, place: usize) {
        let next = self.blocks.get(place + 1).cloned();
        if let (Some(range), Some(next)) = (self.blocks.get_mut(place), next)
            && range.end == next.start
        {
            range.end = next.end;
            self.blocks.remove(place + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn stamped(blocks: impl IntoIterator<Item = u32>) -> Vec<u8> {
        blocks
            .into_iter()
            .flat_map(|block| {
                let mut audio = [0xff; BLOCK_BYTES];
                let stamp = Stamp {
                    stream: 5,
                    item: 0,
                    block,
                    sent: Duration::from_millis(1),
                };
                stamp.write(&mut audio);
                audio
            })
            .collect()
    }

    #[test]
    fn every_block_is_found_however_the_server_cuts_the_audio() {
        let audio = [vec![0x55; 40], stamped(0..50)].concat();
        for piece in [77, 160, 200, audio.len()] {
            let mut uplink = Uplink::new();
            for piece in audio.chunks(piece) {
                uplink.append(Duration::from_millis(4), piece);
            }
            assert_eq!(uplink.streams[&5].blocks, vec![0..50], "{piece}");
            assert_eq!(uplink.unstamped_bytes, 40, "{piece}");
            let latest = uplink.latency_us.max();
            assert!(uplink.latency_us.equivalent(latest, 3_000), "{piece}");
        }
    }

    #[test]
    fn gaps_repetitions_and_disorder_are_told_apart() {
        let mut uplink = Uplink::new();
        uplink.append(Duration::ZERO, &stamped([0, 1, 4, 3, 3, 6]));
        let stream = &uplink.streams[&5];
        assert_eq!(stream.blocks, vec![0..2, 3..5, 6..7]);
        assert_eq!(
            (stream.missing(), stream.repeated, stream.out_of_order),
            (2, 1, 1)
        );
    }

    proptest! {
        #[test]
        fn the_ranges_are_the_set_of_what_came(blocks in proptest::collection::vec(0_u32..40, 0..80)) {
            let mut stream = Stream::default();
            for &block in &blocks {
                stream.note(block);
            }
            let told: Vec<u32> = stream.blocks.iter().cloned().flatten().collect();
            let came: BTreeSet<u32> = blocks.iter().copied().collect();
            prop_assert_eq!(told, came.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(stream.distinct() + stream.repeated, stream.received);
        }
    }
}
