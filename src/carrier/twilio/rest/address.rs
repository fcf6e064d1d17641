//! Where the interface is, and whose requests they are.

use std::fmt;
use std::net::IpAddr;

use axum::http::{HeaderValue, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::core::ids::AccountSid;

/// Where the interface is: scheme and host, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiHost(String);

impl ApiHost {
    /// Twilio's own, by edge and region (`ashburn`, `us1`); credentials belong to one region. `None`: no names of such.
    pub fn twilio(edge: Option<&str>, region: Option<&str>) -> Option<Self> {
        let is_name = |name: &&str| {
            let fits =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (1..=32).contains(&name.len()) && name.bytes().all(fits)
        };
        let names = [edge, region].into_iter().flatten();
        if !names.clone().all(|name| is_name(&name)) {
            return None;
        }
        // An edge alone would be taken for a region.
        let region = region.or(edge.map(|_| "us1"));
        let parts = ["api"].into_iter().chain(edge).chain(region);
        let host: Vec<_> = parts.chain(["twilio.com"]).collect();
        Some(Self(format!("https://{}", host.join("."))))
    }

    /// Something that behaves like it: `https://`, or `http://` on a loopback address. `None`: anything else.
    pub fn other(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback());
        let is_allowed = match uri.scheme_str()? {
            "https" => true,
            "http" => is_loopback || host == "localhost",
            _ => false,
        };
        let has_path = !matches!(uri.path(), "" | "/") || uri.query().is_some();
        let authority = uri.authority()?;
        let has_user = authority.as_str().contains('@');
        let scheme = uri.scheme_str()?;
        (is_allowed && !has_path && !has_user).then(|| Self(format!("{scheme}://{authority}")))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whose requests they are. Never printed.
#[derive(Clone)]
pub struct Credentials {
    pub(super) account: AccountSid,
    pub(super) header: HeaderValue,
}

impl Credentials {
    /// The account's own token.
    pub fn token(account: AccountSid, token: &str) -> Self {
        Self::new(account, account.as_str(), token)
    }

    /// A key of the account (`SK…`) and its secret: it can be taken back without changing the token.
    pub fn api_key(account: AccountSid, key: &str, secret: &str) -> Self {
        Self::new(account, key, secret)
    }

    fn new(account: AccountSid, user: &str, password: &str) -> Self {
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let mut header: HeaderValue = basic
            .try_into()
            .expect("base64 has nothing that a header cannot hold");
        header.set_sensitive(true);
        Self { account, header }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, _)", self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edge_and_region_make_the_host() {
        let host = |edge, region| ApiHost::twilio(edge, region).map(|host| host.0);
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(host(None, None), is("https://api.twilio.com"));
        let dublin = host(Some("dublin"), Some("ie1"));
        assert_eq!(dublin, is("https://api.dublin.ie1.twilio.com"));
        assert_eq!(
            host(Some("umatilla"), None),
            is("https://api.umatilla.us1.twilio.com")
        );
        assert_eq!(host(None, Some("ie1")), is("https://api.ie1.twilio.com"));
        for wrong in ["", "evil.example/", "a.b", "A", "ü"] {
            assert_eq!(host(Some(wrong), Some("ie1")), None, "{wrong}");
        }
    }

    #[test]
    fn secrets_travel_in_the_clear_on_this_machine_alone() {
        for right in [
            "https://example.com",
            "http://127.0.0.1:8082",
            "http://[::1]:1/",
        ] {
            assert!(ApiHost::other(right).is_some(), "{right}");
        }
        for wrong in [
            "http://example.com",
            "ftp://127.0.0.1",
            "https://me@example.com",
            "https://example.com/2010",
            "example.com",
            "",
        ] {
            assert_eq!(ApiHost::other(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let account = AccountSid::parse("AC0123456789abcdef0123456789abcdef").unwrap();
        let printed = format!("{:?}", Credentials::token(account, "hunter2"));
        assert_eq!(printed, format!("Credentials({account}, _)"));
    }
}
