//! Where the database is, how it is begun and opened, and what is said when that fails.
//!
//! A file that exists is never begun anew, however it looks: an empty, torn or foreign one is refused with a sentence. A new
//! one gets its name only once all of it is on disk.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, Database, DatabaseError, ReadableDatabase as _, StorageError, TableError};

use super::tables::{META, make_all};
use crate::store::error::StoreError;
use crate::store::key::{KeyError, KeySource, SealingKey};
use crate::store::sealer::Sealer;

/// The form of the file as a whole: which tables there are and what their keys mean.
const FORM: u8 = 1;

/// What every file of redb begins with.
const MAGIC: &[u8; 4] = b"redb";

/// How much of the file is kept in memory.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Where a database is. A file, or in tests whatever behaves like a bad one.
pub trait Medium: fmt::Debug + Send + Sync {
    /// Opens it. Called again after the disk has failed, and never while it is open.
    fn open(&self) -> Result<Opened, OpenFault>;
}

/// A database that is open and ours.
#[derive(Debug)]
pub struct Opened {
    pub(super) database: Database,
    pub(super) sealer: Arc<Sealer>,
}

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// Its key cannot be had.
    #[error("its key cannot be had: {0}")]
    Key(#[from] KeyError),
    /// It is torn.
    #[error(
        "the file is torn ({0}); it was left as it is: bring back a copy, or move it away to begin a new one, \
         without the promises in it"
    )]
    Torn(String),
    /// It is something else.
    #[error("this is no store of ringback; it was left as it is: name another file")]
    Foreign,
    /// A newer version wrote it.
    #[error(
        "a newer version of ringback wrote it (form {0}, this version knows up to {FORM}): go back to that version"
    )]
    Newer(u8),
    /// Another key sealed it.
    #[error("it is sealed with another key than this one: bring that key back")]
    WrongKey,
    /// Another process has it.
    #[error("another process has it open: one store serves one process")]
    InUse,
    /// The disk refuses.
    #[error("the disk refuses: {0}")]
    Disk(#[from] io::Error),
}

impl OpenFault {
    /// Whether it may pass by itself: a full or read-only disk, a folder that is not mounted. All else needs a person.
    pub fn is_disk(&self) -> bool {
        match self {
            Self::Disk(_) | Self::Key(KeyError::Disk { .. }) => true,
            Self::Key(_)
            | Self::Torn(_)
            | Self::Foreign
            | Self::Newer(_)
            | Self::WrongKey
            | Self::InUse => false,
        }
    }
}

impl Opened {
    /// Makes the tables in an empty database and seals it with this key.
    pub fn begin(database: Database, key: &SealingKey) -> Result<Self, OpenFault> {
        let sealer = Arc::new(Sealer::new(key));
        let begin = || -> Result<(), StoreError> {
            let txn = database.begin_write()?;
            make_all(&txn)?;
            let mut meta = txn.open_table(META)?;
            meta.insert("form", [FORM].as_slice())?;
            meta.insert("key", sealer.fingerprint().to_be_bytes().as_slice())?;
            drop(meta);
            txn.commit()?;
            Ok(())
        };
        begin().map_err(of_begin)?;
        Ok(Self { database, sealer })
    }

    /// Checks that the database is one of ours, of a form that we know, and sealed with this key.
    pub fn check(database: Database, key: &SealingKey) -> Result<Self, OpenFault> {
        let sealer = Arc::new(Sealer::new(key));
        let value = |name: &str| -> Result<Option<Vec<u8>>, OpenFault> {
            let txn = database.begin_read().map_err(StoreError::from);
            let meta = match txn.map_err(of_begin)?.open_table(META) {
                Ok(meta) => meta,
                Err(TableError::Storage(error)) => return Err(of_begin(error.into())),
                Err(_) => return Err(OpenFault::Foreign), // A database of somebody else.
            };
            let found = meta.get(name).map_err(|error| of_begin(error.into()))?;
            Ok(found.map(|found| found.value().to_vec()))
        };
        match value("form")?.as_deref() {
            Some([FORM]) => {}
            Some([form]) if *form > FORM => return Err(OpenFault::Newer(*form)),
            Some(_) | None => return Err(OpenFault::Foreign),
        }
        if value("key")?.as_deref() != Some(&sealer.fingerprint().to_be_bytes()) {
            return Err(OpenFault::WrongKey);
        }
        Ok(Self { database, sealer })
    }
}

fn of_begin(error: StoreError) -> OpenFault {
    if let StoreError::Disk(what) = error {
        OpenFault::Disk(io::Error::other(what))
    } else {
        OpenFault::Torn(error.to_string())
    }
}

/// A file, and where its key is.
#[derive(Clone, Debug)]
pub struct StoreFile {
    path: PathBuf,
    key: KeySource,
}

impl StoreFile {
    /// The file at `path`, which is begun at the first opening if it is not there. Its folder must be.
    pub const fn new(path: PathBuf, key: KeySource) -> Self {
        Self { path, key }
    }

    fn begin(&self, key: &SealingKey) -> Result<(), OpenFault> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".new-{}", std::process::id()));
        let unnamed = PathBuf::from(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unnamed)?;
        let begun = open_file(file).and_then(|database| {
            let opened = Opened::begin(database, key)?;
            opened.database.close().map_err(of_open)?;
            // Unlike a renaming, this does not replace what another process may have begun meanwhile.
            fs::hard_link(&unnamed, &self.path)?;
            sync_folder(&self.path)?;
            Ok(())
        });
        let removed = fs::remove_file(&unnamed);
        begun?;
        Ok(removed?)
    }
}

impl Medium for StoreFile {
    fn open(&self) -> Result<Opened, OpenFault> {
        let is_new = match fs::metadata(&self.path) {
            Ok(found) if found.len() == 0 => return Err(OpenFault::Torn("it is empty".into())),
            Ok(_) => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(error.into()),
        };
        let key = self.key.find(&self.path, is_new)?;
        if is_new {
            self.begin(&key)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        let mut magic = [0; MAGIC.len()];
        match file.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => {}
            Ok(()) => return Err(OpenFault::Foreign),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(OpenFault::Foreign);
            }
            Err(error) => return Err(error.into()),
        }
        Opened::check(open_file(file)?, &key)
    }
}

/// Memory alone: what is kept goes with the process. Opened anew, it is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory;

impl Medium for Memory {
    fn open(&self) -> Result<Opened, OpenFault> {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.create_with_backend(InMemoryBackend::new());
        Opened::begin(database.map_err(of_open)?, &SealingKey::draw())
    }
}

/// Opens a file, all of which is read and checked: it is better to be late by a second than to find the damage in a call.
fn open_file(file: File) -> Result<Database, OpenFault> {
    let open = || {
        let mut builder = Builder::new();
        builder
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create_with_backend(FileBackend::new(file)?)
    };
    // redb may panic at a file that nobody but a broken disk could have written.
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(opened) => opened.map_err(of_open),
        Err(_) => Err(OpenFault::Torn("it cannot be made sense of".into())),
    }
}

fn of_open(error: DatabaseError) -> OpenFault {
    // Theirs: the errors, and the kinds, grow with every version.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "foreign, non-exhaustive enums"
    )]
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenFault::InUse
        }
        DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                OpenFault::Torn(error.to_string())
            }
            _ => OpenFault::Disk(error),
        },
        other => OpenFault::Torn(other.to_string()),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
