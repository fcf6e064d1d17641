//! What is in the binary is what is in the folder, and fit to be played.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::audio::loudness::{clipped, measure, silence_at_ends};
use crate::core::audio::{FRAME_BYTES, duration_of};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/prompts")
}

#[test]
fn the_binary_has_every_recording_of_the_folder_and_the_words_of_each() {
    let folders_there = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap());
    let folders_there: BTreeSet<_> = folders_there
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let built_in: BTreeSet<_> = folders().map(|folder| folder.tag.to_owned()).collect();
    assert_eq!(built_in, folders_there);
    for folder in folders() {
        let names: BTreeSet<_> = folder.files.iter().map(|&(name, _)| name).collect();
        let worded: BTreeSet<_> = lines(folder).map(|(name, _)| name).collect();
        assert_eq!(names, worded, "{}", folder.tag);
        let there = fs::read_dir(root().join(folder.tag)).unwrap();
        let there = there.filter_map(|entry| {
            let path = entry.unwrap().path();
            let is_wav = path.extension().is_some_and(|extension| extension == "wav");
            is_wav.then(|| path.file_stem().unwrap().to_str().unwrap().to_owned())
        });
        let there: BTreeSet<_> = there.collect();
        assert!(
            there.iter().map(String::as_str).eq(names),
            "{}: {there:?}",
            folder.tag
        );
    }
}

#[test]
fn every_recording_is_of_the_line_loud_enough_unclipped_and_without_silence_around_it() {
    for (language, name) in languages().flat_map(|l| Name::all().map(move |n| (l.clone(), n))) {
        let Some(bundled) = Bundled::find(&language, name) else {
            continue;
        };
        let at = format!("{language} {}", name.as_str());
        assert!(!bundled.words.trim().is_empty(), "{at}");
        assert!(bundled.audio.len().is_multiple_of(FRAME_BYTES), "{at}");
        let length = duration_of(bundled.audio.len() as u64);
        let bounds = Duration::from_millis(300)..=Duration::from_secs(20);
        assert!(bounds.contains(&length), "{at}: {length:?}");
        let samples: Vec<_> = bundled
            .audio
            .iter()
            .map(|&byte| crate::audio::g711::decode(byte))
            .collect();
        let level = measure(&samples).unwrap();
        assert!(
            (-22.0..=-18.5).contains(&level.speech_dbfs),
            "{at}: {level:?}"
        );
        assert!(level.peak_dbfs < -0.5, "{at}: {level:?}");
        assert_eq!(clipped(&samples), 0, "{at}");
        let (before, after) = silence_at_ends(&samples).unwrap();
        let allowed = Duration::from_millis(100);
        assert!(
            before <= allowed && after <= allowed,
            "{at}: {before:?} {after:?}"
        );
    }
}

#[test]
fn what_a_call_plays_is_there_in_every_language_or_in_english() {
    // Those of the greeting, the fillers and the apology; English has the others.
    let everywhere = [
        "apology",
        "apology_only",
        "goodbye",
        "greeting",
        "leave_message",
        "one_moment",
        "promised",
        "ring_back",
        "transferring",
    ];
    for name in Prompt::ALL.into_iter().filter_map(Name::of) {
        assert_eq!(Name::parse(name.as_str()), Some(name));
        for language in languages() {
            let found = Bundled::find(&language, name).is_some();
            let must = language == Language::english() || everywhere.contains(&name.as_str());
            assert!(found || !must, "{language} {}", name.as_str());
        }
    }
    assert_eq!(Name::parse("greetings"), None);
}

#[test]
fn a_variety_of_a_language_finds_the_one_that_is_there() {
    let name = Name::parse("one_moment").unwrap();
    let find = |tag| Bundled::find(&Language::parse(tag).unwrap(), name);
    assert_eq!(find("es-MX").unwrap().words, find("es").unwrap().words);
    assert_eq!(find("pt").unwrap().words, find("pt-BR").unwrap().words);
    assert!(find("de").is_none());
}
