//! Drills of several nodes: two regions of real processes with a store between them, callers who come through a number, and harm that
//! is done by a timetable.
//!
//! Owns the order of things. How a house is put up is in [`building`], its processes are in [`nodes`] and [`store`], the regions'
//! addresses in [`front`], what leads from one to the other in [`ways`] or [`grounds`], what is
//! done in [`harm`]; who calls and what is counted is what a [run](crate::run) has too, and what is drawn of it is in [`course`]. All processes
//! are children: they end with the drill, however it ends.

mod building;
mod course;
mod front;
mod grounds;
mod harm;
mod nodes;
mod promised;
mod store;
mod ways;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::task::JoinSet;

use self::{
    building::{build, numbers},
    grounds::Grounds,
    harm::{Done, House},
    nodes::Common,
};
use super::{DrillError, Drilled, story::Story};
use crate::{
    arrivals::arrivals,
    carrier::CarrierSettings,
    net::Clock,
    netns::Place,
    plan::{HousePlan, Plan},
    recording::Recording,
    report::{Figure, Figures},
    run::{
        Folder, RunError,
        callers::{Callers, Counts, Outcome, Way},
        collect::{self, Window},
        house::{Models, Seen},
        interface::Interface,
        round::Stage,
        subject::Subject,
    },
    tls::Authority,
    twilio::number::Number,
};

/// How often is looked what is due.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two lines that tell how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// After the last call so long is waited whether anything is left of it.
const QUIET: Duration = Duration::from_secs(3);
/// The nodes that are ended when all is over.
const END_MAX: Duration = Duration::from_secs(3);

/// Runs a drill of a house.
pub(super) async fn run(
    plan: &Plan,
    house: &HousePlan,
    (recordings, place): (&[Arc<Recording>], Option<Place>),
    say: &mut dyn FnMut(&str),
) -> Result<Drilled, DrillError> {
    let grounds = Grounds::new(place);
    let server = plan
        .server
        .as_ref()
        .ok_or(DrillError::NotADrill("[server]"))?;
    let folder = Folder::create()?;
    let clock = Clock::start();
    let stage = Stage {
        plan,
        recordings,
        elsewhere: None,
        authority: Authority::generate().map_err(RunError::from)?,
        folder: folder.0.clone(),
        clock,
        host: grounds.world(),
    };
    stage.write_ca()?;
    let mut story = Story::new(clock, say);
    let models = Models::open(&stage, Subject::Server)?;
    let interface = Interface::open(plan, clock, stage.host)?;
    let urls = models.urls();
    let common = Common {
        server,
        models: &urls,
        ca_file: &stage.ca_file(),
        rest_url: &interface.url.clone(),
        clock,
    };
    let built = build(house, &stage, grounds, &common, &mut story).await?;
    let numbers = numbers(server, house, &built);
    if numbers.is_empty() {
        return Err(DrillError::NotADrill("server.voice_path"));
    }
    if let Some(front) = built.fronts.first() {
        interface.reach(plan, &front.address.to_string());
    }
    let drilling = Drilling {
        plan,
        house,
        clock,
        interface,
        models,
        story,
    };
    Ok(drilling
        .through(numbers, recordings, &common, built)
        .await?)
}

/// A drill while it runs.
struct Drilling<'a> {
    plan: &'a Plan,
    house: &'a HousePlan,
    clock: Clock,
    interface: Interface,
    models: Models,
    story: Story<'a>,
}

impl Drilling<'_> {
    async fn through(
        mut self,
        numbers: Vec<Number>,
        recordings: &[Arc<Recording>],
        common: &Common<'_>,
        mut house: House,
    ) -> Result<Drilled, RunError> {
        let (calls, clock) = (&self.plan.calls, self.clock);
        let begin = clock.now() + calls.ramp();
        let end = begin + calls.steady();
        let callers = Arc::new(self.callers(numbers, recordings, end));
        let first = clock.now();
        self.models.begin(first);
        let mut lines = JoinSet::new();
        for at in arrivals(calls.concurrent, calls.ramp(), calls.seed) {
            lines.spawn(Arc::clone(&callers).line(first + at));
        }
        self.wait(&callers, begin).await;
        self.story.say("all callers are there");
        let mut done = Done::default();
        for harm in &self.house.harm {
            let at = begin + Duration::from_millis(harm.at_ms);
            self.wait(&callers, at).await;
            if clock.now() >= end {
                self.story
                    .say("there is no time left for the rest of the harm");
                break;
            }
            let story = &mut self.story;
            house
                .suffer(&harm.what, self.house, common, &mut done, story)
                .await?;
        }
        self.wait(&callers, end).await;
        let outcomes = self.last_calls(lines, &callers).await;
        let over = clock.now();
        clock.wait_until(over + QUIET).await;
        self.settle().await;
        for node in &mut house.nodes {
            if let Some(said) = node.fell() {
                done.fell += 1;
                self.story.say(&format!("{} fell: {said}", node.name));
            }
            node.end(END_MAX).await;
        }
        self.finish(outcomes, done, recordings, (begin, over)).await
    }

    fn callers(
        &self,
        numbers: Vec<Number>,
        recordings: &[Arc<Recording>],
        end: Duration,
    ) -> Callers {
        let calls = &self.plan.calls;
        let account = &self.interface.account;
        Callers {
            way: Way::Number {
                account: Arc::clone(account),
                numbers,
                settings: Arc::new(self.plan.twilio.clone()),
            },
            recordings: recordings.to_vec(),
            settings: Arc::new(CarrierSettings {
                record: false,
                ..self.plan.carrier.clone()
            }),
            cuts: calls.cuts.clone(),
            prompts: account.network.prompts.clone(),
            own_numbers: calls.own_numbers,
            seed: calls.seed,
            clock: self.clock,
            until: end.saturating_sub(calls.steady() / 10),
            hang_up_at: calls.hang_up.then_some(end),
            counts: Counts::default(),
        }
    }

    /// Waits, and tells how far it is.
    async fn wait(&mut self, callers: &Callers, until: Duration) {
        while self.clock.now() < until {
            let next = until.min(self.clock.now() + LOOK_EVERY);
            self.clock.wait_until(next).await;
            let counts = &callers.counts;
            let load = |count: &std::sync::atomic::AtomicU32| count.load(Ordering::Relaxed);
            let (started, live) = (load(&counts.started), load(&counts.live));
            let failed = load(&counts.failed);
            self.story.now_and_then(PROGRESS_EVERY, || {
                format!("{started} calls, {live} of them live, {failed} failed")
            });
        }
    }

    /// Waits for the last calls; whoever does not end is left out, and missed.
    async fn last_calls(&mut self, mut lines: JoinSet<Vec<Outcome>>, callers: &Callers) -> Calls {
        let until = self.clock.now() + self.plan.calls.drain();
        let mut outcomes = Vec::new();
        while !lines.is_empty() && self.clock.now() < until {
            match tokio::time::timeout(LOOK_EVERY, lines.join_next()).await {
                Ok(Some(Ok(line))) => outcomes.extend(line),
                // A line that panicked is a bug of a double: it shows as a failed call.
                Ok(Some(Err(error))) => outcomes.push(Outcome::Refused(error.to_string())),
                Ok(None) | Err(_) => self.wait(callers, Duration::ZERO).await,
            }
        }
        Calls {
            outcomes,
            unfinished: u32::try_from(lines.len()).unwrap_or(u32::MAX),
        }
    }

    /// Waits until everybody was reached who was promised something, then watches whether anything comes twice.
    async fn settle(&mut self) {
        let settle = Duration::from_millis(self.house.settle_max_ms);
        let until = self.clock.now() + settle;
        while self.interface.counts().promises_lost > 0 && self.clock.now() < until {
            tokio::time::sleep(LOOK_EVERY * 4).await;
        }
        tokio::time::sleep(Duration::from_millis(self.house.linger_ms)).await;
    }

    async fn finish(
        mut self,
        calls: Calls,
        done: Done,
        recordings: &[Arc<Recording>],
        (begin, over): (Duration, Duration),
    ) -> Result<Drilled, RunError> {
        let seen = self.models.close().await;
        let window = Window {
            begin,
            end: over,
            idle: None,
            before: None,
            after: None,
            live: 0,
            unfinished: calls.unfinished,
            agent_hangs_up: self.plan.server_may_close(),
            breaker: self.plan.breaker,
            beheld: None,
            zero: begin.saturating_sub(self.plan.calls.ramp()),
            drill: Some(collect::OfDrill {
                harm: done.span(),
                parted: done.parted,
                quiet: over + QUIET,
            }),
        };
        tell(&calls.outcomes, &seen, &window, &mut self.story);
        let mut figures = collect::figures(&calls.outcomes, &seen, recordings, &window);
        self.interface.figures(&mut figures);
        done.figures(&mut figures);
        let mut course = course::of(&calls.outcomes, &seen, (begin, over), &done.marks);
        course
            .panels
            .extend(promised::panel(&self.interface, course.span));
        Ok(Drilled {
            course,
            told: self.story.told(),
            figures,
        })
    }
}

/// The calls of a drill.
struct Calls {
    outcomes: Vec<Outcome>,
    unfinished: u32,
}

/// Says what went wrong, and how often.
fn tell(outcomes: &[Outcome], seen: &[Seen], window: &Window, story: &mut Story<'_>) {
    for (reason, times) in collect::failures(outcomes, window) {
        story.say(&format!("{times} × {reason}"));
    }
    for complaint in collect::complaints(outcomes, seen) {
        story.say(&complaint);
    }
    for (code, times) in collect::refusals(seen) {
        story.say(&format!("{times} × a model refused: {code}"));
    }
}

impl Done {
    fn figures(&self, figures: &mut Figures) {
        for (figure, count) in [
            (Figure::Harms, self.harms),
            (Figure::Kills, self.kills),
            (Figure::DrainsFailed, self.drains_failed),
            (Figure::NodesFell, self.fell),
            (Figure::NeverReady, self.never_ready),
        ] {
            figures.set(figure, count.into());
        }
        figures.set_some(
            Figure::WithdrawnAfter,
            self.withdrawn.map(|after| after.as_secs_f64() * 1_000.0),
        );
    }
}
