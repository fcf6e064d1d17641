//! What was spoken, checked and stored: blocks on the disk, so it runs where that is allowed.

use std::path::Path;

use super::recite::Recited;
use crate::audio::prompts::store::{Key, Source, Store, StoreError, Stored};
use crate::audio::prompts::verify::{Refused, verify};

/// Why nothing was stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unpressed {
    /// It is not the text, or cannot be played.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The folder does not take it.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Stores what was spoken for this key, if it is that; what is in the folder then. Whatever was there before stays.
pub(super) fn press(store: &mut Store, key: &Key, recited: &Recited) -> Result<Stored, Unpressed> {
    let audio = verify(key, &recited.audio, &recited.said.0)?;
    if store.add_rendered(key, &audio)? {
        let source = Source::Rendered;
        let audio = audio.into();
        return Ok(Stored { audio, source });
    }
    // Somebody was faster, and theirs is as good.
    look(store.dir(), key)?.ok_or(Unpressed::Refused(Refused::OtherWords))
}

/// What is in the folder now, whoever put it there.
pub(super) fn look(dir: &Path, key: &Key) -> Result<Option<Stored>, StoreError> {
    Store::open(dir)?.get(key)
}
