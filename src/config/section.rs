//! Reads the values of one section: each as its kind, within its bounds.
//!
//! What is wrong becomes a problem and gives a placeholder: whoever has problems gets no settings, and reading on finds the
//! rest of them. What nobody has asked for is unknown.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Value;

use super::problem::{At, Origin, Problems};
use super::raw::{Entries, Entry};
use super::units::{DURATION_FORM, format_duration, parse_duration};

/// What a text may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// In words, for messages.
    pub(super) allowed: &'static str,
    /// Whether it is.
    pub(super) accepts: fn(&str) -> bool,
}

/// The values of one section that are still to be read.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// What stands before a key in messages: `call.`, or nothing.
    prefix: String,
    /// Where what is missing is missing.
    origin: Origin,
    entries: Entries,
    known: Vec<&'static str>,
    pub(super) problems: &'a mut Problems,
}

impl<'a> Section<'a> {
    pub(super) fn new(
        prefix: impl Into<String>,
        origin: Origin,
        entries: Entries,
        problems: &'a mut Problems,
    ) -> Self {
        Self {
            prefix: prefix.into(),
            origin,
            entries,
            known: Vec::new(),
            problems,
        }
    }

    /// A time within these bounds.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        let (min, max) = bounds.into_inner();
        let allowed = format!(
            "{} to {}, {DURATION_FORM}",
            format_duration(min),
            format_duration(max)
        );
        let Some(entry) = self.required(key, &allowed) else {
            return min;
        };
        let duration = entry.value.as_str().and_then(parse_duration);
        match duration {
            Some(duration) if (min..=max).contains(&duration) => duration,
            Some(_) => self.wrong(key, &entry, "is out of bounds", &allowed, min),
            None => self.wrong(key, &entry, "is not a time", &allowed, min),
        }
    }

    /// A whole number within these bounds.
    pub(super) fn integer<T>(&mut self, key: &'static str, bounds: RangeInclusive<T>) -> T
    where
        T: TryFrom<i64> + std::str::FromStr + Display + PartialOrd + Copy,
    {
        let (min, max) = bounds.into_inner();
        let allowed = format!("{min} to {max}");
        let Some(entry) = self.required(key, &allowed) else {
            return min;
        };
        let number = match (&entry.value, &entry.origin) {
            (Value::Integer(number), _) => T::try_from(*number).ok(),
            (Value::String(text), Origin::Variable(_)) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if (min..=max).contains(&number) => number,
            Some(_) => self.wrong(key, &entry, "is out of bounds", &allowed, min),
            None => self.wrong(key, &entry, "is not a whole number", &allowed, min),
        }
    }

    /// A whole number within these bounds; `None` if it is not there.
    pub(super) fn optional_integer<T>(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<T>,
    ) -> Option<T>
    where
        T: TryFrom<i64> + std::str::FromStr + Display + PartialOrd + Copy,
    {
        if self.has(key) {
            return Some(self.integer(key, bounds));
        }
        self.known.push(key);
        None
    }

    /// A time within these bounds; `None` if it is not there.
    pub(super) fn optional_duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        if self.has(key) {
            return Some(self.duration(key, bounds));
        }
        self.known.push(key);
        None
    }

    /// `true` or `false`; `None` if it is not there.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        const ALLOWED: &str = "true, false";
        let entry = self.take(key)?;
        let is = match (&entry.value, &entry.origin) {
            (Value::Boolean(is), _) => Some(*is),
            (Value::String(text), Origin::Variable(_)) => text.parse().ok(),
            _ => None,
        };
        is.or_else(|| self.wrong(key, &entry, "is neither true nor false", ALLOWED, None))
    }

    /// One of these; `None` if it is not there.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let entry = self.take(key)?;
        let chosen = choices
            .iter()
            .find(|(name, _)| entry.value.as_str() == Some(name));
        if let Some((_, value)) = chosen {
            return Some(*value);
        }
        let names: Vec<_> = choices
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        self.wrong(key, &entry, "is none of them", &names.join(", "), None)
    }

    /// A text of this form; `None` if it is not there.
    pub(super) fn optional_text(&mut self, key: &'static str, form: Form) -> Option<Located> {
        let entry = self.take(key)?;
        match entry.value.as_str() {
            Some(text) if (form.accepts)(text) => Some(Located {
                text: text.to_owned(),
                origin: entry.origin,
            }),
            _ => self.wrong(key, &entry, "is not accepted", form.allowed, None),
        }
    }

    /// A text of this form.
    pub(super) fn text(&mut self, key: &'static str, form: Form) -> String {
        if !self.entries.contains_key(key) {
            self.known.push(key);
            self.missing(key, form.allowed);
        }
        let located = self.optional_text(key, form);
        located.map(|located| located.text).unwrap_or_default()
    }

    /// The same as [`texts`](Self::texts), and none if the key is not there.
    pub(super) fn optional_texts(
        &mut self,
        key: &'static str,
        count_max: usize,
        form: Form,
    ) -> Vec<String> {
        if self.has(key) {
            return self.texts(key, count_max, form);
        }
        self.known.push(key);
        Vec::new()
    }

    /// A list of texts of this form, at most `count_max`; a variable separates them by commas.
    pub(super) fn texts(&mut self, key: &'static str, count_max: usize, form: Form) -> Vec<String> {
        let allowed = format!("a list of at most {count_max}, each {}", form.allowed);
        let Some(entry) = self.required(key, &allowed) else {
            return Vec::new();
        };
        let texts: Option<Vec<String>> = match (&entry.value, &entry.origin) {
            (Value::Array(values), _) => {
                let texts = values.iter().map(|value| value.as_str().map(str::to_owned));
                texts.collect()
            }
            (Value::String(text), Origin::Variable(_)) => {
                let texts = text.split(',').map(|text| text.trim().to_owned());
                Some(texts.filter(|text| !text.is_empty()).collect())
            }
            _ => None,
        };
        match texts {
            Some(texts)
                if texts.len() <= count_max && texts.iter().all(|text| (form.accepts)(text)) =>
            {
                texts
            }
            _ => self.wrong(key, &entry, "is not accepted", &allowed, Vec::new()),
        }
    }

    /// A value that is no plain one, for the caller to read.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        self.entries.remove(key)
    }

    /// A key that must be there is not.
    pub(super) fn missing(&mut self, key: &str, allowed: &str) {
        let key = self.full(key);
        let at = at(&self.origin, &key);
        self.problems
            .without_value(&at, &format!("is missing; allowed: {allowed}"));
    }

    /// A key that was read is wrong for a reason that only its reader knows.
    pub(super) fn wrong_now(&mut self, key: &str, value: &str, what: &str, allowed: &str) {
        let key = self.full(key);
        let at = at(&self.origin, &key);
        self.problems.wrong(&at, value, what, allowed);
    }

    /// Whether the key is there, and still to be read.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether the key is there, a text, and still to be read.
    pub(super) fn is_text(&self, key: &str) -> bool {
        self.entries
            .get(key)
            .is_some_and(|entry| entry.value.is_str())
    }

    /// The key with its section before it.
    pub(super) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Reports what nobody has asked for, with the nearest key that exists.
    pub(super) fn finish(self) {
        for (key, entry) in &self.entries {
            // Its value is not printed: an unknown key may well hold a secret.
            let sentence = unknown(&self.prefix, key, &self.known);
            self.problems.push(&entry.origin, sentence);
        }
    }

    fn required(&mut self, key: &'static str, allowed: &str) -> Option<Entry> {
        let entry = self.take(key);
        if entry.is_none() {
            self.missing(key, allowed);
        }
        entry
    }

    fn wrong<T>(
        &mut self,
        key: &str,
        entry: &Entry,
        what: &str,
        allowed: &str,
        placeholder: T,
    ) -> T {
        let key = self.full(key);
        let value = shown(&entry.value);
        self.problems
            .wrong(&at(&entry.origin, &key), &value, what, allowed);
        placeholder
    }
}

/// A text and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) text: String,
    pub(super) origin: Origin,
}

pub(super) const fn at<'a>(origin: &'a Origin, key: &'a str) -> At<'a> {
    At { origin, key }
}

/// A value as it was written, more or less.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(is) => is.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(shown).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Table(_) => "{ … }".to_owned(),
    }
}

/// The words about an unknown key: the nearest known one, or all of them.
pub(super) fn unknown(prefix: &str, key: &str, known: &[&str]) -> String {
    /// Less alike than this is no slip of the finger.
    const ALIKE_MIN: f64 = 0.75;
    let alike = |name: &str| strsim::jaro_winkler(key, name);
    let nearest = known
        .iter()
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
        .filter(|name| alike(name) >= ALIKE_MIN);
    match nearest {
        Some(nearest) => {
            format!("{prefix}{key} is unknown; did you mean {prefix}{nearest}?")
        }
        None => format!(
            "{prefix}{key} is unknown; allowed: {prefix}{}",
            known.join(&format!(", {prefix}"))
        ),
    }
}
