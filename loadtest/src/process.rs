//! What a process costs, as the kernel counts it, and the child processes of a run.
//!
//! Owns every child that loadtest starts: a [`Child`] that is dropped is killed by its own id, however the run ends. Look next
//! at [`crate::run`], which asks for figures at the beginning and the end of the steady window.

use std::{
    collections::VecDeque,
    fs, io,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{self, Command},
};

use crate::net::Clock;

/// The kernel's unit for CPU time in `/proc`: it is fixed at a hundredth of a second for all that userspace sees.
const TICK_MS: u64 = 10;
/// How often the server under test is asked whether it is ready.
const READY_POLL: Duration = Duration::from_millis(20);
/// After this a child that was asked to end is killed.
const END_MAX: Duration = Duration::from_secs(5);
/// Lines of a child's output that are kept for when it fails.
const LINES_MAX: usize = 40;
/// Of a line this much is kept.
const LINE_BYTES_MAX: u64 = 2_000;

/// What a process has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since it began: user and system, all threads.
    pub cpu: Duration,
    /// Memory that it holds now.
    pub rss_bytes: u64,
}

/// Reads what process `pid` has used up.
pub fn usage(pid: u32) -> io::Result<Usage> {
    let strange = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command's name comes second, in parentheses, and may hold anything: what counts is behind the last of them.
    let (_, fields) = stat
        .rsplit_once(')')
        .ok_or_else(|| strange("/proc/PID/stat without a name"))?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next().and_then(|field| field.parse::<u64>().ok());
    let (Some(user), Some(system)) = (ticks(), ticks()) else {
        return Err(strange("/proc/PID/stat without CPU times"));
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let rss_kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_ascii_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok())
        .ok_or_else(|| strange("/proc/PID/status without VmRSS"))?;
    Ok(Usage {
        cpu: Duration::from_millis((user + system) * TICK_MS),
        rss_bytes: rss_kib * 1024,
    })
}

/// How to start a child.
#[derive(Clone, Debug)]
pub struct Start {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What is added to its environment. Not shown in errors: it may hold keys.
    pub env: Vec<(String, String)>,
    /// Where it listens when it is ready: `127.0.0.1:PORT`.
    pub address: String,
    /// A path that answers 200 when it is ready; `None`: a connection is enough.
    pub ready_path: Option<String>,
    /// It must be ready by then.
    pub ready_within: Duration,
    /// Where it runs; `None`: where we do.
    pub folder: Option<PathBuf>,
}

/// Why there is no child.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be started.
    #[error("{program}: cannot be started: {source}")]
    Spawn {
        /// What.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("{program}: ended before it was ready ({status}); it said:\n{said}")]
    Ended {
        /// What.
        program: String,
        /// How.
        status: String,
        /// Its last lines.
        said: String,
    },
    /// It was not ready in time.
    #[error("{program}: not ready at {address} within {within:?}; it said:\n{said}")]
    NotReady {
        /// What.
        program: String,
        /// Where it was expected.
        address: String,
        /// How long it was waited for.
        within: Duration,
        /// Its last lines.
        said: String,
    },
}

/// A child process that is ready, until it is dropped.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
    id: u32,
    said: Arc<Mutex<VecDeque<String>>>,
}

impl Child {
    /// Starts it and waits until it is ready.
    pub async fn start(start: &Start, clock: Clock) -> Result<Self, StartError> {
        let program = start.command.first().cloned().unwrap_or_default();
        let mut child = Self::spawn(start).map_err(|source| StartError::Spawn {
            program: program.clone(),
            source,
        })?;
        let until = clock.now() + start.ready_within;
        while !is_ready(&start.address, start.ready_path.as_deref()).await {
            let ended = child.process.try_wait();
            if let Ok(Some(status)) = ended {
                return Err(StartError::Ended {
                    program,
                    status: status.to_string(),
                    said: child.said(),
                });
            }
            if clock.now() >= until {
                return Err(StartError::NotReady {
                    program,
                    address: start.address.clone(),
                    within: start.ready_within,
                    said: child.said(),
                });
            }
            tokio::time::sleep(READY_POLL).await;
        }
        Ok(child)
    }

    fn spawn(start: &Start) -> io::Result<Self> {
        let (program, arguments) = start
            .command
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "an empty command"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .envs(start.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(folder) = &start.folder {
            command.current_dir(folder);
        }
        let mut process = command.spawn()?;
        let id = process
            .id()
            .ok_or_else(|| io::Error::other("ended as it began"))?;
        let said = Arc::default();
        keep_lines(process.stdout.take(), &said);
        keep_lines(process.stderr.take(), &said);
        Ok(Self { process, id, said })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The last lines of its output.
    pub fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter()
            .map(|line| ["  ", line, "\n"].concat())
            .collect()
    }

    /// Kills it where it stands, and waits until it is gone: its port and its files are free then.
    pub async fn kill(mut self) {
        // One that is gone already cannot be killed, and is gone.
        let _killed = self.process.kill().await;
    }

    /// Asks it to end, and kills it if it does not.
    pub async fn end(self) {
        // Whether it ended or not: dropping it makes sure.
        let _ended = self.end_within(END_MAX).await;
    }

    /// Asks it to end, and kills it if it has not after `most`. Whether it ended in time, and with status 0.
    pub async fn end_within(mut self, most: Duration) -> bool {
        // A child that is gone already has no id: it may be somebody else's by now.
        let Some(id) = self.process.id() else {
            return false;
        };
        // The shell's own `kill`: the program of that name is not on every machine.
        let asked = Command::new("sh")
            .args(["-c", &format!("kill -TERM {id}")])
            .status()
            .await;
        if asked.is_err() {
            return false;
        }
        let ended = tokio::time::timeout(most, self.process.wait()).await;
        matches!(ended, Ok(Ok(status)) if status.success())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the task ends with the child's output, and nothing waits for it"
)]
fn keep_lines(
    output: Option<impl AsyncRead + Send + Unpin + 'static>,
    said: &Arc<Mutex<VecDeque<String>>>,
) {
    let Some(output) = output else { return };
    let said = Arc::clone(said);
    tokio::spawn(async move {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut output)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .await;
            if !matches!(read, Ok(bytes) if bytes > 0) {
                return;
            }
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() == LINES_MAX {
                said.pop_front();
            }
            said.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    });
}

/// Whether something listens at this address, and says 200 where a path is asked for.
pub(crate) async fn is_ready(address: &str, path: Option<&str>) -> bool {
    let Ok(mut tcp) = TcpStream::connect(address).await else {
        return false;
    };
    let Some(path) = path else {
        return true;
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut head = [0; 12];
    tcp.write_all(request.as_bytes()).await.is_ok()
        && tcp.read_exact(&mut head).await.is_ok()
        && head.ends_with(b" 200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_usage_can_be_read_and_only_grows() {
        let before = usage(std::process::id()).unwrap();
        let work: u64 = (0..30_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ (n * 3)));
        std::hint::black_box(work);
        let after = usage(std::process::id()).unwrap();
        assert!(after.cpu >= before.cpu);
        assert!(after.rss_bytes > 1024 * 1024, "{after:?}");
    }

    #[tokio::test]
    async fn a_child_that_ends_before_it_is_ready_is_quoted() {
        let start = Start {
            command: ["sh", "-c", "echo no key; exit 3"]
                .map(str::to_owned)
                .to_vec(),
            env: Vec::new(),
            address: "127.0.0.1:1".into(),
            ready_path: None,
            ready_within: Duration::from_secs(20),
            folder: None,
        };
        let error = Child::start(&start, Clock::start()).await.unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
