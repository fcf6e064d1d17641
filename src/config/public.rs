//! `[public]`: the listener that carriers connect to, who may, and how much of us strangers may take.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::Layers;
use super::carrier::Twilio;
use super::section::{Form, Section};
use crate::carrier::tls::PairFiles;
use crate::core::ids::AccountSid;

/// The listener that carriers connect to.
#[derive(Clone, Debug)]
pub struct Public {
    /// Its address; with [`Auth::None`] a loopback one, unless it is a witness's.
    pub listen: SocketAddr,
    /// How a carrier proves who it is.
    pub auth: Auth,
    /// The name of this node among ours.
    pub node: String,
    /// Whose streams are accepted; none: anybody's.
    pub accounts: Arc<[AccountSid]>,
    /// Whose word is taken for the address of a client.
    pub trusted_proxies: Vec<IpAddr>,
    /// How many sockets may be open whose stream has not started.
    pub unstarted_max: usize,
    /// How many of them may come from one address without a signature.
    pub unstarted_per_address_max: usize,
    /// How many connections may be open from one address before their upgrade.
    pub connections_per_address_max: usize,
    /// The longest message that is accepted, in bytes.
    pub message_bytes_max: usize,
    /// The certificate that connections are shown; `None`: a proxy brings TLS, or nobody does.
    pub tls: Option<PairFiles>,
}

/// How a carrier proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// By Twilio's signatures, and by tokens of ours in the documents that it is given.
    Twilio,
    /// Not at all: whoever reaches the listener is served, so only this machine may.
    None,
}

impl Public {
    /// Our own account's streams are accepted without being named a second time.
    pub(super) fn with_account_of(mut self, twilio: Option<&Twilio>) -> Self {
        if let Some(twilio) = twilio
            && !self.accounts.contains(&twilio.account)
        {
            let accounts = self.accounts.iter().copied();
            self.accounts = accounts.chain([twilio.account]).collect();
        }
        self
    }
}

impl Layers {
    /// The listener; `None`: there is a problem.
    pub(super) fn read_public(&mut self) -> Option<Public> {
        let is_witness = self.is_witness();
        let mut section = self.section("public");
        let listen = section.text("listen", ADDRESS);
        let auth = section.choice("auth", &[("twilio", Auth::Twilio), ("none", Auth::None)]);
        let node = section.text("node", NODE);
        let accounts = section.texts("accounts", ACCOUNTS_MAX, ACCOUNT);
        let trusted_proxies = section.texts("trusted_proxies", PROXIES_MAX, PROXY);
        let unstarted_max = section.integer("unstarted_max", 1..=100_000);
        let unstarted_per_address_max = section.integer("unstarted_per_address_max", 1..=100_000);
        let connections_per_address_max =
            section.integer("connections_per_address_max", 1..=100_000);
        let message_bytes_max = section.integer("message_bytes_max", 1_024..=1_048_576);
        let listen: Option<SocketAddr> = listen.parse().ok();
        // A witness serves no carrier: there is nothing to let anybody in to.
        if let (Some(listen), Some(Auth::None), false) = (listen, auth, is_witness)
            && !listen.ip().is_loopback()
        {
            section.wrong_now(
                "listen",
                &format!("\"{listen}\""),
                "would let anybody in, since public.auth = \"none\"",
                "a loopback address, as in \"127.0.0.1:8080\"",
            );
        }
        let tls = read_tls(&mut section);
        section.finish();
        let accounts = accounts.iter().filter_map(|sid| AccountSid::parse(sid));
        let trusted_proxies = trusted_proxies
            .iter()
            .filter_map(|proxy| proxy.parse().ok());
        Some(Public {
            listen: listen?,
            auth: auth?,
            node,
            accounts: accounts.collect(),
            trusted_proxies: trusted_proxies.collect(),
            unstarted_max,
            unstarted_per_address_max,
            connections_per_address_max,
            message_bytes_max,
            tls,
        })
    }
}

/// Both files or none. What is in them is looked at when the server begins, and by `check`.
fn read_tls(section: &mut Section<'_>) -> Option<PairFiles> {
    let certificate = section.optional_text("tls_cert", FILE);
    let key = section.optional_text("tls_key", FILE);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(PairFiles {
            certificate: certificate.origin.resolve(&certificate.text),
            key: key.origin.resolve(&key.text),
        }),
        (Some(_), None) => {
            section.missing(
                "tls_key",
                "the file of the key that belongs to public.tls_cert",
            );
            None
        }
        (None, Some(_)) => {
            section.missing(
                "tls_cert",
                "the file of the certificate that public.tls_key belongs to",
            );
            None
        }
        (None, None) => None,
    }
}

/// One of our own Twilio accounts and a few of its subaccounts.
const ACCOUNTS_MAX: usize = 1_000;

/// A few balancers.
const PROXIES_MAX: usize = 64;

const FILE: Form = Form {
    allowed: "the path of a PEM file",
    accepts: |text| !text.is_empty(),
};

const ADDRESS: Form = Form {
    allowed: r#"an address and a port, as in "127.0.0.1:8080" or "[::1]:8080""#,
    accepts: |text| text.parse::<SocketAddr>().is_ok(),
};

const ACCOUNT: Form = Form {
    allowed: "an account's SID: AC and 32 hexadecimal digits",
    accepts: |text| AccountSid::parse(text).is_some(),
};

const PROXY: Form = Form {
    allowed: r#"an IP address, as in "127.0.0.1" or "::1""#,
    accepts: |text| text.parse::<IpAddr>().is_ok(),
};

pub(super) const NODE: Form = Form {
    allowed: "a name of 1 to 32 small letters, digits and hyphens",
    accepts: |text| text.len() <= 32 && super::is_name(text),
};
