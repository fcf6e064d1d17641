//! The languages of prompts: tags as in BCP 47, compared by what matters to a listener.

use std::fmt;

/// A language's tag, as in `es` or `pt-BR`, in its usual spelling.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(Box<str>);

/// A longer tag is none.
const BYTES_MAX: usize = 35;

impl Language {
    /// The language that everything falls back to.
    pub fn english() -> Self {
        Self("en-US".into())
    }

    /// A tag in whatever spelling it comes (`pt_br`, `PT-BR`); none if it is no tag.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let mut tag = String::with_capacity(text.len());
        for (place, part) in text.split(['-', '_']).enumerate() {
            let is_part = (1..=8).contains(&part.len()) && part.is_ascii();
            let is_first = place > 0
                || (part.len() >= 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic()));
            if !is_part || !is_first || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return None;
            }
            if place > 0 {
                tag.push('-');
            }
            push_part(&mut tag, place, part);
        }
        Some(Self(tag.into()))
    }

    /// The tag.
    pub fn tag(&self) -> &str {
        &self.0
    }

    /// The language itself, without script and region: who speaks one variety understands the others.
    pub fn primary(&self) -> &str {
        self.0.split('-').next().unwrap_or(&self.0)
    }

    /// The place of this language among others: of the same tag, else of the same language.
    pub fn best_of<'a>(&self, others: impl IntoIterator<Item = &'a Self> + Clone) -> Option<usize> {
        let same = others.clone().into_iter().position(|other| other == self);
        same.or_else(|| {
            let understood = |other: &Self| other.primary() == self.primary();
            others.into_iter().position(understood)
        })
    }
}

/// `en`, `Hant`, `US`, `419`: each kind of part has its own spelling.
fn push_part(tag: &mut String, place: usize, part: &str) {
    match (place, part.len()) {
        (1.., 2) => tag.extend(part.chars().map(|letter| letter.to_ascii_uppercase())),
        (1.., 4) => tag.extend(part.chars().enumerate().map(|(at, letter)| match at {
            0 => letter.to_ascii_uppercase(),
            _ => letter.to_ascii_lowercase(),
        })),
        _ => tag.extend(part.chars().map(|letter| letter.to_ascii_lowercase())),
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(text: &str) -> Language {
        Language::parse(text).unwrap()
    }

    #[test]
    fn a_tag_has_one_spelling() {
        for (text, tag) in [
            ("EN", "en"),
            ("pt_br", "pt-BR"),
            ("zh-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("gsw", "gsw"),
        ] {
            assert_eq!(language(text).tag(), tag);
        }
        for wrong in [
            "",
            "e",
            "-",
            "en-",
            "e1",
            "en US",
            "français",
            "abcdefghi",
            "en--US",
        ] {
            assert_eq!(Language::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Language::parse(&"en-".repeat(1_000)), None);
    }

    #[test]
    fn the_same_variety_is_best_and_another_one_is_understood() {
        let others = ["en-US", "pt-PT", "pt-BR"].map(language);
        let best = |text: &str| language(text).best_of(&others);
        assert_eq!(best("pt-br"), Some(2));
        assert_eq!(best("pt"), Some(1));
        assert_eq!(best("en-GB"), Some(0));
        assert_eq!(best("de"), None);
    }
}
