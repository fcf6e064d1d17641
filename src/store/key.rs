//! The key that a store is sealed with: given, or made once and kept beside the file.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};

/// How a key is written, for messages.
pub const KEY_FORM: &str = "32 bytes in base64, as `openssl rand -base64 32` prints them";

/// The one key of a store; others are derived from it. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey([u8; 32]);

impl SealingKey {
    /// A key of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key as it is written ([`KEY_FORM`]); `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim()).ok()?;
        bytes.try_into().ok().map(Self)
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn draw() -> Self {
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .expect("the kernel gives random bytes once it has booted");
        Self(bytes)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(_)")
    }
}

/// Where the key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Here.
    Given(SealingKey),
    /// In a file beside the store's, named like it with `.key` behind; made with the store.
    Beside,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store is there and its key is not.
    #[error(
        "{}: the key of the store is missing: bring the file back, or move the store away to begin a new one",
        path.display()
    )]
    Missing {
        /// The key's file.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("{}: holds no key; allowed: {KEY_FORM}", path.display())]
    Garbled {
        /// The key's file.
        path: PathBuf,
    },
    /// Others can read the file.
    #[error("{}: others may read it (mode {mode:03o}): run chmod 600 on it", path.display())]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// What everybody may do with it.
        mode: u32,
    },
    /// The disk refuses.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The key's file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl KeySource {
    /// The key of the store at `store`. It is made where there is neither store nor key.
    pub(super) fn find(&self, store: &Path, is_new: bool) -> Result<SealingKey, KeyError> {
        match self {
            Self::Given(key) => Ok(key.clone()),
            Self::Beside => {
                let path = path_beside(store);
                match read(&path)? {
                    Some(key) => Ok(key),
                    None if is_new => make(&path),
                    None => Err(KeyError::Missing { path }),
                }
            }
        }
    }
}

fn path_beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".key");
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<Option<SealingKey>, KeyError> {
    /// A longer file is no key.
    const BYTES_MAX: u64 = 256;
    let disk = |source| KeyError::Disk {
        path: path.to_owned(),
        source,
    };
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(disk(error)),
    };
    let mode = found.permissions().mode() & 0o777;
    let path = path.to_owned();
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path, mode });
    }
    if found.len() > BYTES_MAX {
        return Err(KeyError::Garbled { path });
    }
    let bytes = fs::read(&path).map_err(disk)?;
    let text = str::from_utf8(&bytes).ok();
    let key = text.and_then(SealingKey::parse);
    key.map(Some).ok_or(KeyError::Garbled { path })
}

/// The file is there, with all of it on disk, before anything is sealed with the key.
fn make(path: &Path) -> Result<SealingKey, KeyError> {
    let disk = |source| KeyError::Disk {
        path: path.to_owned(),
        source,
    };
    let key = SealingKey::draw();
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        writeln!(file, "{}", STANDARD.encode(key.0))?;
        file.sync_all()
    };
    write().map_err(disk)?;
    Ok(key)
}
