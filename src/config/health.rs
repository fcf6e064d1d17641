//! `[health]` and `[[health.probe]]`: how often it is looked how everything stands, and what agents need besides.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::ClientConfig;
use toml::{Table, Value};

use super::environment::Environment;
use super::keys::{PASSWORD, PLACE, URL, read_one};
use super::problem::{Origin, Problems};
use super::raw::{Entry, entries};
use super::section::{Form, Section, at};
use super::units::format_duration;
use super::{HOUR, Layers, MINUTE, PATH, TENTH};
use crate::core::health::RESULT_AGE_MAX;
use crate::probe::http::{self, Http};
use crate::probe::postgres::{self, Postgres, Unusable};
use crate::probe::tcp::Tcp;
use crate::provider::tls::client_config;
use crate::store::redis::{ADDRESS_FORM, RedisAddress};

/// The most probes that there are: each has one question under way at a time.
pub const PROBES_MAX: usize = 16;

/// How it is looked how everything stands.
#[derive(Clone, Debug)]
pub struct HealthSettings {
    /// The event loop turns if it did so within this time.
    pub live_max: Duration,
    /// How often stores, disks and the carrier's interface are looked at.
    pub interval: Duration,
    /// A provider that has answered nobody for so long is probed; zero: none is.
    pub provider_interval: Duration,
    /// The carrier's interface is asked something if it has answered nothing for so long; zero: it is not.
    pub rest_interval: Duration,
    /// A disk with less room than this is told of, in bytes.
    pub disk_free_min: u64,
    /// What agents need besides; at most [`PROBES_MAX`].
    pub probes: Vec<Probe>,
}

/// Something that an agent needs.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Its name in answers, logs and metrics.
    pub name: String,
    /// How often it is looked at.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Without it callers are better served by another node.
    pub is_required: bool,
    /// What is asked.
    pub target: Target,
}

/// What is asked. Never printed with a secret.
#[derive(Clone, Debug)]
pub enum Target {
    /// A page is fetched.
    Http(Http),
    /// A port is connected to.
    Tcp(Tcp),
    /// A Redis is sent a `PING`.
    Redis(Box<RedisAddress>),
    /// A database is asked `SELECT 1`.
    Postgres(Box<Postgres>),
}

/// What kind of thing is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    Tcp,
    Redis,
    Postgres,
}

impl Kind {
    const NAMES: [(&str, Self); 4] = [
        ("http", Self::Http),
        ("tcp", Self::Tcp),
        ("redis", Self::Redis),
        ("postgres", Self::Postgres),
    ];

    const fn form(self) -> &'static str {
        match self {
            Self::Http => "https://HOST[:PORT][/PATH], or http://",
            Self::Tcp => "tcp://HOST:PORT",
            Self::Redis => ADDRESS_FORM,
            Self::Postgres => postgres::ADDRESS_FORM,
        }
    }
}

const NAME: Form = Form {
    allowed: "a name of 1 to 64 small letters, digits and hyphens",
    accepts: super::is_name,
};

const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1024 * 1024;

impl Layers {
    /// The section; placeholders where it has problems, with which nothing is served.
    pub(super) fn read_health(&mut self, environment: &Environment) -> HealthSettings {
        let mut section = self.section("health");
        let live_max = section.duration("live_max", SECOND..=MINUTE);
        let interval = section.duration("interval", SECOND..=5 * SECOND);
        let provider_interval = read_pause(&mut section, "provider_interval");
        let rest_interval = read_pause(&mut section, "rest_interval");
        let mib = section.integer("disk_free_min_mib", 0..=1_u64 << 30);
        let list = section.take("probe");
        section.finish();
        HealthSettings {
            live_max,
            interval,
            provider_interval,
            rest_interval,
            disk_free_min: mib.saturating_mul(MIB),
            probes: read_probes(list, environment, &mut self.problems),
        }
    }
}

/// A pause of ten seconds at least, or none at all.
fn read_pause(section: &mut Section<'_>, key: &'static str) -> Duration {
    let pause = section.duration(key, Duration::ZERO..=24 * HOUR);
    if !pause.is_zero() && pause < 10 * SECOND {
        let value = format!("\"{}\"", format_duration(pause));
        let what = "would ask too often for what others bill or limit";
        section.wrong_now(key, &value, what, "10s to 24h, or 0s: never");
    }
    pause
}

fn read_probes(
    entry: Option<Entry>,
    environment: &Environment,
    problems: &mut Problems,
) -> Vec<Probe> {
    let Some(Entry { origin, value }) = entry else {
        return Vec::new();
    };
    let at_list = at(&origin, "health.probe");
    let tables: Option<Vec<Table>> = value.as_array().and_then(|list| {
        let tables = list.iter().map(|value| value.as_table().cloned());
        tables.collect()
    });
    let Some(tables) = tables else {
        problems.without_value(&at_list, "is not a list; allowed: [[health.probe]]");
        return Vec::new();
    };
    if tables.len() > PROBES_MAX {
        let count = tables.len();
        let what = format!("has {count} entries; allowed: up to {PROBES_MAX} of [[health.probe]]");
        problems.without_value(&at_list, &what);
        return Vec::new();
    }
    let mut probes: Vec<Probe> = Vec::with_capacity(tables.len());
    for (place, table) in tables.into_iter().enumerate() {
        let Some(probe) = read_probe(&origin, place, table, environment, problems) else {
            continue;
        };
        if probes.iter().any(|other| other.name == probe.name) {
            let value = format!("\"{}\"", probe.name);
            let allowed = "a name that no other probe has";
            problems.wrong(
                &at(&origin, "health.probe.name"),
                &value,
                "is taken",
                allowed,
            );
        }
        probes.push(probe);
    }
    probes
}

fn read_probe(
    origin: &Origin,
    place: usize,
    table: Table,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Probe> {
    let named = table.get("name").and_then(Value::as_str);
    let prefix = match named.filter(|name| super::is_name(name)) {
        Some(name) => format!("health.probe.{name}."),
        None => format!("health.probe.{}.", place + 1),
    };
    let values = entries(origin, table);
    let mut section = Section::new(prefix, origin.clone(), values, problems);
    let name = section.text("name", NAME);
    if !section.has("kind") {
        let kinds = Kind::NAMES.map(|(kind, _)| format!("{kind:?}"));
        section.missing("kind", &kinds.join(", "));
    }
    let kind = section.choice("kind", &Kind::NAMES);
    let interval = section.optional_duration("interval", SECOND..=HOUR);
    let timeout = section.optional_duration("timeout", TENTH..=MINUTE);
    let is_required = section.boolean("required").unwrap_or(true);
    let target = read_target(&mut section, kind, environment);
    let (interval, timeout) = (
        interval.unwrap_or(5 * SECOND),
        timeout.unwrap_or(2 * SECOND),
    );
    if is_required && interval + timeout > RESULT_AGE_MAX {
        let value = format!("\"{}\"", format_duration(interval));
        let what = "and its timeout are more than 10s together: callers would be sent elsewhere by what is not known any more";
        let allowed = "less, or required = false";
        section.wrong_now("interval", &value, what, allowed);
    }
    section.finish();
    Some(Probe {
        name,
        interval,
        timeout,
        is_required,
        target: target?,
    })
}

fn read_target(
    section: &mut Section<'_>,
    kind: Option<Kind>,
    environment: &Environment,
) -> Option<Target> {
    let status = section.optional_integer("status", 100..=599);
    let ca_file = section.optional_text("ca_file", PATH);
    let password = section.take("password");
    let password = match password {
        Some(entry) => {
            let read = read_one(&entry.value, &entry.origin, environment, PASSWORD);
            Some(report(section, "password", &entry.origin, read)?)
        }
        None => None,
    };
    let Some(entry) = section.take("url") else {
        section.missing("url", kind.map_or(PLACE, Kind::form));
        return None;
    };
    let (kind, tls) = (kind?, {
        let path = ca_file.as_ref().map(|file| file.origin.resolve(&file.text));
        match client_config(path.as_deref()) {
            Ok(tls) => tls,
            Err(error) => {
                let what = format!("is not accepted ({error})");
                let allowed = "a PEM file with certificates in it";
                section.wrong_now("ca_file", "…", &what, allowed);
                return None;
            }
        }
    });
    for (is_there, key, is_fit) in [
        (status.is_some(), "status", kind == Kind::Http),
        (
            password.is_some(),
            "password",
            matches!(kind, Kind::Redis | Kind::Postgres),
        ),
    ] {
        if is_there && !is_fit {
            let key = section.full(key);
            let what = "is of no use to a probe of this kind; allowed: none";
            section
                .problems
                .without_value(&at(&entry.origin, &key), what);
            return None;
        }
    }
    let url = match entry.value.as_str() {
        Some(url) => Ok(url.to_owned()),
        None => read_one(&entry.value, &entry.origin, environment, URL),
    };
    let wanted = Read {
        is_literal: entry.value.is_str(),
        status,
        password,
        tls,
    };
    let target = url.and_then(|url| wanted.target(kind, url));
    report(section, "url", &entry.origin, target)
}

/// What was read of a probe's target beside its address.
struct Read {
    /// The address stands in the settings, and must hold no secret.
    is_literal: bool,
    status: Option<u16>,
    password: Option<String>,
    tls: Arc<ClientConfig>,
}

impl Read {
    /// The target of this address; what is wrong with it, without the address, in which there may be a password.
    fn target(self, kind: Kind, url: String) -> Result<Target, String> {
        let none = || format!("is no address of this kind; allowed: {}", kind.form());
        let unless_written = |has_secret: bool| {
            if self.is_literal && has_secret {
                return Err(format!(
                    "holds a password; allowed: the address without it, or all of it in {PLACE}"
                ));
            }
            Ok(())
        };
        match kind {
            Kind::Http => {
                if !http::is_url(&url) {
                    return Err(none());
                }
                unless_written(http::has_login(&url))?;
                Ok(Target::Http(Http::new(url, self.status, &self.tls)))
            }
            Kind::Tcp => Tcp::parse(&url).map(Target::Tcp).ok_or_else(none),
            Kind::Redis => {
                let mut address = RedisAddress::parse(&url).ok_or_else(none)?;
                unless_written(address.login.password.is_some())?;
                address.login.password = self.password.or(address.login.password);
                address.tls = address.is_tls.then_some(self.tls);
                Ok(Target::Redis(Box::new(address)))
            }
            Kind::Postgres => {
                let postgres = Postgres::parse(&url, &self.tls).map_err(|error| match error {
                    Unusable::NoAddress => none(),
                    Unusable::NotBuilt => {
                        format!("{error}; allowed: a build with the feature postgres")
                    }
                })?;
                unless_written(postgres.has_password())?;
                Ok(Target::Postgres(Box::new(match &self.password {
                    Some(password) => postgres.with_password(password),
                    None => postgres,
                })))
            }
        }
    }
}

/// A problem is told without the value, which may be a secret.
fn report<T>(
    section: &mut Section<'_>,
    name: &str,
    origin: &Origin,
    read: Result<T, String>,
) -> Option<T> {
    let name = section.full(name);
    let at = at(origin, &name);
    read.map_err(|what| section.problems.without_value(&at, &what))
        .ok()
}
