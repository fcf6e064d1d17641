//! `ringback prompts render`: what nobody has recorded, spoken by the model itself.

use std::process::ExitCode;

use clap::Args;
use ringback::audio::prompts::{Language, Name, Script, Source, Store, Tongues, Wanted};
use ringback::config::Config;
use ringback::server::render::by_hand::{Recorder, Rendered, Unrendered};

use super::prompts::{agent_of, language, prompt_name};
use super::{EXIT_WRONG, Settings, say};

/// More prompts are not rendered at a time: who has more asks again.
const WANTED_MAX: usize = 10_000;

#[derive(Args, Debug)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    settings: Settings,
    /// Only this agent's.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Only this prompt.
    #[arg(long, value_name = "NAME", value_parser = prompt_name())]
    prompt: Option<Name>,
    /// Only in this language; else in those that the agent's file has words in.
    #[arg(long, value_name = "TAG", value_parser = language)]
    language: Option<Language>,
    /// In every language that there are recordings in.
    #[arg(long, conflicts_with = "language")]
    all: bool,
    /// Tell what would be rendered, and ask no provider.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &RenderArgs) -> ExitCode {
    let rendered = args
        .settings
        .load()
        .and_then(|config| render(&config, args));
    match rendered {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(code) => code,
    }
}

/// How many prompts could not be rendered.
fn render(config: &Config, args: &RenderArgs) -> Result<usize, ExitCode> {
    let failed = |sentence: String| {
        say(&sentence);
        ExitCode::FAILURE
    };
    let Some(dir) = &config.prompts_dir else {
        say(
            "there is no folder for recordings; allowed: prompts_dir or agents_dir in the settings",
        );
        return Err(ExitCode::from(EXIT_WRONG));
    };
    let wanted = wanted(config, args)?;
    if wanted.is_empty() {
        tell("nothing is to be rendered: all of it is recorded in the agent's voice");
        return Ok(0);
    }
    if args.dry_run {
        for wanted in &wanted {
            tell(&format!("{}  would be rendered", columns(wanted)));
        }
        tell(&format!("{} to be rendered", wanted.len()));
        return Ok(0);
    }
    let recorder = Recorder::new(config);
    let recorder = recorder.ok_or_else(|| failed("there is no provider to ask".to_owned()))?;
    let store = Store::open(dir).map_err(|error| failed(error.to_string()))?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| failed(format!("there can be no threads: {error}")))?;
    tell(&format!("spoken by \"{}\":", recorder.provider()));
    Ok(runtime.block_on(all(&recorder, &wanted, store)))
}

fn wanted(config: &Config, args: &RenderArgs) -> Result<Vec<Wanted>, ExitCode> {
    let scripts: Vec<Script> = match &args.agent {
        Some(name) => vec![agent_of(config, name)?.script()],
        None => config.agents.iter().map(|agent| agent.script()).collect(),
    };
    let tongues = match &args.language {
        Some(language) => Tongues::One(language.clone()),
        None if args.all => Tongues::All,
        None => Tongues::Named,
    };
    let mut wanted = config.prompts.wanted(&scripts, &tongues, usize::MAX);
    wanted.retain(|wanted| args.prompt.is_none_or(|name| name == wanted.name));
    wanted.truncate(WANTED_MAX);
    Ok(wanted)
}

/// One after the other, a line each; how many failed.
async fn all(recorder: &Recorder, wanted: &[Wanted], mut store: Store) -> usize {
    let mut failed = 0;
    let mut left = wanted.len();
    for wanted in wanted {
        let rendered = recorder.render(wanted, &mut store).await;
        left -= 1;
        let columns = columns(wanted);
        match rendered {
            Ok(rendered) => tell(&format!("{columns}  {}", outcome(&rendered))),
            Err(unrendered) => {
                failed += 1;
                tell(&format!("{columns}  failed: {unrendered}"));
                match unrendered {
                    Unrendered::OtherWords { said } => {
                        say(&format!(
                            "it must say: {}\nit said: {}",
                            wanted.key.text,
                            said.words()
                        ));
                    }
                    Unrendered::Store(_) => break,
                    Unrendered::Fault(_) | Unrendered::Refused(_) => {}
                }
            }
        }
    }
    let rendered = wanted.len() - left - failed;
    tell(&format!(
        "{rendered} rendered, {failed} failed, {left} not tried"
    ));
    failed
}

fn outcome(rendered: &Rendered) -> String {
    let seconds = rendered.duration.as_secs_f64();
    let level = rendered
        .level
        .map_or(f64::NEG_INFINITY, |level| level.speech_dbfs);
    let how = match (rendered.source, rendered.attempts) {
        (Source::Rendered, 1) => "rendered",
        (Source::Rendered, _) => "rendered at the second attempt",
        (Source::Bundled | Source::Imported | Source::Recording, _) => {
            "left as it is: a recording was added meanwhile"
        }
    };
    format!("{how}, {seconds:.2} s, {level:.1} dBFS")
}

fn columns(wanted: &Wanted) -> String {
    let Wanted { agent, name, key } = wanted;
    format!("{agent:<20} {:<18} {:<8}", name.as_str(), key.language)
}

#[expect(clippy::print_stdout, reason = "the report is what was asked for")]
fn tell(line: &str) {
    println!("{line}");
}
