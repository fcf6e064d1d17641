//! Good plans, wrong ones, and those that come with loadtest.

use super::*;

const GOOD: &str = r#"
    about = "One caller."
    [calls]
    concurrent = 1
    recordings = ["interrupts"]
    steady_ms = 1000
    [server]
    command = ["ringback", "--config", "{folder}/a.toml"]
    [server.files]
    "a.toml" = "listen = '127.0.0.1:{port}', keys = [{ env = 'KEY' }]"
    [objectives]
    frames_lost_max = 0
"#;

fn error(text: &str) -> String {
    Plan::parse(Path::new("bad.toml"), text)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_good_plan_is_read() {
    let plan = Plan::parse(Path::new("good.toml"), GOOD).unwrap();
    assert_eq!(plan.objectives().len(), 1);
    assert_eq!(plan.calls.drain(), Duration::from_secs(90));
    assert_eq!(plan.compare.rounds, 1);
}

#[test]
fn a_wrong_plan_names_file_key_value_and_what_is_allowed() {
    for (from, to, expected) in [
        (
            "concurrent = 1",
            "concurrent = 0",
            &["bad.toml", "calls.concurrent = 0", "1 to 4000"][..],
        ),
        (
            "concurrent = 1",
            "concurrent = \"many\"",
            &["bad.toml", "concurrent", "many", "u32"],
        ),
        (
            "concurrent = 1",
            "concurent = 1",
            &["bad.toml", "concurent", "concurrent"],
        ),
        (
            "frames_lost_max",
            "frames_lots_max",
            &["objectives.frames_lots_max = 0", "frames_lost"],
        ),
        (
            "{port}",
            "{prot}",
            &["server.files = {prot}", "{port}", "{model_url}"],
        ),
        (
            "\"a.toml\" =",
            "\"../a.toml\" =",
            &["server.files = ../a.toml"],
        ),
        ("[\"interrupts\"]", "[]", &["calls.recordings"]),
    ] {
        let bad = GOOD.replace(from, to);
        assert_ne!(bad, GOOD, "{from}");
        let message = error(&bad);
        for part in expected {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }
}

#[test]
fn every_plan_that_comes_with_loadtest_is_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let drills = std::fs::read_dir(folder.join("drills")).unwrap();
    let plans: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .chain(drills)
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .collect();
    assert!(plans.len() >= 5, "{plans:?}");
    for path in plans {
        let plan = Plan::load(&path).unwrap();
        assert!(!plan.objectives().is_empty(), "{}", path.display());
    }
}
