//! `ringback callbacks` and `ringback forget`: who is waiting to be rung back by a running server, and what is kept of a person.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use ringback::server::admin::view::{
    CallbackOrder, CallbackVerb, CallbacksView, ForgetOrder, NumberView, PromiseView,
};
use serde::de::DeserializeOwned;

use super::operator::{Operator, OperatorError, end};

const PATH: &str = "/admin/v1/callbacks";
const FORGET: &str = "/admin/v1/forget";

/// What is asked for, and of whom.
#[derive(Args, Debug)]
pub(crate) struct CallbacksArgs {
    #[command(subcommand)]
    command: CallbacksCommand,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, Subcommand)]
enum CallbacksCommand {
    /// Tell who was promised a call back, the next due first. Of a number the last two digits are shown.
    List {
        /// As JSON, for machines.
        #[arg(long)]
        json: bool,
    },
    /// Tell how one promise stands.
    Show {
        /// Its name, as `list` prints it.
        promise: String,
        /// Show its number in full; the server logs that somebody has seen it.
        #[arg(long)]
        number: bool,
        /// As JSON, for machines.
        #[arg(long)]
        json: bool,
    },
    /// End a promise: nobody is rung. Whoever speaks with us already is not cut off.
    Cancel {
        /// Its name, as `list` prints it.
        promise: String,
    },
    /// Ring as soon as it may be: when models have room, at an allowed hour, and six minutes after the last ring.
    Retry {
        /// Its name, as `list` prints it.
        promise: String,
    },
}

/// Who is to be forgotten.
#[derive(Args, Debug)]
pub(crate) struct ForgetArgs {
    /// The number, with its country, as in +14155550100.
    number: String,
    #[command(flatten)]
    operator: Operator,
}

/// Exits with 0 if the server did it, with 2 if there is no such promise or an argument is wrong, else with 1.
pub(crate) fn run(args: &CallbacksArgs) -> ExitCode {
    let operator = &args.operator;
    end(match &args.command {
        CallbacksCommand::List { json } => list(operator, *json),
        CallbacksCommand::Show {
            promise,
            number,
            json,
        } => show(operator, promise, *number, *json),
        CallbacksCommand::Cancel { promise } => order(operator, promise, CallbackVerb::Cancel),
        CallbacksCommand::Retry { promise } => order(operator, promise, CallbackVerb::Retry),
    })
}

/// As [`run`].
pub(crate) fn forget(args: &ForgetArgs) -> ExitCode {
    let number = args.number.clone();
    let body = serde_json::to_string(&ForgetOrder { number });
    let asked = body
        .map_err(|_| args.operator.strange())
        .and_then(|body| args.operator.ask(FORGET, Some(body)));
    end(asked.map(|_| {
        "Everything of this number is gone, but that it wants no texts, if it said so; \
         what Twilio keeps of it is Twilio's to delete."
            .to_owned()
    }))
}

fn list(operator: &Operator, json: bool) -> Result<String, OperatorError> {
    let view: CallbacksView = get(operator, PATH, None)?;
    if json {
        return serde_json::to_string_pretty(&view).map_err(|_| operator.strange());
    }
    Ok(table(&view))
}

fn show(
    operator: &Operator,
    promise: &str,
    with_number: bool,
    json: bool,
) -> Result<String, OperatorError> {
    let path = path_of(promise)?;
    let mut view: CallbacksView = get(operator, &path, None)?;
    if with_number {
        let whole: NumberView = get(operator, &format!("{path}/number"), None)?;
        for promise in &mut view.promises {
            promise.number.clone_from(&whole.number);
        }
    }
    if json {
        return serde_json::to_string_pretty(&view).map_err(|_| operator.strange());
    }
    Ok(view.promises.iter().map(details).collect())
}

fn order(operator: &Operator, promise: &str, verb: CallbackVerb) -> Result<String, OperatorError> {
    let body = serde_json::to_string(&CallbackOrder { verb }).map_err(|_| operator.strange())?;
    let view: CallbacksView = get(operator, &path_of(promise)?, Some(body))?;
    // A promise that was ended is not there any more.
    Ok(match view.promises.as_slice() {
        [] => "The promise has ended.".to_owned(),
        promises => promises.iter().map(details).collect(),
    })
}

/// A name that cannot be one is not to become another path.
fn path_of(promise: &str) -> Result<String, OperatorError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if promise.is_empty() || promise.len() > 64 || !promise.bytes().all(fits) {
        return Err(OperatorError::no_promise());
    }
    Ok(format!("{PATH}/{promise}"))
}

fn get<T: DeserializeOwned>(
    operator: &Operator,
    path: &str,
    order: Option<String>,
) -> Result<T, OperatorError> {
    let body = operator.ask(path, order)?;
    serde_json::from_slice(&body).map_err(|_| operator.strange())
}

/// What a person can read at three in the morning.
fn table(view: &CallbacksView) -> String {
    let mut text = String::new();
    for promise in &view.promises {
        let PromiseView {
            id,
            stage,
            number,
            rings,
            age_s,
            due_in_s,
            ..
        } = promise;
        let (age, due) = (time(*age_s), due_in_s.map_or("-".to_owned(), time));
        writeln!(
            text,
            "{id}  {stage:10}  {number:4}  open for {age:>8}  due in {due:>8}  rung {rings}"
        )
        .expect("a String takes everything");
    }
    let more = view.open - view.promises.len();
    let clock = if view.is_clock_sane {
        "the clock is certain"
    } else {
        "the clock is not certain: nobody is texted or rung"
    };
    let models = if view.has_models {
        "models have room"
    } else {
        "models have no room: nobody is rung"
    };
    let open = view.open;
    write!(
        text,
        "{open} open, {more} of them not shown; {clock}; {models}"
    )
    .expect("a String takes everything");
    text
}

fn details(promise: &PromiseView) -> String {
    let PromiseView {
        id,
        stage,
        number,
        language,
        text,
        needs_yes,
        rings,
        age_s,
        due_in_s,
        expires_in_s,
    } = promise;
    let text = if text.is_empty() { "not yet" } else { text };
    let due = due_in_s.map_or("-".to_owned(), time);
    let yes = if *needs_yes { "yes" } else { "no" };
    let (age, expires) = (time(*age_s), time(*expires_in_s));
    format!(
        "{id}\n  stage          {stage}\n  number         {number}\n  language       {language}\n  \
         text           {text}\n  needs a YES    {yes}\n  rung           {rings}\n  \
         open for       {age}\n  due in         {due}\n  ends in        {expires}\n"
    )
}

fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}
