//! A real Redis on a free port of this machine, in a folder of its own; it ends with the test.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::{FromRedisValue, ToRedisArgs, Value};
use tokio::time::{Instant, sleep};

/// How long something that must happen may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `redis-server`, or a Sentinel.
pub(crate) struct Server {
    program: &'static str,
    arguments: Vec<String>,
    child: Child,
    folder: PathBuf,
    pub(crate) port: u16,
    /// How the tests themselves log in.
    pub(crate) login: String,
}

impl Server {
    /// One that keeps nothing when it ends.
    pub(crate) async fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"]).await
    }

    /// One whose writes are on disk before they are answered.
    pub(crate) async fn durable() -> Self {
        let durable = [
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ];
        Self::with(&durable).await
    }

    /// A replica of another one, which it has caught up with.
    pub(crate) async fn replica_of(primary: &Self) -> Self {
        let of = primary.port.to_string();
        let arguments = ["--save", "", "--replicaof", "127.0.0.1", &of];
        let replica =
            Self::with(&[&arguments[..], &["--repl-diskless-sync-delay", "0"]].concat()).await;
        until("the replica follows", async || {
            replica
                .info("replication", "master_link_status")
                .await
                .as_deref()
                == Some("up")
        })
        .await;
        replica
    }

    pub(crate) async fn with(arguments: &[&str]) -> Self {
        Self::run("redis-server", |_| {
            arguments.iter().map(|part| (*part).to_owned()).collect()
        })
        .await
    }

    /// A Sentinel that watches a primary together with others, and deposes it after half a second.
    pub(crate) async fn sentinel(primary: &Self, quorum: usize) -> Self {
        let of = primary.port;
        Self::run("redis-sentinel", |folder| {
            let file = folder.join("sentinel.conf");
            let text = format!(
                "sentinel monitor main 127.0.0.1 {of} {quorum}\nsentinel down-after-milliseconds main 500\n\
                 sentinel failover-timeout main 3000\n"
            );
            fs::write(&file, text).unwrap();
            vec![file.to_str().unwrap().to_owned()]
        })
        .await
    }

    async fn run(program: &'static str, arguments: impl FnOnce(&PathBuf) -> Vec<String>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringback-redis-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut arguments = arguments(&folder);
        arguments.extend(["--bind", "127.0.0.1", "--dir"].map(str::to_owned));
        arguments.push(folder.to_str().unwrap().to_owned());
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Somebody may take the port between here and there, another story's Redis for one: ours ends then.
            let port = free_port();
            let own = ["--port".to_owned(), port.to_string()];
            let arguments = [&arguments[..], &own].concat();
            let mut server = Self {
                program,
                child: spawn(program, &arguments),
                arguments,
                folder: folder.clone(),
                port,
                login: String::new(),
            };
            if server.answers().await {
                return server;
            }
            assert!(Instant::now() < deadline, "no port was free for {program}");
            server.folder = PathBuf::new(); // The next one's.
        }
    }

    /// Waits until it answers, and nobody else at its port; `false`: it has ended.
    async fn answers(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let own = self.child.id().to_string();
        while self.info("server", "process_id").await.as_deref() != Some(&own) {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "{} never answers", self.program);
            sleep(Duration::from_millis(5)).await;
        }
        true
    }

    /// The same again, after [`kill`](Self::kill).
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.program, &self.arguments);
        assert!(self.answers().await, "its port was taken meanwhile");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stands still, with all connections open.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}127.0.0.1:{}", self.login, self.port)
    }

    /// Asks as an operator would.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        command: &[impl ToRedisArgs + Sync],
    ) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let (name, args) = command.split_first().unwrap();
        let mut asked = redis::Cmd::new();
        asked.arg(name).arg(args);
        asked.query_async(&mut connection).await
    }

    pub(crate) async fn tell(&self, command: &[impl ToRedisArgs + Sync]) {
        self.ask::<Value>(command).await.unwrap();
    }

    /// A line of `INFO`.
    pub(crate) async fn info(&self, section: &str, name: &str) -> Option<String> {
        let info: String = self.ask(&["INFO", section]).await.ok()?;
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::to_owned)
    }

    /// All that it keeps, as it stands in a file.
    pub(crate) async fn everything(&self) -> Vec<u8> {
        self.tell(&["CONFIG", "SET", "rdbcompression", "no"]).await;
        self.tell(&["SAVE"]).await;
        fs::read(self.folder.join("dump.rdb")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A port that nobody listens at now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn spawn(program: &str, arguments: &[String]) -> Child {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let child = command.spawn();
    child.unwrap_or_else(|error| panic!("{program} cannot be run ({error}): tests/run installs it"))
}

/// Waits until something is so, not for ever.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "it never was so: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
