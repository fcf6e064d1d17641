//! Drills: real processes, harm that is done to them under load, a timeline, and a verdict.
//!
//! Owns the order of a drill: callers come while every model is out and harm is done ([`victim`]), the models come back, everybody
//! who was promised something is waited for, and then it is watched whether anything comes twice. Who calls is in [`callers`], what
//! is counted in [`twilio::network`](crate::twilio::network); a drill is a [`Plan`] with a `[drill]` table, and holds if its objectives do.
//! It prints nothing: whoever runs one is told line by line.
//!
#![doc = include_str!("drills.md")]

mod callers;
mod house;
mod models;
pub(crate) mod numbers;
mod story;
mod victim;

use std::{net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use self::{callers::Callers, models::Models, story::Story, victim::Victim};
use crate::{
    net::Clock,
    netns::Place,
    plan::{Drill, Plan, PlanError, Server},
    recording::Recording,
    report::{Course, Figure, Figures},
    run::{Folder, RunError, interface::Interface},
};

/// How often is looked what is due.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Calls that are still going on when the callers' time is over may take so long to end.
const LAST_CALLS_MAX: Duration = Duration::from_secs(90);

/// The drills that come with loadtest: their names and their plans.
pub const BUILT_IN: [(&str, &str); 12] = [
    (
        "promise-crash",
        include_str!("../../plans/drills/promise-crash.toml"),
    ),
    (
        "toll-fraud",
        include_str!("../../plans/drills/toll-fraud.toml"),
    ),
    (
        "kill-node",
        include_str!("../../plans/drills/kill-node.toml"),
    ),
    ("deploy", include_str!("../../plans/drills/deploy.toml")),
    (
        "store-loss",
        include_str!("../../plans/drills/store-loss.toml"),
    ),
    (
        "carrier-drop",
        include_str!("../../plans/drills/carrier-drop.toml"),
    ),
    (
        "store-failover",
        include_str!("../../plans/drills/store-failover.toml"),
    ),
    (
        "provider-outage",
        include_str!("../../plans/drills/provider-outage.toml"),
    ),
    (
        "provider-brownout",
        include_str!("../../plans/drills/provider-brownout.toml"),
    ),
    (
        "region-loss",
        include_str!("../../plans/drills/region-loss.toml"),
    ),
    (
        "region-partition",
        include_str!("../../plans/drills/region-partition.toml"),
    ),
    (
        "bad-deploy",
        include_str!("../../plans/drills/bad-deploy.toml"),
    ),
];

/// The drill of this name; `None` if there is none.
pub fn built_in(name: &str) -> Option<Result<Plan, PlanError>> {
    let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    let path = format!("drills/{name}.toml");
    Some(Plan::parse(Path::new(&path), text))
}

/// Why there was no drill. That its objectives do not hold is no error.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The plan is none of a drill.
    #[error("the plan has no {0}: a drill needs it")]
    NotADrill(&'static str),
    /// It could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What came of a drill.
#[derive(Clone, Debug, Default)]
pub struct Drilled {
    /// What was measured.
    pub figures: Figures,
    /// What was told, and when.
    pub told: Vec<(Duration, String)>,
    /// What there is to draw.
    pub course: Course,
}

/// Runs a drill. `say` is told what happens, as it happens, a line each. Dropping the future ends all that it started.
pub async fn run(
    plan: &Plan,
    recordings: &[Arc<Recording>],
    say: &mut dyn FnMut(&str),
) -> Result<Drilled, DrillError> {
    run_at(plan, recordings, None, say).await
}

/// The same, each region in a network namespace of its own; only of several nodes, by a program that runs in the world of these.
pub async fn run_at(
    plan: &Plan,
    recordings: &[Arc<Recording>],
    place: Option<Place>,
    say: &mut dyn FnMut(&str),
) -> Result<Drilled, DrillError> {
    if let Some(of_nodes) = &plan.house {
        return house::run(plan, of_nodes, (recordings, place), say).await;
    }
    if place.is_some() {
        return Err(DrillError::NotADrill("[house]"));
    }
    let drill = plan
        .drill
        .as_ref()
        .ok_or(DrillError::NotADrill("[drill] or [house]"))?;
    let server = plan
        .server
        .as_ref()
        .ok_or(DrillError::NotADrill("[server]"))?;
    if plan.prompts.is_none() {
        return Err(DrillError::NotADrill("prompts"));
    }
    let folder = Folder::create()?;
    let clock = Clock::start();
    let interface = Interface::open(plan, clock, Ipv4Addr::LOCALHOST)?;
    let models = Models::reserve(plan, recordings, clock)?;
    let mut story = Story::new(clock, say);
    let victim = Victim::start(
        (server, drill.kills, plan.calls.seed),
        (&models, &folder.0, &interface.url),
        clock,
        &mut story,
    )
    .await?;
    interface.reach(plan, &victim.address);
    let drilling = Drilling {
        plan,
        drill,
        clock,
        interface,
        victim,
        models,
        story,
    };
    Ok(drilling.through(server, recordings).await?)
}

/// A drill while it runs.
struct Drilling<'a> {
    plan: &'a Plan,
    drill: &'a Drill,
    clock: Clock,
    interface: Interface,
    victim: Victim<'a>,
    models: Models,
    story: Story<'a>,
}

impl Drilling<'_> {
    async fn through(
        mut self,
        server: &Server,
        recordings: &[Arc<Recording>],
    ) -> Result<Drilled, RunError> {
        let number = server.number(&self.victim.address);
        let callers = Callers::new(self.plan, self.drill, &self.interface, recordings, number);
        let callers = Arc::new(callers);
        self.call(&callers).await?;
        let rings_in_vain = self.interface.counts().rings;
        self.story.say("the models are back");
        self.models.open()?;
        let beyond = self.drill.kills.map_or(0, |kills| kills.beyond_ms);
        let until = self.clock.now() + Duration::from_millis(beyond);
        while self.clock.now() < until {
            self.look(&callers).await?;
        }
        self.victim.be_up(&mut self.story).await?;
        self.settle(&callers).await;
        self.story.progress(&callers, &self.interface, true);
        for line in story::complaints(&self.interface) {
            self.story.say(&line);
        }
        let mut figures = Figures::default();
        self.interface.figures(&mut figures);
        figures.set(Figure::Kills, self.victim.kills.into());
        figures.set(Figure::CallsStarted, callers.made().into());
        figures.set(Figure::RingsInVain, rings_in_vain.into());
        self.victim.end().await;
        let span = (Duration::ZERO, self.clock.now());
        Ok(Drilled {
            figures,
            told: self.story.told(),
            course: Course {
                span,
                ..Course::default()
            },
        })
    }

    /// Callers come, and harm is done.
    async fn call(&mut self, callers: &Arc<Callers>) -> Result<(), RunError> {
        let until = self.clock.now() + Duration::from_millis(self.drill.calls_max_ms);
        let mut lines = JoinSet::new();
        for nth in 0..self.plan.calls.concurrent {
            lines.spawn(Arc::clone(callers).line(nth, until));
        }
        self.story.say("callers come, and no model is there");
        let last = until + LAST_CALLS_MAX;
        while !lines.is_empty() && self.clock.now() < last {
            self.look(callers).await?;
            while lines.try_join_next().is_some() {}
        }
        Ok(())
    }

    /// Waits until everybody was reached who was promised something, then watches whether anything comes twice.
    async fn settle(&mut self, callers: &Callers) {
        let until = self.clock.now() + Duration::from_millis(self.drill.settle_max_ms);
        self.story
            .say("whoever was promised something is waited for");
        while self.interface.counts().promises_lost > 0 && self.clock.now() < until {
            tokio::time::sleep(LOOK_EVERY * 4).await;
            self.story.progress(callers, &self.interface, false);
        }
        self.story.say("it is watched whether anything comes twice");
        let until = self.clock.now() + Duration::from_millis(self.drill.linger_ms);
        while self.clock.now() < until {
            tokio::time::sleep(LOOK_EVERY * 4).await;
            self.story.progress(callers, &self.interface, false);
        }
    }

    async fn look(&mut self, callers: &Callers) -> Result<(), RunError> {
        tokio::time::sleep(LOOK_EVERY).await;
        self.victim.harm(&mut self.story).await?;
        self.story.progress(callers, &self.interface, false);
        Ok(())
    }
}
