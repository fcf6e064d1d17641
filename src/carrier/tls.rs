//! Who we are to carriers, where no proxy brings TLS: a certificate and its key, from files that may be renewed at any time.
//!
//! It owns what is wrong with such a pair, and which one new connections are shown ([`Identity`]). It must not watch the files
//! and knows no clock: the server does. Connections keep the certificate that they began with.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    CertificateError, Error as TlsError, InconsistentKeys, RootCertStore, ServerConfig,
};

use crate::core::time::Utc;

/// A longer file is none of ours: a chain has a few kilobytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Where a pair is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// PEM: our certificate, then those that lead from it to a root.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// Why a pair is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no PEM.
    #[error("{}: is not PEM: {source}", path.display())]
    Garbled {
        /// The file.
        path: PathBuf,
        /// Where it is not.
        source: pem::Error,
    },
    /// What is sought is not in the file.
    #[error("{}: holds no {what} in PEM", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is sought.
        what: &'static str,
    },
    /// The key is not that of the certificate.
    #[error(
        "{}: is not the key of the certificate in {}: the two must be of one renewal",
        key.display(), certificate.display()
    )]
    Mismatched {
        /// The key's file.
        key: PathBuf,
        /// The certificate's.
        certificate: PathBuf,
    },
    /// The TLS library takes one of them not.
    #[error("{} with {}: {source}", certificate.display(), key.display())]
    Refused {
        /// The key's file.
        key: PathBuf,
        /// The certificate's.
        certificate: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// Its time is over.
    #[error("{}: the certificate has expired: renew it", path.display())]
    Expired {
        /// The certificate's file.
        path: PathBuf,
    },
    /// Its time has not come.
    #[error("{}: the certificate is not valid yet: look at this machine's clock", path.display())]
    NotYet {
        /// The certificate's file.
        path: PathBuf,
    },
    /// It is for something else.
    #[error("{}: the certificate is not one for servers", path.display())]
    OtherPurpose {
        /// The certificate's file.
        path: PathBuf,
    },
}

/// A certificate and the key that belongs to it.
#[derive(Clone, Debug)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
    expires: Option<Utc>,
}

impl PairFiles {
    /// Reads the pair; it holds at `now`.
    pub fn read(&self, now: Utc) -> Result<Pair, PairError> {
        let chain = self.read_chain()?;
        let key = self.read_key()?;
        self.check_time(&chain, now)?;
        let expires = chain.first().and_then(expires);
        let certified = CertifiedKey::from_der(chain, key, &provider());
        let certified = certified.map_err(|error| self.refused(error))?;
        Ok(Pair {
            certified: Arc::new(certified),
            expires,
        })
    }

    fn read_chain(&self) -> Result<Vec<CertificateDer<'static>>, PairError> {
        let path = &self.certificate;
        let bytes = read(path)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let chain = chain.map_err(|source| PairError::Garbled {
            path: path.clone(),
            source,
        })?;
        if chain.is_empty() {
            let (path, what) = (path.clone(), "certificate");
            return Err(PairError::Empty { path, what });
        }
        Ok(chain)
    }

    fn read_key(&self) -> Result<PrivateKeyDer<'static>, PairError> {
        let path = &self.key;
        let bytes = read(path)?;
        PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
            let path = path.clone();
            if let pem::Error::NoItemsFound = error {
                let what = "private key";
                return PairError::Empty { path, what };
            }
            PairError::Garbled {
                path,
                source: error,
            }
        })
    }

    fn refused(&self, error: TlsError) -> PairError {
        let (key, certificate) = (self.key.clone(), self.certificate.clone());
        if error == TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            PairError::Mismatched { key, certificate }
        } else {
            PairError::Refused {
                key,
                certificate,
                source: error,
            }
        }
    }

    fn check_time(&self, chain: &[CertificateDer<'_>], now: Utc) -> Result<(), PairError> {
        let Some(TlsError::InvalidCertificate(error)) =
            chain.first().and_then(|leaf| verify(leaf, now))
        else {
            return Ok(());
        };
        let path = self.certificate.clone();
        // Theirs: the errors grow with every version.
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a foreign, non-exhaustive enum"
        )]
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Err(PairError::Expired { path })
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Err(PairError::NotYet { path })
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Err(PairError::OtherPurpose { path })
            }
            // Whether somebody trusts it is for them to say.
            _ => Ok(()),
        }
    }
}

impl Pair {
    /// From when on it is of no use, if it says so.
    pub const fn expires(&self) -> Option<Utc> {
        self.expires
    }
}

/// What new connections are shown.
pub struct Identity(RwLock<Pair>);

impl Identity {
    /// This pair, until it is replaced.
    pub fn new(pair: Pair) -> Arc<Self> {
        Arc::new(Self(RwLock::new(pair)))
    }

    /// Connections that begin from now on are shown this one.
    pub fn replace(&self, pair: Pair) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pair;
    }

    /// What they are shown now.
    pub fn pair(&self) -> Pair {
        // It is replaced as a whole, so it is whole.
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// TLS 1.2 and 1.3 with this identity, for HTTP/1.1 alone.
    pub fn server_config(self: &Arc<Self>) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring serves the default versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair().certified)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(_)")
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What is wrong with a certificate at a time, beside that nobody vouches for it.
fn verify(leaf: &CertificateDer<'_>, at: Utc) -> Option<TlsError> {
    let parsed = match ParsedCertificate::try_from(leaf) {
        Ok(parsed) => parsed,
        Err(error) => return Some(error),
    };
    let nobody = RootCertStore::empty();
    let at = UnixTime::since_unix_epoch(Duration::from_millis(at.millis()));
    let algorithms = ring::default_provider()
        .signature_verification_algorithms
        .all;
    verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], at, algorithms).err()
}

/// At the end of all times it says since when it has been expired.
fn expires(leaf: &CertificateDer<'_>) -> Option<Utc> {
    const END_OF_TIMES: Utc = Utc::from_millis(253_402_300_800_000);
    let Some(TlsError::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) =
        verify(leaf, END_OF_TIMES)
    else {
        return None;
    };
    Some(Utc::from_millis(not_after.as_secs().saturating_mul(1_000)))
}

fn read(path: &Path) -> Result<Vec<u8>, PairError> {
    let unreadable = |source| PairError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        let sentence = format!("has {bytes} bytes; allowed: {FILE_BYTES_MAX}");
        return Err(unreadable(io::Error::other(sentence)));
    }
    fs::read(path).map_err(unreadable)
}

#[cfg(test)]
mod tests;
