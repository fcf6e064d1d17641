//! The store of a house: a real Redis, its replica and its Sentinels, in folders of their own.
//!
//! Owns their processes. What is in them is the server's; it is asked only whether it is there.

use std::{path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    net::Clock,
    plan::StorePlan,
    process::{Child, Start},
    run::{RunError, subject::free_port},
};

/// It is small: it is ready by then or never.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// A replica has all of it by then.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(30);
/// An answer of a store that is well.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// How its answer is awaited.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// After so much silence Sentinels depose a primary.
const DOWN_AFTER_MS: u32 = 2_000;
/// The name by which they know it.
const PRIMARY: &str = "main";

/// The processes of the store, by where they stand.
#[derive(Default)]
pub(super) struct Store {
    servers: Vec<Redis>,
}

/// One process.
struct Redis {
    region: String,
    is_sentinel: bool,
    port: u16,
    start: Start,
    child: Option<Child>,
}

impl Store {
    /// Starts what the plan wants.
    pub(super) async fn start(
        plan: StorePlan,
        regions: &[String],
        folder: &Path,
        clock: Clock,
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
        let primary = store.serve(first, None, folder, clock).await?;
        for region in wanted.iter().skip(1) {
            let port = store.serve(region, Some(primary), folder, clock).await?;
            store.follows(port, clock).await?;
        }
        if plan == StorePlan::Sentinels {
            for region in [first.as_str(), last.as_str(), "elsewhere"] {
                store.watch(region, primary, folder, clock).await?;
            }
        }
        Ok(store)
    }

    /// Where nodes find it; empty where there is none.
    pub(super) fn url(&self) -> String {
        let sentinels = self.servers.iter().filter(|server| server.is_sentinel);
        let sentinels: Vec<_> = sentinels
            .map(|server| format!("127.0.0.1:{}", server.port))
            .collect();
        if !sentinels.is_empty() {
            return format!("redis+sentinel://{}/{PRIMARY}", sentinels.join(","));
        }
        let primary = self.servers.first();
        primary.map_or_else(String::new, |it| format!("redis://127.0.0.1:{}", it.port))
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
                server.child = Some(Child::start(&server.start, clock).await?);
            }
        }
        Ok(())
    }

    /// Starts a Redis that keeps what it is told on disk; its port.
    async fn serve(
        &mut self,
        region: &str,
        primary: Option<u16>,
        folder: &Path,
        clock: Clock,
    ) -> Result<u16, RunError> {
        let folder = folder.join(format!("redis-{region}"));
        create(&folder)?;
        let of =
            primary.map(|port| vec!["--replicaof".into(), "127.0.0.1".into(), port.to_string()]);
        let arguments = |port: u16| {
            let fixed = "--bind 127.0.0.1 --save '' --appendonly yes --appendfsync everysec \
                         --repl-diskless-sync-delay 0 --port";
            let fixed = fixed
                .split_whitespace()
                .map(|part| part.trim_matches('\'').to_owned());
            let rest = [
                port.to_string(),
                "--dir".into(),
                folder.display().to_string(),
            ];
            let command = std::iter::once("redis-server".to_owned())
                .chain(fixed)
                .chain(rest);
            command.chain(of.clone().unwrap_or_default()).collect()
        };
        self.child(region, false, arguments, clock).await
    }

    /// Starts a Sentinel.
    async fn watch(
        &mut self,
        region: &str,
        primary: u16,
        folder: &Path,
        clock: Clock,
    ) -> Result<(), RunError> {
        let folder = folder.join(format!("sentinel-{region}"));
        create(&folder)?;
        let file = folder.join("sentinel.conf");
        // Two of three agree on it.
        let text = format!(
            "dir {}\nsentinel monitor {PRIMARY} 127.0.0.1 {primary} 2\nsentinel down-after-milliseconds {PRIMARY} {DOWN_AFTER_MS}\n\
             sentinel failover-timeout {PRIMARY} 10000\n",
            folder.display()
        );
        std::fs::write(&file, text).map_err(|source| failed(&file, source))?;
        let arguments = |port: u16| {
            let file = file.display().to_string();
            let fixed = ["redis-sentinel".to_owned(), file];
            let rest = ["--bind", "127.0.0.1", "--port"].map(str::to_owned);
            let port = std::iter::once(port.to_string());
            fixed.into_iter().chain(rest).chain(port).collect()
        };
        self.child(region, true, arguments, clock).await.map(drop)
    }

    async fn child(
        &mut self,
        region: &str,
        is_sentinel: bool,
        command: impl Fn(u16) -> Vec<String>,
        clock: Clock,
    ) -> Result<u16, RunError> {
        let port = free_port().map_err(|source| RunError::Listen {
            what: "a port for Redis".into(),
            source,
        })?;
        let start = Start {
            command: command(port),
            env: Vec::new(),
            address: format!("127.0.0.1:{port}"),
            ready_path: None,
            ready_within: READY_WITHIN,
            folder: None,
        };
        let child = Child::start(&start, clock).await?;
        self.servers.push(Redis {
            region: region.to_owned(),
            is_sentinel,
            port,
            start,
            child: Some(child),
        });
        Ok(port)
    }

    /// Waits until a replica has caught up; one that never does shows as what the drill measures then.
    async fn follows(&self, port: u16, clock: Clock) -> Result<(), RunError> {
        let until = clock.now() + FOLLOWS_WITHIN;
        while !says(port, "INFO replication", "master_link_status:up").await {
            if clock.now() >= until {
                let source = std::io::Error::from(std::io::ErrorKind::TimedOut);
                let what = "the replica of Redis, which does not follow".into();
                return Err(RunError::Listen { what, source });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }
}

/// Whether a Redis answers so to a command; its answer has less than a page.
async fn says(port: u16, command: &str, expected: &str) -> bool {
    let asking = async {
        let mut tcp = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        tcp.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())
            .await
            .ok()?;
        let mut answer = Vec::new();
        tcp.take(16_384).read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).contains(expected))
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
