//! The process is killed at random moments: all that it acknowledged is there, and nothing is there by half.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use fastrand::Rng;
use ringback::core::region::owner::Ruling;
use ringback::store::embedded::{Embedded, StoreFile};
use ringback::store::{
    CallKey, Changed, KeySource, KnownCall, Promised, SendId, SendStep, Store as _,
};

use crate::support::{Folder, NOW, call, change, close, ended, patient, promise, send};

/// Where the child finds the file.
const FILE: &str = "RINGBACK_TEST_STORE";
/// With which number it begins.
const FIRST: &str = "RINGBACK_TEST_FIRST";

/// How many of them the child keeps at once.
const AT_ONCE: u128 = 8;

/// No test of its own: what the killed process does. For each number it prints a line once all of it is acknowledged.
#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn keep_until_killed() {
    let variable = |name| std::env::var_os(name).map(|value| value.into_string().unwrap());
    let Some(path) = variable(FILE) else { return };
    let first: u128 = variable(FIRST).unwrap().parse().unwrap();
    let medium = StoreFile::new(PathBuf::from(path), KeySource::Beside);
    let store = Arc::new(Embedded::open(medium, patient()).unwrap());
    let lanes = (0..AT_ONCE).map(|lane| {
        let store = Arc::clone(&store);
        async move {
            for number in (first + lane..).step_by(usize::try_from(AT_ONCE).unwrap()) {
                keep(&store, number).await;
                writeln!(std::io::stdout(), "kept {number}").unwrap();
            }
        }
    });
    futures_util::future::join_all(lanes).await;
}

async fn keep(store: &Embedded, number: u128) {
    let record = promise(store, number);
    let kept = store.promise(record.clone(), NOW).await;
    assert_eq!(kept, Ok(Promised::Kept));
    let begin = change(&record, SendStep::Begin(send(&record, number)));
    let (changed, checkpoint) = tokio::join!(
        store.change_promise(begin, NOW),
        store.checkpoint(call(number))
    );
    assert_eq!(changed, Ok(Changed::Kept));
    assert_eq!(checkpoint, Ok(Ruling::Kept));
    if number.is_multiple_of(2) {
        assert_eq!(store.end_call(ended(number)).await, Ok(Ruling::Kept));
    }
}

#[tokio::test]
async fn all_that_was_acknowledged_survives_a_kill_and_nothing_by_half() {
    let seed = std::env::var_os("RINGBACK_SEED");
    let seed = seed.map_or_else(
        || fastrand::u64(..),
        |seed| seed.to_str().unwrap().parse().unwrap(),
    );
    println!("RINGBACK_SEED={seed}");
    let mut chance = Rng::with_seed(seed);
    let folder = Folder::new();
    close(folder.open()).await;
    let mut kept = Vec::new();
    let mut first = 0;
    for _ in 0..10 {
        let lines = run_and_kill(&folder, first, chance.usize(1..400));
        kept.extend(lines);
        let store = folder.open();
        first = check(&store, &kept).await + 1;
        close(store).await;
    }
    assert!(kept.len() > 100, "only {} were acknowledged", kept.len());
}

/// Runs the child, kills it after so many lines, and gives all numbers that it has acknowledged.
fn run_and_kill(folder: &Folder, first: u128, lines: usize) -> Vec<u128> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::keep_until_killed"])
        .args(["--ignored", "--nocapture"])
        .env(FILE, folder.file())
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut kept = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness prints lines of its own, without an end to them.
        if let Some((_, number)) = line.split_once("kept ") {
            kept.push(number.parse().unwrap());
        }
        if kept.len() == lines {
            child.kill().unwrap(); // SIGKILL; what it has written until now is still read.
        }
    }
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it did not end by itself: {status}");
    kept
}

/// Whether all of these are there, and everything that is there is there as a whole; the highest number that is there.
async fn check(store: &Embedded, kept: &[u128]) -> u128 {
    for number in kept {
        let expected = promise(store, *number);
        let found = store.promise_by_id(expected.id, NOW).await.unwrap();
        let found = found.unwrap_or_else(|| panic!("promise {number} is lost"));
        assert_eq!((found.revision, &found.state), (1, &expected.state));
        let known = store
            .call(CallKey::Id(call(*number).id()), NOW)
            .await
            .unwrap();
        let known_as_ended = matches!(known, Some(KnownCall::Ended(_)));
        assert_eq!(
            known_as_ended,
            number.is_multiple_of(2),
            "call {number}: {known:?}"
        );
        assert!(known.is_some(), "call {number} is lost");
    }
    let mut highest = 0;
    let mut after = None;
    loop {
        let page = store.promises(after, 1_000, NOW).await.unwrap().records;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        highest = highest.max(last.id.bits());
        for found in &page {
            let open = store.open_promise(found.caller, NOW).await.unwrap();
            assert_eq!(open.as_ref(), Some(found), "found by its caller too");
            let before = found.id.bits().checked_sub(1).map(SendId);
            let send = store.sends(before, 1).await.unwrap().pop();
            let has_send = send.is_some_and(|send| send.promise == found.id);
            assert_eq!(has_send, found.revision == 1, "{found:?}: both or neither");
        }
    }
    highest
}
