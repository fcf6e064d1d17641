//! The plans of the front door at a small size, with a real server: nobody is lost, greeted twice or served by mistake.
//!
//! Counts are gated; how long anything takes is for the plans themselves (`loadtest/plans`).

use std::path::Path;

use loadtest::plan::Plan;
use loadtest::report::{table, verdict};
use loadtest::run::run;

use crate::plans::Silent;

/// A plan of loadtest's with these lines in the place of others, and without its limits on times and memory.
async fn holds(name: &str, instead: &[(&str, &str)]) {
    let path = Path::new("loadtest/plans").join(name);
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (line, other) in instead {
        assert!(text.contains(line), "{name}: {line}");
        text = text.replacen(line, other, 1);
    }
    let is_kept = |line: &&str| !line.contains("_ms_max") && !line.contains("_ratio_");
    let text: Vec<_> = text.lines().filter(is_kept).collect();
    let text = text.join("\n");
    let text = text.replace("target/release/ringback", env!("CARGO_BIN_EXE_ringback"));
    let plan = Plan::parse(&path, &text).unwrap();
    let recordings = plan.recordings(&path).unwrap();
    let columns = run(&plan, &recordings, None, &mut Silent).await.unwrap();
    let verdict = verdict(&plan.objectives(), &columns[0].figures);
    assert!(verdict.is_ok(), "{name}: {verdict:?}\n{}", table(&columns));
}

#[tokio::test]
async fn strangers_at_the_door_cost_the_calls_nothing() {
    let small = [
        ("concurrent = 200", "concurrent = 20"),
        ("ramp_ms = 10_000", "ramp_ms = 1_000"),
        ("steady_ms = 20_000", "steady_ms = 6_000"),
        ("idle_sockets = 2_000", "idle_sockets = 100"),
        ("forged_per_second = 500", "forged_per_second = 50"),
        ("addresses = 500", "addresses = 50"),
        ("rounds = 3", "rounds = 1"),
        ("calls_completed_min = 200", "calls_completed_min = 20"),
        ("stranger_sockets_min = 2_000", "stranger_sockets_min = 100"),
        ("forged_webhooks_min = 9_000", "forged_webhooks_min = 200"),
    ];
    holds("strangers.toml", &small).await;
}

#[tokio::test]
async fn every_call_that_comes_in_gets_its_document() {
    let small = [
        ("concurrent = 20", "concurrent = 5"),
        ("steady_ms = 30_000", "steady_ms = 6_000"),
        ("answers_per_second = 200", "answers_per_second = 50"),
        ("calls_completed_min = 20", "calls_completed_min = 5"),
        ("answers_min = 5_500", "answers_min = 200"),
    ];
    holds("voice-url.toml", &small).await;
}

#[tokio::test]
async fn calls_whose_streams_are_cut_go_on() {
    let small = [
        ("concurrent = 40", "concurrent = 10"),
        ("ramp_ms = 4_000", "ramp_ms = 1_000"),
        ("steady_ms = 26_000", "steady_ms = 22_000"),
        ("calls_completed_min = 40", "calls_completed_min = 10"),
        ("calls_resumed_min = 32", "calls_resumed_min = 8"),
        ("streams_lost_min = 32", "streams_lost_min = 8"),
    ];
    holds("stream-cut.toml", &small).await;
}
