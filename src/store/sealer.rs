//! Seals what is kept, and hashes what it is looked up by.
//!
//! AES-256-GCM with random nonces: safe for about four billion seals by one key. Each seal is bound to its place (table and
//! name), so that one record cannot be passed off as another. Numbers are looked up by a keyed hash: without the key, trying
//! all numbers finds none.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};

use super::key::SealingKey;
use super::records::CallerHash;

/// How a seal is made; a later one has another number, and both can be opened.
const FORM: u8 = 1;

/// The keys of one store, derived from its one key.
pub(super) struct Sealer {
    seal: LessSafeKey,
    hash: hmac::Key,
    random: SystemRandom,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) table: &'static str,
    pub(super) id: u128,
}

/// It is not what was sealed here with this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsealable;

impl Sealer {
    pub(super) fn new(key: &SealingKey) -> Self {
        let root = Salt::new(HKDF_SHA256, b"ringback store").extract(key.bytes());
        let seal = root
            .expand(&[b"seal"], &AES_256_GCM)
            .expect("a key is short enough to derive");
        let hash = derive(&root, b"hash");
        Self {
            seal: LessSafeKey::new(UnboundKey::from(seal)),
            hash: hmac::Key::new(HMAC_SHA256, &hash),
            random: SystemRandom::new(),
        }
    }

    /// How a number is found again.
    pub(super) fn caller(&self, number: &str) -> CallerHash {
        CallerHash(self.tag(b"caller", number.as_bytes()))
    }

    /// A number for a name, to seal by what is found by it.
    pub(super) fn name(&self, name: &str) -> u128 {
        self.tag(b"name", name.as_bytes())
    }

    /// What tells this key from others, without telling anything about it.
    pub(super) fn fingerprint(&self) -> u128 {
        self.tag(b"fingerprint", b"")
    }

    fn tag(&self, what: &[u8], of: &[u8]) -> u128 {
        let mut context = hmac::Context::with_key(&self.hash);
        context.update(what);
        context.update(&[0]);
        context.update(of);
        let tag = context.sign();
        let first = tag.as_ref().first_chunk().copied();
        u128::from_be_bytes(first.expect("a tag has 32 bytes"))
    }

    pub(super) fn seal(&self, place: Place, plain: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        self.random
            .fill(&mut nonce)
            .expect("the kernel gives random bytes once it has booted");
        let mut body = plain.to_vec();
        self.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.bytes()),
                &mut body,
            )
            .expect("a record is shorter than what can be sealed");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORM);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut body);
        sealed
    }

    pub(super) fn open(&self, place: Place, sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, body) = sealed
            .strip_prefix(&[FORM])
            .and_then(|rest| rest.split_first_chunk::<NONCE_LEN>())
            .ok_or(Unsealable)?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self
            .seal
            .open_in_place(nonce, Aad::from(place.bytes()), &mut body)
            .map_err(|_| Unsealable)?
            .len();
        body.truncate(plain);
        Ok(body)
    }
}

impl Place {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = self.table.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes
    }
}

/// Without the keys.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(_)")
    }
}

struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        32
    }
}

fn derive(root: &Prk, info: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    root.expand(&[info], Bytes32)
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("32 bytes are few enough to derive");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place {
        table: "calls",
        id: 7,
    };

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&SealingKey::from_bytes([byte; 32]))
    }

    #[test]
    fn what_is_sealed_is_opened_in_its_place_by_its_key_alone() {
        let sealed = sealer(1).seal(HERE, b"+15550100");
        assert_eq!(sealer(1).open(HERE, &sealed).unwrap(), b"+15550100");
        assert!(!sealed.windows(4).any(|part| part == b"5550"));
        assert_eq!(sealer(2).open(HERE, &sealed), Err(Unsealable));
        for elsewhere in [
            Place { id: 8, ..HERE },
            Place {
                table: "ended",
                ..HERE
            },
        ] {
            assert_eq!(sealer(1).open(elsewhere, &sealed), Err(Unsealable));
        }
        for place in 0..sealed.len() {
            let mut torn = sealed.clone();
            torn[place] ^= 1;
            assert_eq!(sealer(1).open(HERE, &torn), Err(Unsealable), "{place}");
            assert_eq!(sealer(1).open(HERE, &sealed[..place]), Err(Unsealable));
        }
    }

    #[test]
    fn nothing_is_sealed_alike_twice() {
        let sealer = sealer(1);
        assert_ne!(sealer.seal(HERE, b"same"), sealer.seal(HERE, b"same"));
    }

    #[test]
    fn a_number_has_one_hash_for_each_key() {
        assert_eq!(sealer(1).caller("+15550100"), sealer(1).caller("+15550100"));
        assert_ne!(sealer(1).caller("+15550100"), sealer(1).caller("+15550101"));
        assert_ne!(sealer(1).caller("+15550100"), sealer(2).caller("+15550100"));
    }
}
