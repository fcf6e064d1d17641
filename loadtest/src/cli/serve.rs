//! `loadtest model` and `loadtest relay`: one of the two ends alone, until it is stopped.

use std::{
    convert::Infallible,
    fmt::Display,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
};

use loadtest::{
    model::{house::ModelHouse, settings::ModelSettings},
    net::{Clock, House, host_by},
    recording::Recording,
    relay::Relay,
    tls,
};
use serde::de::DeserializeOwned;
use tokio::{net::TcpListener, sync::watch};

/// Exit code for what was asked wrongly.
const WRONG: u8 = 2;

/// Arguments of `loadtest model`.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:9300")]
    listen: SocketAddr,
    /// Answers with the agent's lines of this recording.
    #[arg(long, value_name = "NAME|DIR", default_value = "order_status")]
    recording: String,
    /// How it behaves, and what goes wrong: a TOML file with the keys of a plan's [model].
    #[arg(long, value_name = "FILE.toml")]
    settings: Option<PathBuf>,
    /// What chance is drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Arguments of `loadtest relay`.
#[derive(Debug, clap::Args)]
pub(crate) struct RelayArgs {
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// The model's URL.
    #[arg(long)]
    model: String,
    /// Whom to trust if that is wss.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Threads of its runtime; 0: the runtime of a single thread; without it: one a core.
    #[arg(long)]
    pub(crate) workers: Option<usize>,
}

/// A model that tells who comes and goes.
pub(crate) struct Model {
    house: House,
    keeper: Arc<Mutex<ModelHouse>>,
    /// The house is open for as long as there is one who could close it.
    _open: watch::Sender<bool>,
}

impl Model {
    pub(crate) async fn bind(
        address: SocketAddr,
        recording: &Recording,
        settings: ModelSettings,
        seed: u64,
        clock: Clock,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| format!("{address}: {error}"))?;
        let (open, closing) = watch::channel(false);
        let script = Arc::new(recording.agent.clone());
        let keeper = ModelHouse::new(Arc::new(settings), script, seed);
        Ok(Self {
            house: House {
                listener,
                tls: None,
                clock,
                closing,
            },
            keeper: Arc::new(Mutex::new(keeper)),
            _open: open,
        })
    }

    pub(crate) async fn serve(self) -> Infallible {
        let Self {
            house,
            keeper,
            _open,
        } = self;
        host_by(house, keeper, |_, _| {}).await;
        std::future::pending().await
    }
}

pub(crate) async fn model(args: ModelArgs) -> ExitCode {
    let recording = match Recording::find(&args.recording) {
        Ok(recording) => recording,
        Err(error) => return wrong(&error),
    };
    let settings = match args.settings.as_deref().map(settings_of) {
        None => ModelSettings::default(),
        Some(Ok(settings)) => settings,
        Some(Err(error)) => return wrong(&error),
    };
    match Model::bind(args.listen, &recording, settings, args.seed, Clock::start()).await {
        Ok(model) => {
            let address = args.listen;
            println!("a model at ws://{address}/v1/realtime; any key will do");
            match model.serve().await {}
        }
        Err(error) => failed(&error),
    }
}

/// Reads a file of TOML. The error names the file.
pub(crate) fn settings_of<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let wrong = |error: &dyn Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    toml::from_str(&text).map_err(|error| wrong(&error))
}

pub(crate) async fn relay(args: RelayArgs) -> ExitCode {
    let tls = match args.ca_file.as_deref().map(tls::client_trusting_file) {
        None => None,
        Some(Ok(tls)) => Some(tls),
        Some(Err(error)) => return wrong(&error),
    };
    let relay = Relay {
        model_url: args.model,
        tls,
    };
    let served = match TcpListener::bind(args.listen).await {
        Ok(listener) => relay.serve(listener).await,
        Err(error) => Err(error),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("{}: {error}", args.listen)),
    }
}

pub(crate) fn wrong(error: &dyn Display) -> ExitCode {
    eprintln!("loadtest: {error}");
    ExitCode::from(WRONG)
}

pub(crate) fn failed(error: &dyn Display) -> ExitCode {
    eprintln!("loadtest: {error}");
    ExitCode::FAILURE
}
