//! The command line: what one can ask for, and what the process answers with.

mod breaker;
mod callbacks;
mod drain;
mod messages;
mod operator;
mod prompts;
mod region;
mod render;
mod twiml;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Parser, Subcommand};
use ringback::config::{self, Config, Environment};
use ringback::server::{Ending, Server, StartError};
use ringback::telemetry::{self, LogFormat, LogLevel, Telemetry};

/// Settings that are wrong, as with arguments that are wrong.
const EXIT_WRONG: u8 = 2;

/// A real-time voice-agent edge server: phone calls in, realtime speech models out.
#[derive(Debug, Parser)]
#[command(name = "ringback", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve carriers' media streams until SIGTERM or SIGINT.
    Serve {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        log: LogArgs,
    },
    /// Play a recorded call through the edge to a model and back, on this machine: no key, no phone, no other service.
    #[cfg(feature = "demo")]
    Demo(crate::demo::DemoArgs),
    /// Tell everything that is wrong with the settings, and do nothing else.
    Check(Settings),
    /// See how the providers of a running server stand, and open, close or isolate their breakers.
    Breaker(breaker::BreakerArgs),
    /// Take a running server out of service: no new call comes to it, live ones end or are handed over, and it stops.
    Drain(drain::DrainArgs),
    /// See which region is active, as a running node knows it, and promote or demote its own.
    Region(region::RegionArgs),
    /// See whom a running server is to ring back; cancel promises, or hurry them.
    Callbacks(callbacks::CallbacksArgs),
    /// Make a running server forget all that is kept of a person.
    Forget(callbacks::ForgetArgs),
    /// List and fetch what callers left after the tone.
    #[command(subcommand)]
    Messages(messages::MessagesCommand),
    /// Tell, render and add recordings of what callers hear without a model.
    #[command(subcommand)]
    Prompts(prompts::PromptsCommand),
    /// Print a document that calls are answered with, with sample values.
    Twiml(twiml::TwimlArgs),
}

#[derive(Args, Debug)]
struct Settings {
    /// A file of settings, laid over the built-in defaults; variables `RINGBACK__SECTION__KEY` are laid over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct LogArgs {
    /// For whom logs are written.
    #[arg(long, value_name = "FORMAT", value_parser = one_of(LogFormat::NAMES))]
    log_format: Option<LogFormat>,

    /// How much is logged.
    #[arg(long, value_name = "LEVEL", value_parser = one_of(LogLevel::NAMES))]
    log_level: Option<LogLevel>,
}

/// Does what the arguments say. Exits with 0 if it went well, with 2 if the settings are wrong, else with 1.
pub(crate) fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve { settings, log } => serve(&settings, &log),
        #[cfg(feature = "demo")]
        Command::Demo(args) => crate::demo::run(&args),
        Command::Check(settings) => check(&settings),
        Command::Breaker(args) => breaker::run(&args),
        Command::Drain(args) => drain::run(&args),
        Command::Region(args) => region::run(&args),
        Command::Callbacks(args) => callbacks::run(&args),
        Command::Forget(args) => callbacks::forget(&args),
        Command::Messages(command) => messages::run(command),
        Command::Prompts(command) => prompts::run(command),
        Command::Twiml(args) => twiml::run(&args),
    }
}

fn serve(settings: &Settings, log: &LogArgs) -> ExitCode {
    let mut config = match settings.load() {
        Ok(config) => config,
        Err(wrong) => return wrong,
    };
    config.log.format = log.log_format.unwrap_or(config.log.format);
    config.log.level = log.log_level.unwrap_or(config.log.level);
    match start(config) {
        Ok(Ending::Told) => ExitCode::SUCCESS,
        // Whoever minds the process is to know that something is wrong with it.
        Ok(Ending::Withdrawn) => {
            say("this node has withdrawn: its calls fared worse than those of the others");
            ExitCode::FAILURE
        }
        Err(sentence) => {
            say(&sentence);
            ExitCode::FAILURE
        }
    }
}

fn start(config: Config) -> Result<Ending, String> {
    telemetry::init(config.log).map_err(|error| format!("there can be no logs: {error}"))?;
    for warning in config.prompts.warnings() {
        tracing::warn!(warning, "a prompt is not as its agent has it");
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| format!("there can be no threads: {error}"))?;
    let served: Result<Ending, StartError> = runtime.block_on(async {
        let server = Server::bind(config, Telemetry::default()).await?;
        server.run_until_signalled().await
    });
    served.map_err(|error| error.to_string())
}

fn check(settings: &Settings) -> ExitCode {
    match settings.load() {
        Ok(config) => {
            if let Err(error) = Server::check(&config) {
                say(&error.to_string());
                return ExitCode::from(EXIT_WRONG);
            }
            let agents = config.agents.iter().len();
            let providers = &config.providers;
            say(&format!(
                "the settings are good: {agents} agent(s), {} provider(s), listening on {}\n{providers}",
                providers.entries.len(),
                config.public.listen
            ));
            let is_on = config.callbacks.is_some();
            say(if is_on {
                "callers whose call is lost are texted and rung back"
            } else {
                "callers whose call is lost are not rung back: see [callbacks]"
            });
            for line in prompts::summary(&config)
                .into_iter()
                .chain(messages::summary(&config))
            {
                say(&line);
            }
            ExitCode::SUCCESS
        }
        Err(wrong) => wrong,
    }
}

impl Settings {
    /// The settings; what is wrong with them was said if there are none.
    fn load(&self) -> Result<Config, ExitCode> {
        let loaded = config::load(self.config.as_deref(), &Environment::of_process());
        loaded.map_err(|problems| {
            say(&problems.to_string());
            ExitCode::from(EXIT_WRONG)
        })
    }
}

fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    names: [(&'static str, T); N],
) -> impl clap::builder::TypedValueParser<Value = T> {
    PossibleValuesParser::new(names.map(|(name, _)| name)).map(move |chosen| {
        let known = names.iter().find(|(name, _)| *name == chosen);
        known.expect("the parser lets only these pass").1
    })
}

/// Says something to whoever started the process.
#[expect(clippy::print_stderr, reason = "this is the command line")]
fn say(text: &str) {
    eprintln!("{text}");
}
