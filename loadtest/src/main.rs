//! The `loadtest` command: one call, many calls by a plan, or a single double to try a server by hand.
//!
//! Owns arguments, what is printed, and exit codes: 0 if all is well, 1 if a call or an objective failed, 2 for what was asked
//! wrongly. What it runs is the library's.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what a command is for; the library prints nothing"
)]

mod cli;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let workers = cli.command.workers();
    let mut builder = match workers {
        Some(0) => Builder::new_current_thread(),
        Some(_) | None => Builder::new_multi_thread(),
    };
    if let Some(workers @ 1..) = workers {
        builder.worker_threads(workers);
    }
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("loadtest: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            // First, so that there is somebody to be stopped by before there is a child to be left behind.
            biased;
            // What runs is dropped here, and with it every child that it started.
            signal = stopped() => {
                eprintln!("\nloadtest: stopped by {signal}");
                ExitCode::FAILURE
            }
            code = act(cli.command) => code,
        }
    })
}

async fn act(command: Command) -> ExitCode {
    match command {
        Command::Call(args) => cli::call::run(args).await,
        Command::Run(args) => cli::run::run(args).await,
        Command::Drill(args) => cli::drill::run(args).await,
        Command::Import(args) => cli::import::run(&args),
        Command::Model(args) => cli::serve::model(args).await,
        Command::Proxy(args) => cli::proxy::run(args).await,
        Command::CheckNumber(args) => cli::check_number::run(args).await,
        Command::Twilio(args) => cli::twilio::run(args).await,
        Command::Relay(args) => cli::serve::relay(args).await,
    }
}

/// Waits for somebody to stop us.
async fn stopped() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await; // Without handlers the kernel stops us in its own way.
    };
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = tokio::signal::ctrl_c() => "ctrl-c",
    }
}
