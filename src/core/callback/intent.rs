//! What a caller's text asks for, in English, Spanish, French, Italian and Portuguese. What is not understood is [`Intent::Free`]:
//! nothing is guessed, except that who seems to say stop is taken to say it.

/// The longest text in which more than a lone keyword is sought, in words: longer ones are letters, not answers.
const WORDS_MAX: usize = 12;

/// What a caller wants; a time is first as they wrote it, then, at the edge, a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent<T> {
    /// Nothing of us any more.
    Stop,
    /// To hear of us again after all.
    Start,
    /// To know what this is.
    Help,
    /// To be rung as soon as it can be.
    Call,
    /// That it is they who asked, and that we may ring.
    Yes,
    /// Not to be rung this time.
    No,
    /// To be rung then.
    At(T),
    /// Something else.
    Free,
}

impl<T> Intent<T> {
    /// The same with the time made out; where it cannot be ("at 2:30" in the hour that a clock skips), what was written is
    /// [`Self::Free`].
    pub fn at<U>(self, moment: impl FnOnce(T) -> Option<U>) -> Intent<U> {
        match self {
            Self::Stop => Intent::Stop,
            Self::Start => Intent::Start,
            Self::Help => Intent::Help,
            Self::Call => Intent::Call,
            Self::Yes => Intent::Yes,
            Self::No => Intent::No,
            Self::At(time) => moment(time).map_or(Intent::Free, Intent::At),
            Self::Free => Intent::Free,
        }
    }
}

/// A time as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallTime {
    /// 0 to 23; where [`is_open`](Self::is_open), 1 to 12.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// Whether it may be before noon or after.
    pub is_open: bool,
    /// Whether it is tomorrow's; else the next.
    pub is_tomorrow: bool,
}

impl Intent<WallTime> {
    /// What a text asks for.
    pub fn parse(body: &str) -> Self {
        let words: Vec<String> = body
            .split(|c: char| !c.is_alphanumeric() && !matches!(c, ':' | '.' | '\'' | '’'))
            .map(|word| word.trim_matches(['.', ':', '\'', '’']).to_lowercase())
            .filter(|word| !word.is_empty())
            .take(WORDS_MAX + 1)
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if is_stop(&words) {
            return Self::Stop;
        }
        if words.is_empty() || words.len() > WORDS_MAX {
            return Self::Free;
        }
        if let Some(time) = time_in(&words) {
            return Self::At(time);
        }
        let said = words.join(" ");
        let found = PHRASES
            .iter()
            .find(|(phrases, _)| phrases.contains(&said.as_str()));
        found.map_or(Self::Free, |(_, intent)| *intent)
    }
}

/// Stops by themselves.
const STOP_ALONE: [&str; 14] = [
    "end", "quit", "cancel", "revoke", "optout", "opt out", "stopall", "stop all", "alto", "parar",
    "basta", "arret", "arrêt", "baja",
];

/// Stops wherever they stand.
const STOP_ANYWHERE: [&str; 5] = [
    "stop",
    "unsubscribe",
    "remove me",
    "do not call",
    "don't call",
];

fn is_stop(words: &[&str]) -> bool {
    let said = words.join(" ").replace('’', "'");
    let padded = format!(" {said} ");
    STOP_ALONE.contains(&said.as_str())
        || STOP_ANYWHERE
            .iter()
            .any(|stop| padded.contains(&format!(" {stop} ")))
}

/// What is understood word for word.
const PHRASES: [(&[&str], Intent<WallTime>); 5] = [
    (&["start", "unstop", "subscribe"], Intent::Start),
    (
        &[
            "help",
            "info",
            "ayuda",
            "aide",
            "aiuto",
            "ajuda",
            "who is this",
        ],
        Intent::Help,
    ),
    (
        &[
            "call",
            "call me",
            "call now",
            "call me now",
            "call back",
            "call me back",
            "please call",
            "please call me",
            "llamar",
            "llámame",
            "appelez",
            "appelez moi",
            "chiama",
            "chiamami",
            "ligar",
            "ligue",
            "now",
            "asap",
        ],
        Intent::Call,
    ),
    (
        &[
            "yes",
            "y",
            "yes please",
            "yeah",
            "yep",
            "ok",
            "okay",
            "sure",
            "si",
            "sí",
            "oui",
            "sì",
            "sim",
            "yes call me",
            "yes please call me",
        ],
        Intent::Yes,
    ),
    (
        &[
            "no",
            "n",
            "nope",
            "no thanks",
            "no thank you",
            "non",
            "não",
            "nao",
            "not now",
            "never mind",
            "nevermind",
            "no gracias",
            "non merci",
            "no grazie",
        ],
        Intent::No,
    ),
];

/// Words around a time that change nothing about it.
const AROUND: [&str; 27] = [
    "please", "call", "me", "back", "around", "about", "today", "yes", "ok", "o'clock", "can",
    "you", "would", "be", "good", "better", "thanks", "hoy", "oggi", "hoje", "sí", "si", "oui",
    "sim", "llámame", "the", "in",
];

const AT: [&str; 9] = ["at", "by", "@", "a", "à", "alle", "às", "las", "um"];

const TOMORROW: [&str; 5] = ["tomorrow", "mañana", "demain", "domani", "amanhã"];

/// A time, if all words are about one.
fn time_in(words: &[&str]) -> Option<WallTime> {
    let mut clock: Option<(u8, u8, bool)> = None;
    let (mut half, mut is_tomorrow, mut is_plain) = (None, false, false);
    for &word in words {
        if AROUND.contains(&word) {
            continue;
        }
        if AT.contains(&word) {
            is_plain = true;
        } else if TOMORROW.contains(&word) {
            (is_tomorrow, is_plain) = (true, true);
        } else if let Some(after_noon) = half_of(word) {
            (half, is_plain) = (Some(after_noon), true);
        } else {
            let (digits, suffix) = split_half(word);
            let read = clock_of(digits)?;
            half = suffix.or(half);
            // A lone number may be an answer to anything; one with its minutes or its half of the day is a time.
            is_plain |= suffix.is_some() || !digits.bytes().all(|byte| byte.is_ascii_digit());
            if clock.replace(read).is_some() {
                return None;
            }
        }
    }
    let (hour, minute, is_exact) = clock.filter(|_| is_plain)?;
    let (hour, is_open) = match half {
        Some(after_noon) if (1..=12).contains(&hour) => {
            (hour % 12 + 12 * u8::from(after_noon), false)
        }
        Some(_) => return None,
        None => (hour, !is_exact && (1..=12).contains(&hour)),
    };
    Some(WallTime {
        hour,
        minute,
        is_open,
        is_tomorrow,
    })
}

/// Whether a word says before noon or after.
fn half_of(word: &str) -> Option<bool> {
    match word {
        "am" | "a.m" | "morning" => Some(false),
        "pm" | "p.m" | "afternoon" | "evening" | "tonight" => Some(true),
        _ => None,
    }
}

/// "5pm" is "5" and after noon.
fn split_half(word: &str) -> (&str, Option<bool>) {
    for (suffix, after_noon) in [("am", false), ("a.m", false), ("pm", true), ("p.m", true)] {
        if let Some(digits) = word.strip_suffix(suffix) {
            return (digits, Some(after_noon));
        }
    }
    (word, None)
}

/// Hour, minute, and whether the hour is written as of 24: "17", "5:30", "05.30", "17h30", "9h", "noon".
fn clock_of(word: &str) -> Option<(u8, u8, bool)> {
    if let "noon" | "midday" = word {
        return Some((12, 0, true));
    }
    let (hour, minute) = word.split_once([':', '.', 'h']).unwrap_or((word, "00"));
    let is_french = word.contains('h');
    let minute = if minute.is_empty() && is_french {
        "00"
    } else {
        minute
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(hour) || !is_digits(minute) || hour.len() > 2 || minute.len() != 2 {
        return None;
    }
    let is_exact = hour.starts_with('0') || is_french;
    let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some((hour, minute, is_exact || hour > 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_seems_to_say_stop_says_it() {
        for body in [
            "STOP",
            "stop.",
            " Stop!! 🛑",
            "please stop calling me",
            "Unsubscribe",
            "END",
            "don’t call me",
            "Do not call me at 5",
            "arrêt",
            "STOPALL",
            "\u{202e}STOP\u{202c}",
        ] {
            assert_eq!(Intent::parse(body), Intent::Stop, "{body}");
        }
        assert_ne!(Intent::parse("the weekend"), Intent::Stop);
    }

    #[test]
    fn short_answers_are_understood_and_all_else_is_left_to_a_person() {
        for (body, intent) in [
            ("Yes please", Intent::Yes),
            ("SÍ", Intent::Yes),
            ("no, thanks", Intent::No),
            ("Call me!", Intent::Call),
            ("help?", Intent::Help),
            ("START", Intent::Start),
            ("5", Intent::Free),
            ("", Intent::Free),
            ("🙂🙂🙂", Intent::Free),
            ("مرحبا", Intent::Free),
            (
                "my order is late and I would like to know why",
                Intent::Free,
            ),
            ("I am at 5 Main Street", Intent::Free),
            ("at 25", Intent::Free),
            ("at 5:99", Intent::Free),
        ] {
            assert_eq!(Intent::parse(body), intent, "{body}");
        }
        assert_eq!(Intent::parse(&"yes ".repeat(400)), Intent::Free);
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let time = |hour, minute, is_open, is_tomorrow| WallTime {
            hour,
            minute,
            is_open,
            is_tomorrow,
        };
        for (body, read) in [
            ("at 5", time(5, 0, true, false)),
            ("17:30", time(17, 30, false, false)),
            ("tomorrow 9", time(9, 0, true, true)),
            ("call me tomorrow at 9am please", time(9, 0, false, true)),
            ("5pm", time(17, 0, false, false)),
            ("12 am", time(0, 0, false, false)),
            ("12pm", time(12, 0, false, false)),
            ("at noon", time(12, 0, false, false)),
            ("5.30", time(5, 30, true, false)),
            ("05:30", time(5, 30, false, false)),
            ("à 17h30", time(17, 30, false, false)),
            ("demain 9h", time(9, 0, false, true)),
        ] {
            assert_eq!(Intent::parse(body), Intent::At(read), "{body}");
        }
    }
}
