//! Stamps in audio: who sent this 20 ms block, where it belongs and when it left, carried in the lowest bits of its samples.
//!
//! A server that passes payloads on unchanged carries the stamps through, so loss, order, latency and the extent of what was
//! played are measured exactly, whatever the server. The lowest bit of a µ-law byte is one quantisation step: the audio sounds
//! as before. A server that re-encodes destroys them, and then says so by their absence.

use std::time::Duration;

/// Bytes of µ-law in a stamped block: 20 ms.
pub const BLOCK_BYTES: usize = 160;

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Who sent it: a call's number on the way up, a session's on the way down; 24 bits.
    pub stream: u32,
    /// The item that it belongs to (on the way up: 0).
    pub item: u16,
    /// Its place in the item, in blocks; 24 bits.
    pub block: u32,
    /// When it left its sender, since the beginning of the run: microseconds in 40 bits, 12 days.
    pub sent: Duration,
}

const MAGIC: u64 = 0x5b1e;
/// Width of each field in bits, in the order in which they are written; the checksum follows.
const WIDTHS: [u32; 5] = [16, 24, 16, 24, 40];

impl Stamp {
    /// Writes the stamp into the lowest bits of `block`; does nothing to a block that is too short.
    pub fn write(&self, block: &mut [u8]) {
        if block.len() < BLOCK_BYTES {
            return;
        }
        let fields = self.fields();
        let bits = fields
            .iter()
            .zip(WIDTHS)
            .flat_map(|(&value, width)| bits_of(value, width));
        let bits = bits.chain(bits_of(checksum(&fields), 16));
        for (byte, bit) in block.iter_mut().zip(bits) {
            *byte = (*byte & !1) | bit;
        }
    }

    /// Reads the stamp of a block; `None` if it has none.
    pub fn read(block: &[u8]) -> Option<Self> {
        if block.len() < BLOCK_BYTES {
            return None;
        }
        let mut bits = block.iter().map(|byte| u64::from(byte & 1));
        let mut take =
            |width: u32| (0..width).fold(0, |value, _| value << 1 | bits.next().unwrap_or(0));
        let fields = WIDTHS.map(&mut take);
        let sum = take(16);
        let [magic, stream, item, block, sent] = fields;
        (magic == MAGIC && sum == checksum(&fields)).then(|| Self {
            stream: u32::try_from(stream).unwrap_or_default(),
            item: u16::try_from(item).unwrap_or_default(),
            block: u32::try_from(block).unwrap_or_default(),
            sent: Duration::from_micros(sent),
        })
    }

    /// The first stamp in a stretch of audio that is not cut into blocks, and the byte where its block begins.
    ///
    /// A block of which less than the whole is there is not found: look again from [`BLOCK_BYTES`]` - 1` before the end when
    /// more came. A stretch without stamps costs one pass.
    pub fn find(audio: &[u8]) -> Option<(usize, Self)> {
        let mut seen = 0_u64;
        for (place, byte) in audio.iter().enumerate() {
            seen = (seen << 1 | u64::from(byte & 1)) & 0xffff;
            if seen != MAGIC {
                continue;
            }
            // The last byte of the mark is the sixteenth of its block.
            let Some(begin) = place.checked_sub(15) else {
                continue;
            };
            if let Some(stamp) = audio.get(begin..).and_then(Self::read) {
                return Some((begin, stamp));
            }
        }
        None
    }

    fn fields(&self) -> [u64; 5] {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "40 bits are kept of it below"
        )]
        let micros = self.sent.as_micros() as u64;
        [
            MAGIC,
            u64::from(self.stream) & 0xff_ffff,
            u64::from(self.item),
            u64::from(self.block) & 0xff_ffff,
            micros & 0xff_ffff_ffff,
        ]
    }
}

fn bits_of(value: u64, width: u32) -> impl Iterator<Item = u8> {
    (0..width)
        .rev()
        .map(move |shift| u8::from(value >> shift & 1 == 1))
}

/// Sixteen bits that depend on all of the fields (FNV-1a, folded).
fn checksum(fields: &[u64]) -> u64 {
    let hash = fields
        .iter()
        .flat_map(|field| field.to_be_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48) & 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_and_noise_is_none() {
        let mut block: Vec<u8> = (0..BLOCK_BYTES)
            .map(|i| u8::try_from(i * 7 % 256).unwrap())
            .collect();
        assert_eq!(Stamp::read(&block), None);
        let stamp = Stamp {
            stream: 77,
            item: 3,
            block: 1_000_000,
            sent: Duration::from_micros(987_654_321_012),
        };
        stamp.write(&mut block);
        assert_eq!(Stamp::read(&block), Some(stamp));
        block[40] ^= 1;
        assert_eq!(Stamp::read(&block), None, "a damaged stamp is no stamp");
    }

    #[test]
    fn a_stamp_is_found_wherever_the_audio_was_cut() {
        let stamp = Stamp {
            stream: 1,
            item: 2,
            block: 3,
            sent: Duration::from_secs(4),
        };
        for before in [0, 1, 15, 16, 159, 160, 777] {
            let mut audio = vec![0x5b; before];
            audio.extend([0xff; BLOCK_BYTES]);
            stamp.write(&mut audio[before..]);
            assert_eq!(Stamp::find(&audio), Some((before, stamp)), "{before}");
            audio.pop();
            assert_eq!(Stamp::find(&audio), None, "{before}, cut short");
        }
    }
}
