//! What is done to a house, row by row.
//!
//! Owns the deeds and what is noted of them. When each is due: the [plan](crate::plan::HousePlan), and who waits for it: [`super`].

use std::time::Duration;

use super::{
    front::Front,
    nodes::{Common, Node},
    store::Store,
};
use crate::{
    drill::story::Story,
    plan::{HousePlan, What},
    run::RunError,
};

/// A house that is up.
pub(super) struct House {
    pub(super) nodes: Vec<Node>,
    /// The addresses of the regions, in the plan's order.
    pub(super) fronts: Vec<Front>,
    pub(super) store: Store,
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
    /// When what was done, in words; a row of the timetable makes two at most.
    pub(super) marks: Vec<(Duration, String)>,
}

impl Done {
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
        let mut mark = |story: &mut Story<'_>, text: String| {
            story.say(&text);
            done.marks.push((common.clock.now(), text));
        };
        match what {
            What::Kill(name) => {
                mark(story, format!("{name} is killed"));
                let node = self.nodes.iter_mut().find(|node| node.name == *name);
                if let Some(node) = node {
                    done.kills += u32::from(node.kill().await);
                }
            }
            What::Start(name) => {
                if let Some(node) = self.nodes.iter_mut().find(|node| node.name == *name) {
                    node.start(common, &mut |line| story.say(line)).await?;
                }
                mark(story, format!("{name} is back"));
            }
            What::Replace(name) => {
                mark(story, format!("{name} is asked to end"));
                if let Some(node) = self.nodes.iter_mut().find(|node| node.name == *name) {
                    let most = Duration::from_millis(plan.drain_max_ms);
                    let in_order = node.end(most).await;
                    if !in_order {
                        story.say(&format!("{name} has not ended in order"));
                    }
                    done.drains_failed += u32::from(!in_order);
                    node.start(common, &mut |line| story.say(line)).await?;
                }
                mark(story, format!("{name} is replaced"));
            }
            What::Reset(name) => {
                mark(story, format!("the streams of {name} are reset"));
                if let Some(node) = self.nodes.iter().find(|node| node.name == *name) {
                    node.reset();
                }
            }
            What::KillStore(region) => {
                mark(story, format!("the store of {region} is killed"));
                self.store.kill(region, false).await;
            }
            What::StartStore(region) => {
                self.store.restart(region, common.clock).await?;
                mark(story, format!("the store of {region} is back"));
            }
            What::LoseRegion(region) => {
                mark(story, format!("{region} is lost"));
                done.kills += self.lose(region, plan).await?;
            }
            What::Tell(text) => mark(story, text.clone()),
        }
        done.harms += 1;
        Ok(())
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
        Ok(kills)
    }
}
