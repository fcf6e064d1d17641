//! What is said about pairs that are of no use.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};

use super::*;

/// The first of January 2026.
const NOW: Utc = Utc::from_millis(1_767_225_600_000);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("ringback-tls-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The files, with these texts.
    fn pair(&self, certificate: &str, key: &str) -> PairFiles {
        let files = PairFiles {
            certificate: self.0.join("certificate.pem"),
            key: self.0.join("key.pem"),
        };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A certificate that holds in these years, and its key.
fn made(from: i32, to: i32, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn a_good_pair_is_taken_and_tells_its_end() {
    let folder = Folder::new("good");
    let (certificate, key) = made(2025, 2027, ExtendedKeyUsagePurpose::ServerAuth);
    let pair = folder.pair(&certificate, &key).read(NOW).unwrap();
    let end_of_2026 = Utc::from_millis(1_798_761_600_000);
    assert_eq!(pair.expires(), Some(end_of_2026));
}

#[test]
fn each_pair_that_is_of_no_use_is_refused_in_its_own_words() {
    let folder = Folder::new("bad");
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    let (good, key) = made(2025, 2027, server.clone());
    let (_, other_key) = made(2025, 2027, server.clone());
    let (expired, expired_key) = made(2020, 2021, server.clone());
    let (early, early_key) = made(2030, 2031, server);
    let (client, client_key) = made(2025, 2027, ExtendedKeyUsagePurpose::ClientAuth);
    let torn = good.replace("-----END CERTIFICATE-----", "");
    let long = "x".repeat(300_000);
    for (certificate, key, sentence) in [
        (&*good, &*other_key, "is not the key of the certificate in"),
        (&expired, &expired_key, "the certificate has expired"),
        (&early, &early_key, "the certificate is not valid yet"),
        (&client, &client_key, "is not one for servers"),
        ("", &key, "certificate.pem: holds no certificate in PEM"),
        (&good, "", "key.pem: holds no private key in PEM"),
        (&good, &good, "key.pem: holds no private key in PEM"),
        (&torn, &key, "certificate.pem: is not PEM"),
        (&long, &key, "has 300000 bytes; allowed: 262144"),
    ] {
        let refused = folder.pair(certificate, key).read(NOW).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains(sentence), "{said}, not {sentence}");
        assert!(!said.contains("PRIVATE"), "{said}");
    }
    let mut missing = folder.pair(&good, &key);
    missing.key = folder.0.join("nowhere.pem");
    let said = missing.read(NOW).unwrap_err().to_string();
    assert!(said.contains("nowhere.pem: cannot be read"), "{said}");
}
