//! G.711 µ-law: a byte for a sample of 14 bits, as a telephone line has it.
//!
//! Owns the two conversions. The audio of a call passes through neither of them.

/// Samples, and bytes, in a second.
pub const RATE: u32 = 8_000;

/// The largest sample that µ-law can tell; more is clipped.
pub const SAMPLE_MAX: i16 = 32_124;

/// Added to a sample's size, so that its highest bit names the segment.
const BIAS: u16 = 132;

/// The largest size whose biased form keeps to 15 bits.
const SIZE_MAX: u16 = 32_635;

/// The sample that a byte stands for.
pub fn decode(byte: u8) -> i16 {
    DECODED.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The byte that stands for a sample. Every byte but one of the two zeros comes back from its own sample.
pub fn encode(sample: i16) -> u8 {
    let size = sample.unsigned_abs().min(SIZE_MAX) + BIAS;
    let segment = size.ilog2() - 7;
    let step = (size >> (segment + 3)) & 0x0F;
    let [step, _] = step.to_le_bytes();
    let [segment, ..] = (segment << 4).to_le_bytes();
    let sign = if sample.is_negative() { 0x80 } else { 0 };
    !(sign | segment | step)
}

static DECODED: [i16; 256] = {
    let mut samples = [0; 256];
    let mut byte = 0;
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "evaluated by the compiler"
    )]
    while byte < 256 {
        let code = !(byte as u8);
        let step = ((code & 0x0F) as u16) << 3;
        let size = ((step + BIAS) << ((code >> 4) & 0x07)) - BIAS;
        samples[byte] = if code < 0x80 {
            size as i16
        } else {
            -(size as i16)
        };
        byte += 1;
    }
    samples
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::audio::SILENCE;

    #[test]
    fn a_byte_comes_back_from_its_sample_and_a_sample_comes_close() {
        for byte in 0..=u8::MAX {
            // The negative zero becomes the positive one.
            let expected = if byte == 0x7F { SILENCE } else { byte };
            assert_eq!(encode(decode(byte)), expected, "{byte:#04x}");
        }
        for sample in i16::MIN..=i16::MAX {
            let error = (i32::from(sample) - i32::from(decode(encode(sample)))).abs();
            assert!(error <= 8 + i32::from(sample).abs() / 16, "{sample}");
        }
    }

    #[test]
    fn the_ends_of_the_scale_are_those_of_the_standard() {
        assert_eq!(decode(SILENCE), 0);
        assert_eq!((decode(0x80), decode(0x00)), (SAMPLE_MAX, -SAMPLE_MAX));
        assert_eq!((encode(i16::MAX), encode(i16::MIN)), (0x80, 0x00));
    }
}
