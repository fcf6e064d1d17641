//! The server under test, as a plan starts it.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{Wrong, template, wrong};

/// The server under test.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its program and arguments. These, `env` and `files` may name `{port}`, `{model_url}` (or
    /// `{NAME_url}`, of several models), `{ca_file}` and `{folder}`.
    pub command: Vec<String>,
    /// Added to its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Files to write into `{folder}` first, by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Where calls go.
    #[serde(default = "default_media_path")]
    pub media_path: String,
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
    pub(super) fn check(&self, names: &[String]) -> Result<(), Wrong> {
        if self.command.is_empty() {
            return wrong(
                "server.command",
                "[]",
                "allowed: a program and its arguments",
            );
        }
        if !self.media_path.starts_with('/') {
            let allowed = "allowed: a path that begins with /";
            return wrong("server.media_path", &self.media_path, allowed);
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
