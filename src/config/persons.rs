//! Whom callers reach who ask for a person: keys of an agent's file.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::agents::is_number;
use super::section::{Form, Section};
use crate::zones::Daily;

/// How many people one agent may have: a caller waits for each of them.
const PERSONS_MAX: usize = 10;

/// How long it rings at a person's, unless the agent's file says otherwise: about four rings.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Who is rung for the callers of an agent.
#[derive(Clone, PartialEq, Eq)]
pub struct Persons {
    /// Numbers in E.164 and SIP addresses, in the order in which they are rung. None: callers are not offered a person.
    pub addresses: Vec<String>,
    /// When, by the clock of the business; `None`: at any hour.
    pub hours: Option<Daily>,
    /// How long it rings at each.
    pub timeout: Duration,
    /// What the person hears before the caller's number.
    pub whisper: Arc<str>,
}

/// Without the addresses.
impl fmt::Debug for Persons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Persons({})", self.addresses.len())
    }
}

const ADDRESS: Form = Form {
    allowed: r#"a number with its country or a SIP address, as in "+14155550100" or "sip:desk@example.com""#,
    accepts: |text| is_number(text) || is_sip(text),
};

const WHISPER: Form = Form {
    allowed: "a text of 1 to 200 bytes",
    accepts: |text| !text.trim().is_empty() && text.len() <= 200 && !text.contains('\0'),
};

fn is_sip(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"".contains(&byte);
    let parts = text
        .strip_prefix("sip:")
        .and_then(|address| address.split_once('@'));
    parts.is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        && text.len() <= 255
        && text.bytes().all(plain)
}

/// Reads them; `language` is the agent's.
pub(super) fn read(section: &mut Section<'_>, language: Option<&str>) -> Persons {
    let addresses = section.optional_texts("persons", PERSONS_MAX, ADDRESS);
    let timeout = Duration::from_secs(5)..=Duration::from_mins(1);
    let timeout = section.optional_duration("persons_timeout", timeout);
    let from = section.optional_integer("persons_from", 0..=23);
    let until = section.optional_integer("persons_until", 1..=24);
    let hours = match (from, until) {
        (None, None) => None,
        (Some(from), Some(until)) if from < until => Some(Daily { from, until }),
        (Some(from), Some(_)) => {
            let (value, what) = (from.to_string(), "is not before persons_until");
            section.wrong_now("persons_from", &value, what, "less than that");
            None
        }
        (Some(from), None) => {
            let (value, what) = (from.to_string(), "has no persons_until");
            section.wrong_now("persons_from", &value, what, "both or neither");
            None
        }
        (None, Some(until)) => {
            let (value, what) = (until.to_string(), "has no persons_from");
            section.wrong_now("persons_until", &value, what, "both or neither");
            None
        }
    };
    let whisper = section.optional_text("persons_whisper", WHISPER);
    let whisper = whisper.map_or_else(|| default_whisper(language).into(), |own| own.text.into());
    Persons {
        addresses,
        hours,
        timeout: timeout.unwrap_or(TIMEOUT),
        whisper,
    }
}

/// Who is calling, and why, in the agent's language; English where we have none.
fn default_whisper(language: Option<&str>) -> &'static str {
    match language.and_then(|language| language.get(..2)) {
        Some("es") => "El asistente no puede atender a quien llama. Llama desde",
        Some("fr") => "L'assistant ne peut pas répondre à cet appel. Numéro de l'appelant :",
        Some("it") => "L'assistente non può rispondere a chi chiama. Chiama da",
        Some("pt") => "O assistente não pode atender quem liga. Liga do número",
        _ => "A caller whom the assistant cannot help right now. Calling from",
    }
}
