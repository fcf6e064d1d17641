//! `ringback breaker`: how the providers of a running server stand, and an operator's word on their breakers.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use ringback::server::admin::view::{KeyView, Order, PoolView, ProviderView, TimesView, Verb};

use super::operator::{Operator, OperatorError, end};

const PATH: &str = "/admin/v1/breakers";

/// What is asked for, and of whom.
#[derive(Args, Debug)]
pub(crate) struct BreakerArgs {
    #[command(subcommand)]
    command: BreakerCommand,
    #[command(flatten)]
    operator: Operator,
}

#[derive(Debug, Subcommand)]
enum BreakerCommand {
    /// Tell how the providers stand.
    Status {
        /// Only this one.
        provider: Option<String>,
        /// As JSON, for machines.
        #[arg(long)]
        json: bool,
    },
    /// Open a breaker: no call passes. Probes close it again, after its cool-down, if the provider is well.
    Open(Target),
    /// Close a breaker now: calls pass, without a slow start. It opens again if they fail.
    Close(Target),
    /// Isolate a provider: neither calls nor probes pass, until its breaker is closed by hand.
    Isolate(Target),
}

#[derive(Args, Debug)]
struct Target {
    /// The provider's name in the configuration.
    provider: String,
    /// Only this key: its place in the configuration, from 0. Without it, the breaker of the provider itself is meant.
    #[arg(long, value_name = "N")]
    key: Option<u8>,
}

/// Exits with 0 if the server did it, with 2 if there is no such provider or an argument is wrong, else with 1.
pub(crate) fn run(args: &BreakerArgs) -> ExitCode {
    let operator = &args.operator;
    let told = match &args.command {
        BreakerCommand::Status { provider, json } => status(operator, provider.as_deref(), *json),
        BreakerCommand::Open(target) => order(operator, target, Verb::Open),
        BreakerCommand::Close(target) => order(operator, target, Verb::Close),
        BreakerCommand::Isolate(target) => order(operator, target, Verb::Isolate),
    };
    end(told)
}

fn status(
    operator: &Operator,
    provider: Option<&str>,
    json: bool,
) -> Result<String, OperatorError> {
    let mut pool = view(operator, PATH, None)?;
    if let Some(name) = provider {
        let names: Vec<_> = pool.providers.iter().map(|one| one.name.clone()).collect();
        pool.providers.retain(|one| one.name == name);
        if pool.providers.is_empty() {
            return Err(OperatorError::no_provider(&names));
        }
    }
    if json {
        return serde_json::to_string_pretty(&pool).map_err(|_| operator.strange());
    }
    Ok(table(&pool))
}

fn order(operator: &Operator, target: &Target, verb: Verb) -> Result<String, OperatorError> {
    let Target { provider, key } = target;
    // A name that cannot be one is not to become another path.
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if provider.is_empty() || !provider.bytes().all(is_name) {
        let names = view(operator, PATH, None)?.providers;
        let names: Vec<_> = names.into_iter().map(|one| one.name).collect();
        return Err(OperatorError::no_provider(&names));
    }
    let path = match key {
        Some(key) => format!("{PATH}/{provider}/{key}"),
        None => format!("{PATH}/{provider}"),
    };
    let body = serde_json::to_string(&Order { verb }).map_err(|_| operator.strange())?;
    Ok(table(&view(operator, &path, Some(body))?))
}

fn view(operator: &Operator, path: &str, order: Option<String>) -> Result<PoolView, OperatorError> {
    let body = operator.ask(path, order)?;
    serde_json::from_slice(&body).map_err(|_| operator.strange())
}

/// The heads of the columns.
const HEADS: [&str; 7] = [
    "PROVIDER",
    "TIER",
    "BREAKER",
    "TAKES",
    "SESSIONS",
    "DIAL p50/p95",
    "ANSWER p50/p95",
];

/// What a person can read at three in the morning.
fn table(pool: &PoolView) -> String {
    let mut rows = vec![HEADS.map(str::to_owned)];
    for provider in &pool.providers {
        rows.push(provider_row(provider));
        // A single key that is well says nothing that its provider does not say.
        let keys = provider.keys.iter();
        let is_single = provider.keys.len() == 1;
        rows.extend(
            keys.filter(|key| !is_single || key.breaker != "closed" || key.rests_ms > 0)
                .map(key_row),
        );
    }
    let widths: [usize; HEADS.len()] = std::array::from_fn(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        for (cell, width) in cells {
            write!(text, "{cell:width$}  ").expect("a String takes everything");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let PoolView {
        sessions_ready,
        calls_waiting,
        extra_dials_left,
        reserve_redials_left,
        providers: _,
    } = pool;
    write!(
        text,
        "\n{sessions_ready} session(s) ready, {calls_waiting} call(s) waiting; \
         {extra_dials_left} extra dial(s) left, {reserve_redials_left} redial(s) of live calls in reserve"
    )
    .expect("a String takes everything");
    text
}

fn provider_row(provider: &ProviderView) -> [String; HEADS.len()] {
    [
        provider.name.clone(),
        provider.tier.to_string(),
        breaker(&provider.breaker),
        format!("{} %", provider.admits_permille / 10),
        provider.sessions.to_string(),
        times(provider.dials),
        times(provider.answers),
    ]
}

fn key_row(key: &KeyView) -> [String; HEADS.len()] {
    let takes = match key.rests_ms {
        0 => format!("{} starts", key.starts_left),
        ms => format!("rests {} s", ms.div_ceil(1_000)),
    };
    [
        format!("  key {}", key.key),
        String::new(),
        breaker(&key.breaker),
        takes,
        key.sessions.to_string(),
        String::new(),
        String::new(),
    ]
}

/// Capitals for what holds calls back.
fn breaker(state: &str) -> String {
    let words = state.replace('_', " ");
    match state {
        "closed" => words,
        _ => words.to_uppercase(),
    }
}

fn times(times: Option<TimesView>) -> String {
    let told = times.map(|TimesView { p50_ms, p95_ms }| format!("{p50_ms}/{p95_ms} ms"));
    told.unwrap_or_else(|| "-".to_owned())
}
