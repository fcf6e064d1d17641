//! Several nodes in regions, the store that they share, and what is done to them by a timetable.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A plan's `[house]` table: real processes, all on this machine. The plan's `[server]` says how a node is started; `{node}`,
/// `{region}`, `{node_url}`, `{region_url}`, `{store_url}` and the others of [`NODE_NAMES`](super::NODE_NAMES) are filled in for each.
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
    /// What goes from region to region goes through proxies that can swallow it: what nodes ask each other, and what nodes and replicas ask
    /// of a Redis. Sentinels tell addresses without them, so there are none then. Callers' carriers reach all of it without them.
    pub ways: bool,
    /// The command of a witness, which stands in none of the regions; empty: there is none.
    pub witness: Vec<String>,
    /// The commands of other versions, by their names, for `deploy`.
    pub versions: BTreeMap<String, Vec<String>>,
    /// There is a number for each region, called in turn: its Voice URL is that region's address, its fallback URL the next one's. Else all
    /// call one number: the first region, and the last one where that fails.
    pub spread: bool,
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
            ways: false,
            witness: Vec::new(),
            versions: BTreeMap::new(),
            spread: false,
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
    /// The ways between these two regions swallow all that is sent, and connections hang.
    Part([String; 2]),
    /// They lead through again; what hung is reset.
    Join([String; 2]),
    /// This node is asked to end, waited for, and another version is started in its place. One that is never ready is told and left alone.
    Deploy {
        /// Which node.
        node: String,
        /// One of `versions`.
        version: String,
    },
    /// This node is to end by itself, which is waited for; one that does not is killed then.
    Withdraws {
        /// Which node.
        node: String,
        /// Since its version was ready.
        within_ms: u64,
    },
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

    /// Programs and arguments of its own, in which names may stand.
    pub(super) fn commands(&self) -> impl Iterator<Item = &str> {
        let versions = self.versions.values().flatten();
        versions.chain(&self.witness).map(String::as_str)
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
            ("harm.withdraws.within_ms", self.withdraws_max()),
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
        if self.ways && self.store == StorePlan::Sentinels {
            return Err("ways: allowed with a store without Sentinels".into());
        }
        let is_command = |command: &Vec<String>| command.first().is_some_and(|it| !it.is_empty());
        if !self.versions.values().all(is_command) {
            return Err("versions: allowed are a program and its arguments".into());
        }
        self.harm.iter().try_for_each(|harm| self.check(harm))
    }

    fn withdraws_max(&self) -> u64 {
        let within = self.harm.iter().filter_map(|harm| match &harm.what {
            What::Withdraws { within_ms, .. } => Some(*within_ms),
            What::Kill(_)
            | What::Start(_)
            | What::Replace(_)
            | What::Reset(_)
            | What::KillStore(_)
            | What::StartStore(_)
            | What::LoseRegion(_)
            | What::Part(_)
            | What::Join(_)
            | What::Deploy { .. }
            | What::Tell(_) => None,
        });
        within.max().unwrap_or_default()
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
            What::Kill(node)
            | What::Start(node)
            | What::Replace(node)
            | What::Withdraws { node, .. } => (node, is_node(node)),
            What::Reset(node) => (node, self.lines && is_node(node)),
            What::KillStore(region) | What::StartStore(region) => (region, has_store(region)),
            What::LoseRegion(region) => (region, self.regions.contains(region)),
            What::Part([one, other]) | What::Join([one, other]) => {
                let is_known = |region: &String| self.regions.contains(region);
                let are_two = self.ways && one != other && is_known(one);
                (
                    if is_known(one) { other } else { one },
                    are_two && is_known(other),
                )
            }
            What::Deploy { node, version } if is_node(node) => {
                (version, self.versions.contains_key(version))
            }
            What::Deploy { node, .. } => (node, false),
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
                "harm = [{ at_ms = 1, what = { part = ['east', 'west'] } }]",
                "west",
            ),
            (
                "ways = true\nharm = [{ at_ms = 1, what = { part = ['east', 'east'] } }]",
                "east",
            ),
            ("ways = true\nstore = 'sentinels'", "Sentinels"),
            (
                "harm = [{ at_ms = 1, what = { deploy = { node = 'east-1', version = 'new' } } }]",
                "new",
            ),
            ("versions = { new = [] }", "a program"),
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
