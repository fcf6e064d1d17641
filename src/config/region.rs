//! `[region]`: where this node stands, who the others are, and what they prove to each other who they are with.
//!
//! Without `peers` a node is alone: nothing else of the section is looked at but its name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ring::hmac;
use tokio_rustls::rustls::ClientConfig;
use toml::{Table, Value};

use super::environment::Environment;
use super::keys::{Wanted, read_one};
use super::problem::Origin;
use super::public::NODE;
use super::raw::{Entry, entries};
use super::section::{Form, Section, at};
use super::{Layers, MINUTE, PATH, Public};
use crate::carrier::twilio::address::PublicUrl;
use crate::core::region::role::{RoleSettings, VOTERS_MAX};
use crate::core::region::{Node, Region};
use crate::provider::tls::client_config;

/// Where this node stands, and who the others are.
#[derive(Clone, Debug)]
pub struct RegionSettings {
    /// The region of this node.
    pub region: Region,
    /// What it begins as.
    pub begins: Begins,
    /// How votes on the active region are counted.
    pub roles: RoleSettings,
    /// How long its calls are compared with those of the others at most; zero: not at all.
    pub trial: Duration,
    /// The others; `None`: it is alone.
    pub others: Option<Others>,
}

/// What a process begins as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// A node whose region is to be the active one where none is.
    Active,
    /// A node whose region waits until the active one is silent.
    Standby,
    /// No node: it votes on which region is active, and serves no carrier.
    Witness,
}

/// The others.
#[derive(Clone, Debug)]
pub struct Others {
    /// What they sign with, all the same one.
    pub key: hmac::Key,
    /// The other nodes of all regions, at least one, at most [`PEERS_MAX`].
    pub peers: Vec<PeerPlace>,
    /// Who votes and is no node, if there is one.
    pub witness: Option<Witness>,
    /// Whose certificates are trusted.
    pub tls: Arc<ClientConfig>,
}

/// Another node.
#[derive(Clone, Debug)]
pub struct PeerPlace {
    /// Its name: its `public.node`.
    pub node: Node,
    /// Its region.
    pub region: Region,
    /// Where it is, for us and for the carrier: its `twilio.public_url`.
    pub url: PublicUrl,
}

/// The witness.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Its name: its `public.node`.
    pub node: Node,
    /// Where it is.
    pub url: PublicUrl,
}

/// How many other nodes there may be: with this one and the witness as many as may vote.
pub const PEERS_MAX: usize = VOTERS_MAX - 2;

const SECOND: Duration = Duration::from_secs(1);

const KEY: Wanted = Wanted {
    noun: "key",
    allowed: r#"{ env = "NAME" } or { file = "PATH" }: 32 characters or more, the same for all nodes"#,
    chars_min: 32,
};

const PEERS: &str =
    r#"a list of at most 63 of { node = "NAME", region = "NAME", url = "https://HOST" }"#;

const WITNESS: &str = r#"{ node = "NAME", url = "https://HOST" }"#;

const URL: Form = Form {
    allowed: "https://HOST[:PORT][/PATH] (or http:// on a loopback address), without query and credentials",
    accepts: |text| PublicUrl::parse_plain(text).is_some(),
};

impl Layers {
    /// Whether the process is to be a witness; looked at before anything else is read.
    pub(super) fn is_witness(&self) -> bool {
        let role = self
            .raw
            .sections
            .get("region")
            .and_then(|section| section.get("role"));
        role.is_some_and(|role| role.value.as_str() == Some("witness"))
    }

    /// The section; `None`: there is a problem.
    pub(super) fn read_region(
        &mut self,
        public: Option<&Public>,
        environment: &Environment,
    ) -> Option<RegionSettings> {
        let mut section = self.section("region");
        let region = Region::parse(&section.text("name", NODE));
        let roles = [
            ("active", Begins::Active),
            ("standby", Begins::Standby),
            ("witness", Begins::Witness),
        ];
        let begins = section.choice("role", &roles);
        let roles = read_roles(&mut section);
        let trial = section.duration("trial", Duration::ZERO..=60 * MINUTE);
        let key = read_key(&mut section, environment);
        let peers = read_peers(&mut section);
        let witness = read_witness(&mut section);
        let tls = read_trust(&mut section);
        let (begins, peers) = (begins?, peers?);
        check_names(&mut section, public, &peers, witness.as_ref());
        check_alone(&mut section, begins, peers.is_empty(), witness.is_some());
        if !peers.is_empty() && key == Key::Missing {
            section.missing("key", KEY.allowed);
        }
        section.finish();
        let others = match key {
            Key::Read(key) if !peers.is_empty() => Some(Others {
                key: hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()),
                peers,
                witness,
                tls: tls?,
            }),
            Key::Read(_) | Key::Missing | Key::Wrong => None,
        };
        Some(RegionSettings {
            region: region?,
            begins,
            roles,
            trial,
            others,
        })
    }
}

/// Votes are renewed four times in the time that they hold.
fn read_roles(section: &mut Section<'_>) -> RoleSettings {
    let lease = section.duration("lease", SECOND..=MINUTE);
    let take_over_after = section.duration("take_over_after", SECOND..=10 * MINUTE);
    if take_over_after <= lease {
        let value = format!("\"{}ms\"", take_over_after.as_millis());
        let what =
            "is no longer than region.lease, within which a region that is cut off still rings";
        section.wrong_now("take_over_after", &value, what, "more than region.lease");
    }
    RoleSettings {
        lease,
        renew_every: lease / 4,
        take_over_after,
    }
}

#[derive(PartialEq, Eq)]
enum Key {
    Missing,
    Wrong,
    Read(String),
}

fn read_key(section: &mut Section<'_>, environment: &Environment) -> Key {
    let Some(Entry { origin, value }) = section.take("key") else {
        return Key::Missing;
    };
    match read_one(&value, &origin, environment, KEY) {
        Ok(key) => Key::Read(key),
        Err(what) => {
            let key = section.full("key");
            section.problems.without_value(&at(&origin, &key), &what);
            Key::Wrong
        }
    }
}

/// The list; `None`: it has problems.
fn read_peers(section: &mut Section<'_>) -> Option<Vec<PeerPlace>> {
    let Some(Entry { origin, value }) = section.take("peers") else {
        return Some(Vec::new());
    };
    let tables: Option<Vec<Table>> = match value {
        Value::Array(list) if list.len() <= PEERS_MAX => {
            let tables = list.into_iter().map(|value| value.try_into().ok());
            tables.collect()
        }
        Value::Array(_)
        | Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Table(_) => None,
    };
    let Some(tables) = tables else {
        let key = section.full("peers");
        let what = format!("is not accepted; allowed: {PEERS}");
        section.problems.without_value(&at(&origin, &key), &what);
        return None;
    };
    let mut peers = Vec::with_capacity(tables.len());
    for (place, table) in (1..).zip(tables) {
        let prefix = format!("{}.{place}.", section.full("peers"));
        let mut one = Section::new(
            prefix,
            origin.clone(),
            entries(&origin, table),
            section.problems,
        );
        let node = Node::parse(&one.text("node", NODE));
        let region = Region::parse(&one.text("region", NODE));
        let url = read_url(&mut one);
        one.finish();
        if let (Some(node), Some(region), Some(url)) = (node, region, url) {
            peers.push(PeerPlace { node, region, url });
        }
    }
    Some(peers)
}

fn read_witness(section: &mut Section<'_>) -> Option<Witness> {
    let Entry { origin, value } = section.take("witness")?;
    let Ok(table) = Table::try_from(value) else {
        let key = section.full("witness");
        let what = format!("is not accepted; allowed: {WITNESS}");
        section.problems.without_value(&at(&origin, &key), &what);
        return None;
    };
    let prefix = format!("{}.", section.full("witness"));
    let mut one = Section::new(
        prefix,
        origin.clone(),
        entries(&origin, table),
        section.problems,
    );
    let node = Node::parse(&one.text("node", NODE));
    let url = read_url(&mut one);
    one.finish();
    Some(Witness {
        node: node?,
        url: url?,
    })
}

/// Words of callers go from node to node: in plain text over a network of the operator's own only, and by their word.
fn read_url(section: &mut Section<'_>) -> Option<PublicUrl> {
    let url = section.text("url", URL);
    let allows_plaintext = section.boolean("allow_plaintext").unwrap_or(false);
    if url.is_empty() {
        return None; // That was said.
    }
    let parsed = PublicUrl::parse(&url);
    if parsed.is_none() && !allows_plaintext {
        let what = "would carry what callers say in plain text";
        let allowed =
            "https://, http:// on a loopback address, or allow_plaintext = true beside it";
        section.wrong_now("url", &format!("\"{url}\""), what, allowed);
    }
    parsed.or_else(|| PublicUrl::parse_plain(&url))
}

fn read_trust(section: &mut Section<'_>) -> Option<Arc<ClientConfig>> {
    let file = section.optional_text("ca_file", PATH);
    let path = file.as_ref().map(|file| file.origin.resolve(&file.text));
    let trust = client_config(path.as_deref());
    let origin = file.map_or(Origin::Default, |file| file.origin);
    let key = section.full("ca_file");
    trust
        .map_err(|error| {
            let what = format!("is not accepted ({error})");
            section.problems.without_value(&at(&origin, &key), &what);
        })
        .ok()
}

/// Each name is one process's.
fn check_names(
    section: &mut Section<'_>,
    public: Option<&Public>,
    peers: &[PeerPlace],
    witness: Option<&Witness>,
) {
    let mut taken: BTreeSet<Node> = public
        .and_then(|public| Node::parse(&public.node))
        .into_iter()
        .collect();
    let named = peers.iter().map(|peer| ("peers", peer.node));
    let witness = witness.map(|witness| ("witness", witness.node));
    for (key, node) in named.chain(witness) {
        if !taken.insert(node) {
            let value = format!("… node = \"{node}\" …");
            let what = "is taken: by this node (public.node), or by another one of them";
            section.wrong_now(
                key,
                &value,
                what,
                "a name that no other node and no witness has",
            );
        }
    }
}

/// Who is alone has no witness, and is none.
fn check_alone(section: &mut Section<'_>, begins: Begins, is_alone: bool, has_witness: bool) {
    if is_alone && has_witness {
        let what = "stands without region.peers: it has nobody to vote on";
        section.wrong_now(
            "witness",
            "{ … }",
            what,
            "region.peers beside it, or no witness",
        );
    }
    match begins {
        Begins::Witness if is_alone => section.missing("peers", PEERS),
        Begins::Witness if has_witness => {
            let what = "stands beside region.role = \"witness\": one witness has no other";
            section.wrong_now("witness", "{ … }", what, "one of them");
        }
        Begins::Active | Begins::Standby | Begins::Witness => {}
    }
}
