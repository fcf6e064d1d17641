//! The `ringback` command: arguments, settings, telemetry, server.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
