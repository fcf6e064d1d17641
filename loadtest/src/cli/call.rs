//! `loadtest call`: one call, told live.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use loadtest::{
    call::{OneCall, call, complaints, sentence, write_heard},
    carrier::CarrierSettings,
    model::settings::ModelSettings,
    net::Clock,
    recording::Recording,
    tls,
};

use super::serve;

/// Arguments of `loadtest call`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server: ws://HOST:PORT/PATH.
    #[arg(long)]
    url: String,
    /// What is said: the name of a recording that comes with loadtest, or a folder.
    #[arg(long, value_name = "NAME|DIR", default_value = "order_status")]
    recording: String,
    /// Writes what was heard: caller left, agent right.
    #[arg(long, value_name = "FILE.wav")]
    out: Option<PathBuf>,
    /// Is the model too, at this address.
    #[arg(long, value_name = "ADDR")]
    model_listen: Option<SocketAddr>,
    /// Whom to trust if the URL is wss.
    #[arg(long, value_name = "FILE.pem")]
    ca_file: Option<PathBuf>,
    /// What chance is drawn from: the same seed makes the same call.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) async fn run(args: Args) -> ExitCode {
    let recording = match Recording::find(&args.recording) {
        Ok(recording) => Arc::new(recording),
        Err(error) => return serve::wrong(&error),
    };
    let tls = match args.ca_file.as_deref().map(tls::client_trusting_file) {
        None => None,
        Some(Ok(tls)) => Some(tls),
        Some(Err(error)) => return serve::wrong(&error),
    };
    let clock = Clock::start();
    let one = OneCall {
        url: args.url,
        tls,
        recording: Arc::clone(&recording),
        settings: Arc::new(CarrierSettings::default()),
        seed: args.seed,
    };
    println!("{} ({})", recording.name, recording.language);
    let tell = |at: std::time::Duration, happening| {
        println!(
            "{:>8.3}  {}",
            at.as_secs_f64(),
            sentence(&happening, &recording)
        );
    };
    let calling = call(one, clock, tell);
    let called = match args.model_listen {
        None => calling.await,
        Some(address) => {
            let model = match serve::Model::bind(
                address,
                &recording,
                ModelSettings::default(),
                args.seed,
                clock,
            )
            .await
            {
                Ok(model) => model,
                Err(error) => return serve::failed(&error),
            };
            tokio::select! {
                called = calling => called,
                never = model.serve() => match never {},
            }
        }
    };
    let report = match called {
        Ok((report, _coupled)) => report,
        Err(error) => return serve::failed(&error),
    };
    if let Some(path) = &args.out {
        if let Err(error) = write_heard(&report, path) {
            return serve::failed(&format!("{}: {error}", path.display()));
        }
        println!("what was heard: {}", path.display());
    }
    let complaints = complaints(&report);
    if complaints.is_empty() {
        println!(
            "a good call; the longest dead air was {} ms",
            report.dead_air_max.as_millis()
        );
        ExitCode::SUCCESS
    } else {
        println!("not a good call: {}", complaints.join("; "));
        ExitCode::FAILURE
    }
}
