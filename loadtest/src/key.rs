//! Keys of a provider, told apart without being kept.
//!
//! A double never checks a key, and never stores or shows one. What a plan or a checker wants to know is only which of several it was.

use std::fmt;

use serde::Deserialize;

/// A key's mark: equal keys have equal marks, in every run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "String")]
pub struct KeyMark(u64);

impl KeyMark {
    /// The mark of a key.
    pub fn of(key: &str) -> Self {
        // FNV-1a: the same in every run and on every machine.
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash)
    }

    /// The mark of the key in an `Authorization` header; `None` if it is no bearer key.
    pub fn of_authorization(header: &str) -> Option<Self> {
        let (scheme, key) = header.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| Self::of(key.trim()))
    }
}

impl From<String> for KeyMark {
    fn from(key: String) -> Self {
        Self::of(&key)
    }
}

// A few bits of it: enough to tell the keys of one run apart, and nothing to find a key by.
impl fmt::Debug for KeyMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyMark({:04x})", self.0 & 0xffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_again_and_not_shown() {
        let mark = KeyMark::of("sk-test-one");
        assert_eq!(KeyMark::of_authorization("bearer sk-test-one"), Some(mark));
        assert_ne!(KeyMark::of("sk-test-two"), mark);
        assert_eq!(KeyMark::of_authorization("Basic c2stdGVzdA=="), None);
        assert!(!format!("{mark:?}").contains("sk-"), "{mark:?}");
    }
}
