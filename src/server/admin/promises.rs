//! How promises look to operators, as JSON: the same types on both sides of the wire. A number shows its last two digits.

use serde::{Deserialize, Serialize};

use crate::core::callback::number::Number;
use crate::core::callback::promise::{Promise, Stage, Texted};
use crate::core::time::Utc;

/// The most promises of one answer; those that are due first are in it.
const PROMISES_MAX: usize = 500;

/// How all promises stand: the answer to `GET /admin/v1/callbacks`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallbacksView {
    /// How many are open.
    pub open: usize,
    /// Whether it is certain what time it is; if not, nobody is texted or rung.
    pub is_clock_sane: bool,
    /// Whether models have room for those who are rung.
    pub has_models: bool,
    /// The promises, the next due first; 500 at most.
    pub promises: Vec<PromiseView>,
}

/// How one promise stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PromiseView {
    /// Its name.
    pub id: String,
    /// How far it is: see the table of stages.
    pub stage: String,
    /// The last two digits of the number.
    pub number: String,
    /// The language.
    pub language: String,
    /// What became of the text: `none`, `unknown`, `sent`, `delivered`, `failed`, or nothing yet.
    pub text: String,
    /// Whether they have to answer YES first.
    pub needs_yes: bool,
    /// How often they were rung.
    pub rings: u8,
    /// For how long it has been open, in seconds.
    pub age_s: u64,
    /// In how many seconds something is to be done about it at the latest; 0: now.
    pub due_in_s: Option<u64>,
    /// In how many seconds it ends.
    pub expires_in_s: u64,
}

/// The number of a promise: the answer to `GET /admin/v1/callbacks/{promise}/number`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NumberView {
    /// In full.
    pub number: String,
}

/// What an operator wants with a promise: the body of `POST /admin/v1/callbacks/{promise}`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackOrder {
    /// What to do.
    #[serde(rename = "do")]
    pub verb: CallbackVerb,
}

/// What can be done with a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallbackVerb {
    /// End it, unless its caller is speaking with us.
    Cancel,
    /// Ring as soon as it may be.
    Retry,
}

impl CallbackVerb {
    /// Its name in requests and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Retry => "retry",
        }
    }
}

/// Who is to be forgotten: the body of `POST /admin/v1/forget`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetOrder {
    /// Their number, with its country.
    pub number: String,
}

/// Without the number.
impl std::fmt::Debug for ForgetOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForgetOrder(_)")
    }
}

impl CallbacksView {
    pub(in crate::server) fn new<'a>(
        promises: impl Iterator<Item = &'a Promise>,
        now: Utc,
        (is_clock_sane, has_models): (bool, bool),
    ) -> Self {
        let mut all: Vec<&Promise> = promises.collect();
        let open = all.len();
        all.sort_by_key(|promise| (promise.due(), promise.id));
        all.truncate(PROMISES_MAX);
        Self {
            open,
            is_clock_sane,
            has_models,
            promises: all
                .into_iter()
                .map(|one| PromiseView::new(one, now))
                .collect(),
        }
    }
}

impl PromiseView {
    fn new(promise: &Promise, now: Utc) -> Self {
        Self {
            id: promise.id.to_string(),
            stage: promise.stage.name().to_owned(),
            number: masked(promise.to),
            language: promise.language.name().to_owned(),
            text: promise.stage.text().map_or("", text).to_owned(),
            needs_yes: promise.needs_yes(),
            rings: rings(&promise.stage),
            age_s: now.since(promise.promised).as_secs(),
            due_in_s: promise.due().map(|due| due.since(now).as_secs()),
            expires_in_s: promise.expires.since(now).as_secs(),
        }
    }
}

/// The last two digits.
fn masked(number: Number) -> String {
    format!("…{:02}", number.value() % 100)
}

const fn text(text: Texted) -> &'static str {
    match text {
        Texted::Not => "none",
        Texted::Unknown => "unknown",
        Texted::Sent(_) => "sent",
        Texted::Delivered(_) => "delivered",
        Texted::Failed(_) => "failed",
    }
}

const fn rings(stage: &Stage) -> u8 {
    match stage {
        Stage::Due { rings, .. }
        | Stage::Ringing { rings, .. }
        | Stage::Connected { rings, .. } => *rings,
        Stage::Promised { .. } | Stage::Texting { .. } | Stage::Asked { .. } | Stage::Ended(_) => 0,
    }
}
