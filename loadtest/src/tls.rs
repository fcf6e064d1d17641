//! A certificate authority for one run: certificates that a server must trust, and three that it must not.
//!
//! Everything is generated afresh and lives in memory, but for the CA's certificate, which the server under test reads from a
//! file (`tls.ca_file`).

use std::{io, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use serde::Deserialize;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ClientConfig, RootCertStore, ServerConfig,
        pki_types::{
            CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer,
            pem::{self, PemObject},
        },
    },
};

/// What is presented to the server under test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// Signed by the CA, for `localhost` and `127.0.0.1`.
    #[default]
    Good,
    /// As the good one, but over since 2020.
    Expired,
    /// Signed by the CA, for another host.
    WrongName,
    /// As the good one, signed by a CA that nobody knows.
    Untrusted,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The TLS library does not take it.
    #[error("TLS: {0}")]
    Configure(#[from] rustls::Error),
    /// A CA file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: pem::Error,
    },
}

/// The authority.
pub struct Authority {
    known: Signer,
    unknown: Signer,
}

struct Signer {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive() // Its keys are nobody's business.
    }
}

impl Authority {
    /// A new authority, and the stranger that signs the untrusted certificate.
    pub fn generate() -> Result<Self, TlsError> {
        Ok(Self {
            known: Signer::generate("loadtest CA")?,
            unknown: Signer::generate("loadtest stranger CA")?,
        })
    }

    /// Writes the CA's certificate as PEM.
    pub fn write_ca(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.known.certificate.pem())
    }

    /// Accepts TLS with such a certificate.
    pub fn acceptor(&self, certificate: Certificate) -> Result<TlsAcceptor, TlsError> {
        let signer = match certificate {
            Certificate::Good | Certificate::Expired | Certificate::WrongName => &self.known,
            Certificate::Untrusted => &self.unknown,
        };
        let names = match certificate {
            Certificate::Good | Certificate::Expired | Certificate::Untrusted => {
                vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
            }
            Certificate::WrongName => vec!["elsewhere.invalid".to_owned()],
        };
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = match certificate {
            Certificate::Expired => date_time_ymd(2020, 1, 1),
            Certificate::Good | Certificate::WrongName | Certificate::Untrusted => {
                date_time_ymd(2120, 1, 1)
            }
        };
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &signer.certificate, &signer.key)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// A client that trusts this authority and nobody else.
    pub fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        client_trusting([self.known.certificate.der().clone()])
    }
}

/// A client that trusts the certificates of a PEM file and nobody else.
pub fn client_trusting_file(path: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let refused = |source| TlsError::File {
        path: path.display().to_string(),
        source,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .map_err(refused)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(refused)?;
    client_trusting(certificates)
}

/// A client that trusts whom browsers trust.
pub fn client_trusting_the_web() -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    client_with(roots)
}

fn client_trusting(
    certificates: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate)?;
    }
    client_with(roots)
}

fn client_with(roots: RootCertStore) -> Result<Arc<ClientConfig>, TlsError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Signer {
    fn generate(name: &str) -> Result<Self, TlsError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        Ok(Self {
            certificate: params.self_signed(&key)?,
            key,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

    use super::*;

    async fn handshake(certificate: Certificate) -> Result<(), String> {
        let authority = Authority::generate().unwrap();
        let acceptor = authority.acceptor(certificate).unwrap();
        let (ours, theirs) = tokio::io::duplex(16 * 1024);
        let connector = TlsConnector::from(authority.client().unwrap());
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let (connected, _accepted) =
            tokio::join!(connector.connect(name, ours), acceptor.accept(theirs));
        connected.map(|_| ()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn only_the_good_certificate_is_trusted() {
        handshake(Certificate::Good).await.unwrap();
        for (bad, reason) in [
            (Certificate::Expired, "xpired"),
            (Certificate::WrongName, "not valid for"),
            (Certificate::Untrusted, "UnknownIssuer"),
        ] {
            let refused = handshake(bad).await.unwrap_err();
            assert!(refused.contains(reason), "{bad:?}: {refused}");
        }
    }

    #[tokio::test]
    async fn the_ca_file_that_is_written_is_one_that_can_be_read() {
        let path = std::env::temp_dir().join(format!("loadtest-ca-{}.pem", std::process::id()));
        Authority::generate().unwrap().write_ca(&path).unwrap();
        client_trusting_file(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let missing = client_trusting_file(&path).unwrap_err().to_string();
        assert!(missing.contains(path.to_str().unwrap()), "{missing}");
    }
}
