//! What agents' files say about prompts.

use super::*;
use crate::audio::prompts::{Greets, Language, Name};

/// Loads an agent's file; its prompts, or what is wrong without the path of the file.
fn agent(name: &str, lines: &str) -> Result<Config, String> {
    let folder = Folder::new(name);
    let text = format!("name = \"x\"\nnumbers = []\ninstructions = \"Be kind.\"\n{lines}\n");
    let agent = folder.write("agents/x.toml", &text);
    let file = folder.write("file.toml", &format!("agents_dir = \"agents\"\n{NO_AUTH}"));
    let prefix = format!("{}: ", agent.display());
    let loaded = load(Some(&file), &environment(&[]));
    loaded.map_err(|problems| problems.to_string().replace(&prefix, ""))
}

#[test]
fn an_agent_has_words_of_its_own_for_each_language() {
    let config = agent(
        "words",
        "language = \"en\"\ngreeting = \"Hello!\"\ngreets = \"no\"\n[prompts]\none_moment = \"A second.\"\n\
         still_here = { text = \"Still here.\", audio = \"still.wav\" }\n[prompts.es]\ngreeting = \"¡Hola!\"",
    )
    .unwrap();
    let script = config.agents.find(None, None).0.script();
    assert_eq!(script.greets, Some(Greets::No));
    let line = |tag, name| {
        let language = Language::parse(tag).unwrap();
        let line = script.line(&language, Name::parse(name).unwrap())?;
        Some((line.text.as_deref()?.to_owned(), line.recording.clone()))
    };
    assert_eq!(line("en", "greeting"), Some(("Hello!".into(), None)));
    assert_eq!(line("en", "one_moment"), Some(("A second.".into(), None)));
    assert_eq!(line("es", "greeting"), Some(("¡Hola!".into(), None)));
    assert_eq!(line("es", "one_moment"), None);
    let (_, still) = line("en", "still_here").unwrap();
    let agents = config.prompts_dir.unwrap();
    // Recordings are relative to the agent's file, and the folder of the others is beside the agents.
    assert_eq!(still, Some(agents.with_file_name("agents/still.wav")));
    assert!(agents.ends_with("prompts"));
    assert!(
        config
            .prompts
            .warnings()
            .any(|warning| warning.contains("still.wav: cannot be read"))
    );
}

#[test]
fn a_greeting_may_stand_among_the_prompts() {
    let text = "[prompts]\ngreeting = { text = \"Hi.\", audio = \"hi.wav\" }";
    let config = agent("greeting", text).unwrap();
    let greeting = config.agents.find(None, None).0.greeting.clone();
    assert_eq!(
        greeting.as_deref(),
        Some("Hi."),
        "the model says it until it can be played"
    );
    let twice = agent("twice", &format!("greeting = \"Hello.\"\n{text}"));
    assert_eq!(
        twice.unwrap_err(),
        "prompts.greeting has a text, and so has greeting; allowed: one of them"
    );
}

#[test]
fn what_is_wrong_with_prompts_is_told_with_its_key() {
    for (i, (lines, problem)) in [
        (
            "greets = true",
            "greets = true is none of them; allowed: \"model\", \"cached\", \"no\"",
        ),
        (
            "prompts = 3",
            "prompts is not a table; allowed: a table of texts by prompt",
        ),
        (
            "[prompts]\none_momet = \"x\"",
            "prompts.one_momet is unknown; did you mean prompts.one_moment?",
        ),
        (
            "[prompts]\nbusy = \" \"",
            "prompts.busy = \" \" is not accepted; allowed: a text of 1 to 1000 bytes",
        ),
        (
            "[prompts]\nbusy = 3",
            "prompts.busy is neither; allowed: a text of 1 to 1000 bytes, or { text",
        ),
        (
            "[prompts.es]\nbusy = { audio = 3 }",
            "prompts.es.busy.audio = 3 is not accepted; allowed: the path of a WAV",
        ),
        (
            "[prompts]\nbusy = { file = \"x\" }",
            "prompts.busy.file is unknown; allowed: prompts.busy.text",
        ),
        (
            "[prompts.de]\nbusy = { audio = \"x.wav\" }",
            "prompts.de.busy.text is missing",
        ),
        (
            "language = \"es\"\n[prompts.es]\nbusy = \"x\"",
            "prompts.es is the agent's own language",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let wrong = agent(&format!("wrong-{i}"), lines).unwrap_err();
        assert!(wrong.starts_with(problem), "{lines}\n{wrong}");
        assert_eq!(
            wrong.lines().count().min(2),
            wrong.lines().count(),
            "{wrong}"
        );
    }
}

#[test]
fn a_folder_of_recordings_that_is_none_is_told() {
    let folder = Folder::new("no-folder");
    let file = folder.write(
        "file.toml",
        &format!("prompts_dir = \"file.toml\"\n{NO_AUTH}"),
    );
    let wrong = load(Some(&file), &environment(&[]))
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("file.toml: prompts_dir cannot be used: "),
        "{wrong}"
    );
}

#[test]
fn prompts_are_rendered_in_the_background_unless_that_is_off() {
    let interval = |lines: &str| {
        let folder = Folder::new("rendering");
        let file = folder.write("file.toml", &format!("{NO_AUTH}[prompts]\n{lines}\n"));
        let config = load(Some(&file), &environment(&[])).unwrap();
        config.rendering.interval
    };
    assert_eq!(interval(""), Some(MINUTE));
    assert_eq!(interval("render_interval = \"10m\""), Some(10 * MINUTE));
    assert_eq!(interval("render = \"off\""), None);
    let wrong = problems(
        "render",
        &format!("{NO_AUTH}[prompts]\nrender = \"always\""),
        &[],
    );
    assert_eq!(
        wrong,
        ["prompts.render = \"always\" is none of them; allowed: \"background\", \"off\""]
    );
}
