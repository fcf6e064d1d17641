//! `ringback demo`: a recorded call from the caller to a model and back, on this machine, told as it happens.
//!
//! The edge is the real one, on real sockets; caller, carrier and model are the doubles of `loadtest`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadtest::call::{OneCall, call, complaints, sentence, write_heard};
use loadtest::carrier::{CallReport, CarrierSettings};
use loadtest::model::ModelSession;
use loadtest::model::report::SessionReport;
use loadtest::model::settings::ModelSettings;
use loadtest::net::{Clock, House, host};
use loadtest::recording::Recording;
use ringback::config::{self, Config, Environment, Provider, Providers};
use ringback::provider::endpoint::Endpoint;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::tls;
use ringback::server::Server;
use ringback::telemetry::{self, Telemetry};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The call that is played: its caller interrupts a long answer.
const RECORDING: &str = "interrupts";

/// How far the model may be wrong about what was heard: the way of an echo and of a clear.
const HEARD_TOLERANCE_MS: u64 = 200;

/// Arguments of `ringback demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// End after the call; exit with 0 only if it was a good one.
    #[arg(long)]
    once: bool,

    /// Where to write what was heard: caller left, agent right.
    #[arg(long, value_name = "FILE.wav")]
    out: Option<PathBuf>,
}

/// Plays the call.
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
    let recording = Arc::new(Recording::builtin(RECORDING).map_err(|error| error.to_string())?);
    let clock = Clock::start();
    let model = Model::open(&recording, clock).await?;
    let config = settings(&model.url)?;
    telemetry::init(config.log).map_err(|error| error.to_string())?;
    let server = Server::bind(config, Telemetry::default())
        .await
        .map_err(|error| error.to_string())?;
    let url = format!("ws://{}/media", server.address());
    let edge = server.handle();
    let serving = async {
        tokio::join!(server.run(), model.visits());
    };
    let playing = async {
        let is_good = play(args, &recording, &url, clock, &model).await?;
        if !args.once {
            tell(&format!(
                "\nThe edge stays up. Call it again from another terminal, or stop it with ctrl-c:\n  \
                cargo run --release -p loadtest -- call --url {url} --recording order_status --out heard.wav"
            ));
            tokio::signal::ctrl_c()
                .await
                .map_err(|error| error.to_string())?;
        }
        edge.stop();
        model.close();
        Ok(is_good)
    };
    let (is_good, ()) = tokio::join!(playing, serving);
    is_good
}

/// Plays the call, tells its story and judges it.
async fn play(
    args: &DemoArgs,
    recording: &Arc<Recording>,
    url: &str,
    clock: Clock,
    model: &Model,
) -> Result<bool, String> {
    tell(&format!(
        "ringback's demo: a recorded caller -> carrier double -> ringback ({url}) -> model double, and back.\n\
         Caller and carrier are played, the sockets and the edge between them are real. It takes about half a minute.\n"
    ));
    let one = OneCall {
        url: url.to_owned(),
        tls: None,
        recording: Arc::clone(recording),
        settings: Arc::new(CarrierSettings {
            parameters: [("agent".to_owned(), "default".to_owned())].into(),
            ..CarrierSettings::default()
        }),
        seed: 1,
    };
    let story = |at: Duration, happening| {
        tell(&format!(
            "{:>8.3}  {}",
            at.as_secs_f64(),
            sentence(&happening, recording)
        ));
    };
    let (report, _) = call(one, clock, story)
        .await
        .map_err(|error| error.to_string())?;
    let heard = args
        .out
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join("ringback-demo.wav"));
    write_heard(&report, &heard).map_err(|error| format!("{}: {error}", heard.display()))?;
    let session = model.session().await;
    Ok(verdict(&report, session.as_ref(), &heard))
}

/// Says how the call went; `true` if it was a good one.
fn verdict(report: &CallReport, session: Option<&SessionReport>, heard: &Path) -> bool {
    let mut wrong = complaints(report);
    let answers = report.answer_latencies.len();
    let slowest = report
        .answer_latencies
        .iter()
        .max()
        .copied()
        .unwrap_or_default();
    tell(&format!(
        "\n{} turns, {answers} answers, the slowest after {} ms; longest silence while an answer was owed: {} ms",
        report.turns_said,
        slowest.as_millis(),
        report.dead_air_max.as_millis(),
    ));
    match session {
        None => wrong.push("the model has no session to tell of".to_owned()),
        Some(session) => {
            for cut in &session.truncations.list {
                let item = report
                    .items
                    .iter()
                    .find(|item| item.stream == cut.session && item.item == cut.item);
                let played = item
                    .map(|item| item.played().as_millis())
                    .unwrap_or_default();
                tell(&format!(
                    "interrupted: the caller heard {played} ms, the model was told {} ms",
                    cut.audio_end_ms
                ));
                if u128::from(
                    cut.audio_end_ms
                        .abs_diff(u64::try_from(played).unwrap_or(u64::MAX)),
                ) > u128::from(HEARD_TOLERANCE_MS)
                {
                    wrong
                        .push("the model believes something else than the caller heard".to_owned());
                }
            }
            let missing: u64 = session
                .uplink
                .streams
                .values()
                .map(loadtest::model::uplink::Stream::missing)
                .sum();
            if missing > 0 {
                wrong.push(format!("{missing} frames of the caller were lost"));
            }
        }
    }
    tell(&format!(
        "what was heard (caller left, agent right): {}",
        heard.display()
    ));
    if wrong.is_empty() {
        tell(
            "verdict: good: nothing was lost, nothing stayed unanswered, and the model knows what was heard",
        );
    } else {
        tell(&format!("verdict: bad: {}", wrong.join("; ")));
    }
    wrong.is_empty()
}

/// The settings of the demo: loopback, a port of its own, and the model double.
fn settings(model_url: &str) -> Result<Config, String> {
    let own = [
        ("RINGBACK__PUBLIC__LISTEN", "127.0.0.1:0"),
        ("RINGBACK__PUBLIC__AUTH", "none"),
        ("RINGBACK__ADMIN__LISTEN", "off"),
        ("RINGBACK__LOG__LEVEL", "warn"),
        ("RINGBACK__CALLS__DRAIN_GRACE", "1s"),
    ];
    let environment: Environment = own
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    let mut config = config::load(None, &environment).map_err(|problems| problems.to_string())?;
    let tls = tls::client_config(None).map_err(|error| error.to_string())?;
    let model = Endpoint::new("demo", model_url, None, Dialect::Ga, tls)
        .map_err(|error| error.to_string())?;
    config.providers = Providers::new(vec![Provider::alone(model)]);
    Ok(config)
}

/// The model double, listening.
struct Model {
    url: String,
    house: Mutex<Option<House>>,
    script: Arc<Recording>,
    open: watch::Sender<bool>,
    /// The last session that ended.
    session: watch::Sender<Option<SessionReport>>,
}

impl Model {
    async fn open(recording: &Arc<Recording>, clock: Clock) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (open, closing) = watch::channel(false);
        Ok(Self {
            url: format!("ws://{address}/v1/realtime?model=demo"),
            house: Mutex::new(Some(House {
                listener,
                tls: None,
                clock,
                closing,
            })),
            script: Arc::clone(recording),
            open,
            session: watch::Sender::new(None),
        })
    }

    /// Serves whoever comes, until it is closed.
    async fn visits(&self) {
        let house = self
            .house
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(house) = house else { return };
        let script = Arc::new(self.script.agent.clone());
        let caller_texts = self
            .script
            .caller
            .iter()
            .map(|turn| turn.line.text.clone())
            .collect();
        let settings = Arc::new(ModelSettings {
            caller_texts,
            ..ModelSettings::default()
        });
        let open = move |number: u32, _: &_, now, out: &mut _| {
            let mut session = ModelSession::new(
                Arc::clone(&settings),
                Arc::clone(&script),
                number,
                number.into(),
            );
            session.start(now, out);
            session
        };
        host(house, open, |session, _| {
            self.session.send_replace(Some(session.into_report()));
        })
        .await;
    }

    /// What the session of the call has seen, once it has ended.
    async fn session(&self) -> Option<SessionReport> {
        let mut ended = self.session.subscribe();
        let waited =
            tokio::time::timeout(Duration::from_secs(5), ended.wait_for(Option::is_some)).await;
        waited.ok()?.ok()?.clone()
    }

    fn close(&self) {
        self.open.send_replace(true);
    }
}

/// Says a line to whoever watches.
#[expect(clippy::print_stdout, reason = "this is the demo's story")]
fn tell(line: &str) {
    println!("{line}");
}
