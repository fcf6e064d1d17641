//! The tone before a message: 1 kHz for 300 ms, loud as speech is. It is made here, so that no language and no folder lacks it.

use bytes::Bytes;

/// One period: eight samples of a sine of 5,000 (-16 dBFS), as µ-law.
const PERIOD: [u8; 8] = [0xFF, 0xB3, 0xAB, 0xB3, 0xFF, 0x33, 0x2B, 0x33];

/// 300 ms: fifteen frames.
const PERIODS: usize = 300;

static TONE: [[u8; 8]; PERIODS] = [PERIOD; PERIODS];

/// The tone as raw µ-law.
pub(super) const fn audio() -> Bytes {
    Bytes::from_static(TONE.as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::audio::{FRAME_BYTES, duration_of, magnitude};
    use std::time::Duration;

    #[test]
    fn the_tone_is_as_long_and_as_loud_as_it_should_be() {
        let audio = audio();
        assert!(audio.len().is_multiple_of(FRAME_BYTES));
        assert_eq!(duration_of(audio.len() as u64), Duration::from_millis(300));
        let loudest = audio.iter().map(|&byte| magnitude(byte)).max();
        assert!(loudest.is_some_and(|loudest| (4_500..5_500).contains(&loudest)));
    }
}
