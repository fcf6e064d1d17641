//! `loadtest twilio`: Twilio's REST interface, and calls that come in when they are asked for, until it is stopped.

use std::{
    io::BufRead as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use loadtest::{
    carrier::{CarrierSettings, Phone},
    net::Clock,
    recording::Recording,
    twilio::{
        Account, VoiceCall,
        network::{Network, PhoneSettings},
        number::{Number, Parties},
        rest::{self, FaultWindow, RestShares},
        settings::TwilioSettings,
        twiml::Link,
    },
};
use serde::Deserialize;
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

use super::{
    number::{NumberArgs, trust},
    serve,
};

/// Calls at a time.
const CALLS_MAX: usize = 1_000;

/// Arguments of `loadtest twilio`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where its REST interface listens.
    #[arg(long, default_value = "127.0.0.1:9500")]
    listen: SocketAddr,
    #[command(flatten)]
    number: NumberArgs,
    /// What goes wrong at the REST interface, and how phones behave: a TOML file of [[fault]], [rest] and [phones], as in plans.
    #[arg(long, value_name = "FILE.toml")]
    faults: Option<PathBuf>,
    /// "A message comes in": where what phones write goes.
    #[arg(long, value_name = "URL")]
    sms_url: Option<String>,
    /// What callers say.
    #[arg(long, value_name = "NAME|DIR", default_value = "order_status")]
    recording: String,
    /// Whom to trust in place of those that browsers trust.
    #[arg(long, value_name = "FILE.pem")]
    ca_file: Option<PathBuf>,
    /// What chance is drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Faults {
    fault: Vec<FaultWindow>,
    rest: RestShares,
    phones: PhoneSettings,
}

impl Faults {
    fn read(path: Option<&Path>) -> Result<Self, String> {
        let faults = match path {
            None => Self::default(),
            Some(path) => serve::settings_of::<Self>(path)?,
        };
        faults.rest.validate()?;
        faults.phones.validate()?;
        Ok(faults)
    }
}

/// What every call has in common.
struct Calls {
    account: Arc<Account>,
    number: Number,
    settings: Arc<TwilioSettings>,
    recording: Arc<Recording>,
    args: NumberArgs,
    rng: fastrand::Rng,
}

pub(crate) async fn run(args: Args) -> ExitCode {
    let faults = match Faults::read(args.faults.as_deref()) {
        Ok(faults) => faults,
        Err(error) => return serve::wrong(&error),
    };
    let windows = faults.fault.clone();
    let calls = match calls(&args, faults) {
        Ok(calls) => calls,
        Err(error) => return serve::wrong(&error),
    };
    let listener = match TcpListener::bind(args.listen).await {
        Ok(listener) => listener,
        Err(error) => return serve::failed(&format!("{}: {error}", args.listen)),
    };
    let account = Arc::clone(&calls.account);
    account.set_faults(windows);
    account
        .network
        .set_sms(args.sms_url.as_ref().map(|url| Link {
            url: url.clone(),
            ..Link::default()
        }));
    println!(
        "REST at http://{}/2010-04-01/Accounts/{}/",
        args.listen, account.sid
    );
    if args.number.voice_url.is_some() {
        println!("a line \"call\" makes a call");
    }
    tokio::select! {
        never = rest::serve(account, listener) => match never {},
        () = make(calls) => ExitCode::SUCCESS,
    }
}

fn calls(args: &Args, faults: Faults) -> Result<Calls, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let recording = Recording::find(&args.recording).map_err(|error| text(&error))?;
    let tls = trust(args.ca_file.as_ref()).map_err(|error| text(&error))?;
    let recordings = faults.phones.recordings.iter();
    let recordings = recordings.map(|name| Recording::find(name).map(Arc::new));
    let recordings = recordings.collect::<Result<Vec<_>, _>>();
    let recordings = recordings.map_err(|error| text(&error))?;
    let settings = args.number.settings()?;
    let network = Network::new(faults.phones, (*settings).clone(), recordings);
    let account = args.number.account(Some(tls), Clock::start())?;
    let account = account.with_network(network).with_shares(faults.rest);
    Ok(Calls {
        account: Arc::new(account),
        number: args.number.number().unwrap_or_default(),
        settings,
        recording: Arc::new(recording),
        args: args.number.clone(),
        rng: fastrand::Rng::with_seed(args.seed),
    })
}

/// Makes calls as lines come in. Without lines it waits.
async fn make(mut calls: Calls) {
    let (line, mut lines) = mpsc::channel::<()>(CALLS_MAX);
    // Of its own: a read of stdin cannot be taken back, and nobody waits for it.
    std::thread::spawn(move || {
        let ordered = std::io::stdin().lock().lines().map_while(Result::ok);
        for order in ordered.filter(|order| order.trim() == "call") {
            drop(order);
            if line.blocking_send(()).is_err() {
                return;
            }
        }
    });
    let mut calling = JoinSet::new();
    loop {
        tokio::select! {
            Some(()) = lines.recv(), if calling.len() < CALLS_MAX && !calls.number.voice.url.is_empty() => {
                calling.spawn(calls.next());
            }
            Some(sentence) = calling.join_next() => {
                if let Ok(sentence) = sentence {
                    println!("{sentence}");
                }
            }
            else => std::future::pending().await,
        }
    }
}

impl Calls {
    fn next(&mut self) -> impl Future<Output = String> + Send + use<> {
        let seed = self.rng.u64(..);
        let NumberArgs { from, to, .. } = &self.args;
        let call = VoiceCall {
            account: Arc::clone(&self.account),
            number: self.number.clone(),
            settings: Arc::clone(&self.settings),
            parties: Parties::draw(&self.account.sid, from, to, &mut self.rng),
            seed,
        };
        let settings = CarrierSettings::default();
        let phone = Phone::new(Arc::clone(&self.recording), Arc::new(settings), 1, seed);
        async move {
            let sid = call.parties.call_sid.clone();
            let report = call.live(phone, |_, _| {}).await;
            let (documents, streams) = (report.documents(), report.streams());
            format!(
                "{sid}: {documents} documents, {streams} streams, {:?}",
                report.end
            )
        }
    }
}
