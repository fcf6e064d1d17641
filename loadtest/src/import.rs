//! Makes a recording of a real call: `loadtest import CALL.wav`.
//!
//! Owns the command: what is asked for, what is read and what is written. Who says what when is found out by [`timeline`], keys by
//! [`dtmf`], and voices are changed by [`pitch`]. Nothing that was keyed is written unless that is asked for, and words never are.

pub mod dtmf;
pub mod pitch;
pub mod timeline;

use std::{
    fmt::Write as _,
    fs,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    recording::{FILE_NAME, Line, Recording, RecordingError, write_then},
    wav::{self, Wav, WavError},
};

use self::timeline::Sides;

/// Arguments of `loadtest import`.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// A call as the carrier recorded it: a stereo WAV file, caller left, agent right
    pub call: PathBuf,
    /// The folder to write; it must not hold a recording yet [default: the file's name without its ending]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// The caller is on the right
    #[arg(long)]
    pub swap: bool,
    /// Write the keys that were pressed; else every digit is written as 0 (the tones are taken out of the audio either way)
    #[arg(long)]
    pub keep_keys: bool,
    /// Shift the pitch of both voices, by an amount that is not kept: harder to recognise, not impossible
    #[arg(long)]
    pub anonymise: bool,
    /// The caller's language
    #[arg(long, default_value = "en-US")]
    pub language: String,
}

/// What was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Where it is.
    pub folder: PathBuf,
    /// The recording, as it is read from there.
    pub recording: Recording,
    /// Keys that were found, and muted.
    pub keys: usize,
}

/// Why a call was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The WAV file was not taken.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// One channel only.
    #[error("{}: one channel; allowed are two, the caller's and the agent's", .0.display())]
    Mono(PathBuf),
    /// Nobody speaks on the caller's side.
    #[error("{}: the caller says nothing; if it is the other side, add --swap", .0.display())]
    Silent(PathBuf),
    /// There is a recording already.
    #[error("{}: there is a recording already; give another --out", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was written is not allowed: a call too long, or with too many turns.
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

/// Imports a call.
pub fn import(args: &ImportArgs) -> Result<Imported, ImportError> {
    let sides = match wav::read_file(&args.call)? {
        Wav::Mono(_) => return Err(ImportError::Mono(args.call.clone())),
        Wav::Stereo { left, right } if args.swap => Sides {
            caller: right,
            agent: left,
        },
        Wav::Stereo { left, right } => Sides {
            caller: left,
            agent: right,
        },
    };
    let mut call = timeline::derive(sides);
    if call.recording.caller.is_empty() {
        return Err(ImportError::Silent(args.call.clone()));
    }
    let recording = &mut call.recording;
    recording.language.clone_from(&args.language);
    if !args.keep_keys {
        timeline::hide_keys(recording);
    }
    if args.anonymise {
        let (caller, agent) = pitch::draw(&mut fastrand::Rng::new());
        for turn in &mut recording.caller {
            turn.line.audio = pitch::shift(&turn.line.audio, caller);
        }
        for line in &mut recording.agent {
            line.audio = pitch::shift(&line.audio, agent);
        }
    }
    let folder = args.out.clone();
    let folder = folder.unwrap_or_else(|| args.call.with_extension(""));
    write(recording, &folder)?;
    Ok(Imported {
        recording: Recording::load(&folder)?,
        folder,
        keys: call.keys,
    })
}

/// Writes a recording's folder.
fn write(recording: &Recording, folder: &Path) -> Result<(), ImportError> {
    let description = folder.join(FILE_NAME);
    if description.exists() {
        return Err(ImportError::Exists(folder.to_owned()));
    }
    let io_error = |path: &Path| {
        let path = path.to_owned();
        move |source| ImportError::Io { path, source }
    };
    fs::create_dir_all(folder).map_err(io_error(folder))?;
    let mut text = format!(
        "# Imported. Words are not known: add them as `text`.\nlanguage = {}\nopening = {}\n",
        toml_string(&recording.language),
        write_then(&recording.opening)
    );
    let write_audio = |name: String, line: &Line| -> Result<String, ImportError> {
        if line.audio.is_empty() {
            return Ok(String::new());
        }
        let path = folder.join(&name);
        let written = fs::File::create(&path).and_then(|file| {
            let mut file = BufWriter::new(file);
            wav::write_mulaw(&mut file, &line.audio)?;
            file.flush()
        });
        written.map_err(io_error(&path))?;
        Ok(format!("audio = \"{name}\"\n"))
    };
    for (turn, number) in recording.caller.iter().zip(1..) {
        let audio = write_audio(format!("{number:02}.wav"), &turn.line)?;
        let then = write_then(&turn.then);
        append(
            &mut text,
            format_args!("\n[[caller]]\n{audio}then = {then}\n"),
        );
    }
    for (line, number) in recording.agent.iter().zip(1..) {
        let audio = write_audio(format!("agent_{number:02}.wav"), line)?;
        append(&mut text, format_args!("\n[[agent]]\n{audio}"));
    }
    fs::write(&description, text).map_err(io_error(&description))
}

fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a string cannot fail");
}

/// A TOML basic string is a JSON string.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
