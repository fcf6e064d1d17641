//! G.711 µ-law: what a telephone line carries, one byte a sample, 8,000 a second.
//!
//! Owns the two conversions and nothing else. Files are [`wav`](crate::wav)'s, speech is [`listen`](crate::listen)'s.

use std::time::Duration;

/// Samples, and bytes, in a second.
pub const RATE: u32 = 8_000;

/// The byte of a silent sample.
pub const SILENCE: u8 = 0xff;

/// How long so many bytes sound.
pub fn duration(bytes: usize) -> Duration {
    Duration::from_micros(u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(125))
}

/// How many bytes sound for so long, rounded down.
pub fn bytes_in(duration: Duration) -> usize {
    usize::try_from(duration.as_micros() / 125).unwrap_or(usize::MAX)
}

/// The sample that a byte stands for, 16 bits.
pub fn decode(byte: u8) -> i16 {
    #[expect(
        clippy::indexing_slicing,
        reason = "a byte is below the table's 256 entries"
    )]
    DECODED[usize::from(byte)]
}

/// The byte that stands for a sample: the nearest below it in size.
pub fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let size = sample.unsigned_abs().min(CLIP) + BIAS;
    // The bias sets bit 7 at least, the clip keeps bit 15 clear: eight segments, named by the highest bit.
    let segment = 8 - size.leading_zeros().min(8);
    let step = (size >> (segment + 3)) & 0x0f;
    let code = sign | u8::try_from(segment << 4).unwrap_or(0x70) | step.to_le_bytes()[0];
    !code
}

/// Added to a sample's size so that its segment is the place of its highest bit.
const BIAS: u16 = 0x84;
/// The largest size that can be told.
const CLIP: u16 = 32_635;

static DECODED: [i16; 256] = decoded();

#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "evaluated at compile time over 0..256, where a bad value does not compile"
)]
const fn decoded() -> [i16; 256] {
    let mut table = [0_i16; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8) as i32;
        let size = ((((bits & 0x0f) << 3) + BIAS as i32) << ((bits & 0x70) >> 4)) - BIAS as i32;
        table[code] = if bits & 0x80 == 0 { size } else { -size } as i16;
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_and_every_sample_comes_close() {
        for byte in 0..=u8::MAX {
            // There are two zeros; the negative one is written as the positive.
            let expected = if byte == 0x7f { SILENCE } else { byte };
            assert_eq!(encode(decode(byte)), expected, "{byte:#x}");
        }
        for sample in i16::MIN..=i16::MAX {
            let error = i32::from(decode(encode(sample))) - i32::from(sample);
            assert!(error.abs() <= 8 + i32::from(sample).abs() / 16, "{sample}");
        }
        assert_eq!((decode(0x00), decode(0x80)), (-32_124, 32_124));
    }

    #[test]
    fn time_and_bytes_agree() {
        assert_eq!(duration(160), Duration::from_millis(20));
        assert_eq!(bytes_in(Duration::from_micros(20_100)), 160);
    }
}
