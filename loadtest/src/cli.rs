//! What can be asked of the command, one module a subcommand.

pub(crate) mod call;
pub(crate) mod check_number;
pub(crate) mod drill;
pub(crate) mod import;
pub(crate) mod number;
pub(crate) mod proxy;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod twilio;

use clap::{Parser, Subcommand};

/// The world around a Twilio-style stream server: callers, carrier, model.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes one call and tells it live.
    Call(call::Args),
    /// Runs a plan of many calls and judges it by its objectives.
    Run(run::Args),
    /// Does harm to a server under load, and judges what becomes of its callers.
    Drill(drill::Args),
    /// Makes a recording out of a call as the carrier recorded it.
    Import(loadtest::import::ImportArgs),
    /// Is a realtime model until it is stopped.
    Model(serve::ModelArgs),
    /// Is a bad network between two parties until it is stopped.
    Proxy(proxy::Args),
    /// Tells what Twilio would experience at a Voice URL, line by line.
    CheckNumber(check_number::Args),
    /// Is Twilio's REST interface, and its calls, until it is stopped.
    Twilio(twilio::Args),
    /// Is the bare relay that plans compare with, until it is stopped.
    #[command(hide = true)]
    Relay(serve::RelayArgs),
}

/// Threads for the doubles: they share the machine with the server under test.
const DOUBLES_WORKERS: usize = 1;

impl Command {
    /// Threads of the runtime; 0: that of a single thread; `None`: one a core.
    pub(crate) fn workers(&self) -> Option<usize> {
        match self {
            Self::Call(_)
            | Self::Run(_)
            | Self::Drill(_)
            | Self::Import(_)
            | Self::Model(_)
            | Self::Proxy(_)
            | Self::CheckNumber(_)
            | Self::Twilio(_) => Some(DOUBLES_WORKERS),
            Self::Relay(args) => args.workers,
        }
    }
}
