//! The one audio format on the way of a call: G.711 µ-law, 8 kHz, mono, one byte a sample.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};

/// Bytes of 20 ms: carriers play multiples of this without a stutter.
pub const FRAME_BYTES: usize = 160;

/// Bytes of one millisecond.
pub const BYTES_PER_MS: u64 = 8;

/// The µ-law byte of silence.
pub const SILENCE: u8 = 0xFF;

/// The magnitude of a µ-law sample, of 32,124 (ITU-T G.711).
pub fn magnitude(byte: u8) -> u32 {
    MAGNITUDES
        .get(usize::from(byte))
        .map_or(0, |&magnitude| u32::from(magnitude))
}

const MAGNITUDES: [u16; 256] = {
    let mut magnitudes = [0; 256];
    let mut byte = 0;
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "evaluated by the compiler; the greatest is 32,124"
    )]
    while byte < 256 {
        let code = !(byte as u32) & 0x7F;
        let (exponent, mantissa) = (code >> 4, code & 0x0F);
        magnitudes[byte] = ((((mantissa << 3) + 0x84) << exponent) - 0x84) as u16;
        byte += 1;
    }
    magnitudes
};

/// How long `bytes` of µ-law play.
pub const fn duration_of(bytes: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000) / BYTES_PER_MS)
}

/// How many bytes of µ-law play for `duration`, rounded down.
pub const fn bytes_in(duration: Duration) -> u64 {
    // A call is hours at most: the microseconds fit.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "584,000 years of microseconds fit into 64 bits"
    )]
    let micros = duration.as_micros() as u64;
    micros.saturating_mul(BYTES_PER_MS) / 1_000
}

/// Audio of up to this size is lent without taking memory. The decoder wants room for whole groups of three bytes.
const LENT_BYTES: usize = 1_602;

/// A stretch of µ-law audio: base64 as it came off a socket, or raw bytes.
///
/// Base64 is the form of the fast path: it is spliced from message to message and never decoded. It shares the memory of the
/// message that it came in; what is kept for longer than a moment is [`Frame::to_raw`], a copy.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    /// Valid standard base64 with padding, of at least one byte.
    Base64(Bytes),
    Raw(Bytes),
}

impl Frame {
    /// A frame from base64 text; `None` if it is empty or not standard base64 with padding.
    pub fn from_base64(text: Bytes) -> Option<Self> {
        is_base64(&text).then_some(Self(Form::Base64(text)))
    }

    /// A frame of raw µ-law bytes.
    pub const fn from_raw(bytes: Bytes) -> Self {
        Self(Form::Raw(bytes))
    }

    /// Bytes of µ-law in it.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Base64(text) => text.len() / 4 * 3 - padding(text),
            Form::Raw(bytes) => bytes.len(),
        }
    }

    /// Whether it holds no audio.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        duration_of(self.len() as u64)
    }

    /// Whether it is a whole number of 20 ms frames.
    pub fn is_aligned(&self) -> bool {
        self.len().is_multiple_of(FRAME_BYTES)
    }

    /// The µ-law bytes: decoded into memory of their own, or the raw bytes themselves.
    pub fn to_raw(&self) -> Bytes {
        match &self.0 {
            Form::Base64(text) => {
                // Exactly as long as needed, so that it becomes `Bytes` without a second allocation.
                let mut raw = vec![0; self.len()];
                STANDARD
                    .decode_slice(text, &mut raw)
                    .expect("base64 was checked when the frame was made, and its length is known");
                raw.into()
            }
            Form::Raw(bytes) => bytes.clone(),
        }
    }

    /// Lends the µ-law bytes to `look`: no memory is taken for up to 200 ms of audio.
    pub fn with_raw<R>(&self, look: impl FnOnce(&[u8]) -> R) -> R {
        match &self.0 {
            Form::Base64(text) => {
                let mut space = [0; LENT_BYTES];
                match STANDARD.decode_slice(text, &mut space) {
                    Ok(bytes) => look(space.get(..bytes).unwrap_or_default()),
                    // Longer than what is lent without memory.
                    Err(_) => look(&self.to_raw()),
                }
            }
            Form::Raw(bytes) => look(bytes),
        }
    }

    /// Shows the audio in pieces of some 20 ms, in order, for as long as `look` wants more; allocates nothing.
    pub fn look(&self, mut look: impl FnMut(&[u8]) -> ControlFlow<()>) {
        match &self.0 {
            Form::Base64(text) => {
                for symbols in text.chunks(FRAME_BYTES.div_ceil(3) * 4) {
                    let mut space = [0; FRAME_BYTES.div_ceil(3) * 3];
                    let bytes = STANDARD.decode_slice(symbols, &mut space).unwrap_or(0);
                    if look(space.get(..bytes).unwrap_or_default()).is_break() {
                        return;
                    }
                }
            }
            Form::Raw(bytes) => {
                for piece in bytes.chunks(FRAME_BYTES) {
                    if look(piece).is_break() {
                        return;
                    }
                }
            }
        }
    }

    /// Appends the base64 text to `out`: a splice where it came as base64.
    pub fn write_base64(&self, out: &mut BytesMut) {
        match &self.0 {
            Form::Base64(text) => out.extend_from_slice(text),
            Form::Raw(bytes) => {
                let start = out.len();
                let encoded = bytes.len().div_ceil(3) * 4;
                out.resize(start + encoded, 0);
                let written = out
                    .get_mut(start..)
                    .map(|space| STANDARD.encode_slice(bytes, space));
                assert!(
                    matches!(written, Some(Ok(n)) if n == encoded),
                    "base64 of n bytes has a known length"
                );
            }
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match &self.0 {
            Form::Base64(_) => "base64",
            Form::Raw(_) => "raw",
        };
        write!(f, "Frame({} bytes, {form})", self.len())
    }
}

fn padding(text: &[u8]) -> usize {
    text.iter().rev().take_while(|&&c| c == b'=').count()
}

/// Whether `text` is what [`STANDARD`] decodes, without decoding it.
fn is_base64(text: &[u8]) -> bool {
    let padding = padding(text);
    if text.is_empty() || !text.len().is_multiple_of(4) || padding > 2 {
        return false;
    }
    let (symbols, _) = text.split_at(text.len() - padding);
    let Some(&last) = symbols.last() else {
        return false;
    };
    // The bits of the last symbol that belong to no byte must be zero.
    let unused_bits = match padding {
        1 => 0b11,
        2 => 0b1111,
        _ => 0,
    };
    // No early exit: without it the compiler checks many symbols at once, and audio that is wrong is rare.
    let all_valid = symbols.iter().fold(true, |all, &c| all & is_symbol(c));
    all_valid && value_of(last) & unused_bits == 0
}

/// Whether `c` is one of the 64 symbols.
const fn is_symbol(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'+' || c == b'/'
}

const INVALID: u8 = 0xFF;

fn value_of(symbol: u8) -> u8 {
    VALUES.get(usize::from(symbol)).copied().unwrap_or(INVALID)
}

/// The value of each base64 symbol, or [`INVALID`].
const VALUES: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [INVALID; 256];
    let mut i = 0;
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "evaluated by the compiler"
    )]
    while i < alphabet.len() {
        values[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_check_accepts_exactly_what_the_decoder_decodes(text in "[A-Za-z0-9+/=]{0,12}|\\PC{0,8}") {
            let text = Bytes::from(text);
            let decodes = STANDARD.decode(&text).is_ok_and(|bytes| !bytes.is_empty());
            prop_assert_eq!(Frame::from_base64(text).is_some(), decodes);
        }

        #[test]
        fn both_forms_are_the_same_audio(bytes in proptest::collection::vec(any::<u8>(), 1..2_000)) {
            let raw = Frame::from_raw(Bytes::from(bytes));
            let mut text = BytesMut::new();
            raw.write_base64(&mut text);
            let encoded = Frame::from_base64(text.freeze()).unwrap();
            prop_assert_eq!(encoded.len(), raw.len());
            prop_assert_eq!(encoded.to_raw(), raw.to_raw());
            prop_assert!(encoded.with_raw(|lent| lent == &raw.to_raw()[..]));
            for frame in [&raw, &encoded] {
                let mut seen = Vec::new();
                frame.look(|piece| {
                    seen.extend_from_slice(piece);
                    ControlFlow::Continue(())
                });
                prop_assert_eq!(&seen, &raw.to_raw());
            }
        }
    }

    #[test]
    fn magnitudes_are_those_of_the_standard() {
        let known = [
            (0xFF, 0),
            (0x7F, 0),
            (0xEF, 132),
            (0x80, 32_124),
            (0x00, 32_124),
        ];
        for (byte, expected) in known {
            assert_eq!(magnitude(byte), expected, "{byte:#x}");
        }
    }

    #[test]
    fn durations_follow_from_lengths() {
        assert_eq!(duration_of(160), Duration::from_millis(20));
        assert_eq!(bytes_in(Duration::from_millis(20)), 160);
    }
}
