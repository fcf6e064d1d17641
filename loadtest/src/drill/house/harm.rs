//! What is done to a house, row by row.
//!
//! Owns the deeds and what is noted of them. When each is due: the [plan](crate::plan::HousePlan), and who waits for it: [`super`].

use std::time::Duration;

use super::{
    front::Front,
    grounds::Grounds,
    nodes::{Common, Node},
    store::Store,
    ways::Ways,
};
use crate::{
    drill::story::Story,
    plan::{HousePlan, What},
    run::RunError,
};

/// How often is looked whether a node has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A house that is up.
pub(super) struct House {
    pub(super) nodes: Vec<Node>,
    /// The addresses of the regions, in the plan's order.
    pub(super) fronts: Vec<Front>,
    pub(super) store: Store,
    pub(super) ways: Ways,
    pub(super) grounds: Grounds,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) harms: u32,
    /// Processes that were killed.
    pub(super) kills: u32,
    /// Nodes that did not end in order.
    pub(super) drains_failed: u32,
    /// Nodes that ended by themselves.
    pub(super) fell: u32,
    /// Versions that were never ready.
    pub(super) never_ready: u32,
    /// How long the version took to withdraw that took longest; of one that did not, how long was waited.
    pub(super) withdrawn: Option<Duration>,
    /// From when to when regions were parted; of several times the whole.
    pub(super) parted: Option<(Duration, Duration)>,
    /// When what was done, in words; a row of the timetable makes two at most.
    pub(super) marks: Vec<(Duration, String)>,
}

impl Done {
    fn mark(&mut self, common: &Common<'_>, story: &mut Story<'_>, text: String) {
        story.say(&text);
        self.marks.push((common.clock.now(), text));
    }

    /// From the first harm to the last.
    pub(super) fn span(&self) -> Option<(Duration, Duration)> {
        let first = self.marks.first()?.0;
        Some((first, self.marks.last()?.0))
    }
}

impl House {
    /// Does one row of the timetable, to its end.
    pub(super) async fn suffer(
        &mut self,
        what: &What,
        plan: &HousePlan,
        common: &Common<'_>,
        done: &mut Done,
        story: &mut Story<'_>,
    ) -> Result<(), RunError> {
        match what {
            What::Kill(name) => {
                done.mark(common, story, format!("{name} is killed"));
                if let Some(node) = self.node(name) {
                    done.kills += u32::from(node.kill().await);
                }
            }
            What::Start(name) => {
                if let Some(node) = self.node(name) {
                    node.start(common, &mut |line| story.say(line)).await?;
                }
                done.mark(common, story, format!("{name} is back"));
            }
            What::Replace(name) => {
                done.mark(common, story, format!("{name} is asked to end"));
                self.stop(name, plan, done, story).await;
                if let Some(node) = self.node(name) {
                    node.start(common, &mut |line| story.say(line)).await?;
                }
                done.mark(common, story, format!("{name} is replaced"));
            }
            What::Reset(name) => {
                done.mark(common, story, format!("the streams of {name} are reset"));
                if let Some(node) = self.node(name) {
                    node.reset();
                }
            }
            What::Deploy { node, version } => {
                done.mark(
                    common,
                    story,
                    format!("{node} is asked to end, for {version}"),
                );
                self.stop(node, plan, done, story).await;
                let command = plan.versions.get(version);
                self.deploy((node, version), command, common, done, story)
                    .await?;
            }
            What::Withdraws { node, within_ms } => {
                let within = Duration::from_millis(*within_ms);
                self.withdraws(node, within, common, done, story).await;
            }
            What::KillStore(_)
            | What::StartStore(_)
            | What::LoseRegion(_)
            | What::Part(_)
            | What::Join(_) => {
                self.suffer_around(what, plan, common, done, story).await?;
            }
            What::Tell(text) => done.mark(common, story, text.clone()),
        }
        done.harms += 1;
        Ok(())
    }

    /// The same of what is no node's alone.
    async fn suffer_around(
        &mut self,
        what: &What,
        plan: &HousePlan,
        common: &Common<'_>,
        done: &mut Done,
        story: &mut Story<'_>,
    ) -> Result<(), RunError> {
        match what {
            What::KillStore(region) => {
                done.mark(common, story, format!("the store of {region} is killed"));
                self.store.kill(region, false).await;
            }
            What::StartStore(region) => {
                self.grounds.lose(region, false)?;
                self.store.restart(region, common.clock).await?;
                done.mark(common, story, format!("the store of {region} is back"));
            }
            What::LoseRegion(region) => {
                done.mark(common, story, format!("{region} is lost"));
                done.kills += self.lose(region, plan).await?;
            }
            What::Part(between) => {
                done.mark(
                    common,
                    story,
                    format!("{} are parted", between.join(" and ")),
                );
                self.ways.part(between);
                self.grounds.part(between, true)?;
                let now = common.clock.now();
                done.parted = Some((done.parted.map_or(now, |(from, _)| from), Duration::MAX));
            }
            What::Join(between) => {
                self.ways.join(between);
                self.grounds.part(between, false)?;
                done.mark(
                    common,
                    story,
                    format!("{} are joined", between.join(" and ")),
                );
                let now = common.clock.now();
                done.parted = done.parted.map(|(from, _)| (from, now));
            }
            What::Kill(_)
            | What::Start(_)
            | What::Replace(_)
            | What::Reset(_)
            | What::Deploy { .. }
            | What::Withdraws { .. }
            | What::Tell(_) => {}
        }
        Ok(())
    }

    fn node(&mut self, name: &str) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.name == name)
    }

    /// Asks a node to end, and waits for it.
    async fn stop(&mut self, name: &str, plan: &HousePlan, done: &mut Done, story: &mut Story<'_>) {
        let most = Duration::from_millis(plan.drain_max_ms);
        let Some(node) = self.node(name) else { return };
        let in_order = node.end(most).await;
        if !in_order {
            story.say(&format!("{name} has not ended in order"));
        }
        done.drains_failed += u32::from(!in_order);
    }

    /// Starts another version of a node that has ended.
    async fn deploy(
        &mut self,
        (name, version): (&str, &str),
        command: Option<&Vec<String>>,
        common: &Common<'_>,
        done: &mut Done,
        story: &mut Story<'_>,
    ) -> Result<(), RunError> {
        let (Some(node), Some(command)) = (self.node(name), command) else {
            return Ok(());
        };
        let before = node.set_version(Some(command.clone()));
        let started = node.start(common, &mut |line| story.say(line)).await;
        match started {
            Ok(()) => done.mark(common, story, format!("{name} is {version}")),
            Err(RunError::Start(error)) => {
                // What is started there next is what was there before.
                node.set_version(before);
                done.never_ready += 1;
                for line in error.to_string().lines() {
                    story.say(line);
                }
                done.mark(common, story, format!("{name} is never ready as {version}"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Waits until a node has ended by itself; what is started there next is what was there before its version.
    async fn withdraws(
        &mut self,
        name: &str,
        within: Duration,
        common: &Common<'_>,
        done: &mut Done,
        story: &mut Story<'_>,
    ) {
        let Some(node) = self.node(name) else { return };
        let since = node.ready_since();
        let mut now = common.clock.now();
        while !node.has_ended() && now < since + within {
            tokio::time::sleep(LOOK_EVERY).await;
            now = common.clock.now();
        }
        let after = now.saturating_sub(since);
        done.withdrawn = Some(done.withdrawn.unwrap_or_default().max(after));
        let has_withdrawn = node.has_ended();
        node.kill().await;
        node.set_version(None);
        let seconds = after.as_secs_f64();
        let text = if has_withdrawn {
            format!("{name} has withdrawn, {seconds:.1} s after it was ready")
        } else {
            // It is one too late, however little.
            done.withdrawn = Some(after + Duration::from_millis(1));
            format!("{name} has not withdrawn within {seconds:.1} s, and is killed")
        };
        done.mark(common, story, text);
    }

    /// Kills all of a region, so far as that goes at once; the number of nodes that were killed.
    async fn lose(&mut self, region: &str, plan: &HousePlan) -> Result<u32, RunError> {
        let place = plan.regions.iter().position(|it| it == region);
        let front = place.and_then(|place| self.fronts.get_mut(place));
        if let Some(front) = front {
            front.lose().await.map_err(|source| RunError::Listen {
                what: format!("the address of {region}, which is lost"),
                source,
            })?;
        }
        let mut kills = 0;
        for node in &mut self.nodes {
            if node.region == region {
                kills += u32::from(node.kill().await);
            }
        }
        self.store.kill(region, true).await;
        self.grounds.lose(region, true)?;
        Ok(kills)
    }
}
