//! `loadtest check-number`: what Twilio would experience at a Voice URL.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use loadtest::{
    net::Clock,
    twilio::{
        check::{Check, Finding, Verdict},
        number::Parties,
        signature::AuthToken,
    },
};

use super::{
    number::{NumberArgs, trust},
    serve,
};

/// Arguments of `loadtest check-number`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    number: NumberArgs,
    /// Whom to trust in place of those that browsers trust.
    #[arg(long, value_name = "FILE.pem")]
    ca_file: Option<PathBuf>,
    /// The first sound must be heard within so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    audio_within: u64,
}

pub(crate) async fn run(args: Args) -> ExitCode {
    let Some(number) = args.number.number() else {
        return serve::wrong(&"--voice-url is missing");
    };
    let token = match args.number.token() {
        Ok(token) => AuthToken::new(&token),
        Err(error) => return serve::wrong(&error),
    };
    let tls = match trust(args.ca_file.as_ref()) {
        Ok(tls) => Some(tls),
        Err(error) => return serve::wrong(&error),
    };
    let NumberArgs {
        account_sid,
        from,
        to,
        ..
    } = &args.number;
    let check = Check {
        voice: number.voice,
        fallback: number.fallback,
        parties: Parties::draw(account_sid, from, to, &mut fastrand::Rng::new()),
        token,
        tls,
        audio_within: Duration::from_secs(args.audio_within),
        clock: Clock::start(),
    };
    let mut tell = |finding: &Finding| {
        let verdict = match finding.verdict {
            Verdict::Good => "ok",
            Verdict::Doubtful => "hm",
            Verdict::Bad => "BAD",
        };
        println!("{verdict:<4} {:<11} {}", finding.of, finding.says);
    };
    if check.run(&mut tell).await {
        println!("a number may point here");
        ExitCode::SUCCESS
    } else {
        println!("a caller would suffer");
        ExitCode::FAILURE
    }
}
