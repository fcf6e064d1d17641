//! The program as a child process.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::DEADLINE;

/// A folder that goes with its test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("ringback-e2e-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// The path of something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The program with these arguments and nothing of our own environment that could be settings.
pub(crate) fn ringback(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    command.args(arguments).env_clear();
    command
}

/// An entry of the ladder: a model at this address, with these further lines.
pub(crate) fn provider(name: &str, url: &str, lines: &str) -> String {
    format!(
        "[[provider]]\nname = \"{name}\"\nprotocol = \"openai\"\ndialect = \"ga\"\n\
         url = \"{url}\"\nkeys = []\n{lines}\n"
    )
}

/// A running server; killed when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The listener of operators.
    pub(crate) admin: SocketAddr,
    child: Child,
    lines: watch::Receiver<Vec<String>>,
    _folder: Folder,
}

impl Server {
    /// Starts a server with these settings of `[call]`, and a model at `model_url`.
    pub(crate) async fn start(model_url: &str, call: &str) -> Self {
        Self::with(
            model_url,
            &format!("[call]\ncarrier_silence_max = \"1m\"\n{call}\n"),
            &[],
        )
        .await
    }

    /// Starts a server with these sections, and a model at `model_url`.
    pub(crate) async fn with(model_url: &str, sections: &str, variables: &[(&str, &str)]) -> Self {
        let providers = provider("test", model_url, "");
        Self::launch(&format!("{sections}\n{providers}"), variables).await
    }

    /// Starts a server with these settings, providers among them.
    pub(crate) async fn launch(settings: &str, variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let file = folder.write("ringback.toml", settings);
        // A file that has reached its limit is then an error as on a full disk, and not the end: see `fill_disk`.
        let ignoring = "trap '' XFSZ; exec \"$0\" \"$@\"";
        let program = env!("CARGO_BIN_EXE_ringback");
        let mut child = Command::new("/bin/sh")
            .args(["-c", ignoring, program, "serve"])
            .args(["--log-format", "json", "--log-level", "trace", "--config"])
            .arg(file)
            .env_clear()
            .env("RINGBACK__PUBLIC__AUTH", "none")
            .env("RINGBACK__PUBLIC__LISTEN", "127.0.0.1:0")
            .env("RINGBACK__ADMIN__LISTEN", "127.0.0.1:0")
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = follow(&mut child);
        let mut server = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            child,
            lines,
            _folder: folder,
        };
        let listening = server.line("listening", |_| true).await;
        server.address = listening["address"].as_str().unwrap().parse().unwrap();
        let admin = server.line("operators are listened to", |_| true).await;
        server.admin = admin["address"].as_str().unwrap().parse().unwrap();
        server
    }

    /// Waits for a log line of this message that fits.
    pub(crate) async fn line(&mut self, message: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = |lines: &Vec<String>| {
            let lines = lines
                .iter()
                .filter_map(|line| serde_json::from_str(line).ok());
            lines
                .into_iter()
                .find(|line: &Value| line["message"] == message && fits(line))
        };
        let waited = self.lines.wait_for(|lines| found(lines).is_some());
        // Not found in time, or the log ended without it: told below.
        drop(timeout(DEADLINE, waited).await);
        let line = found(&self.lines.borrow());
        line.unwrap_or_else(|| panic!("no line \"{message}\" in:\n{}", self.log()))
    }

    /// Waits for the line that tells the end of a call, of this reason.
    pub(crate) async fn ended(&mut self, reason: &str) -> Value {
        self.line("call ended", |line| line["reason"] == reason)
            .await
    }

    /// Everything that was logged so far.
    pub(crate) fn log(&self) -> String {
        self.lines.borrow().join("\n")
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Kills it without a word, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it write nothing more into any file, as on a full disk, or (`false`) again as much as it likes.
    pub(crate) fn fill_disk(&self, is_full: bool) {
        let limit = if is_full { "0" } else { "unlimited" };
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--pid={}", self.child.id()));
        let status = prlimit.arg(format!("--fsize={limit}:")).status().unwrap();
        assert!(status.success());
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end of the process.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        // The log ends with the process.
        let ended = async { while self.lines.changed().await.is_ok() {} };
        let ended = timeout(DEADLINE, ended).await;
        assert!(ended.is_ok(), "it does not end:\n{}", self.log());
        self.child.wait().unwrap()
    }

    /// The most memory that the process ever had resident, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Collects what the child says, from a thread that ends with it.
fn follow(child: &mut Child) -> watch::Receiver<Vec<String>> {
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (sender, lines) = watch::channel(Vec::new());
    thread::spawn(move || {
        for line in stderr.lines() {
            sender.send_modify(|lines| lines.push(line.unwrap()));
        }
    });
    lines
}

/// What a command says, and how it ends.
pub(crate) fn output(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}
