//! The recorded calls that are in the binary, so that a demo runs from any directory.

use std::path::{Path, PathBuf};

use super::{Recording, RecordingError, file};
use crate::wav::{self, WavError};

macro_rules! recording_file {
    ($folder:literal, $file:literal) => {
        (
            concat!($folder, "/", $file),
            include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/recordings/",
                $folder,
                "/",
                $file
            )),
        )
    };
}

/// The folders that are in the binary, each with its four turns, and the lines that they share.
macro_rules! recordings {
    (calls: $($call:literal)*; agent: $($line:literal)*;) => {
        const NAMES: &[&str] = &[$($call),*];
        static DESCRIPTIONS: &[(&str, &str)] = &[$(
            ($call, include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"), "/recordings/", $call, "/recording.toml"
            ))),
        )*];
        static AUDIO: &[(&str, &[u8])] = &[
            $(
                recording_file!($call, "01.wav"),
                recording_file!($call, "02.wav"),
                recording_file!($call, "03.wav"),
                recording_file!($call, "04.wav"),
            )*
            $(recording_file!("agent", $line),)*
        ];
    };
}

recordings! {
    calls:
        "hesitant" "impatient" "interrupts" "keypad" "long_story" "order_status" "reschedule" "spanish";
    agent:
        "ask_number.wav" "dental_1.wav" "dental_2.wav" "dental_3.wav" "dental_4.wav" "dental_fee.wav"
        "dental_free.wav" "dental_policy.wav" "es_greeting.wav" "es_one_moment.wav" "es_promised.wav"
        "es_transferring.wav" "follow_up.wav" "goodbye.wav" "greeting.wav" "number_4711.wav"
        "one_moment.wav" "promised.wav" "resume.wav" "still_here.wav" "transferring.wav";
}

impl Recording {
    /// The names of the calls that are in the binary.
    pub fn builtin_names() -> &'static [&'static str] {
        NAMES
    }

    /// One of the calls that are in the binary.
    pub fn builtin(name: &str) -> Result<Self, RecordingError> {
        let found = DESCRIPTIONS.iter().find(|(call, _)| *call == name);
        let Some((_, text)) = found else {
            return Err(RecordingError::Unknown {
                name: name.to_owned(),
                allowed: NAMES.join(", "),
            });
        };
        let path = Path::new(name).join(file::FILE_NAME);
        file::parse(name, &path, text, |audio| {
            let place = audio
                .strip_prefix("../")
                .map_or_else(|| format!("{name}/{audio}"), str::to_owned);
            let path = PathBuf::from(&place);
            let Some((_, bytes)) = AUDIO.iter().find(|(place_of, _)| *place_of == place) else {
                let source = std::io::ErrorKind::NotFound.into();
                return Err(WavError::Io { path, source });
            };
            match wav::read(bytes) {
                Ok(wav) => Ok((path, wav)),
                Err(wrong) => Err(WavError::Refused { path, wrong }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::listen::{Ear, EarSettings};

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings")
    }

    #[test]
    fn the_binary_has_every_recording_as_its_folder_has_it() {
        for &name in Recording::builtin_names() {
            let recording = Recording::builtin(name).unwrap();
            assert_eq!(recording, Recording::load(&folder().join(name)).unwrap());
        }
        let folders = fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let count = folders
            .filter(|path| path.join(file::FILE_NAME).exists())
            .count();
        assert_eq!(count, NAMES.len(), "a folder is not in the binary");
        let error = Recording::find("nobody").unwrap_err().to_string();
        assert!(
            error.contains("nobody") && error.contains("keypad"),
            "{error}"
        );
    }

    #[test]
    fn every_line_can_be_heard() {
        for &name in Recording::builtin_names() {
            let recording = Recording::builtin(name).unwrap();
            let turns = recording.caller.iter().map(|turn| &turn.line);
            for line in turns.chain(&recording.agent) {
                assert!(!line.text.is_empty(), "{name}");
                let mut ear = Ear::new(EarSettings::default());
                assert!(
                    ear.hear(&line.audio).is_some(),
                    "{name}: {line:?} is silent"
                );
            }
        }
    }

    #[test]
    fn every_file_has_its_licence_beside_it() {
        for entry in fs::read_dir(folder()).unwrap() {
            let path = entry.unwrap().path();
            assert!(
                !path.is_dir() || path.join("LICENSE").exists(),
                "{}",
                path.display()
            );
        }
    }
}
