//! One round: start a subject, let callers come, measure it while they are all there, and wait for their end.

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::task::JoinSet;

use super::{
    Elsewhere, RunError, Watch,
    beside::Crowd,
    callers::{Callers, Counts, Outcome, Way},
    collect::{self, Window},
    house::{Models, Seen},
    interface::Interface,
    subject::{Running, Subject, free_port, start_relay, start_server},
};
use crate::{
    arrivals::arrivals,
    carrier::CarrierSettings,
    net::Clock,
    plan::{Names, Plan},
    process::{Usage, usage},
    recording::Recording,
    report::{Dialled, Figures},
    tls::Authority,
};

/// How often whoever watches is told how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// In the last part of a round nobody calls any more: a call that hangs up before the model is there tells nothing.
const LAST_CALLS: Duration = Duration::from_secs(3);

/// How far a run is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Whom the round measures.
    pub subject: &'static str,
    /// Which round, from 1.
    pub round: u32,
    /// Of how many.
    pub rounds: u32,
    /// What it does.
    pub phase: Phase,
    /// For how long yet, at most.
    pub left: Duration,
    /// Calls that are live.
    pub live: u32,
    /// Calls that were dialled.
    pub started: u32,
    /// Calls that failed.
    pub failed: u32,
}

/// What a round does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Callers come.
    Ramp,
    /// All are there, and the server is measured.
    Steady,
    /// Calls end.
    Drain,
}

/// What all rounds of a run have in common.
pub(crate) struct Stage<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) recordings: &'a [Arc<Recording>],
    pub(crate) elsewhere: Option<&'a Elsewhere>,
    pub(crate) authority: Authority,
    pub(crate) folder: PathBuf,
    pub(crate) clock: Clock,
    /// Where models and interfaces listen.
    pub(crate) host: Ipv4Addr,
}

impl Stage<'_> {
    pub(crate) fn write_ca(&self) -> Result<(), RunError> {
        let path = self.ca_file();
        let written = self.authority.write_ca(&path);
        written.map_err(|source| RunError::File {
            path: path.display().to_string(),
            source,
        })
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Makes a folder for a subject in a round: nobody finds what another one left, a store full of promises for example.
    fn house(&self, subject: Subject, round: u32) -> Result<PathBuf, RunError> {
        let path = self.folder.join(format!("{}-{round}", subject.name()));
        let made = std::fs::create_dir_all(&path);
        made.map_err(|source| RunError::File {
            path: path.display().to_string(),
            source,
        })?;
        Ok(path)
    }
}

/// Measures one subject once.
pub(super) async fn measure(
    stage: &Stage<'_>,
    subject: Subject,
    round: u32,
    watch: &mut dyn Watch,
) -> Result<(Figures, Vec<Dialled>), RunError> {
    let models = Models::open(stage, subject)?;
    let interface = Interface::open(stage.plan, stage.clock, stage.host)?;
    let running = start(stage, (subject, round), &models, &interface.url, watch).await?;
    interface.reach(stage.plan, &running.address);
    let idle = used(&running)?;
    let calls = &stage.plan.calls;
    let begin = stage.clock.now();
    models.begin(begin);
    let window = (begin + calls.ramp(), begin + calls.ramp() + calls.steady());
    let callers = Arc::new(callers(stage, &running, &interface, window.1));
    let mut lines = JoinSet::new();
    for at in arrivals(subject.concurrent(stage.plan), calls.ramp(), calls.seed) {
        lines.spawn(Arc::clone(&callers).line(begin + at));
    }
    let mut reporter = Reporter {
        progress: Progress {
            subject: subject.name(),
            round,
            rounds: stage.plan.compare.rounds,
            phase: Phase::Ramp,
            left: Duration::ZERO,
            live: 0,
            started: 0,
            failed: 0,
        },
        clock: stage.clock,
        callers: &callers,
        watch,
    };
    reporter.until(Phase::Ramp, window.0).await;
    let before = (stage.clock.now(), used(&running)?);
    let crowd = gather(stage, subject, &running, &interface, window.1)?;
    reporter.until(Phase::Steady, window.1).await;
    let after = (stage.clock.now(), used(&running)?);
    let beheld = match crowd {
        Some(crowd) => Some(crowd.leave().await),
        None => None,
    };
    let live = callers.counts.live.load(Ordering::Relaxed);
    let outcomes = drain(&mut lines, calls.drain(), &mut reporter).await;
    let unfinished = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    drop(lines);
    if let Some(child) = running.child {
        child.end().await;
    }
    let seen = models.close().await;
    let window = Window {
        begin: before.0,
        end: after.0,
        idle,
        before: before.1,
        after: after.1,
        live,
        unfinished,
        agent_hangs_up: stage.plan.server_may_close(),
        breaker: stage.plan.breaker,
        beheld,
        zero: begin,
        drill: None,
    };
    tell(&outcomes, &seen, &window, watch);
    let mut figures = collect::figures(&outcomes, &seen, stage.recordings, &window);
    interface.figures(&mut figures);
    let dialled = seen.into_iter().map(|seen| Dialled {
        model: seen.name,
        dials: seen.dials,
    });
    Ok((figures, dialled.collect()))
}

/// Who comes beside the callers, where the plan wants somebody.
fn gather(
    stage: &Stage<'_>,
    subject: Subject,
    running: &Running,
    interface: &Interface,
    until: Duration,
) -> Result<Option<Crowd>, RunError> {
    let beside = stage.plan.beside;
    if subject != Subject::Server || beside.is_empty() {
        return Ok(None);
    }
    let crowd = Crowd::gather(beside, running, &interface.account, stage.clock, until);
    crowd.map(Some).map_err(RunError::Beside)
}

/// Says what went wrong, and how often.
fn tell(outcomes: &[Outcome], seen: &[Seen], window: &Window, watch: &mut dyn Watch) {
    for (reason, times) in collect::failures(outcomes, window) {
        watch.say(&format!("{times} × {reason}"));
    }
    for (code, times) in collect::refusals(seen) {
        watch.say(&format!("{times} × a model refused: {code}"));
    }
}

/// Who calls, until the window ends.
fn callers(stage: &Stage<'_>, running: &Running, interface: &Interface, end: Duration) -> Callers {
    let calls = &stage.plan.calls;
    let way = match &running.number {
        Some(number) => Way::Number {
            account: Arc::clone(&interface.account),
            numbers: vec![number.clone()],
            settings: Arc::new(stage.plan.twilio.clone()),
        },
        None => Way::Stream(running.url.clone()),
    };
    Callers {
        way,
        recordings: stage.recordings.to_vec(),
        settings: Arc::new(CarrierSettings {
            record: false, // Hundreds of calls that nobody listens to.
            ..stage.plan.carrier.clone()
        }),
        cuts: calls.cuts.clone(),
        prompts: interface.account.network.prompts.clone(),
        own_numbers: calls.own_numbers,
        seed: calls.seed,
        clock: stage.clock,
        until: end.saturating_sub(LAST_CALLS.min(calls.steady() / 4)),
        hang_up_at: calls.hang_up.then_some(end),
        counts: Counts::default(),
    }
}

async fn start(
    stage: &Stage<'_>,
    (subject, round): (Subject, u32),
    models: &Models,
    rest_url: &str,
    watch: &mut dyn Watch,
) -> Result<Running, RunError> {
    if let (Subject::Server, Some(elsewhere)) = (subject, stage.elsewhere) {
        return Ok(Running {
            url: elsewhere.url.clone(),
            number: None,
            address: String::new(),
            pid: elsewhere.pid,
            child: None,
        });
    }
    let port = free_port().map_err(|source| RunError::Listen {
        what: "a port for the server".into(),
        source,
    })?;
    let names = Names {
        host: stage.host,
        port,
        within: &[],
        models: &models.urls(),
        ca_file: &stage.ca_file(),
        folder: &stage.house(subject, round)?,
        rest_url,
        node: &[],
    };
    match subject {
        Subject::Relay => start_relay(stage.plan.compare.relay_workers, &names, stage.clock).await,
        Subject::Server | Subject::Plain | Subject::Quiet | Subject::Well | Subject::Fewer => {
            let server = stage.plan.server.as_ref().ok_or(RunError::NoServer)?;
            let say = &mut |line: &str| watch.say(line);
            start_server(server, &names, stage.clock, say).await
        }
    }
}

fn used(running: &Running) -> Result<Option<Usage>, RunError> {
    running
        .pid
        .map(|pid| usage(pid).map_err(|source| RunError::Usage { pid, source }))
        .transpose()
}

/// Waits for the last calls; whoever does not end is left in `lines`.
async fn drain(
    lines: &mut JoinSet<Vec<Outcome>>,
    drain: Duration,
    reporter: &mut Reporter<'_>,
) -> Vec<Outcome> {
    let until = reporter.clock.now() + drain;
    let mut outcomes = Vec::new();
    while !lines.is_empty() && reporter.clock.now() < until {
        reporter.report(Phase::Drain, until);
        match tokio::time::timeout(PROGRESS_EVERY, lines.join_next()).await {
            Ok(Some(Ok(line))) => outcomes.extend(line),
            // A line that panicked is a bug of a double: it shows as a failed call, with its words on the error output.
            Ok(Some(Err(error))) => outcomes.push(Outcome::Refused(error.to_string())),
            Ok(None) | Err(_) => {}
        }
    }
    outcomes
}

/// Tells whoever watches.
struct Reporter<'a> {
    progress: Progress,
    clock: Clock,
    callers: &'a Callers,
    watch: &'a mut dyn Watch,
}

impl Reporter<'_> {
    async fn until(&mut self, phase: Phase, until: Duration) {
        while self.clock.now() < until {
            self.report(phase, until);
            let next = until.min(self.clock.now() + PROGRESS_EVERY);
            self.clock.wait_until(next).await;
        }
    }

    fn report(&mut self, phase: Phase, until: Duration) {
        let counts = &self.callers.counts;
        self.progress.phase = phase;
        self.progress.left = until.saturating_sub(self.clock.now());
        self.progress.live = counts.live.load(Ordering::Relaxed);
        self.progress.started = counts.started.load(Ordering::Relaxed);
        self.progress.failed = counts.failed.load(Ordering::Relaxed);
        self.watch.progress(&self.progress);
    }
}
