//! What was really played of each of the model's items, by the stamps in its audio.
//!
//! Owns the truth that a server's own book-keeping is measured against: how much of which item was played before it was cut, and
//! whether anything is missing, double or out of order. It reads stamps wherever the server has cut the audio.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use crate::{
    g711,
    stamp::{BLOCK_BYTES, Stamp},
};

/// Items of one call; what comes beyond is played but not kept.
const ITEMS_MAX: usize = 4_096;
/// Latencies of one call.
const LATENCIES_MAX: usize = 8_192;
/// Blocks of an item whose latency counts: its first two seconds.
const LATENCY_BLOCKS: u32 = 100;
/// Holes that are remembered by block, to tell late from double. A larger loss is counted all the same.
const HOLES_MAX: usize = 1_024;

/// One stamped item of the model's audio, as far as it was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayedItem {
    /// The session that it came from: the stream of its stamps.
    pub stream: u32,
    /// Its number in that session.
    pub item: u16,
    /// Bytes of it that were played, its unstamped rest of less than a block included.
    pub bytes_played: u64,
    /// Blocks that were received.
    pub blocks_received: u32,
    /// Blocks that began to play in an unbroken row from the first on.
    pub extent: u32,
    /// When it was first heard; `None` if it never was.
    pub first_played: Option<Duration>,
    /// When its first and its last block came.
    pub received: (Duration, Duration),
    /// A `clear` took some of it away.
    pub cut: bool,
    /// When the first of those came.
    pub cut_at: Option<Duration>,
    /// Blocks that were received after that `clear`.
    pub received_after_cut: u32,
    /// Blocks that were played after a later one.
    pub out_of_order: u32,
    /// Blocks that were played again.
    pub duplicated: u32,
    /// Blocks that were not played although a later one was.
    pub missing: u32,
    /// It was cut because its stream was lost: a server may well send the rest of it on the next one.
    lost: bool,
    /// The block that is expected next.
    next: u32,
    holes: BTreeSet<u32>,
}

#[cfg(test)]
impl PlayedItem {
    /// A second of the first item of a session, played from then on.
    pub(crate) fn of(stream: u32, at: Duration) -> Self {
        Self {
            stream,
            item: 1,
            bytes_played: 8_000,
            blocks_received: 50,
            extent: 50,
            first_played: Some(at),
            received: (at, at),
            cut: false,
            cut_at: None,
            received_after_cut: 0,
            out_of_order: 0,
            duplicated: 0,
            missing: 0,
            lost: false,
            next: 50,
            holes: BTreeSet::new(),
        }
    }
}

impl PlayedItem {
    /// How much of it was played.
    pub fn played(&self) -> Duration {
        g711::duration(usize::try_from(self.bytes_played).unwrap_or(usize::MAX))
    }

    /// A block of it begins to play.
    fn begin(&mut self, at: Duration, block: u32) {
        self.first_played.get_or_insert(at);
        if block == self.extent {
            self.extent += 1;
        }
        if block >= self.next {
            self.missing += block - self.next;
            let room = HOLES_MAX.saturating_sub(self.holes.len());
            self.holes.extend((self.next..block).take(room));
            self.next = block.saturating_add(1);
        } else if self.holes.remove(&block) {
            self.missing -= 1;
            self.out_of_order += 1;
        } else {
            self.duplicated += 1;
        }
    }
}

/// The stamped blocks of one call's downlink. Places count the bytes that the carrier plays, see
/// [`PlayOut::played`](super::play_out::PlayOut::played).
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) items: Vec<PlayedItem>,
    pub(super) latencies: Vec<Duration>,
    /// Bytes at the end of what came that may be the beginning of a block.
    tail: Vec<u8>,
    /// Blocks that have not been played to their end.
    blocks: VecDeque<Block>,
    /// The last block that was played, whose item's rest may follow.
    last: Option<Rest>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    place: u64,
    item: usize,
    number: u32,
    /// Bytes that are booked already.
    booked: u64,
    begun: bool,
}

/// Where an item's unstamped rest would be.
#[derive(Clone, Copy, Debug)]
struct Rest {
    item: usize,
    place: u64,
    booked: u64,
}

/// What a message's stamps say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamped {
    /// A stamp is in it.
    pub(super) any: bool,
    /// Some of it belongs to an item that was cut.
    pub(super) late: bool,
}

impl Ledger {
    /// Audio came, and will be played from `place` on.
    pub(super) fn receive(&mut self, now: Duration, place: u64, audio: &[u8]) -> Stamped {
        let mut stamped = Stamped::default();
        let mut place = place - self.tail.len() as u64;
        self.tail.extend_from_slice(audio);
        let mut done = 0;
        while let Some(rest) = self.tail.get(done..)
            && let Some((before, stamp)) = Stamp::find(rest)
        {
            place += before as u64;
            let late = self.book(now, place, stamp);
            stamped = Stamped {
                any: true,
                late: stamped.late | late,
            };
            place += BLOCK_BYTES as u64;
            done += before + BLOCK_BYTES;
        }
        // Less than a block may be the beginning of one.
        let kept = (self.tail.len() - done).min(BLOCK_BYTES - 1);
        self.tail.drain(..self.tail.len() - kept);
        stamped
    }

    /// All before `place` has been played, the last of it just before `until`.
    pub(super) fn play(&mut self, until: Duration, place: u64) {
        while let Some(block) = self.blocks.front_mut()
            && block.place < place
        {
            let played = (place - block.place).min(BLOCK_BYTES as u64);
            if let Some(item) = self.items.get_mut(block.item) {
                if !block.begun {
                    let since = usize::try_from(place - block.place).unwrap_or(usize::MAX);
                    item.begin(until.saturating_sub(g711::duration(since)), block.number);
                }
                item.bytes_played += played - block.booked;
            }
            (block.begun, block.booked) = (true, played);
            self.last = None;
            if played < BLOCK_BYTES as u64 {
                return;
            }
            self.last = Some(Rest {
                item: block.item,
                place: block.place + played,
                booked: 0,
            });
            self.blocks.pop_front();
        }
        self.play_rest(place);
    }

    /// The stream is gone, and with it what lies behind `place`.
    pub(super) fn lose(&mut self, until: Duration, place: u64) {
        self.play(until, place);
        for block in &self.blocks {
            if let Some(item) = self.items.get_mut(block.item) {
                item.lost = !item.cut || item.lost;
            }
        }
        self.cut(until, place);
    }

    /// What lies behind `place` was cleared away.
    pub(super) fn cut(&mut self, until: Duration, place: u64) {
        self.play(until, place);
        for block in self.blocks.drain(..) {
            if let Some(item) = self.items.get_mut(block.item) {
                item.cut = true;
                item.cut_at.get_or_insert(until);
            }
        }
        self.tail.clear();
        self.last = None;
    }

    fn book(&mut self, now: Duration, place: u64, stamp: Stamp) -> bool {
        if stamp.block < LATENCY_BLOCKS && self.latencies.len() < LATENCIES_MAX {
            self.latencies.push(now.saturating_sub(stamp.sent));
        }
        let Some(index) = self.item(now, stamp) else {
            return false;
        };
        self.blocks.push_back(Block {
            place,
            item: index,
            number: stamp.block,
            booked: 0,
            begun: false,
        });
        let item = self
            .items
            .get_mut(index)
            .expect("the place of an item that was just found");
        item.blocks_received += 1;
        item.received.1 = now;
        item.received_after_cut += u32::from(item.cut);
        item.cut && !item.lost
    }

    /// An item's rest of less than a block has no stamp: it is what follows its last block, up to the next.
    fn play_rest(&mut self, place: u64) {
        let Some(rest) = &mut self.last else {
            return;
        };
        let next = self.blocks.front().map_or(u64::MAX, |block| block.place);
        let played = place.min(next).saturating_sub(rest.place);
        // A whole block without a stamp is of something else, as what follows it.
        let played = if played < BLOCK_BYTES as u64 {
            played
        } else {
            rest.booked
        };
        if let Some(item) = self.items.get_mut(rest.item) {
            item.bytes_played += played.saturating_sub(rest.booked);
        }
        rest.booked = rest.booked.max(played);
    }

    /// The place of a stamp's item among the items; `None` when there is no room for more.
    fn item(&mut self, now: Duration, stamp: Stamp) -> Option<usize> {
        // It is nearly always one of the last.
        let known = self
            .items
            .iter()
            .rposition(|item| (item.stream, item.item) == (stamp.stream, stamp.item));
        if known.is_some() || self.items.len() >= ITEMS_MAX {
            return known;
        }
        self.items.push(PlayedItem {
            stream: stamp.stream,
            item: stamp.item,
            bytes_played: 0,
            blocks_received: 0,
            extent: 0,
            first_played: None,
            received: (now, now),
            cut: false,
            cut_at: None,
            received_after_cut: 0,
            out_of_order: 0,
            duplicated: 0,
            missing: 0,
            lost: false,
            next: 0,
            holes: BTreeSet::new(),
        });
        Some(self.items.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn blocks(item: u16, numbers: &[u32]) -> Vec<u8> {
        let mut audio = vec![0x40; numbers.len() * BLOCK_BYTES];
        for (block, &number) in audio.chunks_mut(BLOCK_BYTES).zip(numbers) {
            let sent = MS(1_000);
            let stamp = Stamp {
                stream: 1,
                item,
                block: number,
                sent,
            };
            stamp.write(block);
        }
        audio
    }

    fn feed(ledger: &mut Ledger, audio: &[u8], pieces: usize) {
        let mut place = 0;
        for piece in audio.chunks(pieces) {
            ledger.receive(MS(1_010), place, piece);
            place += piece.len() as u64;
        }
    }

    #[test]
    fn the_extent_is_exact_however_the_audio_was_cut() {
        for pieces in [1, 57, 160, 333, 100_000] {
            let mut audio = blocks(0, &[0, 1, 2]);
            audio.extend([0x40; 70]); // The item's rest.
            audio.extend(blocks(1, &[0, 1, 2, 3]));
            let mut ledger = Ledger::default();
            feed(&mut ledger, &audio, pieces);
            for place in 0..=770 {
                ledger.play(MS(2_000), place);
                let first: u64 = ledger.items[0].bytes_played;
                let second = ledger.items[1].bytes_played;
                assert_eq!(
                    (first, second),
                    (place.min(550), place.saturating_sub(550)),
                    "{pieces}"
                );
            }
            ledger.cut(MS(2_000), 780);
            assert_eq!(ledger.items[1].bytes_played, 230);
            assert_eq!((ledger.items[0].cut, ledger.items[1].cut), (false, true));
            assert_eq!((ledger.items[0].extent, ledger.items[1].extent), (3, 2));
            assert_eq!(ledger.latencies, [MS(10); 7]);
        }
    }

    #[test]
    fn an_item_that_was_cut_before_its_first_sound_is_known() {
        let mut ledger = Ledger::default();
        feed(&mut ledger, &blocks(5, &[0, 1]), 160);
        ledger.cut(MS(2_000), 0);
        assert_eq!(
            (ledger.items[0].bytes_played, ledger.items[0].cut),
            (0, true)
        );
        assert_eq!(ledger.items[0].first_played, None);
        let late = ledger.receive(MS(2_000), 0, &blocks(5, &[2]));
        assert_eq!(
            late,
            Stamped {
                any: true,
                late: true
            }
        );
        assert_eq!(ledger.items[0].received_after_cut, 1);
    }

    #[test]
    fn half_a_block_that_was_cut_is_never_completed() {
        let mut ledger = Ledger::default();
        ledger.receive(MS(1_010), 0, &blocks(0, &[0])[..80]);
        ledger.cut(MS(2_000), 40);
        let audio = blocks(1, &[0, 1]);
        ledger.receive(MS(2_010), 40, &audio);
        ledger.play(MS(3_000), 360);
        assert_eq!(ledger.items.len(), 1);
        assert_eq!(
            (ledger.items[0].item, ledger.items[0].bytes_played),
            (1, 320)
        );
    }

    #[test]
    fn what_is_missing_double_or_late_is_counted() {
        let mut ledger = Ledger::default();
        feed(&mut ledger, &blocks(0, &[0, 1, 5, 2, 5, 6]), 160);
        ledger.play(MS(2_000), u64::MAX);
        let item = &ledger.items[0];
        assert_eq!(
            (item.missing, item.out_of_order, item.duplicated),
            (2, 1, 1)
        );
        assert_eq!(item.extent, 3);
    }

    #[test]
    fn audio_without_stamps_belongs_to_no_item() {
        let mut ledger = Ledger::default();
        let mut audio = blocks(0, &[0]);
        audio.extend([0xff; 4_000]);
        feed(&mut ledger, &audio, 160);
        assert_eq!(
            ledger.receive(MS(2_000), 4_160, &[0xff; 160]),
            Stamped::default()
        );
        ledger.play(MS(2_000), 4_320);
        assert_eq!(ledger.items[0].bytes_played, 160);
    }
}
