//! Recordings of agents, from the command line.

use std::fs;
use std::path::Path;

use crate::server::{Folder, output, ringback};

/// A folder with an agent whose greeting nobody has recorded, and the settings that name it.
fn bakery(folder: &Folder) -> String {
    let agent = "name = \"bakery\"\nnumbers = []\ninstructions = \"Be kind.\"\nvoice = \"marin\"\n\
                 language = \"en\"\ngreeting = \"Corner Bakery, hello!\"\n";
    folder.write("bakery.toml", agent);
    let settings = "agents_dir = \".\"\nprompts_dir = \"prompts\"\n[public]\nauth = \"none\"\n";
    // Beside the agents, and none of them.
    let file = folder.write("settings", settings);
    file.to_str().unwrap().to_owned()
}

fn recording(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config/prompts")
        .join(name);
    path.to_str().unwrap().to_owned()
}

fn said(arguments: &[&str]) -> (Option<i32>, String) {
    output(ringback(arguments))
}

#[test]
fn a_recording_that_is_imported_is_what_callers_hear_first() {
    let folder = Folder::new();
    let settings = bakery(&folder);
    let list = ["prompts", "list", "--config", &settings];
    let (code, table) = said(&list);
    assert_eq!(code, Some(0), "{table}");
    let row = |table: &str, name: &str| {
        let line = table.lines().find(|line| line.contains(name)).unwrap();
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        row(&table, " greeting "),
        ["bakery", "greeting", "-", "model", "-", "-"]
    );
    assert_eq!(
        row(&table, " apology ")[..4],
        ["bakery", "apology", "en-US", "bundled"]
    );

    let hello = recording("en-US/greeting.wav");
    let import = [
        "prompts", "import", &hello, "--agent", "bakery", "--prompt", "greeting", "--config",
        &settings,
    ];
    let (code, first) = said(&import);
    assert_eq!(code, Some(0), "{first}");
    assert!(
        first.contains("is added as ") && first.contains("must say: Corner Bakery, hello!"),
        "{first}"
    );
    let (code, second) = said(&import);
    assert_eq!(code, Some(0), "{second}");
    assert!(
        second.contains("takes the place of an earlier one"),
        "{second}"
    );

    let (_, table) = said(&list);
    let greeting = row(&table, " greeting ");
    assert_eq!(
        greeting[..4],
        ["bakery", "greeting", "en", "imported"],
        "{table}"
    );
    let (code, check) = said(&["check", "--config", &settings]);
    assert_eq!(code, Some(0), "{check}");
    assert!(
        check
            .contains("agent \"bakery\": greeting: imported in en, one_moment: bundled in en-US, "),
        "{check}"
    );
    assert!(!check.contains("warning"), "{check}");
}

#[test]
fn a_recording_that_cannot_be_played_is_refused_and_the_store_stays_as_it_is() {
    let folder = Folder::new();
    let settings = bakery(&folder);
    let import = |file: &str, agent: &str, language: &str| {
        said(&[
            "prompts",
            "import",
            file,
            "--agent",
            agent,
            "--prompt",
            "busy",
            "--language",
            language,
            "--config",
            &settings,
        ])
    };
    let noise = folder.write("noise.wav", "no audio at all");
    let noise = noise.to_str().unwrap();
    let (code, sentence) = import(noise, "bakery", "en");
    assert_eq!(code, Some(1), "{sentence}");
    assert!(sentence.contains("noise.wav: is no WAV file"), "{sentence}");

    let busy = recording("en-US/busy.wav");
    let (code, sentence) = import(&busy, "butcher", "en");
    assert_eq!(
        (code, sentence.trim()),
        (Some(2), "there is no agent \"butcher\"; allowed: bakery")
    );
    let (code, sentence) = import(&busy, "bakery", "de");
    assert_eq!(code, Some(2), "{sentence}");
    assert!(
        sentence.contains("has no words for busy in de; write them into its file"),
        "{sentence}"
    );

    let stored = fs::read_dir(Path::new(&settings).with_file_name("prompts"));
    assert!(stored.is_err(), "nothing was to be stored");
}

#[test]
fn words_that_nobody_has_recorded_are_told_by_the_check() {
    let folder = Folder::new();
    let settings = bakery(&folder);
    let agent = fs::read_to_string(Path::new(&settings).with_file_name("bakery.toml")).unwrap();
    folder.write(
        "bakery.toml",
        &format!("{agent}[prompts]\none_moment = \"A tiny second.\"\n"),
    );
    let (code, check) = said(&["check", "--config", &settings]);
    assert_eq!(code, Some(0), "{check}");
    assert!(
        check.contains("warning: agent \"bakery\": prompts.one_moment has words of its own that nobody has recorded"),
        "{check}"
    );
    assert!(!check.contains("tiny"), "{check}");
}
