//! Turns files and environment into valid settings: where a [`Config`] exists, everything in it is allowed.
//!
//! It owns the layers (built-in defaults, a file, the environment), the names of all keys and every message about them, and it is
//! the only place that reads secrets. It must not act on what it reads: [`crate::server`] does. All keys are documented in
//! `config/ringback.toml`, which is built in.

mod admin;
mod agents;
mod carrier;
mod environment;
mod keys;
mod ladder;
mod overload;
mod pool;
mod problem;
mod prompts;
mod provider;
mod raw;
mod section;
mod store;
mod units;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::admin::Admin;
pub use self::agents::{Agent, Agents, Found};
pub use self::carrier::{ApiKey, Mode, Twilio, UpgradeSignature};
pub use self::environment::{Environment, OPERATOR_TOKEN};
pub use self::ladder::Providers;
pub use self::problem::{Origin, Problem, Problems};
pub use self::provider::Provider;
use self::raw::{Entries, Raw, read_file};
use self::section::{Form, Section, at};
pub use self::store::{StorePlace, StoreSettings};
use crate::audio::prompts::PromptCache;
use crate::core::call::CallSettings;
use crate::core::call::prompt::Prompts;
use crate::core::ids::AccountSid;
use crate::core::overload::OverloadSettings;
use crate::core::pool::PoolPolicy;
use crate::telemetry::{LogFormat, LogLevel, LogSettings};

/// The defaults: every key that there is, with its meaning and unit.
pub const DEFAULTS: &str = include_str!("../../config/ringback.toml");

/// Everything that the server is told before it begins.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listener that carriers connect to.
    pub public: Public,
    /// The listener of operators; `None`: there is none.
    pub admin: Option<Admin>,
    /// Who we are at Twilio; there with [`Auth::Twilio`] only.
    pub twilio: Option<Twilio>,
    /// All calls together.
    pub calls: Calls,
    /// One call.
    pub call: CallSettings,
    /// The realtime models, and when which of them is dialled.
    pub providers: Providers,
    /// When there is too much to do.
    pub overload: OverloadSettings,
    /// Whom callers speak with.
    pub agents: Agents,
    /// What they say without a model.
    pub prompts: Arc<PromptCache>,
    /// The folder of their recordings, if there is one: what is rendered or imported goes there.
    pub prompts_dir: Option<PathBuf>,
    /// Where what outlives a call is kept.
    pub store: StoreSettings,
    /// What is told on standard error.
    pub log: LogSettings,
}

/// The listener that carriers connect to.
#[derive(Clone, Debug)]
pub struct Public {
    /// Its address; with [`Auth::None`] a loopback one.
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
}

/// How a carrier proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// By Twilio's signatures, and by tokens of ours in the documents that it is given.
    Twilio,
    /// Not at all: whoever reaches the listener is served, so only this machine may.
    None,
}

/// All calls together.
#[derive(Clone, Debug)]
pub struct Calls {
    /// How many sockets of carriers may be open.
    pub calls_max: usize,
    /// How long live calls may take to end by themselves before they are ended.
    pub drain_grace: Duration,
}

/// Reads the defaults, then `file`, then the environment; tells everything that is wrong at once.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let mut raw = Raw::default();
    raw.add_file(&Origin::Default, DEFAULTS, &mut problems);
    if let Some(path) = file {
        let origin = Origin::File(path.to_owned());
        match read_file(path) {
            Ok(text) => raw.add_file(&origin, &text, &mut problems),
            Err(what) => problems.push(&origin, what),
        }
    }
    raw.add_variables(environment);
    let origin = file.map_or(Origin::Default, |path| Origin::File(path.to_owned()));
    let mut layers = Layers {
        raw,
        origin,
        problems,
        known: Vec::new(),
    };
    let config = layers.read(environment);
    match config {
        Some(config) if layers.problems.is_empty() => Ok(config),
        Some(_) | None => Err(layers.problems),
    }
}

/// The layers while they are read.
struct Layers {
    raw: Raw,
    /// Where what is missing is missing: the file that should have it.
    origin: Origin,
    problems: Problems,
    /// The sections that have been asked for.
    known: Vec<&'static str>,
}

impl Layers {
    fn read(&mut self, environment: &Environment) -> Option<Config> {
        let mut top = self.section("");
        let agents_dir = top.optional_text("agents_dir", PATH);
        let prompts_dir = top.optional_text("prompts_dir", PATH);
        let list = top.take("provider");
        top.finish();
        let written = self.written();
        let public = self.read_public();
        let admin = self.read_admin(environment);
        let is_twilio = public
            .as_ref()
            .is_some_and(|public| public.auth == Auth::Twilio);
        let twilio = self.read_twilio(is_twilio, environment);
        let calls = self.read_calls();
        let call = self.read_call();
        let store = self.read_store(environment);
        let log = self.read_log();
        let agents = agents::read(agents_dir.as_ref(), &mut self.problems);
        let count = agents.as_ref().map_or(1, |agents| agents.iter().len());
        let mut entries = provider::read(list, environment, &mut self.problems);
        self.read_ladder(&mut entries);
        let policy = PoolPolicy {
            providers: entries.iter().map(|entry| entry.policy.clone()).collect(),
            tenants: self.read_tenants(count),
            breaker: self.read_breaker(),
            retry: self.read_retry(),
            hedge: self.read_hedge(),
        };
        let overload = self.read_overload(&written);
        self.refuse_unknown_sections();
        self.check_policy(&policy, &call, &written);
        if !self.problems.is_empty() {
            return None; // Nobody gets these settings: no need to read recordings.
        }
        let agents = agents?;
        let prompts_dir = prompts::folder(prompts_dir.as_ref(), agents_dir.as_ref());
        let prompts = prompts::load(&agents, prompts_dir.as_ref(), &mut self.problems)?;
        Some(Config {
            public: public.map(|public| with_account(public, twilio.as_ref()))?,
            admin,
            twilio,
            calls,
            call,
            providers: Providers { entries, policy },
            overload,
            agents,
            prompts: Arc::new(prompts),
            prompts_dir: prompts_dir.map(|(dir, _)| dir),
            store: store?,
            log: log?,
        })
    }

    fn read_public(&mut self) -> Option<Public> {
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
        if let (Some(listen), Some(Auth::None)) = (listen, auth)
            && !listen.ip().is_loopback()
        {
            section.wrong_now(
                "listen",
                &format!("\"{listen}\""),
                "would let anybody in, since public.auth = \"none\"",
                "a loopback address, as in \"127.0.0.1:8080\"",
            );
        }
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
        })
    }

    fn read_calls(&mut self) -> Calls {
        let mut section = self.section("calls");
        let calls = Calls {
            calls_max: section.integer("calls_max", 1..=100_000),
            drain_grace: section.duration("drain_grace", Duration::ZERO..=HOUR),
        };
        section.finish();
        calls
    }

    fn read_call(&mut self) -> CallSettings {
        let mut section = self.section("call");
        let call = CallSettings {
            start_timeout: section.duration("start_timeout", TENTH..=MINUTE),
            dial_timeout: section.duration("dial_timeout", TENTH..=MINUTE),
            slow_dial: section.duration("slow_dial", TENTH..=MINUTE),
            answer_timeout: section.duration("answer_timeout", TENTH..=MINUTE),
            stall_timeout: section.duration("stall_timeout", TENTH..=MINUTE),
            pause_timeout: section.duration("pause_timeout", TENTH..=MINUTE),
            filler_after: section.duration("filler_after", TENTH..=MINUTE),
            filler_again_after: section.duration("filler_again_after", TENTH..=MINUTE),
            apology_after: section.duration("apology_after", TENTH..=MINUTE),
            carrier_silence_max: section.duration("carrier_silence_max", TENTH..=HOUR),
            ping_interval: section.duration("ping_interval", TENTH..=MINUTE),
            pong_timeout: section.duration("pong_timeout", TENTH..=MINUTE),
            ahead_max: section.duration("ahead_max", TENTH..=MINUTE),
            held_max: section.duration("held_max", Duration::from_secs(1)..=10 * MINUTE),
            uplink_max: section.duration("uplink_max", TENTH..=2 * MINUTE),
            rotate_before: section.duration("rotate_before", TENTH..=HOUR),
            goodbye_grace: section.duration("goodbye_grace", TENTH..=MINUTE),
            keys_timeout: section.duration("keys_timeout", TENTH..=MINUTE),
            refusals_max: section.integer("refusals_max", 1..=1_000_000),
            prompts: Prompts::default(),
        };
        section.finish();
        call
    }

    fn read_log(&mut self) -> Option<LogSettings> {
        let mut section = self.section("log");
        let format = section.choice("format", &LogFormat::NAMES);
        let level = section.choice("level", &LogLevel::NAMES);
        section.finish();
        Some(LogSettings {
            format: format?,
            level: level?,
        })
    }

    fn section(&mut self, name: &'static str) -> Section<'_> {
        self.known.push(name);
        let entries = self.raw.sections.remove(name).unwrap_or_default();
        let prefix = match name {
            "" => String::new(),
            name => format!("{name}."),
        };
        Section::new(prefix, self.origin.clone(), entries, &mut self.problems)
    }

    fn refuse_unknown_sections(&mut self) {
        let known: Vec<_> = self
            .known
            .iter()
            .copied()
            .filter(|name| !name.is_empty())
            .collect();
        for (name, entries) in std::mem::take(&mut self.raw.sections) {
            self.refuse_section(&name, &entries, &known);
        }
    }

    fn refuse_section(&mut self, name: &str, entries: &Entries, known: &[&str]) {
        let origin = entries.values().next().map(|entry| &entry.origin);
        let origin = origin.unwrap_or(&self.origin);
        if name == "provider" {
            let list = at(origin, "provider");
            let what = "is a list, which no variable can change; allowed: [[provider]] in a file";
            self.problems.without_value(&list, what);
            return;
        }
        let sentence = section::unknown("section ", name, known);
        self.problems.push(origin, sentence);
    }
}

const TENTH: Duration = Duration::from_millis(100);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// One of our own Twilio accounts and a few of its subaccounts.
const ACCOUNTS_MAX: usize = 1_000;

/// A few balancers.
const PROXIES_MAX: usize = 64;

const PATH: Form = Form {
    allowed: "the path of a folder",
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

const NODE: Form = Form {
    allowed: "a name of 1 to 32 small letters, digits and hyphens",
    accepts: |text| text.len() <= 32 && is_name(text),
};

/// Our own account's streams are accepted without being named a second time.
fn with_account(mut public: Public, twilio: Option<&Twilio>) -> Public {
    if let Some(twilio) = twilio
        && !public.accounts.contains(&twilio.account)
    {
        let accounts = public.accounts.iter().copied();
        public.accounts = accounts.chain([twilio.account]).collect();
    }
    public
}

/// Whether this can be the name of an agent or a provider.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests;
