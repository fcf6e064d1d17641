//! The store of a house: a real Redis, its replica and its Sentinels, in folders of their own.
//!
//! Owns their processes. What is in them is the server's; they are asked only whether they are there, and whether they are ours: a port that
//! was free may be somebody else's a moment later.

use std::{net::SocketAddr, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::{grounds::Grounds, ways::Ways};
use crate::{
    net::Clock,
    plan::StorePlan,
    process::{Child, Start, StartError},
    run::{RunError, subject::free_port},
};

/// It is small: it is ready by then or never.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// A replica has all of it by then.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(30);
/// An answer of a store that is well.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// So many ports are tried, each of which was free a moment before.
const PORTS_MAX: u32 = 5;
/// How its answer is awaited.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// After so much silence Sentinels depose a primary.
const DOWN_AFTER_MS: u32 = 2_000;
/// The name by which they know it.
const PRIMARY: &str = "main";

/// Where a house is built.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) folder: &'a Path,
    pub(super) grounds: &'a Grounds,
    pub(super) clock: Clock,
}

/// The processes of the store, by where they stand.
#[derive(Default)]
pub(super) struct Store {
    servers: Vec<Redis>,
}

/// One process.
struct Redis {
    region: String,
    is_sentinel: bool,
    address: SocketAddr,
    start: Start,
    child: Option<Child>,
}

impl Store {
    /// Starts what the plan wants.
    pub(super) async fn start(
        plan: StorePlan,
        regions: &[String],
        site: Site<'_>,
        ways: &mut Ways,
    ) -> Result<Self, RunError> {
        let mut store = Self::default();
        let (first, last) = (regions.first(), regions.last());
        let (Some(first), Some(last)) = (first, last) else {
            return Ok(store);
        };
        let wanted = match plan {
            StorePlan::None => return Ok(store),
            StorePlan::Alone => &[first][..],
            StorePlan::Replica | StorePlan::Sentinels => &[first, last][..],
        };
        let primary = store.serve(first, None, site).await?;
        for region in wanted.iter().skip(1) {
            let primary = ways.lead(region, first, primary).map_err(no_way)?;
            let replica = store.serve(region, Some(primary), site).await?;
            follows(replica, site.clock).await?;
        }
        if plan == StorePlan::Sentinels {
            for region in [first.as_str(), last.as_str(), "elsewhere"] {
                store.watch(region, primary, site).await?;
            }
        }
        Ok(store)
    }

    /// Where the nodes of a region find it; empty where there is none.
    pub(super) fn url(&self, region: &str, ways: &mut Ways) -> Result<String, RunError> {
        let sentinels = self.servers.iter().filter(|server| server.is_sentinel);
        let sentinels: Vec<_> = sentinels.map(|it| it.address.to_string()).collect();
        if !sentinels.is_empty() {
            let sentinels = sentinels.join(",");
            return Ok(format!("redis+sentinel://{sentinels}/{PRIMARY}"));
        }
        let Some(primary) = self.servers.first() else {
            return Ok(String::new());
        };
        let way = ways.lead(region, &primary.region, primary.address);
        Ok(format!("redis://{}", way.map_err(no_way)?))
    }

    /// Kills the Redis of a region, and all of its Sentinels too where `with_sentinels`.
    pub(super) async fn kill(&mut self, region: &str, with_sentinels: bool) {
        let here = |server: &&mut Redis| {
            server.region == region && (with_sentinels || !server.is_sentinel)
        };
        for server in self.servers.iter_mut().filter(here) {
            if let Some(child) = server.child.take() {
                child.kill().await;
            }
        }
    }

    /// Starts the Redis of a region again, with what it had on disk.
    pub(super) async fn restart(&mut self, region: &str, clock: Clock) -> Result<(), RunError> {
        let here = |server: &&mut Redis| server.region == region && !server.is_sentinel;
        for server in self.servers.iter_mut().filter(here) {
            if server.child.is_none() {
                // Nodes know it by its port: no other one will do.
                let child = begin(&server.start, server.address, clock).await?;
                server.child = Some(child.ok_or_else(|| taken(server.address))?);
            }
        }
        Ok(())
    }

    /// Starts a Redis that keeps what it is told on disk; its address.
    async fn serve(
        &mut self,
        region: &str,
        primary: Option<SocketAddr>,
        site: Site<'_>,
    ) -> Result<SocketAddr, RunError> {
        let folder = site.folder.join(format!("redis-{region}"));
        create(&folder)?;
        let mut fixed: Vec<String> = "redis-server --appendonly yes --appendfsync everysec \
                                      --repl-diskless-sync-delay 0 --save"
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        fixed.push(String::new());
        fixed.extend(["--dir".into(), folder.display().to_string()]);
        if let Some(primary) = primary {
            let (host, port) = (primary.ip().to_string(), primary.port().to_string());
            fixed.extend(["--replicaof".into(), host, port]);
        }
        self.child(region, false, fixed, site).await
    }

    /// Starts a Sentinel.
    async fn watch(
        &mut self,
        region: &str,
        primary: SocketAddr,
        site: Site<'_>,
    ) -> Result<(), RunError> {
        let folder = site.folder.join(format!("sentinel-{region}"));
        create(&folder)?;
        let file = folder.join("sentinel.conf");
        // Two of three agree on it.
        let text = format!(
            "dir {}\nsentinel monitor {PRIMARY} {} {} 2\nsentinel down-after-milliseconds {PRIMARY} {DOWN_AFTER_MS}\n\
             sentinel failover-timeout {PRIMARY} 10000\n",
            folder.display(),
            primary.ip(),
            primary.port(),
        );
        std::fs::write(&file, text).map_err(|source| failed(&file, source))?;
        let command = vec!["redis-sentinel".to_owned(), file.display().to_string()];
        self.child(region, true, command, site).await.map(drop)
    }

    /// Starts a process of this command at a port that is its own; its address.
    async fn child(
        &mut self,
        region: &str,
        is_sentinel: bool,
        command: Vec<String>,
        site: Site<'_>,
    ) -> Result<SocketAddr, RunError> {
        let mut address = site.grounds.at(region, 0);
        for _ in 0..PORTS_MAX {
            let port = free_port().map_err(|source| RunError::Listen {
                what: "a port for Redis".into(),
                source,
            })?;
            address.set_port(port);
            let (host, port) = (address.ip().to_string(), port.to_string());
            // Its address is nobody's but this machine's.
            let at = ["--bind", &host, "--protected-mode", "no", "--port", &port];
            let command = site
                .grounds
                .within(region)
                .into_iter()
                .chain(command.clone());
            let start = Start {
                command: command.chain(at.map(str::to_owned)).collect(),
                env: Vec::new(),
                address: address.to_string(),
                ready_path: None,
                ready_within: READY_WITHIN,
                folder: None,
            };
            if let Some(child) = begin(&start, address, site.clock).await? {
                self.servers.push(Redis {
                    region: region.to_owned(),
                    is_sentinel,
                    address,
                    start,
                    child: Some(child),
                });
                return Ok(address);
            }
        }
        Err(taken(address))
    }
}

/// Waits until a replica has caught up; one that never does shows as what the drill measures then.
async fn follows(replica: SocketAddr, clock: Clock) -> Result<(), RunError> {
    let until = clock.now() + FOLLOWS_WITHIN;
    while !says(replica, "INFO replication", "master_link_status:up").await {
        if clock.now() >= until {
            let source = std::io::Error::from(std::io::ErrorKind::TimedOut);
            let what = "the replica of Redis, which does not follow".into();
            return Err(RunError::Listen { what, source });
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Ok(())
}

/// Starts a Redis, and makes sure that it is the one that answers at its port; `None`: it has ended, and somebody else may be there.
async fn begin(start: &Start, at: SocketAddr, clock: Clock) -> Result<Option<Child>, RunError> {
    let mut child = match Child::start(start, clock).await {
        Ok(child) => child,
        // It says so itself where the port is taken; what else it may lack is missing at the next port too.
        Err(StartError::Ended { said, .. }) if said.contains("in use") => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let ours = format!("process_id:{}\r", child.id());
    let until = clock.now() + READY_WITHIN;
    while !says(at, "INFO server", &ours).await {
        if child.has_ended() || clock.now() >= until {
            return Ok(None);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Ok(Some(child))
}

fn no_way(source: std::io::Error) -> RunError {
    RunError::Listen {
        what: "a way to the store".into(),
        source,
    }
}

fn taken(address: SocketAddr) -> RunError {
    RunError::Listen {
        what: format!("{address} for Redis, where somebody else answers"),
        source: std::io::Error::from(std::io::ErrorKind::AddrInUse),
    }
}

/// Whether a Redis answers so to a command; its answer has less than a page.
async fn says(at: SocketAddr, command: &str, expected: &str) -> bool {
    let asking = async {
        let mut tcp = TcpStream::connect(at).await.ok()?;
        tcp.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
            .await
            .ok()?;
        // A Sentinel does not know the word at which a Redis closes: what is expected is enough.
        let mut tcp = tcp.take(16_384);
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains(expected) {
            if tcp.read_buf(&mut answer).await.ok()? == 0 {
                return Some(false);
            }
        }
        Some(true)
    };
    timeout(ANSWER_MAX, asking).await.ok().flatten() == Some(true)
}

fn create(folder: &Path) -> Result<(), RunError> {
    std::fs::create_dir(folder).map_err(|source| failed(folder, source))
}

fn failed(path: &Path, source: std::io::Error) -> RunError {
    RunError::File {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{plan::HousePlan, run::Folder};

    #[tokio::test]
    async fn who_answers_at_a_port_and_is_not_our_child_is_no_store_of_ours() {
        let folder = Folder::create().unwrap();
        let (clock, grounds) = (Clock::start(), Grounds::default());
        let site = Site {
            folder: &folder.0,
            grounds: &grounds,
            clock,
        };
        let regions = ["east".to_owned()];
        let mut ways = Ways::new(&HousePlan::default(), &grounds, clock);
        let store = Store::start(StorePlan::Alone, &regions, site, &mut ways);
        let mut store = store.await.unwrap();
        let Redis { address, start, .. } = store.servers.first().unwrap();
        // Another one that is to have the port of the first ends, and is not taken for it.
        let second = begin(start, *address, clock).await.unwrap();
        assert!(second.is_none());
        store.kill("east", false).await;
        store.restart("east", clock).await.unwrap();
        assert!(store.servers.first().unwrap().child.is_some());
    }
}
