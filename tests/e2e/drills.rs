//! The drills of promises at a small size, with the real program: from the key that a caller presses to the phone that rings.
//!
//! What phones got is counted by the doubles, which know nothing of what the program thinks of itself.

use std::path::Path;

use loadtest::drill::{built_in, run};
use loadtest::plan::{Kills, Plan};
use loadtest::report::{Figure, verdict};

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
    let found = run(plan, &recordings, &mut tell).await.unwrap();
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
