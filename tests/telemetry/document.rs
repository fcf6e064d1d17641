//! The list of metrics, its document and the text of `/metrics` are equal.

use std::collections::BTreeSet;
use std::fs;

use ringback::telemetry::names::{Kind, Spec, all};

use crate::exposition::Exposition;
use crate::numbers::World;

#[test]
fn the_document_lists_what_there_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/metrics.md");
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let missing: Vec<_> = all()
        .map(|spec| row(&spec))
        .filter(|row| !rows.iter().any(|line| line.starts_with(row)))
        .collect();
    assert!(missing.is_empty(), "missing:\n{}", missing.join("\n"));
    for line in &rows {
        let when = line.split('|').nth(5).unwrap_or_default().trim();
        assert!(when.len() > 10, "says nothing of when to look: {line}");
    }
    assert_eq!(rows.len(), all().count(), "rows of what is not there");
}

/// A row of the document, up to what only a person can say.
fn row(spec: &Spec) -> String {
    let labels: Vec<_> = spec
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
        .collect();
    format!(
        "| `{}` | {} | {} | {} |",
        spec.name,
        spec.kind.name(),
        labels.join(", "),
        spec.help.trim()
    )
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let mut seen = BTreeSet::new();
    for spec in all() {
        let name = spec.name;
        assert!(seen.insert(name), "{name} twice");
        assert!(
            name.starts_with("ringback_") || name.starts_with("process_"),
            "{name}"
        );
        match spec.kind {
            Kind::Counter => assert!(name.ends_with("_total"), "{name}"),
            Kind::Gauge => assert!(!name.ends_with("_total"), "{name}"),
            Kind::Histogram => assert!(name.ends_with("_seconds"), "{name}"),
        }
    }
}

#[test]
fn all_metrics_are_told_once_with_their_type_labels_and_help() {
    let text = World::of_an_eventful_day().scrape_text();
    let read = Exposition::parse(&text);
    let told: BTreeSet<_> = read.types.keys().map(String::as_str).collect();
    let listed: BTreeSet<_> = all().map(|spec| spec.name).collect();
    assert_eq!(told, listed);
    for spec in all() {
        assert_eq!(read.types[spec.name], spec.kind.name(), "{}", spec.name);
        assert_eq!(read.help[spec.name], spec.help.trim());
        let mut labels = spec.labels.to_vec();
        labels.sort_unstable();
        let told = labels_of(&read, spec.name);
        assert_eq!(told, BTreeSet::from([labels]), "{}", spec.name);
    }
}

/// The names of the labels of a metric's samples, without that of buckets.
fn labels_of<'a>(read: &'a Exposition, metric: &str) -> BTreeSet<Vec<&'a str>> {
    let of_it = read.samples.keys().filter(|(name, _)| {
        let end = name.strip_prefix(metric);
        end.is_some_and(|end| ["", "_bucket", "_sum", "_count"].contains(&end))
    });
    let names = of_it.map(|(_, labels)| labels.keys().map(String::as_str));
    names
        .map(|names| names.filter(|name| *name != "le").collect())
        .collect()
}
