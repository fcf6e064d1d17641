//! `ringback prompts`: which recordings agents have, and adding one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use ringback::audio::loudness;
use ringback::audio::prompts::cache::read_recording;
use ringback::audio::prompts::store::Added;
use ringback::audio::prompts::{Language, Name, PromptCache, Row, Source, Store};
use ringback::config::{Agent, Config};
use ringback::core::audio::duration_of;
use ringback::core::call::prompt::Prompt;

use super::{EXIT_WRONG, Settings, say};

/// More agents than these are not told one by one.
const AGENTS_TOLD_MAX: usize = 20;

#[derive(Debug, Subcommand)]
pub(crate) enum PromptsCommand {
    /// List every prompt of every agent: where it comes from, its language, how long and how loud it is.
    List {
        #[command(flatten)]
        settings: Settings,
        /// Only this agent.
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
        /// As a caller of this language hears them; else of the agent's own.
        #[arg(long, value_name = "TAG", value_parser = language)]
        language: Option<Language>,
    },
    /// Add a recording of a prompt's words in the agent's voice: WAV, mono, 8 kHz µ-law or 8, 16 or 24 kHz PCM.
    Import {
        #[command(flatten)]
        settings: Settings,
        /// The recording. It is brought to the common level and freed of silence at its ends.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Which prompt it is.
        #[arg(long, value_name = "NAME", value_parser = prompt_name())]
        prompt: Name,
        /// Whose prompt it is.
        #[arg(long, value_name = "NAME")]
        agent: String,
        /// The language that it is in; else the agent's own.
        #[arg(long, value_name = "TAG", value_parser = language)]
        language: Option<Language>,
    },
}

pub(crate) fn run(command: PromptsCommand) -> ExitCode {
    let done = match command {
        PromptsCommand::List {
            settings,
            agent,
            language,
        } => settings
            .load()
            .and_then(|config| list(&config, agent.as_deref(), language.as_ref())),
        PromptsCommand::Import {
            settings,
            file,
            prompt,
            agent,
            language,
        } => settings
            .load()
            .and_then(|config| import(&config, &file, prompt, &agent, language)),
    };
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

/// What `check` tells: where the prompts of calls come from, and what is missing or wrong.
pub(crate) fn summary(config: &Config) -> Vec<String> {
    const OF_CALLS: [Prompt; 4] = [
        Prompt::Greeting,
        Prompt::OneMoment,
        Prompt::StillHere,
        Prompt::ApologyOnly,
    ];
    let mut lines = Vec::new();
    for agent in config.agents.iter().take(AGENTS_TOLD_MAX) {
        let rows = OF_CALLS.into_iter().filter_map(|prompt| {
            let name = Name::of(prompt)?;
            let row = config.prompts.row(&agent.name, None, name)?;
            Some(source_of(&row))
        });
        let rows: Vec<_> = rows.collect();
        lines.push(format!("agent \"{}\": {}", agent.name, rows.join(", ")));
    }
    let untold = config.agents.iter().len().saturating_sub(AGENTS_TOLD_MAX);
    if untold > 0 {
        lines.push(format!("and {untold} more agents: ringback prompts list"));
    }
    lines.extend(warnings(&config.prompts));
    lines
}

fn source_of(row: &Row) -> String {
    let language = row.recording.as_ref().map(|recording| &recording.language);
    let language = language.map(|language| format!(" in {language}"));
    let name = row.name.as_str();
    format!("{name}: {}{}", row.source, language.unwrap_or_default())
}

fn warnings(prompts: &PromptCache) -> impl Iterator<Item = String> {
    let more = prompts.more_warnings();
    let more = (more > 0).then(|| format!("warning: and {more} more of them"));
    let told = prompts
        .warnings()
        .map(|warning| format!("warning: {warning}"));
    told.chain(more)
}

#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
fn list(config: &Config, agent: Option<&str>, language: Option<&Language>) -> Result<(), ExitCode> {
    if let Some(name) = agent {
        agent_of(config, name)?;
    }
    println!(
        "{:<20} {:<18} {:<8} {:<10} {:>7}  level",
        "agent", "prompt", "language", "source", "seconds"
    );
    for of in config.agents.iter() {
        if agent.is_some_and(|name| name != of.name) {
            continue;
        }
        for row in config.prompts.rows(&of.name, language.map(Language::tag)) {
            println!("{:<20} {}", of.name, columns(&row));
        }
    }
    for warning in warnings(&config.prompts) {
        say(&warning);
    }
    Ok(())
}

fn columns(row: &Row) -> String {
    let (name, source) = (row.name.as_str(), row.source);
    match &row.recording {
        None => format!("{name:<18} {:<8} {source:<10} {:>7}  -", "-", "-"),
        Some(recording) => {
            let (language, seconds) = (&recording.language, recording.duration.as_secs_f64());
            let level = recording.level.map_or_else(
                || "silent".to_owned(),
                |level| format!("{:.1} dBFS", level.speech_dbfs),
            );
            format!("{name:<18} {language:<8} {source:<10} {seconds:>7.2}  {level}")
        }
    }
}

fn import(
    config: &Config,
    file: &Path,
    prompt: Name,
    agent: &str,
    language: Option<Language>,
) -> Result<(), ExitCode> {
    let agent = agent_of(config, agent)?;
    let language = language.unwrap_or_else(|| agent.prompt_language());
    let name = prompt.as_str();
    let key = agent.script().key(&language, prompt).ok_or_else(|| {
        let agent = &agent.name;
        say(&format!(
            "agent \"{agent}\" has no words for {name} in {language}; write them into its file, in [prompts] or [prompts.{language}]"
        ));
        ExitCode::from(EXIT_WRONG)
    })?;
    let Some(dir) = &config.prompts_dir else {
        say(
            "there is no folder for recordings; allowed: prompts_dir or agents_dir in the settings",
        );
        return Err(ExitCode::from(EXIT_WRONG));
    };
    let failed = |sentence: String| {
        say(&sentence);
        ExitCode::FAILURE
    };
    let audio = read_recording(file).map_err(|error| failed(error.to_string()))?;
    let added = Store::open(dir)
        .and_then(|mut store| store.add(&key, &audio, Source::Imported))
        .map_err(|error| failed(error.to_string()))?;
    let added = match added {
        Added::New => "is added",
        Added::Replaced => "takes the place of an earlier one",
    };
    let seconds = duration_of(audio.len() as u64).as_secs_f64();
    let level = loudness::measure_mulaw(&audio).map(|level| level.speech_dbfs);
    let level = level.unwrap_or(f64::NEG_INFINITY);
    let (path, text) = (dir.join(key.file_name()), &key.text);
    say(&format!(
        "the recording {added} as {}: {seconds:.2} s, {level:.1} dBFS\nit must say: {text}",
        path.display()
    ));
    Ok(())
}

/// The agent of this name; what is wrong was said if there is none.
fn agent_of<'a>(config: &'a Config, name: &str) -> Result<&'a Agent, ExitCode> {
    let found = config.agents.iter().find(|agent| agent.name == name);
    found.map(AsRef::as_ref).ok_or_else(|| {
        let names = config.agents.iter().take(AGENTS_TOLD_MAX);
        let names: Vec<_> = names.map(|agent| agent.name.as_str()).collect();
        let names = names.join(", ");
        say(&format!("there is no agent \"{name}\"; allowed: {names}"));
        ExitCode::from(EXIT_WRONG)
    })
}

fn language(text: &str) -> Result<Language, String> {
    Language::parse(text)
        .ok_or_else(|| "allowed: a language's tag, as in \"es\" or \"pt-BR\"".to_owned())
}

fn prompt_name() -> impl clap::builder::TypedValueParser<Value = Name> {
    PossibleValuesParser::new(Name::all().map(Name::as_str))
        .map(|text| Name::parse(&text).expect("the parser lets only names of prompts pass"))
}
