//! A load plan: who calls, what answers, what is started, and what must hold.
//!
//! Owns the plan's format and every message about a wrong plan. It starts nothing: look next at [`crate::run`]. The plans that
//! come with loadtest are in `loadtest/plans`, each key of them documented here.

mod beside;
mod breaker;
mod drill;
mod house;
mod server;
mod template;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::Deserialize;

pub use beside::Beside;
pub use breaker::Breaker;
pub use drill::{Drill, Kills, Mix};
pub use house::{Harm, HousePlan, StorePlan, What};
pub use server::Server;
pub use template::{ACCOUNT_SID, AUTH_TOKEN, NODE_NAMES, Names, fill};

use crate::{
    carrier::{CarrierSettings, StreamCut},
    model::settings::ModelSettings,
    recording::Recording,
    report::Objective,
    tls::Certificate,
    twilio::{
        network::PhoneSettings,
        rest::{FaultWindow, RestShares},
        settings::TwilioSettings,
    },
};

/// A plan, as it stands in its file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it is about, in a sentence; printed when it begins.
    pub about: String,
    /// Who calls.
    pub calls: Calls,
    /// How phones and their carrier behave.
    #[serde(default)]
    pub carrier: CarrierSettings,
    /// How the carrier behaves before and between streams, where callers come in through a Voice URL.
    #[serde(default)]
    pub twilio: TwilioSettings,
    /// How people behave whom the server texts and rings.
    #[serde(default)]
    pub phones: PhoneSettings,
    /// How often Twilio's REST interface goes wrong.
    #[serde(default)]
    pub rest: RestShares,
    /// When all of it goes wrong.
    #[serde(default)]
    pub rest_faults: Vec<FaultWindow>,
    /// The folder of prompts that callers know: `LANGUAGE/NAME.wav` in it. Without it nobody knows what was promised.
    pub prompts: Option<PathBuf>,
    /// What a drill does; [`crate::drill`] reads it, a run does not.
    pub drill: Option<Drill>,
    /// Several nodes in regions, and what is done to them; [`crate::drill`] reads it, a run does not.
    pub house: Option<HousePlan>,
    /// Who else is there, in the steady window.
    #[serde(default)]
    pub beside: Beside,
    /// How the model behaves, if there is one; its name is `model`.
    model: Option<ModelSettings>,
    /// How each of several models behaves, by their names.
    #[serde(default)]
    models: BTreeMap<String, ModelSettings>,
    /// When a breaker of the server is taken for open, in figures.
    #[serde(default)]
    pub breaker: Breaker,
    /// The models speak TLS, and present this certificate; without the key they speak plain.
    pub model_certificate: Option<Certificate>,
    /// The server under test, as a child of the run; without it, `--url` says where it is.
    pub server: Option<Server>,
    /// What the server is measured against, alternately, in the same run.
    #[serde(default)]
    pub compare: Compare,
    /// What must hold: a figure's name with `_min` or `_max`, and its limit.
    #[serde(default)]
    objectives: BTreeMap<String, f64>,
}

/// Who calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// Calls at a time; whoever hangs up is followed by another caller.
    pub concurrent: u32,
    /// What they say: names of recordings that come with loadtest, or folders; each caller takes the next.
    pub recordings: Vec<String>,
    /// The first callers come one by one within this.
    #[serde(default)]
    pub ramp_ms: u64,
    /// Then the server is measured for this long.
    pub steady_ms: u64,
    /// At the end of it callers hang up where they are; else they end their recording first.
    #[serde(default)]
    pub hang_up: bool,
    /// After the end this long is waited for calls to end.
    #[serde(default = "default_drain_ms")]
    pub drain_ms: u64,
    /// A call that the server closes in order is complete: where there is no model, an apology is a good end.
    #[serde(default)]
    pub apology_counts: bool,
    /// Each caller's stream is cut by the next of these; only a call that came in through a Voice URL outlives it.
    #[serde(default)]
    pub cuts: Vec<StreamCut>,
    /// Each calls from a number of their own; else all from `carrier.from`.
    #[serde(default)]
    pub own_numbers: bool,
    /// What chance is drawn from. The same seed gives the same calls.
    #[serde(default = "default_seed")]
    pub seed: u64,
}

/// What the server is measured against.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of its own in a plan"
)]
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compare {
    /// The bare relay.
    pub relay: bool,
    /// The same server, with a model that speaks no TLS.
    pub plain: bool,
    /// The same server, with nobody `beside` the callers.
    pub quiet: bool,
    /// The same server, with models whose house has no faults.
    pub well: bool,
    /// The same server, with only so many calls at a time.
    pub fewer: Option<u32>,
    /// How often each is measured, alternately; the median counts.
    pub rounds: u32,
    /// Threads of the relay's runtime: as many as the server has. 0: the runtime of a single thread; without it: one a core.
    pub relay_workers: Option<usize>,
}

impl Default for Compare {
    fn default() -> Self {
        Self {
            relay: false,
            plain: false,
            quiet: false,
            well: false,
            fewer: None,
            rounds: 1,
            relay_workers: None,
        }
    }
}

fn default_drain_ms() -> u64 {
    90_000
}

fn default_seed() -> u64 {
    1
}

/// The most calls at a time: two sockets each, within the port range of one address.
const CONCURRENT_MAX: u32 = 4_000;
/// The longest window; stamps hold twelve days, nobody watches that long.
const STEADY_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// The name of a model that is alone.
const ONE_MODEL: &str = "model";
/// More models than this have no numbers for their sessions.
const MODELS_MAX: usize = 16;
/// More rounds do not make a better median.
const ROUNDS_MAX: u32 = 99;

/// What is wrong with a plan. Each message names the file, the key, the value and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, or a key is unknown, missing or of the wrong kind.
    #[error("{}: {source}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where, and what.
        source: Box<toml::de::Error>,
    },
    /// A value is not allowed.
    #[error("{}: {key} = {value}: {allowed}", path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// Which key.
        key: String,
        /// What it was.
        value: String,
        /// What is allowed.
        allowed: String,
    },
}

impl Plan {
    /// Reads a plan and checks all of it.
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        let text = std::fs::read_to_string(path).map_err(|source| PlanError::Read {
            path: path.into(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// As [`load`](Self::load), of a text; `path` is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self, PlanError> {
        let plan: Self = toml::from_str(text).map_err(|source| PlanError::Parse {
            path: path.into(),
            source: Box::new(source),
        })?;
        plan.check().map_err(|wrong| PlanError::Value {
            path: path.into(),
            key: wrong.key,
            value: wrong.value,
            allowed: wrong.allowed,
        })?;
        Ok(plan)
    }

    /// The recordings that callers take, in the plan's order.
    pub fn recordings(&self, path: &Path) -> Result<Vec<Arc<Recording>>, PlanError> {
        let load = |name: &String| match Recording::find(name) {
            Ok(recording) => Ok(Arc::new(recording)),
            Err(error) => Err(PlanError::Value {
                path: path.into(),
                key: "calls.recordings".into(),
                value: name.clone(),
                allowed: error.to_string(),
            }),
        };
        self.calls.recordings.iter().map(load).collect()
    }

    /// The models, by their names: at least one.
    pub fn models(&self) -> BTreeMap<String, ModelSettings> {
        if self.models.is_empty() {
            let model = self.model.clone().unwrap_or_default();
            return [(ONE_MODEL.to_owned(), model)].into();
        }
        self.models.clone()
    }

    /// Whether a call that the server closes in order is complete: the agent said goodbye, or an apology was heard.
    pub fn server_may_close(&self) -> bool {
        self.calls.apology_counts || self.models().values().any(|model| model.goodbye)
    }

    /// What must hold, in the order of their names.
    pub fn objectives(&self) -> Vec<Objective> {
        self.objectives
            .iter()
            .map(|(key, &limit)| {
                Objective::parse(key, limit).expect("objectives are checked when a plan is parsed")
            })
            .collect()
    }

    fn check(&self) -> Result<(), Wrong> {
        let calls = &self.calls;
        within("calls.concurrent", calls.concurrent, 1, CONCURRENT_MAX)?;
        within("calls.steady_ms", calls.steady_ms, 1, STEADY_MS_MAX)?;
        within("calls.ramp_ms", calls.ramp_ms, 0, STEADY_MS_MAX)?;
        within("calls.drain_ms", calls.drain_ms, 0, STEADY_MS_MAX)?;
        within("compare.rounds", self.compare.rounds, 1, ROUNDS_MAX)?;
        if let Some(fewer) = self.compare.fewer {
            within("compare.fewer", fewer, 1, calls.concurrent)?;
        }
        if calls.recordings.is_empty() {
            return wrong("calls.recordings", "[]", "allowed: at least one");
        }
        for (key, &limit) in &self.objectives {
            if let Err(allowed) = Objective::parse(key, limit) {
                return wrong(&format!("objectives.{key}"), &limit.to_string(), &allowed);
            }
            if !limit.is_finite() {
                let key = format!("objectives.{key}");
                return wrong(&key, &limit.to_string(), "allowed: a finite number");
            }
        }
        if self.compare.plain && (self.model_certificate.is_none() || self.server.is_none()) {
            let allowed = "allowed: only with a model_certificate and a [server]";
            return wrong("compare.plain", "true", allowed);
        }
        if let Err(error) = self.carrier.validate() {
            let key = format!("carrier.{}", error.key);
            return wrong(&key, &error.value, error.allowed);
        }
        if let Err(allowed) = self.twilio.validate() {
            return wrong("twilio", "{..}", &allowed);
        }
        self.check_beside()?;
        let drill = self.drill.as_ref().map_or(Ok(()), Drill::validate);
        let house = self.house.as_ref().map_or(Ok(()), HousePlan::validate);
        for (key, checked) in [
            ("phones", self.phones.validate()),
            ("rest", self.rest.validate()),
            ("drill", drill),
            ("house", house),
        ] {
            if let Err(allowed) = checked {
                return wrong(key, "{..}", &allowed);
            }
        }
        if self.model.is_some() && !self.models.is_empty() {
            let allowed = "allowed: [model], or [models.NAME] for each of several";
            return wrong("model", "{..}", allowed);
        }
        if self.models.len() > MODELS_MAX {
            let allowed = format!("allowed: at most {MODELS_MAX}");
            return wrong("models", &self.models.len().to_string(), &allowed);
        }
        for name in self.models.keys() {
            if name.is_empty() || !name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_') {
                return wrong("models", name, "allowed: a name of small letters and _");
            }
        }
        let names = self.models();
        let names = names.keys().map(String::as_str);
        let allowed = template::allowed(names, self.house.is_some());
        let mut commands = self.house.iter().flat_map(HousePlan::commands);
        if let Some(unknown) = commands.find_map(|text| template::unknown(text, &allowed)) {
            let allowed = format!("allowed: {}", allowed.join(", "));
            return wrong("house.versions, house.witness", &unknown, &allowed);
        }
        (self.server.as_ref()).map_or(Ok(()), |server| server.check(&allowed))
    }
}

impl Plan {
    /// Whoever is beside the callers comes to the Voice URL, or to the stream, of a server that the plan starts.
    fn check_beside(&self) -> Result<(), Wrong> {
        self.beside.check()?;
        let is_front_door =
            (self.server.as_ref()).is_some_and(|server| server.voice_path.is_some());
        if !self.beside.is_empty() && !is_front_door {
            let allowed = "allowed: only with server.voice_path";
            return wrong("beside", "{..}", allowed);
        }
        if self.compare.quiet && self.beside.is_empty() {
            return wrong("compare.quiet", "true", "allowed: only with [beside]");
        }
        Ok(())
    }
}

impl Calls {
    /// The ramp.
    pub fn ramp(&self) -> Duration {
        Duration::from_millis(self.ramp_ms)
    }

    /// The window in which the server is measured.
    pub fn steady(&self) -> Duration {
        Duration::from_millis(self.steady_ms)
    }

    /// How long the calls may take to end.
    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }
}

/// A value that is not allowed.
struct Wrong {
    key: String,
    value: String,
    allowed: String,
}

fn wrong(key: &str, value: &str, allowed: &str) -> Result<(), Wrong> {
    Err(Wrong {
        key: key.into(),
        value: value.into(),
        allowed: allowed.into(),
    })
}

fn within(key: &str, value: impl Into<u64>, min: u64, max: impl Into<u64>) -> Result<(), Wrong> {
    let (value, max) = (value.into(), max.into());
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        let allowed = format!("allowed: {min} to {max}");
        wrong(key, &value.to_string(), &allowed)
    }
}

#[cfg(test)]
mod tests;
