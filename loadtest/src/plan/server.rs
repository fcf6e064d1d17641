//! The server under test, as a plan starts it.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{Wrong, template, wrong};
use crate::twilio::{number::Number, twiml::Link};

/// The server under test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its program and arguments. These, `env` and `files` may name `{host}`, `{port}`, `{model_url}` (or
    /// `{NAME_url}`, of several models), `{ca_file}`, `{folder}`, `{account_sid}`, `{auth_token}` and `{rest_url}`: where Twilio's REST
    /// interface is.
    pub command: Vec<String>,
    /// Added to its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files to write into `{folder}` first, by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Where streams go that no document names.
    #[serde(default = "default_media_path")]
    pub media_path: String,
    /// Its Voice URL: callers come in there, as calls of `{account_sid}` that are signed with `{auth_token}`. Without it they open
    /// a stream at `media_path`.
    pub voice_path: Option<String>,
    /// Its Voice fallback URL.
    pub fallback_path: Option<String>,
    /// Where the end of a call is told.
    pub status_path: Option<String>,
    /// What phones write goes there: "a message comes in".
    pub sms_path: Option<String>,
    /// A path that answers 200 when it is ready; without it a connection is enough.
    pub ready_path: Option<String>,
    /// It must be ready by then.
    #[serde(default = "default_ready_within_ms")]
    pub ready_within_ms: u64,
}

fn default_media_path() -> String {
    "/media".into()
}

fn default_ready_within_ms() -> u64 {
    10_000
}

impl Server {
    /// The number that points to it where it listens at `address`, if callers come in through one.
    pub fn number(&self, address: &str) -> Option<Number> {
        let link = |path: &String| Link {
            url: format!("http://{address}{path}"),
            ..Link::default()
        };
        Some(Number {
            voice: link(self.voice_path.as_ref()?),
            fallback: self.fallback_path.as_ref().map(link),
            status: self.status_path.as_ref().map(link),
        })
    }

    /// Where what phones write goes where it listens at `address`.
    pub fn sms(&self, address: &str) -> Option<Link> {
        let path = self.sms_path.as_ref()?;
        Some(Link {
            url: format!("http://{address}{path}"),
            ..Link::default()
        })
    }

    pub(super) fn check(&self, names: &[String]) -> Result<(), Wrong> {
        if self.command.is_empty() {
            return wrong(
                "server.command",
                "[]",
                "allowed: a program and its arguments",
            );
        }
        for (key, path) in [
            ("server.media_path", Some(&self.media_path)),
            ("server.voice_path", self.voice_path.as_ref()),
            ("server.fallback_path", self.fallback_path.as_ref()),
            ("server.status_path", self.status_path.as_ref()),
            ("server.sms_path", self.sms_path.as_ref()),
        ] {
            if let Some(path) = path.filter(|path| !path.starts_with('/')) {
                return wrong(key, path, "allowed: a path that begins with /");
            }
        }
        for name in self.files.keys() {
            let parts: Vec<_> = Path::new(name).components().collect();
            if !matches!(parts.as_slice(), [std::path::Component::Normal(_)]) {
                return wrong("server.files", name, "allowed: a file's name, no path");
            }
        }
        let texts = self.command.iter().map(|text| ("server.command", text));
        let env = self.env.values().map(|text| ("server.env", text));
        let files = self.files.values().map(|text| ("server.files", text));
        for (key, text) in texts.chain(env).chain(files) {
            if let Some(unknown) = template::unknown(text, names) {
                let allowed = format!("allowed: {}", names.join(", "));
                return wrong(key, &unknown, &allowed);
            }
        }
        Ok(())
    }
}
