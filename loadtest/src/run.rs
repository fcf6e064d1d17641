//! Runs a plan: rounds of calls against the server under test, and against what it is compared with.
//!
//! Owns the order of things and the temporary folder of a run. Who calls is in `callers`, one round in `round`, how reports
//! become figures in `collect`. It prints nothing: whoever runs a plan watches it by [`Watch`].

mod beside;
mod build;
pub(crate) mod callers;
pub(crate) mod collect;
pub(crate) mod house;
pub(crate) mod interface;
pub(crate) mod round;
pub(crate) mod subject;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    net::Clock,
    plan::Plan,
    process::StartError,
    recording::Recording,
    report::{Column, Dialled, Figure, Figures},
    tls::{Authority, TlsError},
};
use round::Stage;
pub use round::{Phase, Progress};
use subject::Subject;

/// Where the server under test is, if the plan's own is not meant.
#[derive(Clone, Debug)]
pub struct Elsewhere {
    /// Where calls go.
    pub url: String,
    /// Its process, to measure it by.
    pub pid: Option<u32>,
    /// Where it expects the model.
    pub model_listen: SocketAddr,
}

/// Somebody who watches a run.
pub trait Watch {
    /// Something to know happened.
    fn say(&mut self, line: &str);

    /// How far it is; several times a second.
    fn progress(&mut self, progress: &Progress);
}

/// Why a run could not be made. That objectives do not hold is no error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nobody said where the server is.
    #[error("the plan has no [server]: say --url where the server under test is")]
    NoServer,
    /// A socket could not be had.
    #[error("{what}: {source}")]
    Listen {
        /// Which.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The server could not be built.
    #[error("{line}: {source}")]
    Build {
        /// The command.
        line: String,
        /// Why.
        source: io::Error,
    },
    /// A child could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Prompts, or recordings of those who are rung, could not be read.
    #[error("{0}")]
    Audio(String),
    /// Certificates could not be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The process under test cannot be measured.
    #[error("process {pid}: {source}")]
    Usage {
        /// Which.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// There is no thread for those beside the callers.
    #[error("those beside the callers: {0}")]
    Beside(io::Error),
    /// Our own program cannot be found, which is the relay too.
    #[error("the path of loadtest itself: {0}")]
    OwnPath(io::Error),
}

/// Runs all rounds of a plan; a column a subject, the server under test first. Dropping the future ends all that it started.
pub async fn run(
    plan: &Plan,
    recordings: &[Arc<Recording>],
    elsewhere: Option<&Elsewhere>,
    watch: &mut dyn Watch,
) -> Result<Vec<Column>, RunError> {
    if plan.server.is_none() && elsewhere.is_none() {
        return Err(RunError::NoServer);
    }
    let folder = Folder::create()?;
    let stage = Stage {
        host: Ipv4Addr::LOCALHOST,
        plan,
        recordings,
        elsewhere,
        authority: Authority::generate()?,
        folder: folder.0.clone(),
        clock: Clock::start(),
    };
    stage.write_ca()?;
    let subjects = Subject::of(plan);
    let mut rounds: Vec<(Vec<Figures>, Vec<Dialled>)> = vec![Default::default(); subjects.len()];
    for number in 1..=plan.compare.rounds {
        for (subject, (figures, dialled)) in subjects.iter().zip(&mut rounds) {
            let measured = round::measure(&stage, *subject, number, watch).await?;
            figures.push(measured.0);
            *dialled = measured.1;
        }
    }
    let mut columns: Vec<_> = subjects
        .iter()
        .zip(rounds)
        .map(|(subject, (rounds, dialled))| Column {
            name: subject.name().to_owned(),
            figures: Figures::median(&rounds),
            rounds,
            dialled,
        })
        .collect();
    set_ratios(&subjects, &mut columns);
    Ok(columns)
}

/// Which figure of the server is measured by which of another, and what the ratio is called.
const RATIOS: [(Subject, Figure, Figure); 12] = [
    (
        Subject::Relay,
        Figure::CpuPerCallSecond,
        Figure::CpuRatioToRelay,
    ),
    (Subject::Relay, Figure::UpP99, Figure::UpRatioToRelay),
    (Subject::Relay, Figure::DownP99, Figure::DownRatioToRelay),
    (
        Subject::Plain,
        Figure::CpuPerCallSecond,
        Figure::CpuRatioToPlain,
    ),
    (Subject::Plain, Figure::RssPerCall, Figure::RssRatioToPlain),
    (Subject::Quiet, Figure::UpP99, Figure::UpRatioToQuiet),
    (Subject::Quiet, Figure::DownP99, Figure::DownRatioToQuiet),
    (Subject::Quiet, Figure::RssSteady, Figure::RssRatioToQuiet),
    (
        Subject::Well,
        Figure::CpuPerCallSecond,
        Figure::CpuRatioToWell,
    ),
    (
        Subject::Fewer,
        Figure::CpuPerCallSecond,
        Figure::CpuRatioToFewer,
    ),
    (Subject::Fewer, Figure::UpP99, Figure::UpRatioToFewer),
    (Subject::Fewer, Figure::DownP99, Figure::DownRatioToFewer),
];

fn set_ratios(subjects: &[Subject], columns: &mut [Column]) {
    let ratios: Vec<_> = RATIOS
        .iter()
        .filter_map(|&(other, figure, ratio)| {
            let of = |wanted| {
                let mut pairs = subjects.iter().zip(columns.iter());
                let (_, column) = pairs.find(|(subject, _)| **subject == wanted)?;
                column.figures.get(figure)
            };
            let (server, other) = (of(Subject::Server)?, of(other)?);
            (other > 0.0).then(|| (ratio, server / other))
        })
        .collect();
    if let Some(server) = columns.first_mut() {
        for (ratio, value) in ratios {
            server.figures.set(ratio, value);
        }
    }
}

/// A folder of this run, gone after it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn create() -> Result<Self, RunError> {
        let name = format!("loadtest-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(|source| RunError::File {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind in the temporary folder harms nobody.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}
