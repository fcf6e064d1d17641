//! A secret of ours at Twilio: an auth token, the secret of an API key, or of a document.

use std::fmt;

use ring::hmac;

/// A secret; it prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Keeps it to itself.
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for a request that must hold it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the secret. Takes no longer the more of it is right.
    pub fn is(&self, given: &str) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes());
        let tag = hmac::sign(&key, self.0.as_bytes());
        hmac::verify(&key, given.as_bytes(), tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(_)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_itself_and_nothing_else() {
        let secret = Secret::new("swordfish");
        assert!(secret.is("swordfish"));
        for other in ["", "swordfis", "swordfish ", "Swordfish"] {
            assert!(!secret.is(other), "{other}");
        }
        assert!(!format!("{secret:?}").contains("sword"));
    }
}
