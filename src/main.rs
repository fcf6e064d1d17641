//! The `ringback` command: arguments, settings, telemetry, server.

mod cli;
#[cfg(feature = "demo")]
mod demo;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
