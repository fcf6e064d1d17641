//! `loadtest run`, whole: real processes and sockets, with the bare relay as the server under test.
//!
//! Counts are gated; what takes how long is printed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures are printed, not gated")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Far more than anything here takes.
const LONG: Duration = Duration::from_mins(1);

/// A plan of three callers through the relay; `{loadtest}` is our program.
const PLAN: &str = r#"
about = "Three callers through the relay."

[calls]
concurrent = 3
recordings = ["order_status", "interrupts"]
ramp_ms = 300
steady_ms = 6_000
hang_up = true
drain_ms = 10_000

[model]
unaligned_share = 0
late_deltas_max = 0

[server]
command = ["{loadtest}", "relay", "--listen", "127.0.0.1:{port}", "--model", "{model_url}", "--ca-file", "{ca_file}"]
ready_path = "/health/live"

[objectives]
calls_completed_min = 3
calls_failed_max = 0
frames_lost_max = 0
frames_twice_max = 0
frames_misread_max = 0
"#;

/// A file that is gone after the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("loadtest-test-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let text = text.replace("{loadtest}", env!("CARGO_BIN_EXE_loadtest"));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn loadtest(plan: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(["run", "--plan"]).arg(plan);
    command
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn calls_complete_lose_nothing_and_are_measured_against_the_relay() {
    let plan = TempFile::new(
        "good.toml",
        &[
            PLAN,
            "up_p50_ms_max = 1_000\ndown_p50_ms_max = 1_000\nrss_kib_per_call_max = 100_000\n",
            "cpu_ms_per_call_second_max = 1_000\nfirst_audio_p50_ms_max = 5_000\n",
            "up_p99_ratio_to_relay_max = 1_000_000\n[compare]\nrelay = true\n",
        ]
        .concat(),
    );
    let json = TempFile::new("good.json", "");
    let output = loadtest(&plan.0).arg("--json").arg(&json.0).output();
    let output = output.unwrap();
    assert_eq!(last_line(&output), "all objectives hold");
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&json.0).unwrap()).unwrap();
    assert_eq!(report["objectives_hold"], true);
    for subject in ["server", "relay"] {
        let figures = &report["subjects"][subject]["figures"];
        let figure = |name: &str| figures[name].as_f64().unwrap_or_default();
        assert!(
            figure("frames_up") > 3.0 * 5.0 * 50.0,
            "{subject}: {figures}"
        );
        assert!(figure("frames_down") > 100.0, "{subject}: {figures}");
        assert!(figure("up_p50_ms") > 0.0, "{subject}: {figures}");
    }
}

#[test]
fn an_objective_that_does_not_hold_is_the_last_word_and_the_exit_code() {
    let plan = PLAN
        .replace("steady_ms = 6_000", "steady_ms = 1_000")
        .replace("calls_completed_min = 3", "calls_completed_min = 1_000");
    let plan = TempFile::new("failing.toml", &plan);
    let output = loadtest(&plan.0).output().unwrap();
    assert_eq!(
        last_line(&output),
        "objectives that do not hold: calls_completed ≥ 1000: was 3"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn several_models_each_with_its_faults_are_told_apart() {
    let plan = PLAN
        .replace(
            "[model]\nunaligned_share = 0\nlate_deltas_max = 0\n",
            "[models.backup]\n\n[models.primary]\nhouse_faults = [\n\
                { from_ms = 3000, what = { kill = {} } },\n\
                { from_ms = 3000, what = { refuse = { status = 503 } } },\n]\n",
        )
        .replace("{model_url}", "{primary_url}");
    let (head, _) = plan.split_once("[objectives]").unwrap();
    let objectives = "[objectives]\ncalls_failed_min = 3\ndials_failed_min = 1\n";
    let plan = TempFile::new("models.toml", &[head, objectives].concat());
    let json = TempFile::new("models.json", "");
    let output = loadtest(&plan.0).arg("--json").arg(&json.0).output();
    let output = output.unwrap();
    assert_eq!(last_line(&output), "all objectives hold");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("primary was dialled"), "{text}");
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&json.0).unwrap()).unwrap();
    let server = &report["subjects"]["server"];
    let models = &server["models"];
    assert_eq!(models["backup"]["dials"], 0, "{models}");
    assert_eq!(models["primary"]["opened"], 3, "{models}");
    assert!(
        models["primary"]["refused"].as_u64().unwrap() > 0,
        "{models}"
    );
    let figures = &server["figures"];
    let struck: f64 = ["struck_speaking", "struck_waiting", "struck_mid_answer"]
        .iter()
        .map(|name| figures[name].as_f64().unwrap())
        .sum();
    assert!(struck <= 3.0, "{figures}");
}

#[test]
fn a_model_with_an_expired_certificate_gets_no_calls() {
    let plan = PLAN.replace("steady_ms = 6_000", "steady_ms = 1_000");
    let plan = ["model_certificate = \"expired\"\n", &plan].concat();
    let plan = TempFile::new("expired.toml", &plan);
    let output = loadtest(&plan.0).output().unwrap();
    let last = last_line(&output);
    assert!(last.contains("calls_completed ≥ 3: was 0"), "{last}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_wrong_plan_names_file_key_value_and_what_is_allowed() {
    for (from, to, expected) in [
        (
            "concurrent = 3",
            "concurrent = 0",
            "calls.concurrent = 0: allowed: 1 to 4000",
        ),
        (
            "\"interrupts\"",
            "\"interupts\"",
            "calls.recordings = interupts",
        ),
        ("unaligned_share", "unalinged_share", "unalinged_share"),
        (
            "[model]",
            "[models.other]\n\n[model]",
            "allowed: [model], or [models.NAME]",
        ),
        (
            "{model_url}",
            "{primary_url}",
            "server.command = {primary_url}",
        ),
    ] {
        let plan = TempFile::new("wrong.toml", &PLAN.replace(from, to));
        let output = loadtest(&plan.0).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains(expected), "{message}");
        let name = plan.0.file_name().unwrap().to_str().unwrap();
        assert!(message.contains(name), "{message}");
        assert_eq!(output.status.code(), Some(2), "{message}");
    }
}

#[test]
fn a_run_that_is_stopped_takes_its_children_with_it() {
    let plan = PLAN.replace("steady_ms = 6_000", "steady_ms = 600_000");
    let plan = TempFile::new("stopped.toml", &plan);
    let mut run = loadtest(&plan.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = wait_for("a child", || child_of(&run));
    let stopped = Command::new("sh")
        .args(["-c", &format!("kill -TERM {}", run.id())])
        .status();
    assert!(stopped.unwrap().success());
    assert_eq!(run.wait().unwrap().code(), Some(1));
    wait_for("the child's end", || is_gone(child).then_some(()));
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    #[expect(
        clippy::disallowed_methods,
        reason = "a deadline of real processes is real time"
    )]
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < LONG, "there never was {what}");
        #[expect(
            clippy::disallowed_methods,
            reason = "a condition is polled; nothing else runs here"
        )]
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The relay that a run has started.
fn child_of(run: &Child) -> Option<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.find(|&id| parent_and_state(id).is_some_and(|(parent, _)| parent == run.id()))
}

/// A process that is dead but not waited for is gone too.
fn is_gone(id: u32) -> bool {
    parent_and_state(id).is_none_or(|(_, state)| state == "Z" || state == "X")
}

fn parent_and_state(id: u32) -> Option<(u32, String)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.to_owned();
    Some((fields.next()?.parse().ok()?, state))
}
