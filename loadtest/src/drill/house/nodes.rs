//! The nodes of a house: each a process of the server under test with a folder, a port and a name of its own.
//!
//! Owns the processes, and the proxies before them where the plan wants some. What is done to them when: [`super::harm`].

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    net::Clock,
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
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Where streams go that are its.
    stream_address: SocketAddr,
    line: Option<Line>,
    folder: PathBuf,
    filled: Vec<(&'static str, String)>,
    child: Option<Child>,
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
    pub(super) async fn plan(
        (region, name): (String, String),
        plan: &HousePlan,
        folder: &Path,
        clock: Clock,
    ) -> Result<Self, RunError> {
        let address = local(free_port().map_err(refused)?);
        let folder = folder.join(&name);
        std::fs::create_dir(&folder).map_err(|source| RunError::File {
            path: folder.display().to_string(),
            source,
        })?;
        let mut node = Self {
            name,
            region,
            address,
            stream_address: address,
            line: None,
            folder,
            filled: Vec::new(),
            child: None,
        };
        if plan.lines {
            let listener = TcpListener::bind(local(0)).await.map_err(refused)?;
            node.stream_address = listener.local_addr().map_err(refused)?;
            let control = Control::new(clock);
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
    pub(super) fn fill(
        &mut self,
        region: SocketAddr,
        store_url: &str,
        all: &[(String, String, String)],
        is_first: bool,
    ) -> Result<(), RunError> {
        let peers = all.iter().filter(|(_, node, _)| *node != self.name);
        let peers = peers.map(|(region, node, url)| {
            format!("{{ node = \"{node}\", region = \"{region}\", url = \"{url}\" }}")
        });
        let peers: Vec<_> = peers.collect();
        let values = [
            self.name.clone(),
            self.region.clone(),
            self.url(),
            format!("http://{region}"),
            store_url.to_owned(),
            (if is_first { "active" } else { "standby" }).to_owned(),
            format!("[{}]", peers.join(", ")),
            local(free_port().map_err(refused)?).to_string(),
        ];
        self.filled = NODE_NAMES.into_iter().zip(values).collect();
        Ok(())
    }

    /// Its own address, by which streams and peers reach it.
    pub(super) fn url(&self) -> String {
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
            port: self.address.port(),
            models: common.models,
            ca_file: common.ca_file,
            folder: &self.folder,
            rest_url: common.rest_url,
            node: &self.filled,
        };
        let running = start_server(common.server, &names, common.clock, say).await?;
        self.child = running.child;
        Ok(())
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

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn refused(source: std::io::Error) -> RunError {
    RunError::Listen {
        what: "the address of a node".into(),
        source,
    }
}
