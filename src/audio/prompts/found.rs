//! A recording, as it was found for an agent and a prompt.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::language::Language;
use super::store::Source;

/// A recording that an agent has for a prompt.
#[derive(Clone)]
pub struct Found {
    /// Its audio, in whole 20 ms frames of µ-law.
    pub audio: Bytes,
    /// Its words.
    pub text: Arc<str>,
    /// Where it comes from.
    pub source: Source,
    /// The language that it is in.
    pub language: Language,
}

/// Without the audio and the words.
impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Found({}, {})", self.source.name(), self.language)
    }
}
