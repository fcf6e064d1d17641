//! The nodes of a house: each a process of the server under test with a folder, a port and a name of its own.
//!
//! Owns the processes, and the proxies before them where the plan wants some. What is done to them when: [`super::harm`].

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::task::JoinSet;

use super::store::Site;
use crate::{
    net::{Clock, bind},
    plan::{HousePlan, NODE_NAMES, Names, Server},
    process::Child,
    proxy::{self, Control},
    run::{
        RunError,
        subject::{free_port, start_server},
    },
};

/// One node.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) region: String,
    host: Ipv4Addr,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Where streams go that are its.
    stream_address: SocketAddr,
    line: Option<Line>,
    folder: PathBuf,
    filled: Vec<(&'static str, String)>,
    /// What stands before its command.
    within: Vec<String>,
    /// Its command, if it is not the plan's.
    version: Option<Vec<String>>,
    /// It serves no carrier, so it is ready for none.
    is_witness: bool,
    child: Option<Child>,
    /// When it was last ready.
    ready_since: Duration,
}

/// A node, as others find it.
#[derive(Clone)]
pub(super) struct Neighbour {
    pub(super) name: String,
    pub(super) region: String,
    pub(super) address: SocketAddr,
}

/// What a node is to find around it.
pub(super) struct Surroundings {
    /// The address of its region.
    pub(super) region: SocketAddr,
    /// Where the store is; empty: there is none.
    pub(super) store_url: String,
    pub(super) peers: Vec<Neighbour>,
    /// It stands in the first region.
    pub(super) is_first: bool,
    /// Empty: there is none.
    pub(super) witness_url: String,
}

/// A proxy before a node.
struct Line {
    control: Control,
    _task: JoinSet<()>,
}

/// What all nodes are started with.
pub(super) struct Common<'a> {
    pub(super) server: &'a Server,
    pub(super) models: &'a [(String, String)],
    pub(super) ca_file: &'a Path,
    pub(super) rest_url: &'a str,
    pub(super) clock: Clock,
}

impl Node {
    /// A node that is not started yet: its ports are known, and where its files go.
    pub(super) fn plan(
        (region, name): (String, String),
        plan: &HousePlan,
        site: Site<'_>,
    ) -> Result<Self, RunError> {
        let address = site.grounds.at(&region, free_port().map_err(refused)?);
        let folder = site.folder.join(&name);
        std::fs::create_dir(&folder).map_err(|source| RunError::File {
            path: folder.display().to_string(),
            source,
        })?;
        let mut node = Self {
            within: site.grounds.within(&region),
            host: site.grounds.host(&region),
            name,
            region,
            address,
            stream_address: address,
            line: None,
            folder,
            filled: Vec::new(),
            version: None,
            is_witness: false,
            child: None,
            ready_since: Duration::ZERO,
        };
        if plan.lines {
            let at = site.grounds.world();
            let listener = bind(SocketAddr::from((at, 0))).map_err(refused)?;
            node.stream_address = listener.local_addr().map_err(refused)?;
            let control = Control::new(site.clock);
            let carried = proxy::run(listener, address, Vec::new(), control.clone(), 1);
            let mut task = JoinSet::new();
            // A proxy that cannot go on is missed by whoever wants to pass.
            task.spawn(async move { drop(carried.await) });
            node.line = Some(Line {
                control,
                _task: task,
            });
        }
        Ok(node)
    }

    /// What stands for each name in its files, where all of the house is known.
    pub(super) fn fill(&mut self, around: &Surroundings) -> Result<(), RunError> {
        let peers = around.peers.iter().map(|peer| {
            let Neighbour {
                name,
                region,
                address,
            } = peer;
            format!("{{ node = \"{name}\", region = \"{region}\", url = \"http://{address}\" }}")
        });
        let peers: Vec<_> = peers.collect();
        let admin = free_port().map_err(refused)?;
        let values = [
            self.name.clone(),
            self.region.clone(),
            self.url(),
            format!("http://{}", around.region),
            around.store_url.clone(),
            (if around.is_first { "active" } else { "standby" }).to_owned(),
            format!("[{}]", peers.join(", ")),
            SocketAddr::new(self.address.ip(), admin).to_string(),
            around.witness_url.clone(),
        ];
        self.filled = NODE_NAMES.into_iter().zip(values).collect();
        Ok(())
    }

    /// Its own address, by which streams reach it.
    fn url(&self) -> String {
        format!("http://{}", self.stream_address)
    }

    /// Starts it, if it is not there.
    pub(super) async fn start(
        &mut self,
        common: &Common<'_>,
        say: &mut dyn FnMut(&str),
    ) -> Result<(), RunError> {
        if self.child.is_some() {
            return Ok(());
        }
        let names = Names {
            host: self.host,
            port: self.address.port(),
            within: &self.within,
            models: common.models,
            ca_file: common.ca_file,
            folder: &self.folder,
            rest_url: common.rest_url,
            node: &self.filled,
        };
        let mut server = common.server.clone();
        if let Some(command) = &self.version {
            server.command.clone_from(command);
        }
        if self.is_witness {
            server.ready_path = None;
        }
        let running = start_server(&server, &names, common.clock, say).await?;
        self.child = running.child;
        self.ready_since = common.clock.now();
        Ok(())
    }

    /// As it is, but a witness, started by this command.
    pub(super) fn into_witness(mut self, command: &[String]) -> Self {
        self.version = Some(command.to_vec());
        self.is_witness = true;
        self
    }

    /// From now on it is started by this command, or by the plan's; the one before.
    pub(super) fn set_version(&mut self, command: Option<Vec<String>>) -> Option<Vec<String>> {
        std::mem::replace(&mut self.version, command)
    }

    /// When it was last ready.
    pub(super) fn ready_since(&self) -> Duration {
        self.ready_since
    }

    /// Whether its process is gone, by itself or otherwise.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(Child::has_ended)
    }

    /// As others find it.
    pub(super) fn neighbour(&self) -> Neighbour {
        Neighbour {
            name: self.name.clone(),
            region: self.region.clone(),
            address: self.stream_address,
        }
    }

    /// Kills it with -9.
    pub(super) async fn kill(&mut self) -> bool {
        let Some(child) = self.child.take() else {
            return false;
        };
        child.kill().await;
        true
    }

    /// Asks it to end. Whether it has, in order and in time; if not, it is killed.
    pub(super) async fn end(&mut self, most: Duration) -> bool {
        match self.child.take() {
            Some(child) => child.end_within(most).await,
            None => false,
        }
    }

    /// What its process said last, if it has ended though nobody wanted it to.
    pub(super) fn fell(&mut self) -> Option<String> {
        let child = self.child.as_mut()?;
        child.has_ended().then(|| child.said())
    }

    /// Resets its streams.
    pub(super) fn reset(&self) {
        if let Some(line) = &self.line {
            // More orders than are kept are more than a timetable has.
            let _ordered = proxy::obey(&line.control, "reset");
        }
    }
}

fn refused(source: std::io::Error) -> RunError {
    RunError::Listen {
        what: "the address of a node".into(),
        source,
    }
}
