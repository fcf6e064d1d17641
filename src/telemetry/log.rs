//! Where log lines go, and their form.

use std::io::{self, IsTerminal as _};
use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// What is told on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// For whom.
    pub format: LogFormat,
    /// How much.
    pub level: LogLevel,
}

/// For whom logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What must be mended.
    Error,
    /// What should be looked at.
    Warn,
    /// The start and the end of each call.
    Info,
    /// What happens within calls.
    Debug,
    /// Everything.
    Trace,
}

impl LogFormat {
    /// Its names in settings.
    pub const NAMES: [(&str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

impl LogLevel {
    /// Its names in settings.
    pub const NAMES: [(&str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// Sends logs to standard error from now on, and panics into the logs. Once a process.
pub fn init(settings: LogSettings) -> Result<(), TryInitError> {
    // Libraries below us log the bytes of messages at their finer levels: callers' words. They speak up when they warn.
    let filter = Targets::new()
        .with_default(LevelFilter::WARN.min(level(settings.level)))
        .with_target("ringback", level(settings.level));
    let lines = layer().with_writer(io::stderr);
    let lines = match settings.format {
        LogFormat::Text => lines
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init()?;
    panic::set_hook(Box::new(say_panic));
    Ok(())
}

/// Says where it happened, and the words only if they were fixed in the source: others may hold a caller's.
fn say_panic(info: &panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    let message = info.payload().downcast_ref::<&'static str>().copied();
    tracing::error!(place, message, "panic");
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
