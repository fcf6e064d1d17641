//! Messages after the tone: a folder beside the store, with one sealed file for each.
//!
//! It owns the form of the files, their names and what is done so that each is there as a whole or not at all: a file is
//! written under another name, synced, renamed, and the folder is synced. What is known of a message (who, when, how long) and
//! its sound are sealed apart, so that a list reads no sound; its words, once somebody has written them down, have a file beside it,
//! which goes with it. All of it blocks, and none of it knows the time. It must not
//! decide what becomes of a message: `server::messages` does. What is promised: [`crate::docs::messages`].

mod file;
mod record;
mod transcript;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use self::record::{MessageId, MessageRecord, MessageState};
pub use self::transcript::{TRANSCRIPT_BYTES_MAX, Transcript, TranscriptState};
use super::key::{KeyError, KeySource};
use super::records::CallerHash;
use super::sealer::Sealer;

/// What a file ends on while it is written: one that is found at the start was torn by the end of the process.
const UNFINISHED: &str = "tmp";

/// What the file of a message's words ends on.
const TRANSCRIPT: &str = "transcript";

/// Where messages are, and what they are sealed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivePlace {
    /// The folder; it is begun if it is not there.
    pub folder: PathBuf,
    /// The store whose key seals them.
    pub store: PathBuf,
    /// Where that key is.
    pub key: KeySource,
}

/// Why a message is not kept, or not read.
#[derive(Debug, thiserror::Error)]
pub enum MessageFault {
    /// The disk refuses.
    #[error("the folder of messages: {0}")]
    Disk(#[from] io::Error),
    /// There is no key to seal or open it with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file holds something else, or is sealed with another key.
    #[error("message {0} is damaged, or sealed with another key")]
    Damaged(MessageId),
    /// The file was written by a newer version.
    #[error("message {0} is of a newer version of ringback: go back to that version")]
    Newer(MessageId),
}

/// The messages that are kept.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// What is known of each, and how far it is.
    pub messages: BTreeMap<MessageId, (MessageRecord, MessageState)>,
    /// Why others cannot be read; they stay as they are.
    pub unreadable: Vec<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Archive {
    place: ArchivePlace,
    /// Found when it is first needed: it is made with the store.
    sealer: OnceLock<Sealer>,
}

impl Archive {
    /// The messages at this place. Nothing is looked at yet.
    pub const fn new(place: ArchivePlace) -> Self {
        Self {
            place,
            sealer: OnceLock::new(),
        }
    }

    /// Keeps a message, as [`MessageState::Waiting`]: after `Ok` it survives the end of the process and of the machine. After
    /// an error nothing of it is there.
    pub fn keep(&self, record: &MessageRecord, audio: &[u8]) -> Result<(), MessageFault> {
        let bytes = file::write(self.sealer()?, record, audio);
        let folder = &self.place.folder;
        if !folder.is_dir() {
            DirBuilder::new().mode(0o700).create(folder)?;
            sync(folder.parent().unwrap_or(Path::new("/")))?;
        }
        let path = self.path(record.id, MessageState::Waiting);
        let written = self.put(record.id, &path, &bytes);
        if written.is_err() {
            // The disk that refused may refuse this too, and the next start sweeps.
            fs::remove_file(&path).ok();
        }
        Ok(written?)
    }

    /// Keeps what is known of a message's words, in place of what was known before: after `Ok` it survives as a message does, after
    /// an error one of both is there. There must be the message.
    pub fn keep_transcript(
        &self,
        id: MessageId,
        transcript: &Transcript,
    ) -> Result<(), MessageFault> {
        let bytes = transcript::write(self.sealer()?, id, transcript);
        Ok(self.put(id, &self.transcript_path(id), &bytes)?)
    }

    /// What is known of a message's words; `None`: nobody has asked for them, or there is no such message.
    pub fn transcript(&self, id: MessageId) -> Result<Option<Transcript>, MessageFault> {
        match fs::read(self.transcript_path(id)) {
            Ok(bytes) => transcript::read(self.sealer()?, id, &bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What is kept. Sounds are not read.
    pub fn list(&self) -> Result<Kept, MessageFault> {
        let mut kept = Kept::default();
        for entry in self.entries()? {
            let Some((id, state)) = name_of(&entry?.path()) else {
                continue; // Unfinished, or none of ours.
            };
            match self.record(id, state) {
                Ok(Some(record)) => {
                    kept.messages.insert(id, (record, state));
                }
                Ok(None) => {} // It went, or went on, a moment ago.
                Err(fault) => kept.unreadable.push(fault.to_string()),
            }
        }
        Ok(kept)
    }

    /// A message with its sound, as µ-law; `None`: there is none of this name.
    pub fn read(
        &self,
        id: MessageId,
    ) -> Result<Option<(MessageRecord, MessageState, Vec<u8>)>, MessageFault> {
        for state in MessageState::ALL {
            match fs::read(self.path(id, state)) {
                Ok(bytes) => {
                    let (record, audio) = file::read(self.sealer()?, id, &bytes)?;
                    return Ok(Some((record, state, audio)));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Keeps how far a message is; `false`: it is gone.
    pub fn mark(
        &self,
        id: MessageId,
        from: MessageState,
        to: MessageState,
    ) -> Result<bool, MessageFault> {
        if !is_there(fs::rename(self.path(id, from), self.path(id, to)))? {
            return Ok(false);
        }
        sync(&self.place.folder)?;
        Ok(true)
    }

    /// Throws a message away, its words first; `false`: it was gone.
    pub fn remove(&self, id: MessageId) -> Result<bool, MessageFault> {
        let mut was_there = is_there(fs::remove_file(self.transcript_path(id)))?;
        for state in MessageState::ALL {
            was_there |= is_there(fs::remove_file(self.path(id, state)))?;
        }
        if was_there {
            sync(&self.place.folder)?;
        }
        Ok(was_there)
    }

    /// Throws away what was torn by the end of a process, and words whose message is gone; how much there was. Nobody else may be
    /// writing.
    pub fn sweep(&self) -> Result<usize, MessageFault> {
        let mut swept = 0;
        for entry in self.entries()? {
            let path = entry?.path();
            let is_torn = path.extension().is_some_and(|end| end == UNFINISHED);
            if (is_torn || self.is_orphan(&path)) && is_there(fs::remove_file(path))? {
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn is_orphan(&self, path: &Path) -> bool {
        let is_words = path.extension().is_some_and(|end| end == TRANSCRIPT);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let id = stem.and_then(MessageId::parse).filter(|_| is_words);
        id.is_some_and(|id| {
            let mut states = MessageState::ALL.into_iter();
            !states.any(|state| self.path(id, state).exists())
        })
    }

    /// How a caller is found again; of the number in the one form that it has everywhere (E.164).
    pub fn caller(&self, number: &str) -> Result<CallerHash, MessageFault> {
        Ok(self.sealer()?.caller(number))
    }

    /// Writes a file as a whole or not at all.
    fn put(&self, id: MessageId, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.place.folder.join(format!("{id}.{UNFINISHED}"));
        let written = write_new(&unfinished, bytes)
            .and_then(|()| fs::rename(&unfinished, path))
            .and_then(|()| sync(&self.place.folder));
        if written.is_err() {
            // If it is still there; else the next start sweeps.
            fs::remove_file(&unfinished).ok();
        }
        written
    }

    fn record(
        &self,
        id: MessageId,
        state: MessageState,
    ) -> Result<Option<MessageRecord>, MessageFault> {
        let mut head = Vec::new();
        let read = File::open(self.path(id, state))
            .and_then(|file| file.take(file::HEAD_BYTES_MAX).read_to_end(&mut head));
        if !is_there(read)? {
            return Ok(None);
        }
        file::read_record(self.sealer()?, id, &head).map(Some)
    }

    fn entries(&self) -> Result<impl Iterator<Item = io::Result<fs::DirEntry>>, MessageFault> {
        match fs::read_dir(&self.place.folder) {
            Ok(entries) => Ok(Some(entries).into_iter().flatten()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
            Err(error) => Err(error.into()),
        }
    }

    fn path(&self, id: MessageId, state: MessageState) -> PathBuf {
        let name = format!("{id}.{}", state.name());
        self.place.folder.join(name)
    }

    fn transcript_path(&self, id: MessageId) -> PathBuf {
        self.place.folder.join(format!("{id}.{TRANSCRIPT}"))
    }

    fn sealer(&self) -> Result<&Sealer, MessageFault> {
        if let Some(sealer) = self.sealer.get() {
            return Ok(sealer);
        }
        let key = self.place.key.find(&self.place.store, false)?;
        Ok(self.sealer.get_or_init(|| Sealer::new(&key)))
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name is on disk when its folder is.
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn is_there<T>(done: io::Result<T>) -> io::Result<bool> {
    match done {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn name_of(path: &Path) -> Option<(MessageId, MessageState)> {
    let id = MessageId::parse(path.file_stem()?.to_str()?)?;
    let state = MessageState::parse(path.extension()?.to_str()?)?;
    Some((id, state))
}

#[cfg(test)]
mod tests;
