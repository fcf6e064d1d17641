use std::path::PathBuf;

use super::*;
use crate::audio::prompts::store::Stored;
use crate::audio::prompts::{Line, Source};
use crate::core::call::prompt::Greeting;

fn language(tag: &str) -> Language {
    Language::parse(tag).unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn script(agent: &str, voice: &str) -> Script {
    Script {
        agent: agent.into(),
        voice: Some(voice.into()),
        language: language("en"),
        greets: None,
        lines: std::iter::empty().collect(),
    }
}

fn says(mut script: Script, tag: &str, prompt: &str, text: &str) -> Script {
    let line = Line {
        text: Some(text.into()),
        recording: None,
    };
    script.lines.insert((language(tag), name(prompt)), line);
    script
}

fn load(scripts: &[Script]) -> PromptCache {
    PromptCache::load(scripts.iter().cloned(), None)
}

/// Prompt and language of each.
fn told(wanted: &[Wanted]) -> Vec<(&str, &str)> {
    let told = wanted
        .iter()
        .map(|wanted| (wanted.name.as_str(), wanted.key.language.tag()));
    told.collect()
}

#[test]
fn what_calls_play_comes_first_and_a_greeting_only_in_words_of_the_agents_own() {
    let plain = script("bakery", "marin");
    let wanted = load(std::slice::from_ref(&plain)).wanted([&plain], &Tongues::Named, usize::MAX);
    let first = told(&wanted).into_iter().take(3).collect::<Vec<_>>();
    assert_eq!(
        first,
        [
            ("apology_only", "en"),
            ("one_moment", "en"),
            ("still_here", "en")
        ]
        .map(|(name, tag)| (name, tag))
    );
    assert!(
        !told(&wanted).contains(&("greeting", "en")),
        "the model finds its own words"
    );
    assert_eq!(wanted.len(), Name::all().len() - 1);

    let greets = says(plain, "en", "greeting", "Corner Bakery, hello!");
    let wanted =
        |script: &Script| load(std::slice::from_ref(script)).wanted([script], &Tongues::Named, 1);
    assert_eq!(told(&wanted(&greets)), [("greeting", "en")]);
    for (says_who, is_wanted) in [
        (Greets::Cached, true),
        (Greets::Model, false),
        (Greets::No, false),
    ] {
        let mut script = greets.clone();
        script.greets = Some(says_who);
        let is = told(&wanted(&script)) == [("greeting", "en")];
        assert_eq!(is, is_wanted, "{says_who:?}");
    }
}

#[test]
fn other_languages_are_those_of_the_file_unless_more_are_asked_for() {
    let script = says(script("bakery", "marin"), "es", "busy", "Todo ocupado.");
    let cache = load(std::slice::from_ref(&script));
    let tags = |tongues| {
        let wanted = cache.wanted([&script], &tongues, usize::MAX);
        let tags = wanted
            .iter()
            .map(|wanted| wanted.key.language.tag().to_owned());
        tags.collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(tags(Tongues::Named), ["en", "es"]);
    assert_eq!(tags(Tongues::All), ["en", "es", "fr", "it", "pt-BR"]);
    assert_eq!(tags(Tongues::One(language("pt"))), ["pt-BR"]);
    assert!(tags(Tongues::One(language("de"))).is_empty());
}

#[test]
fn agents_of_the_same_words_and_voice_share_a_recording() {
    let scripts = [
        script("bakery", "marin"),
        script("butcher", "marin"),
        script("cobbler", "cedar"),
    ];
    let cache = load(&scripts);
    let wanted = cache.wanted(&scripts, &Tongues::Named, usize::MAX);
    let busy: Vec<_> = wanted
        .iter()
        .filter(|wanted| wanted.name == name("busy"))
        .collect();
    assert_eq!(busy.len(), 2, "one a voice");
    assert_eq!(cache.wanted(&scripts, &Tongues::Named, 7).len(), 7);

    let stored = Stored {
        audio: vec![0x55; 1_600].into(),
        source: Source::Rendered,
    };
    let next = cache.with(&scripts, &busy[0].key, &stored).unwrap();
    for agent in ["bakery", "butcher"] {
        let found = next.find(agent, None, name("busy")).unwrap();
        assert_eq!(
            (found.source, &found.audio),
            (Source::Rendered, &stored.audio),
            "{agent}"
        );
    }
    let other = next.find("cobbler", None, name("busy")).unwrap();
    assert_eq!(other.source, Source::Bundled);
    let before = cache.find("bakery", None, name("busy")).unwrap();
    assert_eq!(before.source, Source::Bundled, "a cache never changes");
    let left = next.wanted(&scripts, &Tongues::Named, usize::MAX);
    assert_eq!(left.len(), wanted.len() - 1);
    assert!(
        next.with(&scripts, &busy[0].key, &stored).is_none(),
        "nobody needs it twice"
    );
}

#[test]
fn calls_that_begin_later_are_greeted_by_what_was_rendered() {
    let script = says(
        script("bakery", "marin"),
        "en",
        "greeting",
        "Corner Bakery, hello!",
    );
    let cache = load(std::slice::from_ref(&script));
    let greeting = |cache: &PromptCache| cache.for_call("bakery", Some("en-GB")).greeting.clone();
    assert!(matches!(greeting(&cache), Greeting::Spoken));
    let key = script.key(&language("en"), Name::GREETING).unwrap();
    let stored = Stored {
        audio: vec![0x55; 1_600].into(),
        source: Source::Rendered,
    };
    let next = cache.with([&script], &key, &stored).unwrap();
    match greeting(&next) {
        Greeting::Cached { audio, text } => {
            assert_eq!((audio, &*text), (stored.audio, "Corner Bakery, hello!"));
        }
        Greeting::Spoken | Greeting::None => panic!("it is not played"),
    }
}

#[test]
fn an_operators_recording_is_not_wanted_again() {
    let mut script = script("bakery", "marin");
    let file = PathBuf::from("config/prompts/en-US/busy.wav");
    let line = Line {
        text: None,
        recording: Some(file),
    };
    script.lines.insert((language("en"), name("busy")), line);
    let cache = load(std::slice::from_ref(&script));
    let wanted = cache.wanted([&script], &Tongues::Named, usize::MAX);
    assert!(!told(&wanted).contains(&("busy", "en")), "{wanted:?}");
}
