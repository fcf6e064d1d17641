//! A voice as a file that leaves the house: Ogg Opus with the feature `opus`, else µ-law WAV.
//!
//! What is kept is the line's own µ-law; a file is made of it when somebody wants one. It must not be on the path of a call.

use super::wav;

/// A sound in a container.
#[derive(Clone, PartialEq, Eq)]
pub struct VoiceFile {
    /// All of the file.
    pub bytes: Vec<u8>,
    /// What it is, as browsers call it.
    pub media_type: &'static str,
    /// What its name ends on.
    pub extension: &'static str,
}

impl VoiceFile {
    /// A file of this µ-law audio. Where the codec refuses, it is a WAV.
    pub fn of_mulaw(audio: &[u8]) -> Self {
        #[cfg(feature = "opus")]
        match super::opus::write_mulaw(audio) {
            Ok(bytes) => {
                return Self {
                    bytes,
                    media_type: super::opus::MEDIA_TYPE,
                    extension: super::opus::EXTENSION,
                };
            }
            Err(error) => tracing::error!(%error, "a message is a WAV, since there is no Opus"),
        }
        Self {
            bytes: wav::write_mulaw(audio, &[]),
            media_type: "audio/wav",
            extension: "wav",
        }
    }
}

/// Without the sound.
impl std::fmt::Debug for VoiceFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "VoiceFile({}, {} bytes)",
            self.media_type,
            self.bytes.len()
        )
    }
}
