//! Several nodes in regions, the store that they share, and what is done to them by a timetable.

use serde::Deserialize;

/// A plan's `[house]` table: real processes, all on this machine. The plan's `[server]` says how a node is started; `{node}`,
/// `{region}`, `{node_url}`, `{region_url}`, `{store_url}` and `{role}` are filled in for each.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HousePlan {
    /// The regions. The number's Voice URL is the address of the first, its fallback URL that of the last.
    pub regions: Vec<String>,
    /// Nodes of each region, `REGION-1` and so on.
    pub nodes: u32,
    /// What they share.
    pub store: StorePlan,
    /// Streams reach nodes through a proxy that can reset them.
    pub lines: bool,
    /// Connection overrides of the number's URLs, as in `ct=1000&rc=1`.
    pub overrides: String,
    /// A node that is asked to end, and has not by then, is killed: a deploy that failed.
    pub drain_max_ms: u64,
    /// Once the calls are over: whoever was promised something is to be reached within this.
    pub settle_max_ms: u64,
    /// Then it is watched for so long whether something comes twice.
    pub linger_ms: u64,
    /// What is done, in order. Its times count from when all callers are there; what takes long delays what comes after it.
    pub harm: Vec<Harm>,
}

impl Default for HousePlan {
    fn default() -> Self {
        Self {
            regions: ["east", "west"].map(str::to_owned).to_vec(),
            nodes: 2,
            store: StorePlan::Replica,
            lines: false,
            overrides: "ct=1000&rt=3000&rc=2&rp=ct,rt,5xx".into(),
            drain_max_ms: 60_000,
            settle_max_ms: 0,
            linger_ms: 0,
            harm: Vec::new(),
        }
    }
}

/// What the nodes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorePlan {
    /// Nothing: there is no store, and `{store_url}` is empty.
    None,
    /// One Redis, in the first region.
    Alone,
    /// It has a replica in the last region.
    Replica,
    /// And three Sentinels: one in each of these regions, and one elsewhere. They promote the replica.
    Sentinels,
}

/// Something that is done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Harm {
    /// When.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// This node is killed with -9.
    Kill(String),
    /// This node is started again, with its files as they were left.
    Start(String),
    /// This node is asked to end, waited for, and started again.
    Replace(String),
    /// The streams of this node are reset; it needs `lines`.
    Reset(String),
    /// The Redis of this region is killed with -9.
    KillStore(String),
    /// It is started again.
    StartStore(String),
    /// All of this region is killed with -9, its Redis and its Sentinel too, and nothing answers at its address any more.
    LoseRegion(String),
    /// Nothing: it is told, for what the models do by a timetable of their own.
    Tell(String),
}

/// More nodes do not fit on a machine that measures anything.
const NODES_MAX: u32 = 8;
const REGIONS_MAX: usize = 4;
/// The times of rows that are kept; a drill has a dozen.
const HARM_MAX: usize = 1_000;
const DAY_MS: u64 = 86_400_000;

impl HousePlan {
    /// The name of a region's node; nodes count from 1.
    pub fn node(region: &str, nth: u32) -> String {
        format!("{region}-{nth}")
    }

    /// All nodes, region by region.
    pub fn node_names(&self) -> Vec<(String, String)> {
        let of = |region: &String| {
            let nodes = (1..=self.nodes).map(|nth| Self::node(region, nth));
            nodes.map(|node| (region.clone(), node)).collect::<Vec<_>>()
        };
        self.regions.iter().flat_map(of).collect()
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let is_name = |name: &&String| {
            !name.is_empty()
                && name.len() <= 16
                && name.bytes().all(|byte| byte.is_ascii_lowercase())
        };
        if self.regions.is_empty() || self.regions.len() > REGIONS_MAX {
            return Err(format!("regions: allowed are 1 to {REGIONS_MAX}"));
        }
        if !self.regions.iter().all(|name| is_name(&name)) {
            return Err("regions: allowed are names of small letters".into());
        }
        if self.nodes == 0 || self.nodes > NODES_MAX {
            return Err(format!(
                "nodes = {}: allowed are 1 to {NODES_MAX}",
                self.nodes
            ));
        }
        for (key, value) in [
            ("drain_max_ms", self.drain_max_ms),
            ("settle_max_ms", self.settle_max_ms),
            ("linger_ms", self.linger_ms),
        ] {
            if value > DAY_MS {
                return Err(format!("{key} = {value}: allowed are 0 to {DAY_MS}"));
            }
        }
        if self.harm.len() > HARM_MAX {
            return Err(format!("harm: allowed are {HARM_MAX} rows"));
        }
        if !self.harm.is_sorted_by_key(|harm| harm.at_ms) {
            return Err("harm: rows stand in the order of their times".into());
        }
        self.harm.iter().try_for_each(|harm| self.check(harm))
    }

    fn check(&self, harm: &Harm) -> Result<(), String> {
        let nodes = self.node_names();
        let is_node = |name: &String| nodes.iter().any(|(_, node)| node == name);
        let has_store = |name: &String| match self.store {
            StorePlan::None => false,
            StorePlan::Alone => self.regions.first() == Some(name),
            StorePlan::Replica | StorePlan::Sentinels => {
                self.regions.first() == Some(name) || self.regions.last() == Some(name)
            }
        };
        let (name, is_known) = match &harm.what {
            What::Kill(node) | What::Start(node) | What::Replace(node) => (node, is_node(node)),
            What::Reset(node) => (node, self.lines && is_node(node)),
            What::KillStore(region) | What::StartStore(region) => (region, has_store(region)),
            What::LoseRegion(region) => (region, self.regions.contains(region)),
            What::Tell(_) => return Ok(()),
        };
        if is_known {
            return Ok(());
        }
        Err(format!("harm at {} ms: there is no {name:?}", harm.at_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harm_is_done_to_what_there_is_in_the_order_of_its_times() {
        let check = |text: &str| toml::from_str::<HousePlan>(text).unwrap().validate();
        let good = "harm = [{ at_ms = 1, what = { kill = 'west-2' } }, { at_ms = 1, what = { kill_store = 'west' } }]";
        assert_eq!(check(good), Ok(()));
        for (wrong, expected) in [
            ("nodes = 0", "1 to 8"),
            ("regions = ['East']", "small letters"),
            (
                "harm = [{ at_ms = 1, what = { kill = 'east-3' } }]",
                "east-3",
            ),
            (
                "harm = [{ at_ms = 1, what = { reset = 'east-1' } }]",
                "east-1",
            ),
            (
                "store = 'alone'\nharm = [{ at_ms = 1, what = { kill_store = 'west' } }]",
                "west",
            ),
            (
                "harm = [{ at_ms = 2, what = { tell = 'a' } }, { at_ms = 1, what = { tell = 'b' } }]",
                "order",
            ),
        ] {
            let error = check(wrong).unwrap_err();
            assert!(error.contains(expected), "{wrong}: {error}");
        }
    }
}
