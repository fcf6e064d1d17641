//! The recordings on disk: one WAV file each, named by the text, the voice and the language that it is a recording of.
//!
//! Owns the folder's format. A file holds what it is named by, so that it can be checked, listened to and told without an
//! index beside it that could differ: the folder's names are the index. Files are written whole or not at all (a temporary
//! one, synced, then renamed). What is torn, of another version or not ours is refused with a sentence and never overwritten.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ring::digest::{Context, SHA256};

use super::language::Language;
use crate::audio::loudness::{self, Unfit};
use crate::audio::wav::{self, Tag, Wav, Wrong};
use crate::core::audio::FRAME_BYTES;

/// How many recordings a store may hold.
pub const FILES_MAX: usize = 65_536;

/// What writes the files, and the version of their form.
const WRITER: &str = "ringback prompt 1";
/// How the writer of any version begins.
const WRITER_OF_ANY: &str = "ringback prompt ";

const TAG_WRITER: Tag = *b"ISFT";
const TAG_TEXT: Tag = *b"ICMT";
const TAG_VOICE: Tag = *b"IART";
const TAG_LANGUAGE: Tag = *b"ILNG";
const TAG_SOURCE: Tag = *b"ISRC";

/// What a recording is of.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The words.
    pub text: String,
    /// The voice, as the provider names it; empty: the provider's own choice.
    pub voice: String,
    /// The language.
    pub language: Language,
}

/// Without the words.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Key({}, {}, {})",
            self.voice,
            self.language,
            self.file_name()
        )
    }
}

impl Key {
    /// The name of its file: half of a SHA-256 over its three parts, each after its length.
    pub fn file_name(&self) -> String {
        let mut hash = Context::new(&SHA256);
        for part in [&self.text, &self.voice, self.language.tag()] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finish();
        let half = digest.as_ref().first_chunk::<16>();
        let half = half.expect("a SHA-256 has 32 bytes");
        format!("{:032x}.wav", u128::from_be_bytes(*half))
    }
}

/// Where a recording comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// It is in the binary, in a voice of its own.
    Bundled,
    /// A model spoke it in the agent's voice.
    Rendered,
    /// An operator added it to the store.
    Imported,
    /// The agent's file names it.
    Recording,
}

impl Source {
    /// Its name in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::Rendered => "rendered",
            Self::Imported => "imported",
            Self::Recording => "recording",
        }
    }

    /// The source of a stored file.
    fn of_stored(name: &str) -> Option<Self> {
        [Self::Rendered, Self::Imported]
            .into_iter()
            .find(|source| source.name() == name)
    }
}

/// A recording of the store.
#[derive(Clone)]
pub struct Stored {
    /// Its audio, in whole 20 ms frames of µ-law.
    pub audio: Bytes,
    /// Where it comes from.
    pub source: Source,
}

/// Without the audio.
impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Stored({} bytes, {})",
            self.audio.len(),
            self.source.name()
        )
    }
}

/// Why a store, or a file of it, is not used. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or a file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no audio that we could play.
    #[error("{}: {wrong}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        wrong: Wrong,
    },
    /// It can be read, and must not be played.
    #[error("{}: {unfit}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not.
        unfit: Unfit,
    },
    /// It is not one of ours.
    #[error("{}: {what}; it is left alone: move it away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// There is no room for one more.
    #[error("{} holds {FILES_MAX} recordings, and more are not allowed", .0.display())]
    Full(PathBuf),
}

/// What became of a recording that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// It took the place of an earlier one of the same words, voice and language.
    Replaced,
}

/// A folder of recordings.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    /// The names of its files, at most [`FILES_MAX`].
    names: BTreeSet<String>,
    /// The WAV files in it that cannot be ours, by their names; the first few.
    foreign: Vec<PathBuf>,
}

/// More foreign files than these are not told one by one.
const FOREIGN_MAX: usize = 8;

impl Store {
    /// Looks what is in the folder. One that does not exist is empty: it is made when something is added.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let mut store = Self {
            dir: dir.to_owned(),
            names: BTreeSet::new(),
            foreign: Vec::new(),
        };
        let wrong = |source| io_error(dir, source);
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(store),
            Err(error) => return Err(wrong(error)),
        };
        for entry in entries {
            let path = entry.map_err(wrong)?.path();
            if path.extension().is_none_or(|extension| extension != "wav") || !path.is_file() {
                continue;
            }
            match path.file_name().and_then(|name| name.to_str()) {
                Some(name) if is_file_name(name) => {
                    if store.names.len() >= FILES_MAX {
                        return Err(StoreError::Full(dir.to_owned()));
                    }
                    store.names.insert(name.to_owned());
                }
                Some(_) | None if store.foreign.len() < FOREIGN_MAX => store.foreign.push(path),
                Some(_) | None => {}
            }
        }
        store.foreign.sort();
        Ok(store)
    }

    /// Whether it holds no recording.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The WAV files of the folder that cannot be ours; the first few.
    pub fn foreign(&self) -> &[PathBuf] {
        &self.foreign
    }

    /// The recording of this key, if there is one.
    pub fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let name = key.file_name();
        if !self.names.contains(&name) {
            return Ok(None);
        }
        read(&self.dir.join(name), key).map(Some)
    }

    /// Adds a recording, prepared as [`loudness::prepare`] does it. It is on disk when this comes back.
    pub fn add(&mut self, key: &Key, audio: &[u8], source: Source) -> Result<Added, StoreError> {
        let name = key.file_name();
        let path = self.dir.join(&name);
        let there = match path.symlink_metadata() {
            // Only what is certainly its predecessor may be overwritten.
            Ok(_) => Some(read(&path, key)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error(&path, error)),
        };
        if there.is_none() && self.names.len() >= FILES_MAX {
            return Err(StoreError::Full(self.dir.clone()));
        }
        let info = [
            (TAG_WRITER, WRITER),
            (TAG_TEXT, &key.text),
            (TAG_VOICE, &key.voice),
            (TAG_LANGUAGE, key.language.tag()),
            (TAG_SOURCE, source.name()),
        ];
        let file = wav::write_mulaw(audio, &info);
        fs::create_dir_all(&self.dir).map_err(|error| io_error(&self.dir, error))?;
        write_whole(&self.dir, &path, &file).map_err(|error| io_error(&path, error))?;
        self.names.insert(name);
        Ok(there.map_or(Added::New, |_| Added::Replaced))
    }

    /// Adds what a model spoke, as [`Self::add`] does, unless something is there: that stays, for somebody chose it. `false`: it does.
    pub fn add_rendered(&mut self, key: &Key, audio: &[u8]) -> Result<bool, StoreError> {
        let path = self.dir.join(key.file_name());
        if path.symlink_metadata().is_ok() {
            // What is torn or not ours is an error: it would be no recording of these words.
            return read(&path, key).map(|_| false);
        }
        self.add(key, audio, Source::Rendered).map(|_| true)
    }
}

/// Reads a file and holds it against what it should be.
fn read(path: &Path, key: &Key) -> Result<Stored, StoreError> {
    let wrong = |wrong| StoreError::Wrong {
        path: path.to_owned(),
        wrong,
    };
    let foreign = |what| StoreError::Foreign {
        path: path.to_owned(),
        what,
    };
    let bytes = wav::read_bytes(path).map_err(wrong)?;
    let wav = Wav::parse(&bytes).map_err(wrong)?;
    match wav.info(TAG_WRITER) {
        Some(WRITER) => {}
        Some(writer) if writer.starts_with(WRITER_OF_ANY) => {
            return Err(foreign("was written by another version of ringback"));
        }
        Some(_) | None => return Err(foreign("was not written by ringback")),
    }
    let is_of_key = wav.info(TAG_TEXT) == Some(&key.text)
        && wav.info(TAG_VOICE) == Some(&key.voice)
        && wav.info(TAG_LANGUAGE) == Some(key.language.tag());
    if !is_of_key {
        return Err(foreign(
            "holds other words, voice or language than its name says",
        ));
    }
    let source = wav.info(TAG_SOURCE).and_then(Source::of_stored);
    let source = source.ok_or_else(|| foreign("does not say where it comes from"))?;
    let audio = wav.mulaw().ok_or_else(|| foreign("is not in µ-law"))?;
    let longest = loudness::DURATION_MAX + 2 * loudness::MARGIN;
    let is_whole = !audio.is_empty() && audio.len().is_multiple_of(FRAME_BYTES);
    if !is_whole || crate::core::audio::duration_of(audio.len() as u64) > longest {
        return Err(foreign("is not in whole frames, or too long"));
    }
    Ok(Stored {
        audio: Bytes::copy_from_slice(audio),
        source,
    })
}

/// Writes a file so that its name never stands for a part of it, not even after a loss of power.
fn write_whole(dir: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    // Another process that adds at the same time has a name of its own.
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        // What is told is why it could not be written.
        fs::remove_file(&temporary).ok();
    }
    renamed?;
    File::open(dir)?.sync_all()
}

/// Whether this can be the name of one of our files.
fn is_file_name(name: &str) -> bool {
    let hash = name.strip_suffix(".wav").unwrap_or_default();
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    hash.len() == 32 && hash.bytes().all(is_hex)
}

fn io_error(path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
