//! Twilio's signatures: whether a request comes from an account whose auth token we have.
//!
//! It owns what is signed and how it is compared. It must not decide what becomes of a request that is not signed. The rule is
//! Twilio's own: HMAC-SHA1 with the auth token over the URL as it was given to Twilio, and behind it a form's names and values.
//! A body that is no form has its SHA-256 in the query of that URL.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{digest, hmac};

use super::address::{Asks, PublicUrl};
use super::form::Form;

/// How many auth tokens may hold at a time: the one before and the one after a rotation.
pub const AUTH_TOKENS_MAX: usize = 2;

/// An auth token, ready to sign; it prints as nothing.
#[derive(Clone)]
pub struct AuthToken(hmac::Key);

/// A request, as far as it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Webhook or upgrade.
    pub asks: Asks,
    /// Its path with its query, as they came.
    pub target: &'a str,
    /// What it carries.
    pub body: Body<'a>,
    /// Its `X-Twilio-Signature`.
    pub signature: Option<&'a str>,
}

/// What a request carries.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    /// Nothing: its parameters, if it has any, are in the query.
    Nothing,
    /// A form.
    Form(&'a Form),
    /// Anything else, byte for byte.
    Bytes(&'a [u8]),
}

/// Why a request is not taken for Twilio's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsigned {
    /// It has no signature.
    Missing,
    /// Its signature fits no URL of ours with no token of ours.
    Forged,
    /// The signature is good, but for another body.
    OtherBody,
}

/// Tells Twilio's requests from others.
#[derive(Clone, Debug)]
pub struct Signatures {
    tokens: Vec<AuthToken>,
    urls: Vec<PublicUrl>,
}

impl AuthToken {
    /// Keeps a token to itself.
    pub fn new(token: &str) -> Self {
        let algorithm = hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY;
        Self(hmac::Key::new(algorithm, token.as_bytes()))
    }

    /// The signature of a request for this URL; `form` is empty where there is none.
    pub fn sign(&self, url: &str, form: &Form) -> String {
        let text = format!("{url}{}", form.signed());
        STANDARD.encode(hmac::sign(&self.0, text.as_bytes()))
    }
}

impl Signatures {
    /// Accepts what was signed with any of `tokens` (at most [`AUTH_TOKENS_MAX`]) for any of `urls`: those by which Twilio knows us.
    pub fn new(tokens: Vec<AuthToken>, urls: Vec<PublicUrl>) -> Self {
        Self { tokens, urls }
    }

    /// Whether the request is Twilio's. Compares in constant time.
    pub fn check(&self, request: &Signed<'_>) -> Result<(), Unsigned> {
        self.check_at(&self.urls, request)
    }

    /// Whether the request would be Twilio's if we were known by the host that it names: then the configuration is wrong.
    pub fn fits_host(&self, host: &str, request: &Signed<'_>) -> bool {
        let urls: Vec<_> = self.urls.iter().flat_map(|url| url.at_host(host)).collect();
        self.check_at(&urls, request).is_ok()
    }

    fn check_at(&self, urls: &[PublicUrl], request: &Signed<'_>) -> Result<(), Unsigned> {
        let signature = request.signature.ok_or(Unsigned::Missing)?;
        let signature = STANDARD.decode(signature).map_err(|_| Unsigned::Forged)?;
        let form = match request.body {
            Body::Form(form) => form.signed(),
            Body::Nothing | Body::Bytes(_) => String::new(),
        };
        let is_signed = urls
            .iter()
            .flat_map(|url| url.candidates(request.asks, request.target))
            .any(|url| self.is_signed(&format!("{url}{form}"), &signature));
        if !is_signed {
            return Err(Unsigned::Forged);
        }
        match request.body {
            Body::Nothing | Body::Form(_) => Ok(()),
            Body::Bytes(bytes) if is_hash_of(request.target, bytes) => Ok(()),
            Body::Bytes(_) => Err(Unsigned::OtherBody),
        }
    }

    fn is_signed(&self, text: &str, signature: &[u8]) -> bool {
        self.tokens
            .iter()
            .any(|token| hmac::verify(&token.0, text.as_bytes(), signature).is_ok())
    }
}

/// Whether the query names this body.
fn is_hash_of(target: &str, body: &[u8]) -> bool {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let named = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("bodySHA256="));
    named.is_some_and(|named| named == hex(digest::digest(&digest::SHA256, body).as_ref()))
}

/// The bytes in small hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16);
    let digits = bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]);
    digits.flatten().collect()
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(_)")
    }
}

/// Without what it holds.
impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Form(form) => form.fmt(f),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signatures(url: &str, tokens: &[&str]) -> Signatures {
        let tokens = tokens.iter().map(|token| AuthToken::new(token)).collect();
        Signatures::new(tokens, vec![PublicUrl::parse(url).unwrap()])
    }

    /// The examples that Twilio's documentation and libraries share.
    #[test]
    fn known_signatures_are_known() {
        let form = Form::parse(
            b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212",
        );
        let form = form.unwrap();
        let signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(AuthToken::new("12345").sign(url, &form), signature);
        let request = Signed {
            asks: Asks::Http,
            target: "/myapp.php?foo=1&bar=2",
            body: Body::Form(&form),
            signature: Some(signature),
        };
        let good = signatures("https://mycompany.com", &["other", "12345"]);
        assert_eq!(good.check(&request), Ok(()));
        let foreign = signatures("https://mycompany.com", &["other"]);
        assert_eq!(foreign.check(&request), Err(Unsigned::Forged));
        let elsewhere = signatures("https://proxy.internal", &["12345"]);
        assert_eq!(elsewhere.check(&request), Err(Unsigned::Forged));
        assert!(elsewhere.fits_host("mycompany.com", &request));
        assert!(!elsewhere.fits_host("evil.example", &request));
        let unsigned = Signed {
            signature: None,
            ..request
        };
        assert_eq!(good.check(&unsigned), Err(Unsigned::Missing));
        for signature in ["", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "no base64!", "RSOY"] {
            let forged = Signed {
                signature: Some(signature),
                ..request
            };
            assert_eq!(good.check(&forged), Err(Unsigned::Forged), "{signature}");
        }
    }

    #[test]
    fn an_upgrade_is_signed_over_the_address_of_the_stream() {
        let request = Signed {
            asks: Asks::WebSocket,
            target: "/twilio/media",
            body: Body::Nothing,
            signature: Some("Ko8aymfVk0cCegaxVKH0ZCvSyf4="),
        };
        assert_eq!(
            signatures("https://example.com", &["12345"]).check(&request),
            Ok(())
        );
        let webhook = Signed {
            asks: Asks::Http,
            ..request
        };
        let checked = signatures("https://example.com", &["12345"]).check(&webhook);
        assert_eq!(checked, Err(Unsigned::Forged));
    }

    #[test]
    fn a_body_that_is_no_form_must_be_the_one_that_was_signed() {
        let hash = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
        let target = format!("/j?bodySHA256={hash}");
        let request = |body| Signed {
            asks: Asks::Http,
            target: &target,
            body: Body::Bytes(body),
            signature: Some("6GDIxue6P6vEr2mLx8Gq5cr0sCg="),
        };
        let signatures = signatures("https://example.com", &["12345"]);
        assert_eq!(signatures.check(&request(br#"{"a":1}"#)), Ok(()));
        assert_eq!(
            signatures.check(&request(br#"{"a":2}"#)),
            Err(Unsigned::OtherBody)
        );
    }
}
