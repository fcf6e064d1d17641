//! Which recording is played to whom.

use std::fs;
use std::path::PathBuf;

use super::super::bundled::Bundled;
use super::super::script::{Line, Lines};
use super::*;
use crate::audio::g711;
use crate::core::audio::FRAME_BYTES;
use crate::core::call::prompt::{Greeting, Prompt};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("ringback-cache-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A WAV file of a tone, so long that tests can tell it from others.
    fn wav(&self, name: &str, millis: usize) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, wav::write_mulaw(&tone(millis), &[])).unwrap();
        path
    }

    fn store(&self) -> Store {
        Store::open(&self.0.join("prompts")).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn tone(millis: usize) -> Vec<u8> {
    let wave = (0..millis * 8).map(|at| if at % 16 < 8 { 3_000 } else { -3_000 });
    wave.map(g711::encode).collect()
}

fn language(tag: &str) -> Language {
    Language::parse(tag).unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn script(tag: &str) -> Script {
    Script {
        agent: "bakery".into(),
        voice: Some("marin".into()),
        language: language(tag),
        greets: None,
        lines: Lines::new(),
    }
}

fn with_line(mut script: Script, tag: &str, prompt: &str, line: Line) -> Script {
    script.lines.insert((language(tag), name(prompt)), line);
    script
}

fn words(text: &str) -> Line {
    Line {
        text: Some(text.into()),
        recording: None,
    }
}

fn load(script: Script, store: Option<&Store>) -> PromptCache {
    PromptCache::load([script], store)
}

fn warnings(cache: &PromptCache) -> Vec<&str> {
    cache.warnings().collect()
}

fn bundled(tag: &str, prompt: &str) -> Bytes {
    Bundled::find(&language(tag), name(prompt)).unwrap().bytes()
}

#[test]
fn an_agent_without_recordings_has_the_bundled_ones_of_the_callers_language() {
    let cache = load(script("en"), None);
    assert_eq!(warnings(&cache), [""; 0]);
    let apology = |caller| cache.for_call("bakery", caller).audio(Prompt::ApologyOnly);
    assert_eq!(apology(None), bundled("en-US", "apology_only"));
    assert_eq!(apology(Some("es-MX")), bundled("es", "apology_only"));
    assert_eq!(apology(Some("PT")), bundled("pt-BR", "apology_only"));
    assert_eq!(apology(Some("de-DE")), bundled("en-US", "apology_only"));
    assert_eq!(
        apology(Some("no language")),
        bundled("en-US", "apology_only")
    );
    let prompts = cache.for_call("bakery", Some("fr"));
    assert_eq!(prompts.greeting, Greeting::Spoken);
    assert_eq!(
        prompts.audio(Prompt::StillHere),
        bundled("en-US", "still_here"),
        "English has it"
    );
}

#[test]
fn the_agents_language_comes_before_english() {
    let cache = load(script("it"), None);
    let moment = |caller| cache.for_call("bakery", caller).audio(Prompt::OneMoment);
    assert_eq!(moment(None), bundled("it", "one_moment"));
    assert_eq!(moment(Some("de")), bundled("it", "one_moment"));
    assert_eq!(moment(Some("en-GB")), bundled("en-US", "one_moment"));
}

#[test]
fn nobody_is_ever_without_an_apology() {
    let cache = load(script("de"), None);
    for agent in ["bakery", "nobody"] {
        for caller in [None, Some("de"), Some("ja"), Some("")] {
            let prompts = cache.for_call(agent, caller);
            for prompt in Prompt::ALL.into_iter().skip(1) {
                let audio = prompts.audio(prompt);
                assert!(!audio.is_empty() && audio.len().is_multiple_of(FRAME_BYTES));
            }
        }
    }
}

#[test]
fn a_greeting_that_is_stored_in_the_agents_words_and_voice_is_played_at_once() {
    let folder = Folder::new("greeting");
    let mut store = folder.store();
    let greets = with_line(
        script("en-US"),
        "en-US",
        "greeting",
        words("Bakery, hello!"),
    );
    assert_eq!(
        load(greets.clone(), Some(&store))
            .for_call("bakery", None)
            .greeting,
        Greeting::Spoken
    );

    let key = greets.key(&language("en-US"), Name::GREETING).unwrap();
    store.add(&key, &tone(500), Source::Rendered).unwrap();
    let cache = load(greets.clone(), Some(&folder.store()));
    let cached = Greeting::Cached {
        audio: tone(500).into(),
        text: "Bakery, hello!".into(),
    };
    assert_eq!(cache.for_call("bakery", None).greeting, cached);
    // Its own greeting is better than a stranger's, whatever the caller speaks.
    assert_eq!(cache.for_call("bakery", Some("es")).greeting, cached);

    for (who, greeting) in [
        (Greets::No, Greeting::None),
        (Greets::Model, Greeting::Spoken),
    ] {
        let greets = Script {
            greets: Some(who),
            ..greets.clone()
        };
        assert_eq!(
            load(greets, Some(&store)).for_call("bakery", None).greeting,
            greeting
        );
    }
    let other_voice = Script {
        voice: Some("cedar".into()),
        ..greets
    };
    let cache = load(other_voice, Some(&store));
    assert_eq!(cache.for_call("bakery", None).greeting, Greeting::Spoken);
    assert_eq!(warnings(&cache), [""; 0]);
}

#[test]
fn a_greeting_that_must_be_played_at_once_is_a_bundled_one_until_it_is_recorded() {
    let greets = with_line(
        script("en-US"),
        "en-US",
        "greeting",
        words("Bakery, hello!"),
    );
    let cache = load(
        Script {
            greets: Some(Greets::Cached),
            ..greets
        },
        None,
    );
    let Greeting::Cached { audio, text } = &cache.for_call("bakery", Some("es")).greeting else {
        panic!("nothing is played at once");
    };
    assert_eq!(*audio, bundled("es", "greeting"));
    // What the model is told is what was played.
    assert!(text.starts_with("Hola"), "{text}");
    assert_eq!(
        warnings(&cache),
        [
            "agent \"bakery\": prompts.greeting has words of its own that nobody has recorded: bundled words are played instead"
        ]
    );
}

#[test]
fn a_recording_that_the_agents_file_names_comes_first() {
    let folder = Folder::new("named");
    let mut store = folder.store();
    let line = Line {
        text: Some("One second.".into()),
        recording: Some(folder.wav("second.wav", 700)),
    };
    let own = with_line(script("en-US"), "en-US", "one_moment", line);
    let key = own.key(&language("en-US"), name("one_moment")).unwrap();
    store.add(&key, &tone(500), Source::Imported).unwrap();
    let cache = load(own.clone(), Some(&store));
    let found = cache.find("bakery", None, name("one_moment")).unwrap();
    assert_eq!(
        (found.source, &*found.text),
        (Source::Recording, "One second.")
    );
    // A Spaniard is better served in Spanish.
    let spanish = cache.for_call("bakery", Some("es"));
    assert_eq!(
        spanish.audio(Prompt::OneMoment),
        bundled("es", "one_moment")
    );

    fs::write(folder.0.join("second.wav"), "no audio").unwrap();
    let cache = load(own, Some(&store));
    let found = cache.find("bakery", None, name("one_moment")).unwrap();
    assert_eq!((found.source, found.audio.len()), (Source::Imported, 4_000));
    let file = folder.0.join("second.wav");
    assert_eq!(
        warnings(&cache),
        [format!(
            "agent \"bakery\": prompts.one_moment {}: is no WAV file: it does not begin with RIFF and WAVE",
            file.display()
        )]
    );
}

#[test]
fn a_file_that_is_missing_empty_or_no_audio_is_never_silence() {
    let folder = Folder::new("broken");
    let silent = folder.0.join("silent.wav");
    fs::write(&silent, wav::write_mulaw(&[0xFF; 8_000], &[])).unwrap();
    let empty = folder.0.join("empty.wav");
    fs::write(&empty, "").unwrap();
    for (path, what) in [
        (folder.0.join("missing.wav"), "cannot be read"),
        (empty, "is empty"),
        (silent, "holds no sound"),
    ] {
        let line = Line {
            text: Some("Lo siento.".into()),
            recording: Some(path),
        };
        let own = with_line(script("en-US"), "es", "apology_only", line);
        let cache = load(own, None);
        let apology = cache
            .for_call("bakery", Some("es"))
            .audio(Prompt::ApologyOnly);
        assert_eq!(apology, bundled("es", "apology_only"));
        let [file, words] = warnings(&cache)[..] else {
            panic!("{:?}", warnings(&cache));
        };
        assert!(
            file.starts_with("agent \"bakery\": prompts.es.apology_only "),
            "{file}"
        );
        assert!(file.contains(what), "{file}");
        assert!(words.contains("nobody has recorded"), "{words}");
    }
}

#[test]
fn agents_of_the_same_words_and_voice_share_a_recording() {
    let folder = Folder::new("shared");
    let mut store = folder.store();
    let key = script("en-US").key(&language("en-US"), name("one_moment"));
    store
        .add(&key.unwrap(), &tone(500), Source::Rendered)
        .unwrap();
    let agents = ["bakery", "butcher"].map(|agent| Script {
        agent: agent.into(),
        ..script("en-US")
    });
    let cache = PromptCache::load(agents, Some(&store));
    let moments =
        ["bakery", "butcher"].map(|agent| cache.for_call(agent, None).audio(Prompt::OneMoment));
    assert_eq!(moments[0].as_ptr(), moments[1].as_ptr());
    assert_eq!(moments[0].len(), 4_000);
    assert_eq!(cache.bytes, 4_000);
}

#[test]
fn warnings_hold_no_words_and_end_somewhere() {
    let scripts = (0..60).map(|i| {
        let agent = format!("agent-{i}");
        let own = with_line(script("en"), "en", "busy", words("Secret words."));
        Script { agent, ..own }
    });
    let cache = PromptCache::load(scripts, None);
    assert_eq!(cache.warnings().count(), 50);
    assert_eq!(cache.more_warnings(), 10);
    assert!(cache.warnings().all(|warning| !warning.contains("Secret")));
    assert!(!format!("{cache:?}").contains("Secret"));
}

#[test]
fn a_table_tells_where_each_prompt_comes_from() {
    let cache = load(script("fr"), None);
    let rows = cache.rows("bakery", None);
    assert_eq!(rows.len(), Name::all().len());
    let row = |prompt| cache.row("bakery", None, name(prompt)).unwrap();
    assert_eq!(row("greeting").source, "model");
    let recording = row("apology").recording.unwrap();
    assert_eq!(recording.language, language("fr"));
    assert!(recording.level.is_some());
    assert_eq!(
        row("digit_7").recording.unwrap().language,
        Language::english()
    );
    assert!(cache.rows("nobody", None).is_empty());
}
