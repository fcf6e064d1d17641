//! How something went over time, for those who draw it.

use std::time::Duration;

/// What happened when. Points in time are since the beginning of the run, as everywhere.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// The first and the last point in time that are shown.
    pub span: (Duration, Duration),
    /// What was done when, in words.
    pub marks: Vec<(Duration, String)>,
    /// What is drawn, from top to bottom.
    pub panels: Vec<Panel>,
}

/// One picture of a [`Course`], over the same time as the others.
#[derive(Clone, Debug)]
pub struct Panel {
    /// What it shows, with its unit.
    pub title: String,
    /// A value that is drawn as a line across, where there is an objective.
    pub limit: Option<f64>,
    /// What is drawn into it; at most a few, each by a colour of its own.
    pub series: Vec<Series>,
}

/// Values over time.
#[derive(Clone, Debug)]
pub struct Series {
    /// Whose.
    pub name: String,
    /// How they are drawn.
    pub form: Form,
    /// In the order of their times; at most 20,000.
    pub points: Vec<(Duration, f64)>,
}

/// How values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a line that holds each value until the next.
    Steps,
    /// Each by itself.
    Dots,
}

/// More points than this nobody can tell apart.
pub const POINTS_MAX: usize = 20_000;
