//! What callers are texted, in their language: the built-in words of `config/texts/`, and those that an agent's file has in
//! their place.
//!
//! Owns the key `[texts]` of an agent's file. Which of the words is texted is [`crate::core::callback`]'s to say.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use toml::{Table, Value};

use super::agents::LANGUAGE;
use super::problem::{Origin, Problems};
use super::section::{Form, Section};
use crate::audio::prompts::Language;

/// A text that callers get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TextName {
    /// That they will be called back.
    Promise,
    /// The same to a number that has to say YES first.
    Asks,
    /// What can be answered.
    Help,
    /// They will be called as soon as it can be.
    Soon,
    /// They will be called today, then.
    At,
    /// They will be called another day, then.
    AtDay,
    /// They cannot be called then.
    NotThen,
    /// They will not be called.
    Declined,
    /// They hear of us again.
    Welcome,
    /// They were not understood.
    Unclear,
    /// They are to call us.
    CallUs,
}

impl TextName {
    /// All of them, as files name them, with what each must hold.
    const ALL: [(Self, &'static str, &'static [&'static str]); 11] = [
        (Self::Promise, "promise", &["reference"]),
        (Self::Asks, "asks", &["reference"]),
        (Self::Help, "help", &[]),
        (Self::Soon, "soon", &[]),
        (Self::At, "at", &["time"]),
        (Self::AtDay, "at_day", &["day", "time"]),
        (Self::NotThen, "not_then", &[]),
        (Self::Declined, "declined", &[]),
        (Self::Welcome, "welcome", &[]),
        (Self::Unclear, "unclear", &[]),
        (Self::CallUs, "call_us", &[]),
    ];
}

/// What is put in place of a name in braces; the longest of each.
const LONGEST: [(&str, &str); 3] = [
    ("reference", "0123456789"),
    ("time", "23:59"),
    ("day", "2026-12-31"),
];

/// What a text may be.
pub(super) const ALLOWED: &str = "a text of at most two segments (306 characters of the plain alphabet, or 134 of others), with \
     {reference} in promise and asks, {time} in at, {day} and {time} in at_day, and no other braces";

/// More is no text message.
const SEGMENTS_MAX: usize = 2;

/// Words by language and name; bounded by the languages of one file times the names that there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Texts(BTreeMap<(Language, TextName), Arc<str>>);

/// Without the words.
impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Texts({})", self.0.len())
    }
}

static BUILT_IN: LazyLock<Texts> = LazyLock::new(|| {
    let mut texts = Texts::default();
    for (tag, text) in [
        ("en", include_str!("../../config/texts/en.toml")),
        ("es", include_str!("../../config/texts/es.toml")),
        ("fr", include_str!("../../config/texts/fr.toml")),
        ("it", include_str!("../../config/texts/it.toml")),
        ("pt", include_str!("../../config/texts/pt.toml")),
    ] {
        let language = Language::parse(tag).expect("these are tags");
        let table: Table = text.parse().expect("a test reads these files");
        for (name, key, _) in TextName::ALL {
            let words = table.get(key).and_then(Value::as_str);
            let words = words.expect("a test looks for each name in these files");
            texts.0.insert((language.clone(), name), words.into());
        }
    }
    texts
});

impl Texts {
    /// The words for whoever speaks `wanted`: these or the built-in ones, else those in `own`, the agent's language, else in
    /// English. Each name in braces becomes its value.
    pub fn say(
        &self,
        wanted: Option<&str>,
        own: Option<&str>,
        name: TextName,
        values: &[(&str, &str)],
    ) -> String {
        let tags = [wanted, own, Some("en")].into_iter().flatten();
        let mut languages = tags.filter_map(Language::parse);
        let found = languages.find_map(|language| {
            let own = self.find(&language, name);
            own.or_else(|| BUILT_IN.find(&language, name))
        });
        let words = found.expect("there are English words for each name");
        fill(words, values)
    }

    fn find(&self, language: &Language, name: TextName) -> Option<&str> {
        let has = self.0.keys().filter(|(_, of)| *of == name);
        let languages: Vec<&Language> = has.map(|(language, _)| language).collect();
        let best = language.best_of(languages.iter().copied())?;
        let key = ((*languages.get(best)?).clone(), name);
        self.0.get(&key).map(|words| &**words)
    }
}

fn fill(words: &str, values: &[(&str, &str)]) -> String {
    values
        .iter()
        .fold(words.to_owned(), |words, (name, value)| {
            words.replace(&format!("{{{name}}}"), value)
        })
}

/// How many segments a text takes: each is paid for.
fn segments(text: &str) -> usize {
    /// What the plain alphabet of text messages has beside ASCII letters and digits; what follows the bar takes two places.
    const PLAIN: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
    const DOUBLE: &str = "^{}\\[~]|€";
    let place = |c: char| {
        let is_plain = c.is_ascii_alphanumeric() || PLAIN.contains(c);
        let double = DOUBLE.contains(c).then_some(2);
        if is_plain { Some(1) } else { double }
    };
    let plain: Option<usize> = text.chars().map(place).sum();
    let (length, one, of_many) = match plain {
        Some(length) => (length, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if length <= one {
        1
    } else {
        length.div_ceil(of_many)
    }
}

/// Whether these can be the words of this name.
fn is_good(words: &str, holds: &[&str]) -> bool {
    let has = |name: &&str| words.contains(&format!("{{{name}}}"));
    let values = LONGEST.iter().filter(|(name, _)| holds.contains(name));
    let values: Vec<_> = values.copied().collect();
    let filled = fill(words, &values);
    let is_text = !filled.trim().is_empty() && !filled.contains(['{', '}']);
    holds.iter().all(has) && is_text && segments(&filled) <= SEGMENTS_MAX
}

const WORDS: Form = Form {
    allowed: ALLOWED,
    accepts: |text| !text.contains('\0'),
};

/// The words of an agent: `[texts]`, in its own language, and `[texts.es]` and the like.
pub(super) fn read(section: &mut Section<'_>, origin: &Origin, own: &Language) -> Texts {
    /// How many languages beside its own an agent may have words in.
    const LANGUAGES_MAX: usize = 32;
    let mut texts = Texts::default();
    let Some(entry) = section.take("texts") else {
        return texts;
    };
    let Value::Table(table) = entry.value else {
        let sentence = "texts is not a table; allowed: a table of texts by name";
        section.problems.push(origin, sentence.to_owned());
        return texts;
    };
    let is_language = |key: &str, value: &Value| value.is_table() && (LANGUAGE.accepts)(key);
    let (others, of_own): (Table, Table) = table
        .into_iter()
        .partition(|(key, value)| is_language(key, value));
    if others.len() > LANGUAGES_MAX {
        let sentence = format!(
            "texts has {} languages; allowed: {LANGUAGES_MAX}",
            others.len()
        );
        section.problems.push(origin, sentence);
        return texts;
    }
    read_table("texts.", origin, own, of_own, &mut texts, section.problems);
    for (tag, value) in others {
        if let (Some(language), Value::Table(table)) = (Language::parse(&tag), value) {
            let prefix = format!("texts.{tag}.");
            read_table(
                &prefix,
                origin,
                &language,
                table,
                &mut texts,
                section.problems,
            );
        }
    }
    texts
}

fn read_table(
    prefix: &str,
    origin: &Origin,
    language: &Language,
    table: Table,
    texts: &mut Texts,
    problems: &mut Problems,
) {
    let entries = super::raw::entries(origin, table);
    let mut section = Section::new(prefix, origin.clone(), entries, problems);
    for (name, key, holds) in TextName::ALL {
        let Some(words) = section.optional_text(key, WORDS) else {
            continue;
        };
        if is_good(&words.text, holds) {
            let place = (language.clone(), name);
            texts.0.insert(place, words.text.into());
        } else {
            let value = format!("{:?}", words.text);
            section.wrong_now(key, &value, "is not accepted", ALLOWED);
        }
    }
    section.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_words_are_there_in_five_languages_and_short() {
        assert_eq!(BUILT_IN.0.len(), 5 * TextName::ALL.len());
        for ((language, name), words) in &BUILT_IN.0 {
            let (_, _, holds) = TextName::ALL.iter().find(|(of, ..)| of == name).unwrap();
            assert!(is_good(words, holds), "{} {name:?}", language.tag());
        }
    }

    #[test]
    fn a_caller_is_texted_in_their_language_else_in_the_agents_else_in_english() {
        let mut own = Texts::default();
        let french = Language::parse("fr").unwrap();
        let place = (french, TextName::Soon);
        own.0.insert(place, "Bientôt.".into());
        let say = |wanted, own_language| own.say(wanted, own_language, TextName::Soon, &[]);
        assert_eq!(say(Some("fr-CA"), None), "Bientôt.");
        assert!(say(Some("es-MX"), Some("fr")).starts_with("Gracias"));
        assert_eq!(say(Some("ja"), Some("fr")), "Bientôt.");
        assert!(say(None, None).starts_with("Thank you"));
        let at = own.say(None, None, TextName::At, &[("time", "17:30")]);
        assert!(at.contains("17:30") && !at.contains('{'), "{at}");
    }

    #[test]
    fn segments_are_counted_as_carriers_do() {
        for (text, count) in [
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("é".repeat(160), 1),
            ("á".repeat(70), 1),
            ("á".repeat(71), 2),
            ("á".repeat(135), 3),
            ("😀".repeat(35), 1),
            ("😀".repeat(36), 2),
        ] {
            assert_eq!(segments(&text), count, "{text}");
        }
        assert!(!is_good("Ref {reference} {name}", &["reference"]));
        assert!(!is_good("No reference", &["reference"]));
        assert!(!is_good(" ", &[]));
    }
}
