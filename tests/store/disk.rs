//! A disk that can be told to be slow or full. It keeps a real file.

use std::fs::OpenOptions;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use redb::backends::FileBackend;
use redb::{BackendError, Builder, StorageBackend};
use ringback::store::SealingKey;
use ringback::store::embedded::{Medium, OpenFault, Opened};

/// What the disk is told.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    /// Syncs wait while it is.
    slow: Mutex<bool>,
    changed: Condvar,
    /// Writes fail while it is.
    pub(crate) full: AtomicBool,
    /// How often something was made durable.
    pub(crate) syncs: AtomicU64,
    /// Whether a sync waits now.
    pub(crate) waits: AtomicBool,
}

impl Weather {
    pub(crate) fn set_slow(&self, is_slow: bool) {
        *self.slow.lock().unwrap() = is_slow;
        self.changed.notify_all();
    }

    fn write(&self) -> io::Result<()> {
        let is_full = self.full.load(Ordering::SeqCst);
        if is_full {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut slow = self.slow.lock().unwrap();
        while *slow {
            self.waits.store(true, Ordering::SeqCst);
            slow = self.changed.wait(slow).unwrap();
        }
        self.waits.store(false, Ordering::SeqCst);
        self.syncs.fetch_add(1, Ordering::SeqCst);
        self.write()
    }
}

/// A file on that disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    pub(crate) weather: Arc<Weather>,
}

impl Disk {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            weather: Arc::default(),
        }
    }
}

impl Medium for Disk {
    fn open(&self) -> Result<Opened, OpenFault> {
        self.weather.write()?;
        let is_new = !self.path.exists();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&self.path)?;
        let backend = Backend {
            file: FileBackend::new(file).unwrap(),
            weather: Arc::clone(&self.weather),
        };
        let database = Builder::new().create_with_backend(backend);
        let database = database.map_err(|error| OpenFault::Torn(error.to_string()))?;
        let key = SealingKey::from_bytes([7; 32]);
        if is_new {
            Opened::begin(database, &key)
        } else {
            Opened::check(database, &key)
        }
    }
}

#[derive(Debug)]
struct Backend {
    file: FileBackend,
    weather: Arc<Weather>,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.weather.write()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.weather.sync()?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.weather.write()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
