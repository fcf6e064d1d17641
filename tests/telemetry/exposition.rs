//! Reads Prometheus' text format, strictly: whatever the format forbids, or we do not write, is a failure.

use std::collections::BTreeMap;

/// The labels of a sample.
pub(crate) type Labels = BTreeMap<String, String>;

/// A text that was read.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    /// Type by metric.
    pub(crate) types: BTreeMap<String, String>,
    /// Help by metric.
    pub(crate) help: BTreeMap<String, String>,
    pub(crate) samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    /// Reads a text; panics at the first line that is wrong.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut read = Self::default();
        let mut metric = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(is_name(name), "{line}");
                let before = read.help.insert(name.to_owned(), help.to_owned());
                assert!(before.is_none(), "{name} is told twice");
                name.clone_into(&mut metric);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, metric, "the type stands below the help");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                read.types.insert(name.to_owned(), kind.to_owned());
            } else {
                let (name, labels, number) = sample(line);
                let kind = read.types.get(&metric).map(String::as_str);
                let is_of_it = match kind {
                    Some("histogram") => ["_bucket", "_sum", "_count"]
                        .iter()
                        .any(|end| name == format!("{metric}{end}")),
                    _ => name == metric,
                };
                assert!(is_of_it, "a sample of {name} below {metric}");
                assert!(number >= 0.0 && number.is_finite(), "{line}");
                let before = read.samples.insert((name, labels), number);
                assert!(before.is_none(), "twice: {line}");
            }
        }
        read.check_histograms();
        read
    }

    /// The number of a sample with exactly these labels.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let key = (name.to_owned(), labels.collect());
        self.samples.get(&key).copied()
    }

    /// The sum of all samples of this name; `None`: there is none.
    pub(crate) fn sum(&self, name: &str) -> Option<f64> {
        let samples = self.samples.iter().filter(|((of, _), _)| of == name);
        samples.map(|(_, number)| *number).reduce(|a, b| a + b)
    }

    /// Buckets grow, the last one is `+Inf` and equals the count.
    fn check_histograms(&self) {
        let mut buckets: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), number) in &self.samples {
            let metric = name.strip_suffix("_bucket");
            let Some(metric) = metric.filter(|metric| self.types[*metric] == "histogram") else {
                continue;
            };
            let mut labels = labels.clone();
            let bound = match labels.remove("le").unwrap().as_str() {
                "+Inf" => f64::INFINITY,
                bound => bound.parse().unwrap(),
            };
            let of = buckets.entry((metric.to_owned(), labels)).or_default();
            of.push((bound, *number));
        }
        for ((metric, labels), mut buckets) in buckets {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by_key(|bucket| bucket.1), "{metric}");
            let (bound, count) = buckets.last().unwrap();
            assert!(bound.is_infinite(), "{metric} has no last bucket");
            let counted = self.samples[&(format!("{metric}_count"), labels.clone())];
            assert!((counted - count).abs() < 0.5, "{metric}");
            assert!(
                self.samples
                    .contains_key(&(format!("{metric}_sum"), labels)),
                "{metric} has no sum"
            );
        }
    }
}

fn sample(line: &str) -> (String, Labels, f64) {
    let (series, number) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match series.split_once('{') {
        None => (series, Labels::new()),
        Some((name, rest)) => (name, labels(rest.strip_suffix('}').unwrap())),
    };
    assert!(is_name(name), "{line}");
    (name.to_owned(), labels, number.parse().unwrap())
}

/// Values with a quote or a comma in them are none of ours.
fn labels(text: &str) -> Labels {
    let mut labels = Labels::new();
    for pair in text.split(',') {
        let (name, value) = pair.split_once('=').unwrap();
        let value = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        let value = value.unwrap_or_else(|| panic!("{pair} has no quotes"));
        assert!(is_name(name), "{pair}");
        assert!(
            !value.is_empty() && !value.contains(['"', '\\', '{']),
            "{pair}"
        );
        let before = labels.insert(name.to_owned(), value.to_owned());
        assert!(before.is_none(), "{name} twice");
    }
    labels
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(fits)
}
