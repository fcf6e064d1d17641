//! The house rules as a test: imports flow downward, files stay short, nothing stands where it does not belong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;

/// Which top-level modules of the server a module may name, itself apart. `main.rs` may name everything.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("core", &[]),
    ("audio", &["core"]),
    ("carrier", &["core"]),
    ("provider", &["core"]),
    ("store", &["core"]),
    ("probe", &["core"]),
    (
        "config",
        &[
            "core",
            "audio",
            "carrier",
            "probe",
            "provider",
            "store",
            "telemetry",
            "zones",
        ],
    ),
    ("telemetry", &["core"]),
    ("zones", &["core"]),
    (
        "server",
        &[
            "core",
            "audio",
            "carrier",
            "probe",
            "provider",
            "store",
            "config",
            "telemetry",
            "zones",
        ],
    ),
    ("docs", &[]),
    ("cli", &[]),
    ("demo", &[]),
];

/// What the core may use from outside: all of it pure.
const CORE_CRATES: [&str; 4] = ["std", "bytes", "base64", "crate"];

const TOP_LEVEL: [&str; 11] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "config",
    "loadtest",
    "src",
    "tests",
    "twiml",
];

#[test]
fn imports_flow_downward() {
    let allowed: BTreeMap<_, _> = MAY_IMPORT.into_iter().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let Some(from) = top_module(&path) else {
            continue;
        };
        let may = allowed
            .get(from.as_str())
            .unwrap_or_else(|| panic!("src/{from} is not in MAY_IMPORT"));
        for to in code_of(&text).flat_map(|line| names_after(line, "crate::").collect::<Vec<_>>()) {
            if allowed.contains_key(to) && to != from && !may.contains(&to) {
                wrong.push(format!("{}: {from} must not name {to}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src/core")
        .into_iter()
        .filter(|(path, _)| !is_test(path))
    {
        for line in before_tests(&text).lines().map(str::trim) {
            let root = line
                .strip_prefix("use ")
                .and_then(|import| import.split("::").next());
            if root.is_some_and(|root| !CORE_CRATES.contains(&root)) {
                wrong.push(format!("{}: {line}", path.display()));
            }
            for banned in [
                "std::env",
                "std::fs",
                "std::net",
                "std::thread",
                "std::sync",
                "std::io",
                "async fn",
            ] {
                if line.contains(banned) && !line.starts_with("//") {
                    wrong.push(format!("{}: {line}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_load_test_knows_nothing_of_the_server() {
    for (path, text) in sources("loadtest/src") {
        assert!(
            !code_of(&text).any(|line| line.contains("ringback::")),
            "{}",
            path.display()
        );
    }
    let manifest = fs::read_to_string(root().join("loadtest/Cargo.toml")).unwrap();
    assert!(
        !manifest.contains("ringback"),
        "loadtest depends on no crate of ours"
    );
}

#[test]
fn files_stay_short() {
    let long: Vec<_> = ["src", "loadtest/src", "tests", "loadtest/tests"]
        .into_iter()
        .flat_map(sources)
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|&(_, lines)| lines > FILE_LINES_MAX)
        .collect();
    assert!(long.is_empty(), "over {FILE_LINES_MAX} lines: {long:?}");
}

#[test]
fn every_file_is_part_of_the_program() {
    for dir in ["src", "loadtest/src"] {
        let sources = sources(dir);
        let declared: BTreeSet<_> = sources
            .iter()
            // Files of tests are declared where `code_of` has ended.
            .flat_map(|(_, text)| text.lines())
            .filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'))
            .collect();
        for (path, _) in &sources {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let name = if stem == "mod" {
                path.parent()
                    .unwrap()
                    .file_name()
                    .unwrap()
                    .to_str()
                    .unwrap()
            } else {
                stem
            };
            let is_root = ["main", "lib"].contains(&name);
            assert!(
                is_root || declared.contains(name),
                "{} is in no module",
                path.display()
            );
        }
    }
}

#[test]
fn the_top_level_is_what_the_design_says() {
    let visible: BTreeSet<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    let unknown: Vec<_> = visible
        .iter()
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_front_doors_rows_are_held_by_tests_that_there_are() {
    let document = fs::read_to_string(root().join("src/docs/front-door.md")).unwrap();
    let (_, table) = document
        .split_once("| row | held by |\n|---|---|\n")
        .unwrap();
    let texts: Vec<_> = ["src", "tests"].into_iter().flat_map(sources).collect();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let mut names = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .peekable();
    assert!(names.peek().is_some(), "the table names no test");
    for name in names {
        let function = format!("fn {name}()");
        assert!(
            texts.iter().any(|(_, text)| text.contains(&function)),
            "there is no test {name}"
        );
    }
}

#[test]
fn each_row_of_health_is_held_by_a_test_that_there_is() {
    let document = fs::read_to_string(root().join("src/docs/health.md")).unwrap();
    let (_, table) = document.split_once("|---|---|---|---|---|---|\n").unwrap();
    let texts: Vec<_> = ["src", "tests"].into_iter().flat_map(sources).collect();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    for row in rows {
        let name = row.trim_end_matches("` |").rsplit('`').next().unwrap();
        let function = format!("fn {name}()");
        let is_there = texts.iter().any(|(_, text)| text.contains(&function));
        assert!(is_there, "there is no test {name}: {row}");
    }
}

#[test]
fn nothing_is_left_open() {
    for (path, text) in ["src", "loadtest/src"].into_iter().flat_map(sources) {
        for word in ["todo!(", "unimplemented!(", "FIXME", "#[allow("] {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn every_failure_mode_has_its_row_its_scenario_and_its_story() {
    let rows = failure_modes();
    let of_faults = rows.iter().filter_map(|(fault, _)| fault.as_deref());
    let of_faults: Vec<_> = of_faults.collect();
    let once: BTreeSet<_> = of_faults.iter().copied().collect();
    assert_eq!(once.len(), of_faults.len(), "a fault has two rows");
    let faults = fs::read_to_string(root().join("src/core/fault.rs")).unwrap();
    assert_eq!(once, names_of_faults(&faults), "rows and names of faults");

    let scenarios = tests_below("tests/sim/scenarios");
    let end_to_end = tests_below("tests/e2e");
    let mut told = BTreeSet::new();
    for (fault, scenario) in &rows {
        let is_simulated = scenarios.contains(scenario);
        assert!(
            is_simulated || end_to_end.contains(scenario),
            "{scenario} is no test"
        );
        if let Some(fault) = fault {
            assert_eq!(fault, scenario, "a scenario is named as its fault");
        }
        told.extend(is_simulated.then(|| scenario.clone()));
    }
    assert_eq!(told, scenarios, "rows and scenarios");
    let stories = fs::read_dir(root().join("tests/sim/scenarios/stories")).unwrap();
    let stories = stories.map(|story| story.unwrap().path());
    let stories: BTreeSet<_> = stories
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(told, stories, "scenarios and stories");
}

/// The rows of the table of failure modes: the fault, where there is one of the core's, and the scenario.
fn failure_modes() -> Vec<(Option<String>, String)> {
    let document = fs::read_to_string(root().join("src/docs/failure-modes.md")).unwrap();
    let quoted = |cell: &str| Some(cell.split('`').nth(1)?.to_owned());
    let rows = document.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| ")?.split(" | ").collect();
        let [fault, .., scenario] = cells[..] else {
            return None;
        };
        assert!(fault == "fault" || cells.len() == 5, "{line}");
        Some((quoted(fault), quoted(scenario)?))
    });
    rows.collect()
}

/// What `Fault::name` gives.
fn names_of_faults(source: &str) -> BTreeSet<&str> {
    let (_, name) = source.split_once("pub const fn name(self)").unwrap();
    let (name, _) = name.split_once("\n    }\n").unwrap();
    name.lines()
        .filter(|line| line.trim_start().starts_with("Self::"))
        .filter_map(|line| line.split('"').nth(1))
        .collect()
}

/// The names of the tests in the files below a folder.
fn tests_below(dir: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in sources(dir) {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if ["#[test]", "#[tokio::test]"].contains(&line) {
                let name = lines.find_map(|line| line.split_once("fn "));
                let name = name.and_then(|(_, rest)| rest.split_once('('));
                names.extend(name.map(|(name, _)| name.to_owned()));
            }
        }
    }
    names
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder of the repository, with their texts.
fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    collect(&root().join(dir), &mut found);
    found
}

fn collect(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

/// The module right below `src` that a file belongs to; `None` for `lib.rs`, `main.rs` and their kind.
fn top_module(path: &Path) -> Option<String> {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next()?.as_os_str().to_str()?;
    (below.components().count() > 1).then(|| first.to_owned())
}

/// A file that holds nothing but unit tests.
fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn code_of(text: &str) -> impl Iterator<Item = &str> {
    before_tests(text)
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
}

/// The names that follow each `prefix` in a line.
fn names_after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.split(prefix).skip(1).map(|rest| {
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        rest.split_at(end).0
    })
}
