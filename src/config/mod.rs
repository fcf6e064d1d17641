//! Turns files and environment into valid settings: where a [`Config`] exists, everything in it is allowed.
//!
//! It owns the layers (built-in defaults, a file, the environment), the names of all keys and every message about them, and it is
//! the only place that reads secrets. It must not act on what it reads: [`crate::server`] does. All keys are documented in
//! `config/ringback.toml`, which is built in.

mod admin;
mod agents;
mod callbacks;
mod carrier;
mod environment;
mod keys;
mod ladder;
mod menu;
mod messages;
mod overload;
mod persons;
mod pool;
mod problem;
mod prompts;
mod provider;
mod public;
mod raw;
mod region;
mod rest;
mod section;
mod shared;
mod store;
mod texts;
mod units;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::admin::Admin;
pub use self::agents::{Agent, Agents, Found};
pub use self::callbacks::{Callbacks, ConsentPolicy, Sender};
pub use self::carrier::{Mode, Twilio, UpgradeSignature};
pub use self::environment::{Environment, OPERATOR_TOKEN};
pub use self::ladder::Providers;
pub use self::messages::{Delivery, HookSecret, MessageSettings};
pub use self::persons::Persons;
pub use self::problem::{Origin, Problem, Problems};
pub use self::prompts::Rendering;
pub use self::provider::Provider;
pub use self::public::{Auth, Public};
use self::raw::{Entries, Raw, read_file};
pub use self::region::{Begins, Others, PEERS_MAX, PeerPlace, RegionSettings, Witness};
use self::section::{Form, Section, at};
pub use self::shared::SharedSettings;
pub use self::store::{StorePlace, StoreSettings};
pub use self::texts::{TextName, Texts};
use crate::audio::prompts::PromptCache;
use crate::core::call::CallSettings;
use crate::core::call::menu::Menu;
use crate::core::call::prompt::Prompts;
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
    /// Whether a running server has them spoken by a model.
    pub rendering: Rendering,
    /// Where what outlives a call is kept.
    pub store: StoreSettings,
    /// The store that nodes share; `None`: there is none.
    pub shared: Option<SharedSettings>,
    /// Where this node stands among the others.
    pub region: RegionSettings,
    /// How lost callers are texted and rung back; `None`: they are not.
    pub callbacks: Option<Callbacks>,
    /// The zone of the business, as in `Europe/Paris`.
    pub zone: String,
    /// Messages after the tone.
    pub messages: MessageSettings,
    /// What is told on standard error.
    pub log: LogSettings,
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
            .is_some_and(|public| public.auth == Auth::Twilio && !self.is_witness());
        let twilio = self.read_twilio(is_twilio, environment);
        let calls = self.read_calls();
        let call = self.read_call();
        let store = self.read_store(environment);
        let shared = self.read_shared(environment);
        let region = self.read_region(public.as_ref(), environment);
        let (callbacks, zone) = self.read_callbacks(twilio.as_ref(), store.as_ref());
        let menu = self.read_menu();
        let place = store.as_ref().map(|store| &store.place);
        let messages = self.read_messages(place, environment);
        let log = self.read_log();
        let rendering = self.read_rendering();
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
            public: public.map(|public| public.with_account_of(twilio.as_ref()))?,
            admin,
            twilio,
            calls,
            call: CallSettings {
                menu: menu?,
                ..call
            },
            providers: Providers { entries, policy },
            overload,
            agents,
            prompts: Arc::new(prompts),
            prompts_dir: prompts_dir.map(|(dir, _)| dir),
            rendering: rendering?,
            store: store?,
            shared,
            region: region?,
            callbacks,
            zone: zone?,
            messages: messages?,
            log: log?,
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
            hand_over_max: section.duration("hand_over_max", Duration::ZERO..=MINUTE),
            keys_timeout: section.duration("keys_timeout", TENTH..=MINUTE),
            refusals_max: section.integer("refusals_max", 1..=1_000_000),
            menu: Menu::default(),
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

const PATH: Form = Form {
    allowed: "the path of a folder",
    accepts: |text| !text.is_empty(),
};

/// Whether this can be the name of an agent or a provider.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests;
