//! Samples, where somebody needs them: what is played to a caller without a model, made ready beforehand.
//!
//! | file | owns |
//! |---|---|
//! | [`g711`] | µ-law bytes to samples and back |
//! | [`wav`] | the container: which files are taken, how ours are written |
//! | [`resample`] | 16 and 24 kHz down to the line's 8 kHz |
//! | [`loudness`] | level, silence at the ends, and what is fit to be played at all |
//! | `opus` | voices in a file that every browser plays (feature `opus`) |
//! | [`voice`] | what a message leaves the house as: Ogg Opus or WAV |
//! | [`prompts`] | the prompt cache: bundled recordings, those on disk, and whom they belong to |
//!
//! It must not be on the path of a call's frames (they are never decoded), and it must not decide when something is played:
//! [`crate::core::call`] does. Files are read when the server starts, never for a call.

pub mod g711;
pub mod loudness;
#[cfg(feature = "opus")]
pub mod opus;
pub mod prompts;
pub mod resample;
pub mod voice;
pub mod wav;
