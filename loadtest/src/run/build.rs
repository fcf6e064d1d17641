//! Builds the server under test when a plan names it and it is missing or older than its sources.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use tokio::process::Command;

/// The package's program, by the name under which plans start it.
const PROGRAM: &str = "ringback";
/// What it is built from, beside `src`.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "Cargo.lock"];
/// A source tree is not deeper than this.
const DEPTH_MAX: u32 = 16;

/// The command that builds `program`, if it is ours and not there or not new; `None`: start it as it is.
pub(super) fn needed(program: &str) -> Option<Vec<String>> {
    let path = Path::new(program);
    if path.file_name()? != PROGRAM || !Path::new("Cargo.toml").exists() {
        return None;
    }
    let built = fs::metadata(path).and_then(|it| it.modified());
    let is_fresh = built.is_ok_and(|built| newest_source().is_some_and(|source| source <= built));
    let command = ["cargo", "build", "--release", "--bin", PROGRAM];
    (!is_fresh).then(|| command.map(str::to_owned).to_vec())
}

/// Runs the command; its output goes where ours goes.
pub(super) async fn build(command: &[String]) -> io::Result<()> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::other("an empty command"))?;
    let status = Command::new(program)
        .args(arguments)
        .kill_on_drop(true)
        .status()
        .await?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("ended with {status}")))
    }
}

fn newest_source() -> Option<SystemTime> {
    let manifests = MANIFESTS.iter().map(PathBuf::from);
    let mut newest = None;
    for path in manifests.chain([PathBuf::from("src")]) {
        newest = newest.max(newest_below(&path, DEPTH_MAX));
    }
    newest
}

fn newest_below(path: &Path, depth: u32) -> Option<SystemTime> {
    let about = fs::metadata(path).ok()?;
    if !about.is_dir() || depth == 0 {
        return about.modified().ok();
    }
    let entries = fs::read_dir(path).ok()?.flatten();
    entries
        .filter_map(|entry| newest_below(&entry.path(), depth - 1))
        .max()
}
