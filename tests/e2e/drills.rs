//! Drills at a small size, with the real program: promises from the key that a caller presses to the phone that rings, and regions of
//! several nodes, a store between them, and callers whose node goes away.
//!
//! What phones, carriers and models got is counted by the doubles, which know nothing of what the program thinks of itself. Counts are
//! gated here; times are printed, and gated in the drills' own plans.

use std::path::Path;

use loadtest::drill::{BUILT_IN, built_in, run};
use loadtest::plan::{Harm, Kills, Plan, What};
use loadtest::report::{Figure, Figures, Objective, verdict};

/// The drill with so many promises or calls, and this program.
fn drill(name: &str, calls: u32) -> Plan {
    let mut plan = built_in(name).unwrap().unwrap();
    let server = plan.server.as_mut().unwrap();
    env!("CARGO_BIN_EXE_ringback").clone_into(&mut server.command[0]);
    let drill = plan.drill.as_mut().unwrap();
    drill.calls = calls;
    plan
}

/// Runs it, sees its objectives hold, and gives the figures that are asked for.
async fn holds(name: &str, plan: &Plan, figures: [Figure; 3]) -> [f64; 3] {
    let recordings = plan.recordings(Path::new(name)).unwrap();
    let mut story = String::new();
    let mut tell = |line: &str| {
        story += line;
        story.push('\n');
    };
    let found = run(plan, &recordings, &mut tell).await.unwrap().figures;
    let verdict = verdict(&plan.objectives(), &found);
    assert!(verdict.is_ok(), "{name}: {verdict:?}\n{story}");
    figures.map(|figure| found.get(figure).unwrap_or_default())
}

#[tokio::test]
async fn promises_are_kept_once_each_while_the_process_is_killed_again_and_again() {
    const NAME: &str = "promise-crash";
    let mut plan = drill(NAME, 10);
    plan.calls.concurrent = 10;
    let drill = plan.drill.as_mut().unwrap();
    drill.kills = Some(Kills {
        every_ms: [1_000, 4_000],
        down_ms: [0, 300],
        beyond_ms: 5_000,
    });
    drill.linger_ms = 20_000;
    let wanted = [Figure::Promises, Figure::Texts, Figure::Rings];
    let [promises, texts, rings] = holds(NAME, &plan, wanted).await;
    assert!(promises >= 10.0 && texts >= 10.0, "{promises} {texts}");
    assert!(rings > 0.0, "nobody was rung back");
}

#[tokio::test]
async fn borrowed_numbers_cost_no_more_than_the_caps() {
    const NAME: &str = "toll-fraud";
    let mut plan = drill(NAME, 60);
    plan.drill.as_mut().unwrap().linger_ms = 2_000;
    let wanted = [Figure::Promises, Figure::Texts, Figure::CallsStarted];
    let [promises, texts, calls] = holds(NAME, &plan, wanted).await;
    assert!(promises > 0.0 && texts > 0.0, "{promises} {texts}");
    assert!(calls >= 60.0, "{calls}");
}

/// The drill of several nodes with so many calls at a time, so much time, and its harm sooner.
fn of_nodes(name: &str, calls: u32, steady_ms: u64, harm: &[(u64, What)]) -> Plan {
    let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name).unwrap();
    // Some words are written down before the answer to them, and some after it.
    let late = "countable = true\ntranscription_delay_ms = [300, 1200]";
    let text = text.replace("countable = true", late);
    let mut plan = Plan::parse(Path::new(name), &text).unwrap();
    let server = plan.server.as_mut().unwrap();
    env!("CARGO_BIN_EXE_ringback").clone_into(&mut server.command[0]);
    let house = plan.house.as_mut().unwrap();
    let commands = house.versions.values_mut().chain([&mut house.witness]);
    for program in commands.filter_map(|command| command.first_mut()) {
        env!("CARGO_BIN_EXE_ringback").clone_into(program);
    }
    (
        plan.calls.concurrent,
        plan.calls.ramp_ms,
        plan.calls.steady_ms,
    ) = (calls, 3_000, steady_ms);
    let harm = harm.iter().cloned();
    let rows = harm.map(|(at_ms, what)| Harm { at_ms, what });
    plan.house.as_mut().unwrap().harm = rows.collect();
    plan
}

/// What must not happen at any size: times are not among it.
fn counts(harms: u32) -> Vec<Objective> {
    let none = [
        "calls_lost",
        "calls_failed",
        "calls_silent",
        "calls_apologized",
        "calls_unanswered",
        "greeted_twice",
        "drains_failed",
        "nodes_fell",
        "violations",
    ];
    let none = none.map(|name| Objective::parse(&format!("{name}_max"), 0.0).unwrap());
    let some = [("harms_min", f64::from(harms)), ("calls_struck_min", 1.0)];
    let some = some.map(|(key, limit)| Objective::parse(key, limit).unwrap());
    none.into_iter().chain(some).collect()
}

/// Runs it, sees what must not happen not happen, and prints how long callers waited.
async fn nobody_is_lost(name: &str, plan: &Plan) -> Figures {
    let harms = u32::try_from(plan.house.as_ref().unwrap().harm.len()).unwrap();
    all_hold(name, plan, &counts(harms)).await
}

/// The same with other objectives.
async fn all_hold(name: &str, plan: &Plan, objectives: &[Objective]) -> Figures {
    let recordings = plan.recordings(Path::new(name)).unwrap();
    let mut story = String::new();
    let mut tell = |line: &str| {
        story += line;
        story.push('\n');
    };
    let found = run(plan, &recordings, &mut tell).await.unwrap().figures;
    let verdict = verdict(objectives, &found);
    assert!(verdict.is_ok(), "{name}: {verdict:?}\n{story}\n{found:?}");
    for figure in [
        Figure::CallsStarted,
        Figure::CallsStruck,
        Figure::CallsForgotten,
        Figure::TurnsLost,
        Figure::AudibleP50,
        Figure::AudibleP99,
        Figure::BetweenStreams,
        Figure::DeadAirMax,
    ] {
        let value = found.get(figure).unwrap_or_default();
        println!("{name}: {} {value:.0}", figure.name());
    }
    found
}

#[tokio::test]
async fn the_calls_of_a_node_that_is_killed_go_on_at_another_one_with_what_was_said() {
    let harm = [(8_000, What::Kill("east-1".into()))];
    let plan = of_nodes("kill-node", 14, 18_000, &harm);
    let found = nobody_is_lost("kill-node", &plan).await;
    is_remembered(&found);
}

/// Every turn that was completed is known to the next model, and at most one that was open is not.
fn is_remembered(found: &Figures) {
    assert_eq!(found.get(Figure::CallsForgotten), Some(0.0), "{found:?}");
    assert!(found.get(Figure::TurnsLost) <= Some(1.0), "{found:?}");
}

#[tokio::test]
async fn all_nodes_are_replaced_and_no_call_is_dropped() {
    let harm = ["west-1", "west-2", "east-1", "east-2"];
    let harm = harm.map(|node| (4_000, What::Replace(node.into())));
    let mut plan = of_nodes("deploy", 12, 30_000, &harm);
    let server = plan.server.as_mut().unwrap();
    let file = server.files.get_mut("ringback.toml").unwrap();
    *file = file.replace("drain_grace = \"5s\"", "drain_grace = \"1s\"");
    let found = nobody_is_lost("deploy", &plan).await;
    is_remembered(&found);
}

#[tokio::test]
async fn a_store_that_is_away_is_heard_by_nobody_and_catches_up() {
    let harm = [
        (3_000, What::KillStore("east".into())),
        (15_000, What::StartStore("east".into())),
        (18_000, What::Kill("east-1".into())),
    ];
    let plan = of_nodes("store-loss", 12, 25_000, &harm);
    let found = nobody_is_lost("store-loss", &plan).await;
    assert_eq!(found.get(Figure::DocumentsFailed), Some(0.0), "{found:?}");
    is_remembered(&found);
}

/// Counts that may not be more, or less.
fn limits<const N: usize>(limits: [(&str, f64); N]) -> Vec<Objective> {
    let parse = |(key, limit)| Objective::parse(key, limit).unwrap();
    limits.map(parse).to_vec()
}

#[tokio::test]
async fn regions_that_are_cut_from_each_other_keep_their_calls_and_ring_nobody_twice() {
    let between = ["east", "west"].map(str::to_owned);
    let harm = [
        (14_000, What::Part(between.clone())),
        (32_000, What::Join(between)),
        (42_000, What::Kill("west-1".to_owned())),
        (46_000, What::Start("west-1".to_owned())),
    ];
    let mut plan = of_nodes("region-partition", 12, 55_000, &harm);
    plan.house.as_mut().unwrap().settle_max_ms = 60_000;
    let objectives = limits([
        ("harms_min", 4.0),
        ("kills_min", 1.0),
        ("streams_lost_parted_max", 0.0),
        ("calls_lost_max", 0.0),
        ("calls_failed_max", 0.0),
        ("calls_unanswered_max", 0.0),
        ("greeted_twice_max", 0.0),
        ("promises_min", 1.0),
        ("promises_lost_max", 0.0),
        ("rings_double_max", 0.0),
        ("nodes_fell_max", 0.0),
        ("violations_max", 0.0),
    ]);
    let found = all_hold("region-partition", &plan, &objectives).await;
    assert!(found.get(Figure::Rings) > Some(0.0), "{found:?}");
}

#[tokio::test]
async fn a_version_that_crashes_at_its_start_is_never_ready_and_harms_no_call() {
    let node = || "east-1".to_owned();
    let deploy = What::Deploy {
        node: node(),
        version: "crashing".into(),
    };
    let harm = [(2_000, deploy), (3_000, What::Start(node()))];
    let plan = of_nodes("bad-deploy", 12, 25_000, &harm);
    let objectives = limits([
        ("harms_min", 2.0),
        ("never_ready_min", 1.0),
        ("never_ready_max", 1.0),
        ("calls_touched_percent_max", 0.0),
        ("calls_lost_max", 0.0),
        ("calls_failed_max", 0.0),
        ("calls_unanswered_max", 0.0),
        ("greeted_twice_max", 0.0),
        ("drains_failed_max", 0.0),
        ("nodes_fell_max", 0.0),
        ("violations_max", 0.0),
    ]);
    all_hold("bad-deploy", &plan, &objectives).await;
}
