//! What the third call needs around it: an edge that may text and ring, its carrier, and a caller who may be rung now.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use loadtest::carrier::KnownPrompts;
use loadtest::net::Clock;
use loadtest::plan::{ACCOUNT_SID, AUTH_TOKEN};
use loadtest::recording::Recording;
use loadtest::twilio::Account;
use loadtest::twilio::network::{Network, Overheard, PhoneSettings};
use loadtest::twilio::settings::TwilioSettings;
use ringback::audio::prompts::bundled::Bundled;
use ringback::audio::prompts::{Language, Name};
use ringback::config::Config;
use ringback::core::time::Utc;
use tokio::sync::mpsc;

use crate::demo::models::Model;

/// What is told before the call: which of the settings are no defaults.
pub(super) const INTRODUCTION: &str = "\
3. A call whose providers are both killed, and whose caller is rung back when they are well again.\n   \
Shortened, so that nobody waits: a breaker opens at the first failure (else: the fifth in a row) and cools down for 2 s\n   \
(else: 30 s), and callers are rung from 8 s after a promise (else: 20 s), at any hour (else: from nine to eight).\n";

/// The settings that are not the defaults: what it says above, and what texts, rings and messages take.
const SETTINGS: [(&str, &str); 11] = [
    ("RINGBACK__BREAKER__FAILURES_IN_A_ROW", "1"),
    ("RINGBACK__BREAKER__COOL_DOWN", "2s"),
    ("RINGBACK__BREAKER__COOL_DOWN_MAX", "2s"),
    ("RINGBACK__BREAKER__PROBE_INTERVAL", "200ms"),
    ("RINGBACK__BREAKER__SLOW_START", "0s"),
    ("RINGBACK__CALLBACKS__ENABLED", "on"),
    ("RINGBACK__CALLBACKS__RING_AFTER", "8s"),
    ("RINGBACK__CALLBACKS__HOURS_FROM", "0"),
    ("RINGBACK__CALLBACKS__HOURS_UNTIL", "24"),
    ("RINGBACK__MESSAGES__ENABLED", "on"),
    ("RINGBACK__TWILIO__REST", "auth_token"),
];

/// Who calls, and is rung back.
pub(super) const CALLER: &str = "+12125550199";

/// It has somebody whom callers can be put through to, so that the apology offers all that there is.
const AGENT: &str = r#"
name = "dental"
numbers = []
instructions = "You answer the phone of Bright Smile Dental, and make appointments."
language = "en"
greeting = "Bright Smile Dental, how can I help you?"
persons = ["+12025550177"]
"#;

/// A folder for what the edge keeps, for its owner alone; it goes with the demo.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn create(clock: Clock) -> Result<Self, String> {
        let name = format!(
            "ringback-demo-{}-{}",
            std::process::id(),
            now(clock).millis()
        );
        let path = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind in the temporary folder is sealed, and harms nobody.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// An edge that keeps promises: these models, this interface of the carrier's, a store and an agent in this folder.
pub(super) fn settings(
    models: &[&Model],
    rest_url: &str,
    folder: &Folder,
) -> Result<Config, String> {
    let agents = folder.path("agents");
    let written = std::fs::create_dir(&agents)
        .and_then(|()| std::fs::write(folder.path("agents/dental.toml"), AGENT));
    written.map_err(|error| format!("{agents}: {error}"))?;
    let own = SETTINGS.map(|(name, value)| (name, value.to_owned()));
    let places = [
        ("RINGBACK__AGENTS_DIR", agents),
        ("RINGBACK__STORE__PATH", folder.path("ringback.redb")),
        ("RINGBACK__TWILIO__REST_URL", rest_url.to_owned()),
    ];
    let more: Vec<_> = own.into_iter().chain(places).collect();
    crate::demo::settings(models, &more)
}

/// The carrier's account, and behind it a phone that is picked up soon by somebody who says this.
pub(super) fn account(
    clock: Clock,
    prompts: &Arc<KnownPrompts>,
    says: &Arc<Recording>,
    overheard: mpsc::Sender<Overheard>,
) -> Arc<Account> {
    let phones = PhoneSettings {
        stage_ms: [100, 100],
        pick_up_after_ms: [1_500, 1_500],
        detection_ms: [500, 500],
        ..PhoneSettings::default()
    };
    let says = vec![Arc::clone(says)];
    let mut network = Network::new(phones, TwilioSettings::default(), says);
    network.prompts = Some(Arc::clone(prompts));
    network.overheard = Some(overheard);
    let account = Account::new(ACCOUNT_SID, AUTH_TOKEN, None, clock);
    Arc::new(account.with_network(network))
}

/// The recorded prompts in English: what the caller may hear without a model.
pub(super) fn prompts() -> KnownPrompts {
    let found = |name: Name| {
        let bundled = Bundled::find(&Language::english(), name)?;
        Some((name.as_str().to_owned(), bundled.audio.to_vec()))
    };
    let prompts: Vec<_> = Name::all().filter_map(found).collect();
    KnownPrompts::new(&prompts)
}

fn now(clock: Clock) -> Utc {
    let since = clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    Utc::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
