//! `loadtest call`: one call, told live.

use std::{future::Future, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use loadtest::{
    call::{OneCall, call, complaints, sentence, told, voice_complaints, write_heard},
    carrier::{CallReport, CarrierSettings, Phone},
    model::settings::ModelSettings,
    net::Clock,
    recording::Recording,
    tls,
    twilio::{
        VoiceCall,
        number::{Number, Parties},
        voice_call::Told,
    },
};

use super::{
    number::{NumberArgs, trust},
    serve,
};

/// Arguments of `loadtest call`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("where").args(["url", "voice_url"]).required(true))]
pub(crate) struct Args {
    /// The server's stream, without any document: ws://HOST:PORT/PATH.
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    number: NumberArgs,
    /// What is said: the name of a recording that comes with loadtest, or a folder.
    #[arg(long, value_name = "NAME|DIR", default_value = "order_status")]
    recording: String,
    /// Writes what was heard: caller left, agent right.
    #[arg(long, value_name = "FILE.wav")]
    out: Option<PathBuf>,
    /// Is the model too, at this address.
    #[arg(long, value_name = "ADDR")]
    model_listen: Option<SocketAddr>,
    /// Whom to trust in place of those that browsers trust; for wss:// without a document there is no other.
    #[arg(long, value_name = "FILE.pem")]
    ca_file: Option<PathBuf>,
    /// What chance is drawn from: the same seed makes the same call.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How a call went: what was said and heard, and what else was not as it should be.
struct Called {
    report: CallReport,
    complaints: Vec<String>,
}

pub(crate) async fn run(args: Args) -> ExitCode {
    let recording = match Recording::find(&args.recording) {
        Ok(recording) => Arc::new(recording),
        Err(error) => return serve::wrong(&error),
    };
    let clock = Clock::start();
    println!("{} ({})", recording.name, recording.language);
    let called = match (args.number.number(), args.url.clone()) {
        (Some(number), _) => match through_number(&args, number, &recording, clock) {
            Ok(calling) => beside_model(&args, &recording, clock, calling).await,
            Err(error) => return serve::wrong(&error),
        },
        (None, Some(url)) => {
            let calling = directly(&args, url, &recording, clock);
            beside_model(&args, &recording, clock, calling).await
        }
        (None, None) => return serve::wrong(&"--url or --voice-url is missing"),
    };
    match called {
        Ok(called) => judge(&args, &called),
        Err(error) => serve::failed(&error),
    }
}

/// Makes the call while the model of its arguments is there, if there is to be one.
async fn beside_model(
    args: &Args,
    recording: &Recording,
    clock: Clock,
    calling: impl Future<Output = Result<Called, String>>,
) -> Result<Called, String> {
    let Some(address) = args.model_listen else {
        return calling.await;
    };
    let settings = ModelSettings::default();
    let model = serve::Model::bind(address, recording, settings, args.seed, clock).await?;
    tokio::select! {
        called = calling => called,
        never = model.serve() => match never {},
    }
}

/// A call to the stream itself.
async fn directly(
    args: &Args,
    url: String,
    recording: &Arc<Recording>,
    clock: Clock,
) -> Result<Called, String> {
    let tls = args.ca_file.as_deref().map(tls::client_trusting_file);
    let one = OneCall {
        url,
        tls: tls.transpose().map_err(|error| error.to_string())?,
        recording: Arc::clone(recording),
        settings: Arc::new(CarrierSettings::default()),
        seed: args.seed,
    };
    let tell = |at, happening| tell(at, &sentence(&happening, recording));
    let (report, _coupled) = call(one, clock, tell)
        .await
        .map_err(|error| error.to_string())?;
    let complaints = complaints(&report);
    Ok(Called { report, complaints })
}

/// A call through documents.
fn through_number<'a>(
    args: &Args,
    number: Number,
    recording: &'a Arc<Recording>,
    clock: Clock,
) -> Result<impl Future<Output = Result<Called, String>> + use<'a>, String> {
    let tls = trust(args.ca_file.as_ref()).map_err(|error| error.to_string())?;
    let account = args.number.account(Some(tls), clock)?;
    let mut rng = fastrand::Rng::with_seed(args.seed);
    let NumberArgs { from, to, .. } = &args.number;
    let call = VoiceCall {
        parties: Parties::draw(&account.sid, from, to, &mut rng),
        account: Arc::new(account),
        number,
        settings: args.number.settings()?,
        seed: args.seed,
    };
    let settings = Arc::new(CarrierSettings::default());
    let phone = Phone::new(Arc::clone(recording), settings, 1, args.seed);
    Ok(async move {
        let tell = |at, event: Told| {
            if let Some(sentence) = told(&event, recording) {
                tell(at, &sentence);
            }
        };
        let lived = call.live(phone, tell).await;
        let complaints = voice_complaints(&lived);
        Ok(Called {
            report: lived.call,
            complaints,
        })
    })
}

fn tell(at: std::time::Duration, sentence: &str) {
    println!("{:>8.3}  {sentence}", at.as_secs_f64());
}

fn judge(args: &Args, called: &Called) -> ExitCode {
    let Called { report, complaints } = called;
    if let Some(path) = &args.out {
        if let Err(error) = write_heard(report, path) {
            return serve::failed(&format!("{}: {error}", path.display()));
        }
        println!("what was heard: {}", path.display());
    }
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
