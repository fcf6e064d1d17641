//! Where Twilio finds us: what is written into documents, and what its signatures are made over.

use std::fmt;
use std::net::IpAddr;

use axum::http::Uri;

/// An address of ours as the world sees it: scheme, host, port if it is written, and the path before ours.
///
/// It comes from the configuration and never from a request: a header says what a stranger wants it to say.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    is_secure: bool,
    host: Box<str>,
    port: Option<u16>,
    prefix: Box<str>,
}

/// What is asked for, as far as its scheme goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A document or a status.
    Http,
    /// A media stream.
    WebSocket,
}

impl PublicUrl {
    /// Parses `https://HOST[:PORT][/PATH]`, or `http://` on a loopback address; no query, no credentials.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_where(text, is_loopback)
    }

    /// The same, with `http://` on any address: for networks that an operator vouches for.
    pub fn parse_plain(text: &str) -> Option<Self> {
        Self::parse_where(text, |_| true)
    }

    fn parse_where(text: &str, may_be_plain: impl Fn(&str) -> bool) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let host = uri.host().filter(|host| !host.is_empty())?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if may_be_plain(host) => false,
            _ => return None,
        };
        let is_plain = uri.query().is_none() && !uri.authority()?.as_str().contains('@');
        let is_whole = !text.contains('#');
        (is_plain && is_whole).then(|| Self {
            is_secure,
            host: host.into(),
            port: uri.port_u16(),
            prefix: uri.path().trim_end_matches('/').into(),
        })
    }

    /// The address of one of our paths, which begins with `/`.
    pub fn http(&self, path: &str) -> String {
        self.write(self.scheme(Asks::Http), self.port, path)
    }

    /// The address of a media stream at one of our paths.
    pub fn web_socket(&self, path: &str) -> String {
        self.write(self.scheme(Asks::WebSocket), self.port, path)
    }

    /// This address on another port where it has port 0: "whatever the listener got".
    #[must_use]
    pub fn with_listener_port(mut self, port: u16) -> Self {
        if self.port == Some(0) {
            self.port = Some(port);
        }
        self
    }

    /// All that Twilio may have signed when it asks for `target`, a path with its query: with the port and without, for a stream
    /// also with a slash at the end or without, and as the HTTP that its upgrade is. The likeliest first; at most twelve.
    pub fn candidates(&self, asks: Asks, target: &str) -> Vec<String> {
        let mut targets = vec![target.to_owned()];
        let mut schemes = vec![self.scheme(asks)];
        if asks == Asks::WebSocket {
            targets.push(match target.strip_suffix('/') {
                Some(without) => without.to_owned(),
                None => format!("{target}/"),
            });
            schemes.push(self.scheme(Asks::Http));
        }
        let default = Some(if self.is_secure { 443 } else { 80 });
        let mut ports = vec![self.port];
        for port in [None, default] {
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        let mut candidates = Vec::with_capacity(12);
        for scheme in schemes {
            for target in &targets {
                for port in &ports {
                    candidates.push(self.write(scheme, *port, target));
                }
            }
        }
        candidates
    }

    /// The same paths at another host, as a request named it: for the sentence about an address that does not fit.
    pub fn at_host(&self, host: &str) -> impl Iterator<Item = Self> {
        let at = move |scheme| Self::parse(&format!("{scheme}://{host}{}", self.prefix));
        ["https", "http"].into_iter().filter_map(at)
    }

    const fn scheme(&self, asks: Asks) -> &'static str {
        match (asks, self.is_secure) {
            (Asks::Http, true) => "https",
            (Asks::Http, false) => "http",
            (Asks::WebSocket, true) => "wss",
            (Asks::WebSocket, false) => "ws",
        }
    }

    fn write(&self, scheme: &str, port: Option<u16>, path: &str) -> String {
        let Self { host, prefix, .. } = self;
        match port {
            Some(port) => format!("{scheme}://{host}:{port}{prefix}{path}"),
            None => format!("{scheme}://{host}{prefix}{path}"),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.http(""))
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_ours_with_nothing_behind_its_path() {
        for (text, http, stream) in [
            (
                "https://a.example",
                "https://a.example/x",
                "wss://a.example/x",
            ),
            (
                "https://a.example/",
                "https://a.example/x",
                "wss://a.example/x",
            ),
            (
                "https://a.example:8443/voice/",
                "https://a.example:8443/voice/x",
                "wss://a.example:8443/voice/x",
            ),
            (
                "http://127.0.0.1:80",
                "http://127.0.0.1:80/x",
                "ws://127.0.0.1:80/x",
            ),
            ("http://[::1]:81", "http://[::1]:81/x", "ws://[::1]:81/x"),
        ] {
            let url = PublicUrl::parse(text).unwrap();
            assert_eq!(
                (url.http("/x"), url.web_socket("/x")),
                (http.into(), stream.into())
            );
        }
        for wrong in [
            "",
            "a.example",
            "http://a.example",
            "wss://a.example",
            "https://",
            "https://a.example/?x",
            "https://a.example/#x",
            "https://me:you@a.example",
        ] {
            assert_eq!(PublicUrl::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn port_zero_becomes_the_listeners() {
        let url = PublicUrl::parse("http://127.0.0.1:0").unwrap();
        assert_eq!(
            url.with_listener_port(81).http("/x"),
            "http://127.0.0.1:81/x"
        );
        let url = PublicUrl::parse("https://a.example").unwrap();
        assert_eq!(url.with_listener_port(81).http("/x"), "https://a.example/x");
    }

    #[test]
    fn a_stream_may_have_been_signed_in_twelve_ways_at_most() {
        let url = PublicUrl::parse("https://a.example:8443").unwrap();
        let candidates = url.candidates(Asks::WebSocket, "/media");
        assert_eq!(candidates.len(), 12);
        assert_eq!(candidates[0], "wss://a.example:8443/media");
        assert!(candidates.contains(&"https://a.example/media/".to_owned()));
        let url = PublicUrl::parse("https://a.example").unwrap();
        let candidates = url.candidates(Asks::Http, "/x?y=z");
        assert_eq!(
            candidates,
            ["https://a.example/x?y=z", "https://a.example:443/x?y=z"]
        );
    }
}
