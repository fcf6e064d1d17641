//! `loadtest drill`: harm under load, told line by line, and a verdict.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use loadtest::{
    drill::{self, Drilled},
    netns::{Place, Spaces},
    plan::Plan,
    recording::Recording,
    report::{self, Column, Page, verdict},
};

use tokio::process::Command;

use super::serve;

/// Arguments of `loadtest drill`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One that comes with loadtest; a name that there is not says which there are.
    #[arg(required_unless_present = "plan", conflicts_with = "plan")]
    name: Option<String>,
    /// One of your own: a plan with a [drill] table.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// So many calls, or promises, in place of the plan's; of several nodes: so many calls at a time.
    #[arg(long)]
    calls: Option<u32>,
    /// What chance is drawn from, in place of the plan's.
    #[arg(long)]
    seed: Option<u64>,
    /// Each region stands in a network namespace of its own, made for this drill and taken away after it; needs root, and `ip`.
    #[arg(long)]
    netns: bool,
    /// The namespaces in whose world this program runs already.
    #[arg(long, hide = true, conflicts_with = "netns")]
    inside: Option<String>,
    /// Writes the report as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes a page of its own with the verdict, what happened when, and plots.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub(crate) async fn run(args: Args) -> ExitCode {
    let (plan, recordings) = match load(&args) {
        Ok(loaded) => loaded,
        Err(error) => return serve::wrong(&error),
    };
    if args.netns {
        return match outside(&plan).await {
            Ok(code) => code,
            Err(error) => serve::failed(&error),
        };
    }
    println!("{}", plan.about);
    println!("seed {}", plan.calls.seed);
    let regions = plan.house.as_ref().map(|house| house.regions.as_slice());
    let place = |prefix: &String| Place::find(prefix, regions.unwrap_or_default());
    let place = args.inside.as_ref().map(place);
    let say = &mut |line: &str| println!("{line}");
    let drilled = drill::run_at(&plan, &recordings, place, say).await;
    let drilled = match drilled {
        Ok(drilled) => drilled,
        Err(error) => return serve::failed(&error),
    };
    let figures = drilled.figures.clone();
    let name = args.name.as_deref().unwrap_or("drill");
    let verdict = verdict(&plan.objectives(), &figures);
    if let Some(path) = &args.report
        && let Err(error) = write_page(path, name, &plan, &drilled)
    {
        return serve::failed(&error);
    }
    let column = Column {
        name: "server".into(),
        rounds: vec![figures.clone()],
        figures,
        dialled: Vec::new(),
    };
    print!("{}", report::table(std::slice::from_ref(&column)));
    if let Some(path) = &args.json {
        let json = report::to_json(name, &[column], &verdict);
        if let Err(error) = std::fs::write(path, format!("{json:#}\n")) {
            return serve::failed(&format!("{}: {error}", path.display()));
        }
    }
    match verdict {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(line) => {
            println!("{line}");
            ExitCode::FAILURE
        }
    }
}

/// Makes namespaces, and drills by another process of ours in the world of them. They are gone when this is dropped.
async fn outside(plan: &Plan) -> Result<ExitCode, String> {
    let house = plan.house.as_ref();
    let house = house.ok_or("--netns is for drills of several nodes: this plan has no [house]")?;
    let spaces = Spaces::create(&house.regions).map_err(|error| error.to_string())?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = spaces.command().into_iter();
    let mut inside = Command::new(command.next().unwrap_or_default());
    let arguments = std::env::args_os().skip(1).filter(|it| it != "--netns");
    inside
        .args(command)
        .arg(program)
        .args(arguments)
        .args(["--inside", spaces.prefix()])
        .kill_on_drop(true);
    let status = inside.status().await.map_err(|error| error.to_string())?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn write_page(path: &Path, name: &str, plan: &Plan, drilled: &Drilled) -> Result<(), String> {
    let page = report::page(&Page {
        name,
        about: &plan.about,
        seed: plan.calls.seed,
        calls: plan.calls.concurrent,
        objectives: &plan.objectives(),
        figures: &drilled.figures,
        told: &drilled.told,
        course: &drilled.course,
    });
    std::fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))
}

/// The drill, as the arguments want it.
fn load(args: &Args) -> Result<(Plan, Vec<Arc<Recording>>), String> {
    let path = args.plan.clone().unwrap_or_else(|| "drill".into());
    let plan = match (&args.plan, args.name.as_deref()) {
        (Some(path), _) => Plan::load(path),
        (None, name) => {
            let name = name.unwrap_or_default();
            drill::built_in(name).ok_or_else(|| {
                let names = drill::BUILT_IN.map(|(name, _)| name).join(", ");
                format!("there is no drill {name:?}; there are {names}")
            })?
        }
    };
    let mut plan = plan.map_err(|error| error.to_string())?;
    if let (Some(calls), Some(drill)) = (args.calls, &mut plan.drill) {
        drill.calls = calls.max(1);
    }
    if let (Some(calls), Some(_)) = (args.calls, &plan.house) {
        plan.calls.concurrent = calls.clamp(1, plan.calls.concurrent.max(1_000));
    }
    if let Some(seed) = args.seed {
        plan.calls.seed = seed;
    }
    let recordings = plan.recordings(&path).map_err(|error| error.to_string())?;
    Ok((plan, recordings))
}
