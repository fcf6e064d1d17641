//! `ringback demo`: three recorded calls from the caller to a model and back, on this machine, told as they happen. In the second
//! one the model's provider dies in the middle of a sentence, and another one goes on. In the third one both die: its caller hears the
//! apology, presses a key, is texted, and is rung back when they are well again.
//!
//! The edge is the real one, on real sockets; caller, carrier and models are the doubles of `loadtest`. Calls come in as at a
//! telephone number: the carrier asks the Voice URL and does what the document says. The models are in `models`, what is said of
//! a call in `verdict`, the third call in `lost`.

mod lost;
mod models;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use loadtest::call::{told, write_heard};
use loadtest::carrier::{CarrierSettings, Phone};
use loadtest::net::Clock;
use loadtest::plan::{ACCOUNT_SID, AUTH_TOKEN};
use loadtest::recording::Recording;
use loadtest::twilio::number::{Number, Parties};
use loadtest::twilio::settings::TwilioSettings;
use loadtest::twilio::twiml::Link;
use loadtest::twilio::voice_call::Told;
use loadtest::twilio::{Account, VoiceCall, VoiceReport};
use models::{Fate, Model, Story};
use ringback::config::{self, Config, Environment, Provider, Providers};
use ringback::core::ids::Tier;
use ringback::provider::endpoint::Endpoint;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::tls;
use ringback::server::Server;
use ringback::telemetry::{self, Telemetry};

/// The first call: its caller interrupts a long answer.
const HEALTHY: &str = "interrupts";

/// The second call: its provider dies while it confirms an appointment. In the third both die while it offers one.
const KILLED: &str = "reschedule";

/// Arguments of `ringback demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// End after the calls; exit with 0 only if all were good.
    #[arg(long)]
    once: bool,

    /// Where to write what was heard of the first call (caller left, agent right); the others go beside it, as *-killed.wav,
    /// *-lost.wav and *-rung-back.wav.
    #[arg(long, value_name = "FILE.wav")]
    out: Option<PathBuf>,
}

/// Plays the calls.
pub(crate) fn run(args: &DemoArgs) -> ExitCode {
    let told = tokio::runtime::Runtime::new()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(demo(args)));
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            tell(&format!("the demo cannot run: {sentence}"));
            ExitCode::FAILURE
        }
    }
}

async fn demo(args: &DemoArgs) -> Result<bool, String> {
    let healthy = recording(HEALTHY)?;
    let killed = recording(KILLED)?;
    let clock = Clock::start();
    let story = Arc::new(Story::new(clock));
    // Its first session lives; the second dies in the middle of a sentence, which the standby has the rest of.
    let fates = vec![Fate::healthy(&healthy), Fate::killed(&killed)];
    let first = Model::open("first", fates, &story).await?;
    let standby = Model::open("standby", vec![Fate::goes_on(&killed)], &story).await?;
    let config = settings(&[&first, &standby], &[])?;
    telemetry::init(config.log).map_err(|error| error.to_string())?;
    let server = Server::bind(config, Telemetry::default())
        .await
        .map_err(|error| error.to_string())?;
    let url = format!("http://{}", server.address());
    let edge = server.handle();
    let serving = async {
        tokio::join!(server.run(), first.visits(), standby.visits());
    };
    let playing = async {
        let play = Play {
            url: &url,
            account: Arc::new(Account::new(ACCOUNT_SID, AUTH_TOKEN, None, clock)),
            story: &story,
        };
        let out = args.out.clone();
        let out = out.unwrap_or_else(|| std::env::temp_dir().join("ringback-demo.wav"));
        let both = play.both(&out, &healthy, &killed, &first, &standby).await?;
        let is_good = lost::play(&out, &killed, clock).await? && both;
        if !args.once {
            tell(&format!(
                "\nThe edge stays up. Call it again from another terminal, or stop it with ctrl-c:\n  \
                TWILIO_AUTH_TOKEN={AUTH_TOKEN} cargo run --release -p loadtest -- \\\n    \
                call --voice-url {url}/twiml/answer --recording order_status --out heard.wav"
            ));
            tokio::signal::ctrl_c()
                .await
                .map_err(|error| error.to_string())?;
        }
        edge.stop();
        first.close();
        standby.close();
        Ok(is_good)
    };
    let (is_good, ()) = tokio::join!(playing, serving);
    is_good
}

/// What both calls have in common.
struct Play<'a> {
    /// The edge's public URL.
    url: &'a str,
    account: Arc<Account>,
    story: &'a Story,
}

impl Play<'_> {
    /// Plays and judges one call after the other.
    async fn both(
        &self,
        out: &Path,
        healthy: &Arc<Recording>,
        killed: &Arc<Recording>,
        first: &Model,
        standby: &Model,
    ) -> Result<bool, String> {
        tell(&format!(
            "ringback's demo: a recorded caller -> carrier double -> ringback ({}) -> model double, and back.\n\
             Caller, carrier and models are played, the sockets and the edge between them are real. It takes two minutes.\n\n\
             1. A call whose caller interrupts:\n",
            self.url
        ));
        let report = self.call(1, healthy, out).await?;
        let is_good = verdict::healthy(&report, first.session(1).await.as_ref(), out);
        tell("\n2. A call whose provider is killed in the middle of a sentence, with a standby:\n");
        let out = beside(out, "killed");
        let report = self.call(2, killed, &out).await?;
        let sessions = (first.session(2).await, standby.session(1).await);
        let is_kept = verdict::killed(&report, &sessions, killed, &out);
        Ok(is_good && is_kept)
    }

    /// Plays the nth call, tells its story, and writes down what was heard.
    async fn call(
        &self,
        nth: u64,
        recording: &Arc<Recording>,
        heard: &Path,
    ) -> Result<VoiceReport, String> {
        const SEED: u64 = 1;
        let settings = CarrierSettings::default();
        let call = VoiceCall {
            account: Arc::clone(&self.account),
            number: number(self.url),
            settings: Arc::new(TwilioSettings::default()),
            parties: Parties::of_seed(ACCOUNT_SID, &settings.from, &settings.to, nth),
            seed: SEED,
        };
        let phone = Phone::new(Arc::clone(recording), Arc::new(settings), 1, SEED);
        self.story.begin();
        let tell = |at: Duration, event: Told| {
            if let Some(sentence) = told(&event, recording) {
                line(at, &sentence);
            }
        };
        let report = call.live(phone, tell).await;
        write_heard(&report.call, heard)
            .map_err(|error| format!("{}: {error}", heard.display()))?;
        Ok(report)
    }
}

/// A telephone number whose owner has filled in what this edge answers.
fn number(url: &str) -> Number {
    let link = |path| Link {
        url: format!("{url}{path}"),
        ..Link::default()
    };
    Number {
        voice: link("/twiml/answer"),
        fallback: Some(link("/twiml/fallback")),
        status: Some(link("/calls/status")),
    }
}

/// A file beside that one.
fn beside(out: &Path, what: &str) -> PathBuf {
    let stem = out.file_stem().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!("{stem}-{what}.wav"))
}

fn recording(name: &str) -> Result<Arc<Recording>, String> {
    let recording = Recording::builtin(name).map_err(|error| error.to_string())?;
    Ok(Arc::new(recording))
}

/// The settings of the demo: loopback, a port of its own, the model doubles, a tier each, and what is given here.
fn settings(models: &[&Model], more: &[(&str, String)]) -> Result<Config, String> {
    const OWN: [(&str, &str); 8] = [
        ("RINGBACK__PUBLIC__LISTEN", "127.0.0.1:0"),
        ("TWILIO_ACCOUNT_SID", ACCOUNT_SID),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN),
        ("RINGBACK__TWILIO__PUBLIC_URL", "http://127.0.0.1:0"),
        ("RINGBACK__ADMIN__LISTEN", "off"),
        // What a call does about a provider that dies is a warning, and told here in other words.
        ("RINGBACK__LOG__LEVEL", "error"),
        ("RINGBACK__CALLS__DRAIN_GRACE", "1s"),
        // What is heard is what the story tells, and nothing else.
        ("RINGBACK__PROMPTS__RENDER", "off"),
    ];
    let own = OWN.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let environment: Environment = own.into_iter().chain(more).collect();
    let mut config = config::load(None, &environment).map_err(|problems| problems.to_string())?;
    let tls = tls::client_config(None).map_err(|error| error.to_string())?;
    let mut entries = Vec::new();
    for (tier, model) in (1..).zip(models) {
        let endpoint = Endpoint::new(model.name, &model.url(), None, Dialect::Ga, tls.clone());
        let mut entry = Provider::alone(endpoint.map_err(|error| error.to_string())?);
        entry.policy.tier = Tier(tier);
        entries.push(entry);
    }
    let breaker = config.providers.policy.breaker;
    config.providers = Providers::new(entries);
    config.providers.policy.breaker = breaker;
    // The standby is there for the provider that dies, not for a dial that takes a moment longer than the last.
    config.providers.policy.hedge.percent = 0;
    Ok(config)
}

/// Says what happened at a time since the call began.
fn line(at: Duration, sentence: &str) {
    tell(&format!("{:>8.3}  {sentence}", at.as_secs_f64()));
}

/// Says a line to whoever watches.
#[expect(clippy::print_stdout, reason = "this is the demo's story")]
fn tell(line: &str) {
    println!("{line}");
}
