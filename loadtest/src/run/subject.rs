//! What is measured in a round: the server under test, or what it is compared with.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::{RunError, build};
use crate::{
    net::Clock,
    plan::{Names, Plan, Server, fill},
    process::{Child, Start},
    twilio::number::Number,
};

/// The relay is small: it is ready by then or never.
const RELAY_READY_WITHIN: Duration = Duration::from_secs(5);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The server under test, as the plan has it.
    Server,
    /// The bare relay, in its place.
    Relay,
    /// The server under test, with a model that speaks no TLS.
    Plain,
    /// The server under test, with nobody beside the callers.
    Quiet,
    /// The server under test, with models whose house has no faults.
    Well,
    /// The server under test, with fewer calls at a time.
    Fewer,
}

impl Subject {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Relay => "relay",
            Self::Plain => "plain",
            Self::Quiet => "quiet",
            Self::Well => "well",
            Self::Fewer => "fewer",
        }
    }

    /// Whom a plan measures, in the order of each round.
    pub(super) fn of(plan: &Plan) -> Vec<Self> {
        let compare = plan.compare;
        let others = [
            (Self::Relay, compare.relay),
            (Self::Plain, compare.plain),
            (Self::Quiet, compare.quiet),
            (Self::Well, compare.well),
            (Self::Fewer, compare.fewer.is_some()),
        ];
        let others = others.into_iter().filter(|&(_, is_wanted)| is_wanted);
        std::iter::once(Self::Server)
            .chain(others.map(|(subject, _)| subject))
            .collect()
    }

    /// How many calls at a time it gets.
    pub(super) fn concurrent(self, plan: &Plan) -> u32 {
        let all = plan.calls.concurrent;
        match self {
            Self::Server | Self::Relay | Self::Plain | Self::Quiet | Self::Well => all,
            Self::Fewer => plan.compare.fewer.unwrap_or(all),
        }
    }
}

/// A subject that takes calls.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where streams go that no document names.
    pub(crate) url: String,
    /// The number that calls come in at, if there is one.
    pub(crate) number: Option<Number>,
    /// Where it listens.
    pub(crate) address: String,
    /// Whose CPU time and memory are read.
    pub(crate) pid: Option<u32>,
    /// Ours, if we started it.
    pub(crate) child: Option<Child>,
}

/// Starts the plan's server as a child.
pub(crate) async fn start_server(
    server: &Server,
    names: &Names<'_>,
    clock: Clock,
    say: &mut dyn FnMut(&str),
) -> Result<Running, RunError> {
    let program = server.command.first().map_or("", String::as_str);
    if let Some(command) = build::needed(program) {
        let line = command.join(" ");
        say(&format!(
            "{program} is missing or older than its sources: {line}"
        ));
        build::build(&command)
            .await
            .map_err(|source| RunError::Build { line, source })?;
    }
    for (name, text) in &server.files {
        let path = names.folder.join(name);
        fs::write(&path, fill(text, names)).map_err(|source| file_error(&path, source))?;
    }
    let start = Start {
        command: (names.within.iter().cloned())
            .chain(server.command.iter().map(|it| fill(it, names)))
            .collect(),
        env: server
            .env
            .iter()
            .map(|(name, value)| (name.clone(), fill(value, names)))
            .collect(),
        address: address(names),
        ready_path: server.ready_path.clone(),
        ready_within: Duration::from_millis(server.ready_within_ms),
        folder: None,
    };
    let number = server.number(&start.address);
    running(&start, &server.media_path, number, clock).await
}

/// Starts the bare relay as a child.
pub(super) async fn start_relay(
    workers: Option<usize>,
    names: &Names<'_>,
    clock: Clock,
) -> Result<Running, RunError> {
    let program = std::env::current_exe().map_err(RunError::OwnPath)?;
    let ca_file = names.ca_file.display().to_string();
    let address = address(names);
    // It knows one: the first.
    let model_url = names.models.first().map_or("", |(_, url)| url.as_str());
    let workers = workers.map(|workers| format!("--workers={workers}"));
    let arguments = [
        "relay",
        "--listen",
        &address,
        "--model",
        model_url,
        "--ca-file",
        &ca_file,
    ];
    let start = Start {
        command: std::iter::once(program.display().to_string())
            .chain(arguments.map(str::to_owned))
            .chain(workers)
            .collect(),
        env: Vec::new(),
        address: address.clone(),
        ready_path: Some("/health/live".into()),
        ready_within: RELAY_READY_WITHIN,
        folder: None,
    };
    // It answers no questions: its callers open their streams themselves.
    running(&start, "/media", None, clock).await
}

async fn running(
    start: &Start,
    media_path: &str,
    number: Option<Number>,
    clock: Clock,
) -> Result<Running, RunError> {
    let child = Child::start(start, clock).await?;
    Ok(Running {
        url: format!("ws://{}{media_path}", start.address),
        number,
        address: start.address.clone(),
        pid: Some(child.id()),
        child: Some(child),
    })
}

/// Where servers under test listen: below the ports that Linux, as it is set by default, gives to connections, of which a load
/// test has thousands.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How many ports are tried before it is said that none is free.
const PORTS_TRIED: u32 = 200;

/// A port that nobody listens on just now, another one each time. Another process might take it before the child does; then
/// the child says so.
pub(crate) fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes begin in different places, so that they do not race each other from port to port.
    let place = std::process::id().wrapping_mul(97);
    let mut tried = Err(io::Error::from(io::ErrorKind::AddrInUse));
    for _ in 0..PORTS_TRIED {
        let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(place);
        let port = u16::try_from(number % u32::from(PORTS.end - PORTS.start))
            .map_or(PORTS.start, |offset| PORTS.start + offset);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        tried = std::net::TcpListener::bind(address).map(|_| port);
        if tried.is_ok() {
            break;
        }
    }
    tried
}

fn address(names: &Names<'_>) -> String {
    SocketAddr::from((names.host, names.port)).to_string()
}

fn file_error(path: &Path, source: io::Error) -> RunError {
    RunError::File {
        path: path.display().to_string(),
        source,
    }
}
