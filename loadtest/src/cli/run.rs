//! `loadtest run`: a plan, its table, its verdict.

use std::{
    io::{IsTerminal, Write as _, stderr},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use loadtest::{
    plan::Plan,
    recording::Recording,
    report::{self, verdict},
    run::{self, Elsewhere, Phase, Progress, RunError, Watch},
};

use super::serve;

/// Where no line can be written over, the progress is told this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Arguments of `loadtest run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan: a TOML file as in loadtest/plans.
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Calls this server instead of the plan's own: ws://HOST:PORT/PATH.
    #[arg(long)]
    url: Option<String>,
    /// Its process id, to measure CPU time and memory by.
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// Where it expects the model.
    #[arg(long, requires = "url", default_value = "127.0.0.1:9300")]
    model_listen: SocketAddr,
    /// Writes the report as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> ExitCode {
    let loaded = Plan::load(&args.plan).and_then(|plan| {
        let recordings = plan.recordings(&args.plan)?;
        Ok((plan, recordings))
    });
    let (plan, recordings) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return serve::wrong(&error),
    };
    match judge(&args, &plan, &recordings).await {
        Ok(Ok(line)) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Ok(Err(line)) => {
            println!("{line}");
            ExitCode::FAILURE
        }
        Err(error) => serve::failed(&error),
    }
}

/// Runs the plan and prints its table; the verdict is for the last line.
async fn judge(
    args: &Args,
    plan: &Plan,
    recordings: &[Arc<Recording>],
) -> Result<Result<String, String>, RunError> {
    println!("{}", plan.about);
    let elsewhere = args.url.as_ref().map(|url| Elsewhere {
        url: url.clone(),
        pid: args.pid,
        model_listen: args.model_listen,
    });
    let mut screen = Screen::default();
    let columns = run::run(plan, recordings, elsewhere.as_ref(), &mut screen).await;
    screen.clear();
    let columns = columns?;
    print!("{}", report::table(&columns));
    print!("{}", report::phases(&columns));
    print!("{}", report::dials(&columns));
    let objectives = plan.objectives();
    let verdict = match columns.first() {
        Some(server) => verdict(&objectives, &server.figures),
        None => Err("nothing was measured".into()),
    };
    if let Some(path) = &args.json {
        let name = args.plan.file_stem().unwrap_or_default();
        let json = report::to_json(&name.to_string_lossy(), &columns, &verdict);
        write(path, &format!("{json:#}\n"))?;
    }
    Ok(verdict)
}

fn write(path: &Path, text: &str) -> Result<(), RunError> {
    std::fs::write(path, text).map_err(|source| RunError::File {
        path: path.display().to_string(),
        source,
    })
}

/// The line that shows how far a run is.
#[derive(Debug, Default)]
struct Screen {
    shown: Option<(Phase, Duration)>,
}

impl Screen {
    fn clear(&self) {
        if self.shown.is_some() && stderr().is_terminal() {
            eprint!("\r\x1b[2K");
        }
    }

    /// Where nothing can be written over, a line now and then is enough.
    fn is_due(&mut self, progress: &Progress) -> bool {
        let due = match self.shown {
            Some((phase, left)) => {
                phase != progress.phase || left.saturating_sub(progress.left) >= LINE_EVERY
            }
            None => true,
        };
        if due {
            self.shown = Some((progress.phase, progress.left));
        }
        due
    }
}

impl Watch for Screen {
    fn say(&mut self, line: &str) {
        self.clear();
        eprintln!("{line}");
    }

    fn progress(&mut self, progress: &Progress) {
        let is_terminal = stderr().is_terminal();
        if !self.is_due(progress) && !is_terminal {
            return;
        }
        let phase = match progress.phase {
            Phase::Ramp => "callers come",
            Phase::Steady => "measuring",
            Phase::Drain => "calls end",
        };
        let line = format!(
            "{} {}/{}  {phase}, {:>3} s left  live {}  started {}  failed {}",
            progress.subject,
            progress.round,
            progress.rounds,
            progress.left.as_secs(),
            progress.live,
            progress.started,
            progress.failed,
        );
        if is_terminal {
            eprint!("\r\x1b[2K{line}");
            // A progress line that cannot be shown is not missed.
            let _shown = stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }
}
