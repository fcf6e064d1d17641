//! The process is killed while it writes, or its disk is full.

use std::env::var_os;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Archive, Count, Folder, Life, MessageSettings, Recorded, place, settings, until};

/// Where the child finds its folder.
const FOLDER: &str = "RINGBACK_TEST_MESSAGES";

fn child_settings() -> Option<MessageSettings> {
    let folder = PathBuf::from(var_os(FOLDER)?);
    Some(MessageSettings {
        is_offered: true,
        place: Some(place(&folder)),
        kept_max: 10_000,
        // Of the folder only the place counts, which is another.
        ..settings(&Folder::new())
    })
}

/// No test of its own: what the killed process does. It prints a line for each message that is kept.
#[tokio::test]
#[ignore = "run by a test below, in a process of its own"]
async fn leave_until_killed() {
    let Some(settings) = child_settings() else {
        return;
    };
    let life = Life::new(settings);
    for frames in (1..=100).cycle() {
        assert_eq!(life.leave(frames).await, Some(Recorded::Kept));
        writeln!(std::io::stdout(), "kept").unwrap();
    }
}

/// No test of its own: what a process does whose disk takes nothing.
#[tokio::test]
#[ignore = "run by a test below, in a process of its own"]
async fn leave_one_and_tell() {
    let Some(settings) = child_settings() else {
        return;
    };
    let life = Life::new(settings);
    let recorded = life.leave(50).await;
    let count = life.count(Count::MessagesNotKept);
    writeln!(std::io::stdout(), "told {recorded:?} {count}").unwrap();
}

fn child(test: &str, folder: &Path) -> Command {
    // A file that has reached its limit is then an error, and not the end.
    let mut command = Command::new("/bin/sh");
    let run = "trap '' XFSZ; if [ -n \"$FULL\" ]; then ulimit -f 0; fi; exec \"$0\" \"$@\"";
    command
        .args(["-c", run])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("server::messages::tests::crash::{test}"),
        ])
        .args(["--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped());
    command
}

#[tokio::test]
async fn all_that_callers_were_told_is_kept_survives_a_kill_and_what_is_torn_is_swept() {
    let folder = Folder::new();
    let mut kept = 0;
    for round in 0..8 {
        let mut child = child("leave_until_killed", &folder.0).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut here = 0;
        for line in lines {
            // The harness prints lines of its own, without an end to them.
            here += usize::from(line.unwrap().ends_with("kept"));
            if here == 3 + 5 * round {
                child.kill().unwrap(); // What it has written until now is still read.
            }
        }
        child.wait().unwrap();
        kept += here;
        let listed = Archive::new(place(&folder.0)).list().unwrap();
        assert_eq!(listed.unreadable, Vec::<String>::new());
        let there = listed.messages.len();
        assert!(there >= kept, "{there} of {kept} are there");
    }
    // Whether a kill has torn one or not: one is torn now.
    let torn = place(&folder.0).folder.join(format!("{:032x}.tmp", 1));
    std::fs::write(torn, [0; 1_000]).unwrap();
    let life = Life::new(settings(&folder)).keep();
    let is_torn = |name: &String| name.ends_with("tmp");
    until("it is swept", || !folder.files().iter().any(is_torn)).await;
    until("all are known", || life.messages.waiting() >= kept).await;
    life.stop().await;
}

#[test]
fn a_full_disk_loses_the_message_and_leaves_nothing_of_it() {
    let folder = Folder::new();
    let mut command = child("leave_one_and_tell", &folder.0);
    let output = command.env("FULL", "1").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("told Some(Lost) 1"), "{said}");
    assert_eq!(folder.files(), Vec::<String>::new());
    let output = child("leave_one_and_tell", &folder.0).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("told Some(Kept) 0"), "{said}");
    assert_eq!(folder.files().len(), 1);
}
