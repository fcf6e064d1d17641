//! What goes wrong at the REST interface, and when.

use std::time::Duration;

use serde::Deserialize;

/// A time in which requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultWindow {
    /// From this time of the run on.
    #[serde(default)]
    pub from_ms: u64,
    /// Until then; without it, to the end.
    #[serde(default)]
    pub until_ms: Option<u64>,
    /// Only for this resource; without it, for all.
    #[serde(default)]
    pub of: Option<Resource>,
    /// Only requests that change something.
    #[serde(default)]
    pub writes_only: bool,
    /// Only requests that look something up.
    #[serde(default)]
    pub reads_only: bool,
    /// What goes wrong.
    pub fault: RestFault,
}

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// `Calls`.
    Calls,
    /// `Messages`.
    Messages,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestFault {
    /// There is no answer, and no effect.
    Hang,
    /// 500 before any effect.
    Error,
    /// 503 before any effect.
    Unavailable,
    /// 429 with error 20429 and `Retry-After: 1`, before any effect.
    TooMany,
    /// The same without `Retry-After`.
    TooManyBare,
    /// The connection is cut before any effect.
    Reset,
    /// The effect takes place, then the connection is cut.
    ResetAfterEffect,
    /// The effect takes place, then the answer is 500.
    ErrorAfterEffect,
    /// The effect takes place, then there is no answer.
    HangAfterEffect,
}

impl RestFault {
    /// Whether what was asked for happens all the same.
    pub fn has_effect(self) -> bool {
        match self {
            Self::Hang
            | Self::Error
            | Self::Unavailable
            | Self::TooMany
            | Self::TooManyBare
            | Self::Reset => false,
            Self::ResetAfterEffect | Self::ErrorAfterEffect | Self::HangAfterEffect => true,
        }
    }
}

/// All windows of an account. The first that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<FaultWindow>);

impl Faults {
    /// What goes wrong with such a request now.
    pub fn at(&self, now: Duration, resource: Resource, writes: bool) -> Option<RestFault> {
        let fits = |window: &&FaultWindow| {
            let until = window.until_ms.map(Duration::from_millis);
            now >= Duration::from_millis(window.from_ms)
                && until.is_none_or(|until| now < until)
                && window.of.is_none_or(|of| of == resource)
                && (writes || !window.writes_only)
                && !(writes && window.reads_only)
        };
        self.0.iter().find(fits).map(|window| window.fault)
    }
}
