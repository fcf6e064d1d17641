//! A URL of a webhook or a stream: taken apart, and found from where it was written.
//!
//! Owns nothing but that. It keeps what it was given letter by letter, since a signature is over letters.

/// A URL in its parts. The parts keep their letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// In small letters.
    pub scheme: String,
    /// Host and, where it was written, port.
    pub authority: String,
    /// Path and query; never empty.
    pub path: String,
    /// What stands behind `#`: never sent, never signed.
    pub fragment: String,
}

impl Address {
    /// Reads an absolute URL; `None` if it is none. Anything with a character that no URL can have is none.
    pub fn parse(url: &str) -> Option<Self> {
        let odd = |c: char| c.is_control() || c.is_whitespace() || "\"<>\\^`{}|".contains(c);
        if url.contains(odd) {
            return None;
        }
        let (scheme, rest) = url.split_once("://")?;
        let letters = scheme.chars().all(|c| c.is_ascii_alphanumeric());
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        if scheme.is_empty() || !letters || authority.is_empty() || authority.contains('@') {
            return None;
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Some(Self {
            scheme: scheme.to_ascii_lowercase(),
            authority: authority.to_owned(),
            path,
            fragment: fragment.to_owned(),
        })
    }

    /// The URL that `reference`, written in the document at this URL, means; `None` if it means none.
    pub fn join(&self, reference: &str) -> Option<Self> {
        let reference = reference.trim();
        if reference.contains("://") {
            return Self::parse(reference);
        }
        let origin = format!("{}://{}", self.scheme, self.authority);
        let path = self.path.split('?').next().unwrap_or_default();
        let whole = if let Some(rest) = reference.strip_prefix("//") {
            format!("{}://{rest}", self.scheme)
        } else if reference.starts_with('/') {
            format!("{origin}{reference}")
        } else if reference.starts_with('?') {
            format!("{origin}{path}{reference}")
        } else if reference.is_empty() || reference.starts_with('#') {
            format!("{origin}{}{reference}", self.path)
        } else {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{origin}{folder}/{reference}")
        };
        let mut joined = Self::parse(&whole)?;
        joined.path = without_dots(&joined.path);
        Some(joined)
    }

    /// What is sent and signed: all but the fragment.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }

    /// What may be shown: without the query, where tickets are.
    pub fn shown(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{}://{}{path}", self.scheme, self.authority)
    }

    /// Whether it has a query.
    pub fn has_query(&self) -> bool {
        self.path.contains('?')
    }

    /// Whether what goes there is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self.scheme.as_str(), "https" | "wss")
    }

    /// The host without brackets.
    pub fn host(&self) -> &str {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            Some(_) | None => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; the scheme's own where none is written, `None` where what is written is none.
    pub fn port(&self) -> Option<u16> {
        match self.authority.rsplit_once(':') {
            Some((_, port)) if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().ok(),
            Some(_) | None => Some(if self.is_tls() { 443 } else { 80 }),
        }
    }

    /// Whether the host is this machine.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

/// Takes `.` and `..` out of a path; its query stays.
fn without_dots(path: &str) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    let path = format!("/{}", kept.join("/"));
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_comes_apart_and_keeps_its_letters() {
        let address = Address::parse("HTTPS://Voice.example.com:8443/a%20b?x=%2B#ct=1").unwrap();
        assert_eq!(address.url(), "https://Voice.example.com:8443/a%20b?x=%2B");
        assert_eq!(address.shown(), "https://Voice.example.com:8443/a%20b");
        assert_eq!(
            (address.host(), address.port()),
            ("Voice.example.com", Some(8443))
        );
        assert_eq!(address.fragment, "ct=1");
        let bare = Address::parse("ws://[::1]?q").unwrap();
        assert_eq!(
            (bare.host(), bare.port(), &*bare.path),
            ("::1", Some(80), "/?q")
        );
        assert!(bare.is_loopback() && bare.has_query());
        for none in [
            "",
            "x",
            "://a/b",
            "http://",
            "http:///x",
            "http://a b/",
            "http://u@h/",
        ] {
            assert_eq!(Address::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_reference_is_found_from_its_document() {
        let base = Address::parse("https://h:1/a/b/c?q=1#rc=2").unwrap();
        for (reference, url) in [
            ("http://x/y", "http://x/y"),
            ("//x/y", "https://x/y"),
            ("/y?z", "https://h:1/y?z"),
            ("y", "https://h:1/a/b/y"),
            ("../y#rc=3", "https://h:1/a/y"),
            ("./", "https://h:1/a/b/"),
            ("../../../..", "https://h:1/"),
            ("?n=2", "https://h:1/a/b/c?n=2"),
            ("", "https://h:1/a/b/c?q=1"),
        ] {
            let joined = base.join(reference).map(|address| address.url());
            assert_eq!(joined.as_deref(), Some(url), "{reference}");
        }
        assert_eq!(base.join("../y#rc=3").unwrap().fragment, "rc=3");
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "\\PC*", reference in "\\PC*") {
            let base = Address::parse("https://h/a").unwrap();
            if let Some(address) = base.join(&reference) {
                prop_assert!(Address::parse(&address.url()).is_some());
            }
            if let Some(address) = Address::parse(&text) {
                let _all = (address.host(), address.port(), address.shown());
            }
        }
    }
}
