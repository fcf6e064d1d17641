//! A recording's folder: `recording.toml` and the WAV files that it names.
//!
//! Owns the format and its messages, which name the file, the key, the value and what is allowed.

use std::{
    borrow::Cow,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::{Line, Recording, Then, Turn};
use crate::{
    g711,
    wav::{self, Wav, WavError},
};

/// The name of the file that describes a recording.
pub(crate) const FILE_NAME: &str = "recording.toml";

/// Lines of one side; a call of hours has fewer.
const LINES_MAX: usize = 2_000;
/// The longest line.
const LINE_MAX: Duration = Duration::from_mins(10);
/// The longest pause.
const PAUSE_MS_MAX: u64 = 600_000;
/// Keys pressed in one go.
const KEYS_MAX: usize = 64;

/// Why a recording was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `recording.toml` is not TOML, or has a key or a type that it should not have.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where, what, and what is allowed.
        source: Box<toml::de::Error>,
    },
    /// A value that is not allowed.
    #[error("{}: {key} = {value}: {allowed}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key, with its place.
        key: String,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A WAV file was not taken.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// No such recording.
    #[error("no recording {name}: give a folder, or one of {allowed}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are.
        allowed: String,
    },
}

impl Recording {
    /// Reads a recording's folder.
    pub fn load(folder: &Path) -> Result<Self, RecordingError> {
        let path = folder.join(FILE_NAME);
        let text = fs::read_to_string(&path).map_err(|source| RecordingError::Io {
            path: path.clone(),
            source,
        })?;
        let name = folder.canonicalize().ok();
        let name = name.as_deref().unwrap_or(folder).file_name();
        let name = name.unwrap_or_default().to_string_lossy();
        parse(&name, &path, &text, |audio| {
            let path = folder.join(audio);
            wav::read_file(&path).map(|wav| (path, wav))
        })
    }
}

/// Builds a recording from the text of its file and whatever finds its audio by name.
pub(super) fn parse(
    name: &str,
    path: &Path,
    text: &str,
    find: impl Fn(&str) -> Result<(PathBuf, Wav), WavError>,
) -> Result<Recording, RecordingError> {
    let raw: RawRecording = toml::from_str(text).map_err(|source| RecordingError::Toml {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    let check = Check { path, find };
    check.count("caller", raw.caller.len())?;
    check.count("agent", raw.agent.len())?;
    let caller = raw.caller.into_iter().enumerate().map(|(i, turn)| {
        let place = format!("caller[{i}]");
        Ok(Turn {
            line: check.line(&place, turn.audio.as_deref(), turn.text)?,
            then: check.then(&format!("{place}.then"), turn.then)?,
        })
    });
    let agent = raw.agent.into_iter().enumerate();
    let agent =
        agent.map(|(i, line)| check.line(&format!("agent[{i}]"), Some(&line.audio), line.text));
    Ok(Recording {
        name: name.to_owned(),
        language: raw.language,
        opening: check.opening(raw.opening)?,
        caller: caller.collect::<Result<_, RecordingError>>()?,
        agent: agent.collect::<Result<_, _>>()?,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecording {
    language: String,
    #[serde(default)]
    opening: RawThen,
    #[serde(default)]
    caller: Vec<RawTurn>,
    #[serde(default)]
    agent: Vec<RawLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTurn {
    /// None: nothing is said, as when only keys are pressed.
    audio: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    then: RawThen,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    audio: String,
    #[serde(default)]
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawThen {
    #[default]
    Wait,
    HangUp,
    BargeInAfterMs(u64),
    PauseMs(u64),
    Keys(String),
}

/// Turns raw values into valid ones.
struct Check<'a, F> {
    path: &'a Path,
    find: F,
}

impl<F: Fn(&str) -> Result<(PathBuf, Wav), WavError>> Check<'_, F> {
    fn line(&self, place: &str, audio: Option<&str>, text: String) -> Result<Line, RecordingError> {
        let Some(audio) = audio else {
            let audio = Vec::new();
            return Ok(Line { audio, text });
        };
        let (found, wav) = (self.find)(audio)?;
        let allowed = match wav {
            Wav::Mono(audio) if g711::duration(audio.len()) <= LINE_MAX => {
                return Ok(Line { audio, text });
            }
            Wav::Mono(_) => "allowed are files of up to ten minutes",
            Wav::Stereo { .. } => "allowed are mono files; `loadtest import` takes stereo",
        };
        let key = format!("{place}.audio");
        Err(self.refuse(key, found.display().to_string(), allowed))
    }

    fn opening(&self, opening: RawThen) -> Result<Then, RecordingError> {
        let value = match self.then("opening", opening)? {
            opening @ (Then::Wait | Then::BargeIn { .. } | Then::Pause(_)) => return Ok(opening),
            Then::Keys(_) => "keys",
            Then::HangUp => "hang_up",
        };
        let allowed = "allowed are wait, barge_in_after_ms and pause_ms";
        Err(self.refuse("opening".to_owned(), value.to_owned(), allowed))
    }

    fn then(&self, key: &str, then: RawThen) -> Result<Then, RecordingError> {
        let millis = |name: &str, value: u64| {
            if value <= PAUSE_MS_MAX {
                return Ok(Duration::from_millis(value));
            }
            let key = format!("{key}.{name}");
            Err(self.refuse(key, value.to_string(), "allowed are 0 to 600000"))
        };
        match then {
            RawThen::Wait => Ok(Then::Wait),
            RawThen::HangUp => Ok(Then::HangUp),
            RawThen::BargeInAfterMs(after) => {
                let after = millis("barge_in_after_ms", after)?;
                Ok(Then::BargeIn { after })
            }
            RawThen::PauseMs(pause) => Ok(Then::Pause(millis("pause_ms", pause)?)),
            RawThen::Keys(keys) => {
                let allowed = |key: char| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D');
                if keys.chars().all(allowed) && (1..=KEYS_MAX).contains(&keys.len()) {
                    return Ok(Then::Keys(keys));
                }
                Err(self.refuse(
                    format!("{key}.keys"),
                    keys,
                    "allowed are 1 to 64 of 0-9 * # A-D",
                ))
            }
        }
    }

    fn count(&self, key: &str, count: usize) -> Result<(), RecordingError> {
        if count <= LINES_MAX {
            return Ok(());
        }
        Err(self.refuse(
            format!("number of [[{key}]]"),
            count.to_string(),
            "allowed are 2000",
        ))
    }

    fn refuse(&self, key: String, value: String, allowed: &'static str) -> RecordingError {
        RecordingError::Value {
            path: self.path.to_owned(),
            key,
            value,
            allowed,
        }
    }
}

/// Writes a turn or a line as `recording.toml` has it.
pub(crate) fn write_then(then: &Then) -> Cow<'static, str> {
    match then {
        Then::Wait => "\"wait\"".into(),
        Then::HangUp => "\"hang_up\"".into(),
        Then::BargeIn { after } => {
            format!("{{ barge_in_after_ms = {} }}", after.as_millis()).into()
        }
        Then::Pause(pause) => format!("{{ pause_ms = {} }}", pause.as_millis()).into(),
        Then::Keys(keys) => format!("{{ keys = \"{keys}\" }}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Recording, String> {
        let find = |name: &str| match name {
            "stereo.wav" => Ok((
                name.into(),
                Wav::Stereo {
                    left: vec![],
                    right: vec![],
                },
            )),
            _ => Ok((name.into(), Wav::Mono(vec![0; 80]))),
        };
        parse("mine", Path::new("mine/recording.toml"), text, find).map_err(|e| e.to_string())
    }

    #[test]
    fn every_kind_of_turn_can_be_written_and_read() {
        let all = [
            Then::Wait,
            Then::HangUp,
            Then::BargeIn {
                after: Duration::from_millis(1_500),
            },
            Then::Pause(Duration::from_millis(300)),
            Then::Keys("12*#".into()),
        ];
        for then in all {
            let text = format!(
                "language = \"it\"\n[[caller]]\nthen = {}",
                write_then(&then)
            );
            assert_eq!(parsed(&text).unwrap().caller[0].then, then);
        }
    }

    #[test]
    fn what_is_left_out_has_a_meaning() {
        let recording = parsed("language = \"it\"\n[[caller]]\naudio = \"a.wav\"").unwrap();
        assert_eq!(
            (recording.opening, &recording.caller[0].then),
            (Then::Wait, &Then::Wait)
        );
        assert_eq!(
            recording.caller[0].line.duration(),
            Duration::from_millis(10)
        );
    }

    #[test]
    fn a_refusal_names_file_key_value_and_what_is_allowed() {
        let turn =
            |then: &str| parsed(&format!("language = \"it\"\n[[caller]]\n{then}")).unwrap_err();
        assert_eq!(
            turn("then = { keys = \"12x\" }"),
            "mine/recording.toml: caller[0].then.keys = 12x: allowed are 1 to 64 of 0-9 * # A-D"
        );
        assert_eq!(
            turn("then = { pause_ms = 600001 }"),
            "mine/recording.toml: caller[0].then.pause_ms = 600001: allowed are 0 to 600000"
        );
        assert!(
            turn("audio = \"stereo.wav\"")
                .contains("caller[0].audio = stereo.wav: allowed are mono")
        );
        let unknown = turn("then = \"waits\"");
        assert!(
            unknown.contains("mine/recording.toml") && unknown.contains("waits"),
            "{unknown}"
        );
        assert!(unknown.contains("barge_in_after_ms"), "{unknown}");
        assert!(turn("adio = \"a.wav\"").contains("adio"));
    }
}
