//! From the name of the host to a document that can be carried out.

use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{Check, Findings, wrong_token};
use crate::twilio::{
    address::Address,
    fetch::Wanted,
    form::Form,
    http::Answer,
    number::Status,
    overrides::Overrides,
    twiml::{Connect, Document, Link, Method, Verb},
};

/// Documents that are followed by redirects until one opens a stream.
const REDIRECTS_MAX: u32 = 5;
/// A document that takes longer is late: the caller hears ringing meanwhile.
const SLOW: Duration = Duration::from_secs(2);

/// A document that opens a stream.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) base: Address,
    pub(super) connect: Connect,
    /// What follows the stream in the same document.
    pub(super) then: Vec<&'static str>,
}

impl Check {
    /// Whether the URL leads to a host that can be spoken to.
    pub(super) async fn reaches(&self, link: &Link, findings: &mut Findings<'_>) -> bool {
        let Some(address) = Address::parse(&link.url) else {
            findings.bad("URL", "this is no URL");
            return false;
        };
        match (address.scheme.as_str(), address.is_loopback()) {
            ("https", _) => findings.good("URL", address.shown()),
            ("http", true) => findings.doubtful("URL", "http: only on this machine"),
            ("http", false) => findings.doubtful("URL", "http: anybody on the way can read it"),
            _ => {
                findings.bad("URL", "its scheme is neither https nor http");
                return false;
            }
        }
        let overrides = match Overrides::parse(&address.fragment) {
            Ok(overrides) => overrides,
            Err(fault) => {
                findings.bad("overrides", format!("{}: {fault}", fault.code()));
                return false;
            }
        };
        self.connects(&address, overrides, findings).await
    }

    async fn connects(
        &self,
        address: &Address,
        overrides: Overrides,
        findings: &mut Findings<'_>,
    ) -> bool {
        let began = self.clock.now();
        let took = || format!("{} ms", self.clock.now().saturating_sub(began).as_millis());
        let port = address.port().unwrap_or_default();
        let found = lookup_host((address.host(), port)).await;
        let found: Vec<_> = found.map(Iterator::collect).unwrap_or_default();
        let Some(first) = found.first() else {
            findings.bad("DNS", format!("11210: {} has no address", address.host()));
            return false;
        };
        let name = format!("{} is {}", address.host(), first.ip());
        findings.good(
            "DNS",
            format!("{name} ({} addresses), {}", found.len(), took()),
        );
        let connecting = TcpStream::connect(found.as_slice());
        let tcp = match tokio::time::timeout(overrides.connect, connecting).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => {
                findings.bad("connection", format!("11205: {error}"));
                return false;
            }
            Err(_elapsed) => {
                let most = overrides.connect.as_millis();
                findings.bad("connection", format!("11205: none within {most} ms (ct)"));
                return false;
            }
        };
        findings.good("connection", took());
        if !address.is_tls() {
            return true;
        }
        let Some(tls) = self.tls.clone() else {
            findings.bad("TLS", "there is nobody to trust");
            return false;
        };
        let Ok(name) = ServerName::try_from(address.host().to_owned()) else {
            findings.bad("TLS", "no certificate can have this name");
            return false;
        };
        match TlsConnector::from(tls).connect(name, tcp).await {
            Ok(stream) => {
                let version = stream.get_ref().1.protocol_version();
                let version = version.map_or_else(String::new, |version| format!("{version:?}, "));
                findings.good("TLS", format!("{version}{}", took()));
                true
            }
            Err(error) => {
                findings.bad("TLS", format!("11220: {error}"));
                false
            }
        }
    }

    /// The document that opens a stream, redirects of documents followed.
    pub(super) async fn voice_document(&self, findings: &mut Findings<'_>) -> Option<Found> {
        let mut address = Address::parse(&self.voice.url)?;
        let mut method = self.voice.method;
        for _ in 0..=REDIRECTS_MAX {
            let form = self.form(Status::Ringing);
            let (base, document) = self
                .document("document", &address, method, &form, findings)
                .await?;
            let mut verbs = document.verbs.into_iter();
            let mut next = None;
            while let Some(verb) = verbs.next() {
                match verb {
                    Verb::Connect(connect) if connect.stream.is_some() => {
                        let then = verbs.map(|verb| verb.name()).collect();
                        return Some(Found {
                            base,
                            connect,
                            then,
                        });
                    }
                    Verb::Redirect(link) => {
                        next = Some(link);
                        break;
                    }
                    Verb::Hangup | Verb::Reject { .. } => return None,
                    Verb::Say(_)
                    | Verb::Play(_)
                    | Verb::Pause(_)
                    | Verb::Gather(_)
                    | Verb::Dial(_)
                    | Verb::Connect(_)
                    | Verb::Other(_) => {}
                }
            }
            let link = next?;
            method = link.method;
            address = base.join(&link.url)?;
        }
        findings.bad("document", "11215: documents redirect to each other");
        None
    }

    /// Fetches a document and judges it.
    pub(super) async fn document(
        &self,
        of: &'static str,
        address: &Address,
        method: Method,
        form: &Form,
        findings: &mut Findings<'_>,
    ) -> Option<(Address, Document)> {
        let began = self.clock.now();
        let idempotency = format!("{:032x}", fastrand::u128(..));
        let wanted = Wanted {
            address,
            method,
            form,
            idempotency: &idempotency,
        };
        let fetched = self.fetcher(&self.token).fetch(wanted).await;
        let took = self.clock.now().saturating_sub(began);
        let tries = fetched.tries;
        let (base, answer) = match fetched.answer {
            Ok(answered) => answered,
            Err(fault) => {
                findings.bad(of, format!("{}: {fault}, {tries} tries", fault.code()));
                return None;
            }
        };
        if base.url() != address.url() && method == Method::Post {
            findings.doubtful(of, format!("redirected to {}", base.shown()));
        }
        if !(200..300).contains(&answer.status) {
            let hint = match answer.status {
                401 | 403 => {
                    ": the signature is not accepted. Is the auth token the account's own, and the public URL this one?"
                }
                _ => "",
            };
            findings.bad(of, format!("11200: status {}{hint}", answer.status));
            return None;
        }
        let document = read(of, &answer, findings)?;
        let names: Vec<_> = document.verbs.iter().map(Verb::name).collect();
        let says = format!("{} in {} ms", names.join(", "), took.as_millis());
        if took > SLOW {
            findings.doubtful(of, format!("{says}: the caller hears ringing meanwhile"));
        } else {
            findings.good(of, says);
        }
        Some((base, document))
    }

    /// A request with a wrong signature must not get a document.
    pub(super) async fn refuses_strangers(&self, findings: &mut Findings<'_>) {
        let Some(address) = Address::parse(&self.voice.url) else {
            return;
        };
        let form = self.form(Status::Ringing);
        let wanted = Wanted {
            address: &address,
            method: self.voice.method,
            form: &form,
            idempotency: "stranger",
        };
        let fetched = self.fetcher(&wrong_token()).fetch(wanted).await;
        match fetched.answer {
            Ok((_, answer)) if (400..500).contains(&answer.status) => {
                findings.good(
                    "stranger",
                    format!("a wrong signature gets {}", answer.status),
                );
            }
            Ok((_, answer)) => findings.bad(
                "stranger",
                format!(
                    "a wrong signature gets {}: anybody can make calls",
                    answer.status
                ),
            ),
            Err(fault) => findings.doubtful("stranger", format!("a wrong signature: {fault}")),
        }
    }

    /// The fallback URL must have a document when the Voice URL has none.
    pub(super) async fn fallback_document(&self, link: &Link, findings: &mut Findings<'_>) {
        let Some(address) = Address::parse(&link.url) else {
            return;
        };
        let voice = Address::parse(&self.voice.url).map(|voice| (voice.url(), voice.authority));
        let (url, authority) = voice.unwrap_or_default();
        if authority == address.authority {
            findings.doubtful(
                "fallback",
                "the same host as the Voice URL: both fail together",
            );
        }
        let form = self
            .form(Status::Ringing)
            .with("ErrorCode", "11200")
            .with("ErrorUrl", url);
        let found = self
            .document("fallback", &address, link.method, &form, findings)
            .await;
        if found.is_some_and(|(_, document)| document.verbs.is_empty()) {
            findings.bad("fallback", "the document does nothing: the call would end");
        }
    }
}

fn read(of: &'static str, answer: &Answer, findings: &mut Findings<'_>) -> Option<Document> {
    let kind = answer
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    match kind {
        "text/xml" | "application/xml" => {}
        "text/html" => findings.doubtful(of, "content type text/html: text/xml is meant"),
        other => {
            findings.bad(of, format!("12300: content type \"{other}\""));
            return None;
        }
    }
    let text = String::from_utf8_lossy(&answer.body);
    match Document::parse(&text) {
        Ok(document) => {
            for warning in &document.warnings {
                findings.doubtful(of, format!("{}: {}", warning.code, warning.what));
            }
            Some(document)
        }
        Err(error) => {
            findings.bad(of, error.to_string());
            None
        }
    }
}
