//! Writes Prometheus' text format 0.0.4: the samples of a metric together, below its help and its type.

use std::fmt::{Display, Write as _};

use super::family::Family;
use super::histogram::{BOUNDS_MS, Histogram};
use super::names::{Metric, Spec};

/// The media type of what is written.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text while it is written.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    text: String,
}

impl Exposition {
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Begins a metric; its samples follow, and no other's between them.
    pub(super) fn metric(&mut self, metric: Metric) -> Samples<'_> {
        self.spec(metric.spec())
    }

    /// As [`Self::metric`], for what the list calls so.
    pub(super) fn spec(&mut self, spec: Spec) -> Samples<'_> {
        let Spec {
            name, kind, help, ..
        } = spec;
        let help = help.trim();
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {}", kind.name()));
        Samples { to: self, spec }
    }

    fn line(&mut self, line: impl Display) {
        writeln!(self.text, "{line}").expect("a String takes everything");
    }
}

/// The samples of one metric.
#[derive(Debug)]
pub(super) struct Samples<'a> {
    to: &'a mut Exposition,
    spec: Spec,
}

impl Samples<'_> {
    /// A sample with these values of its labels.
    pub(super) fn sample(&mut self, values: &[&str], number: impl Display) {
        let labels = self.labels(values, None);
        let name = self.spec.name;
        self.to.line(format_args!("{name}{labels} {number}"));
    }

    /// A sample without labels, if there is a number.
    pub(super) fn optional(&mut self, number: Option<impl Display>) {
        if let Some(number) = number {
            self.sample(&[], number);
        }
    }

    /// A sample for each count, whose name is the value of the label behind these.
    pub(super) fn family<const N: usize>(&mut self, before: &[&str], family: &Family<N>) {
        for (name, number) in family.iter() {
            self.sample(&[before, &[name]].concat(), number);
        }
    }

    /// The samples of a histogram.
    pub(super) fn histogram(&mut self, values: &[&str], histogram: &Histogram) {
        let name = self.spec.name;
        let cumulated = histogram.cumulated();
        let bounds = BOUNDS_MS
            .iter()
            .map(|bound| (f64::from(*bound) / 1_000.0).to_string());
        let bounds = bounds.chain([INFINITY.to_owned()]);
        for (bound, number) in bounds.zip(cumulated) {
            let labels = self.labels(values, Some(&bound));
            self.to.line(format_args!("{name}_bucket{labels} {number}"));
        }
        let labels = self.labels(values, None);
        let sum = histogram.sum().as_secs_f64();
        let count = cumulated.last().copied().unwrap_or_default();
        self.to.line(format_args!("{name}_sum{labels} {sum}"));
        self.to.line(format_args!("{name}_count{labels} {count}"));
    }

    fn labels(&self, values: &[&str], bound: Option<&str>) -> String {
        let names = self.spec.labels;
        debug_assert_eq!(names.len(), values.len(), "labels of {}", self.spec.name);
        let labels = names.iter().copied().zip(values.iter().copied());
        let labels = labels.chain(bound.map(|bound| ("le", bound)));
        let mut text = String::new();
        for (name, value) in labels {
            let separator = if text.is_empty() { "{" } else { "," };
            let value = escaped(value);
            write!(text, "{separator}{name}=\"{value}\"").expect("a String takes everything");
        }
        if !text.is_empty() {
            text.push('}');
        }
        text
    }
}

/// The bound of the last bucket.
const INFINITY: &str = "+Inf";

fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\");
    value.replace('"', "\\\"").replace('\n', "\\n")
}
