//! A real Postgres on a free port of this machine, in a folder of its own; it ends with the test.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::DEADLINE;
use crate::server::{Folder, output};

/// A running `postgres`, with a user of its own and a certificate that nobody knows.
pub(crate) struct Postgres {
    child: Child,
    pub(crate) port: u16,
    folder: Folder,
}

impl Postgres {
    pub(crate) const PASSWORD: &'static str = "hunter2-and-more";

    pub(crate) async fn start() -> Self {
        let folder = Folder::new();
        // It refuses to run as the one who may do everything, so somebody else has to own its files.
        fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        let password = folder.write("password", Self::PASSWORD);
        let data = folder.path("data");
        let mut begin = program("initdb");
        begin.args(["--username=ringback", "--auth=scram-sha-256", "--no-sync"]);
        begin.arg(format!("--pwfile={}", password.display()));
        let (code, said) = output(without_root(begin.arg("-D").arg(&data)));
        assert_eq!(code, Some(0), "{said}");
        certify(&folder, &data);
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let mut serve = program("postgres");
        serve.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "ssl=on",
        ] {
            serve.args(["-c", setting]);
        }
        let mut serve = without_root(&serve);
        let child = serve.stderr(Stdio::null()).spawn().unwrap();
        let postgres = Self {
            child,
            port,
            folder,
        };
        let waited = timeout(DEADLINE, async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "no Postgres at {port}");
        postgres
    }

    /// The file of its certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path("server.crt")
    }

    /// Who takes its connections stands still, or goes on.
    pub(crate) fn pause(&self, is_still: bool) {
        self.signal(if is_still { "STOP" } else { "CONT" });
    }

    /// Ends it, in order: it would leave memory behind otherwise.
    pub(crate) fn stop(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            return;
        }
        self.signal("CONT");
        self.signal("INT");
        self.child.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        Command::new("sh").args(["-c", &kill]).status().unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A certificate for its address, and the key where it looks for it.
fn certify(folder: &Folder, data: &Path) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    folder.write("server.crt", &certified.cert.pem());
    let key = folder.write("server.key", &certified.key_pair.serialize_pem());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let mut place = Command::new("install");
    place
        .args(["-m", "600"])
        .arg(&key)
        .arg(folder.path("server.crt"))
        .arg(data);
    let (code, said) = output(without_root(&place));
    assert_eq!(code, Some(0), "{said}");
}

/// One of its programs, where Debian puts them.
fn program(name: &str) -> Command {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let found = versions
        .map(|version| version.unwrap().path().join("bin").join(name))
        .find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| name.into()))
}

/// The same as another user, if we are the one who may do everything.
fn without_root(command: &Command) -> Command {
    let id = Command::new("id").arg("-u").output().unwrap();
    let mut changed = if id.stdout.trim_ascii() == b"0" {
        // It takes our place and stands in nobody's way: what is signalled is the program itself.
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        setpriv.arg(command.get_program());
        setpriv
    } else {
        Command::new(command.get_program())
    };
    // Where it is started from may be closed to that user.
    changed.args(command.get_args()).current_dir("/");
    changed
}
