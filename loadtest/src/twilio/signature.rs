//! `X-Twilio-Signature`, as the carrier writes it.
//!
//! Owns what is signed. It never checks a signature: a server does that, and this must not share its mistakes.

use std::fmt::Write as _;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest, hmac};

use super::form::Form;

/// What signs: the account's auth token. It shows itself to nobody.
#[derive(Clone)]
pub struct AuthToken(hmac::Key);

impl AuthToken {
    /// The token of these characters.
    pub fn new(token: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
        Self(key)
    }

    /// Signs a request without a form: a `GET`, or the upgrade of a stream. `url` has no fragment.
    pub fn sign(&self, url: &str) -> String {
        self.over(url)
    }

    /// Signs a form that is posted to `url`. Equal values of one key count once; keys and their values go in byte order.
    pub fn sign_form(&self, url: &str, form: &Form) -> String {
        let mut pairs: Vec<_> = form.pairs().collect();
        pairs.sort_unstable();
        pairs.dedup();
        let mut signed = url.to_owned();
        for (key, value) in pairs {
            signed.push_str(key);
            signed.push_str(value);
        }
        self.over(&signed)
    }

    /// Signs a body of JSON. The URL that it is posted to has the body's hash in its query, and is returned first.
    pub fn sign_json(&self, url: &str, body: &[u8]) -> (String, String) {
        let hash = digest::digest(&digest::SHA256, body);
        let joint = if url.contains('?') { '&' } else { '?' };
        let mut url = format!("{url}{joint}bodySHA256=");
        for byte in hash.as_ref() {
            write!(url, "{byte:02x}").expect("a string takes all that is written");
        }
        let signature = self.over(&url);
        (url, signature)
    }

    fn over(&self, signed: &str) -> String {
        STANDARD.encode(hmac::sign(&self.0, signed.as_bytes()))
    }
}

impl std::fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_documentation_are_signed_alike() {
        let token = AuthToken::new("12345");
        let form = Form::new()
            .with("To", "+18005551212")
            .with("CallSid", "CA1234567890ABCDE")
            .with("Caller", "+14158675309")
            .with("Digits", "1234")
            .with("From", "+14158675309");
        assert_eq!(
            token.sign_form("https://mycompany.com/myapp.php?foo=1&bar=2", &form),
            "RSOYDt4T1cUTdK1PDd93/VVr8B8="
        );
        assert_eq!(
            token.sign("wss://example.com/twilio/media"),
            "Ko8aymfVk0cCegaxVKH0ZCvSyf4="
        );
        assert_eq!(
            token.sign_json("https://example.com/j", br#"{"a":1}"#),
            (
                "https://example.com/j?bodySHA256=\
                 015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
                    .to_owned(),
                "6GDIxue6P6vEr2mLx8Gq5cr0sCg=".to_owned()
            )
        );
    }

    #[test]
    fn a_repeated_value_counts_once_and_order_does_not_matter() {
        let token = AuthToken::new("12345");
        let one = Form::new().with("b", "2").with("a", "1").with("b", "1");
        let other = Form::new()
            .with("b", "1")
            .with("b", "2")
            .with("b", "1")
            .with("a", "1");
        let url = "https://example.com/";
        assert_eq!(token.sign_form(url, &one), token.sign_form(url, &other));
        assert_ne!(token.sign_form(url, &one), token.sign(url));
        assert!(!format!("{token:?}").contains("123"));
    }
}
