//! Phone numbers and what can be told from them without asking anybody.

use std::fmt;

/// The fewest digits of a number that can be dialled from abroad, its country's included.
const DIGITS_MIN: u32 = 7;

/// The most digits (E.164).
const DIGITS_MAX: u32 = 15;

/// A phone number in international form (E.164), parsed once at the edge. Never printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(u64);

impl Number {
    /// A number as it is written internationally: `+` and 7 to 15 digits, the first not zero; else `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let is_number =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let length = u32::try_from(digits.len()).ok()?;
        if !is_number || !(DIGITS_MIN..=DIGITS_MAX).contains(&length) {
            return None;
        }
        digits.parse().ok().map(Self)
    }

    /// The digits as one number, for whoever keeps it.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// What [`value`](Self::value) gave.
    pub const fn from_value(value: u64) -> Option<Self> {
        let is_number = value >= 10_u64.pow(DIGITS_MIN - 1) && value < 10_u64.pow(DIGITS_MAX);
        if is_number { Some(Self(value)) } else { None }
    }

    /// The number in international form, for those who dial it. Not for logs.
    pub fn dialled(self) -> String {
        format!("+{}", self.0)
    }

    /// The first `digits` of it; all of it if it has no more.
    pub fn prefix(self, digits: u32) -> Prefix {
        let surplus = (self.0.ilog10() + 1).saturating_sub(digits.max(1));
        Prefix(self.0 / 10_u64.pow(surplus))
    }

    /// Whether it begins so.
    pub fn begins_with(self, prefix: Prefix) -> bool {
        self.prefix(prefix.digits()) == prefix
    }

    /// What stands for its country: the calling code, and the area where several countries share one.
    pub fn country(self) -> Prefix {
        let shared = SHARED.iter().map(|&value| Prefix(value));
        if let Some(own) = shared.into_iter().find(|prefix| self.begins_with(*prefix)) {
            return own;
        }
        let is_short = |digits: u32| CALLING_CODES.binary_search(&self.prefix(digits).0).is_ok();
        let digits = [1, 2].into_iter().find(|digits| is_short(*digits));
        self.prefix(digits.unwrap_or(3))
    }
}

/// A number stays out of logs.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(_)")
    }
}

/// How a range of numbers begins: a calling code and perhaps more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(u64);

impl Prefix {
    /// A prefix as it is written: `+` and 1 to 15 digits, the first not zero; else `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+')?;
        let is_number =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let is_short = digits.len() <= DIGITS_MAX as usize;
        (is_number && is_short)
            .then(|| digits.parse().ok().map(Self))
            .flatten()
    }

    /// The prefix of these digits, for tables.
    pub(super) const fn of(value: u64) -> Self {
        Self(value)
    }

    /// The digits as one number.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// How many digits it has.
    pub const fn digits(self) -> u32 {
        match self.0.checked_ilog10() {
            Some(log) => log + 1,
            None => 1,
        }
    }
}

/// Calling codes of one and two digits; all others have three.
const CALLING_CODES: [u64; 46] = [
    1, 7, 20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54,
    55, 56, 57, 58, 60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];

/// Countries behind a calling code that others use as well: islands at +1, which are dear to call, and Kazakhstan.
const SHARED: [u64; 27] = [
    1242, 1246, 1264, 1268, 1284, 1340, 1345, 1441, 1473, 1649, 1658, 1664, 1670, 1671, 1684, 1721,
    1758, 1767, 1784, 1809, 1829, 1849, 1868, 1869, 1876, 76, 77,
];

/// A language as the menu spoke it (`en-US`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language(Box<str>);

/// The longest name of a language that is kept.
const LANGUAGE_BYTES_MAX: usize = 16;

impl Language {
    /// A language's name: letters, digits and hyphens, 16 at most; else `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = !text.is_empty() && text.len() <= LANGUAGE_BYTES_MAX;
        (fits && text.bytes().all(is_name)).then(|| Self(text.into()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_plus_and_seven_to_fifteen_digits() {
        for text in ["+1234567", "+15550100199", "+999999999999999"] {
            let number = Number::parse(text).unwrap();
            assert_eq!(number.dialled(), text);
            assert_eq!(Number::from_value(number.value()), Some(number));
            assert_eq!(format!("{number:?}"), "Number(_)");
        }
        for wrong in [
            "",
            "+",
            "15550100199",
            "+0123456789",
            "+123456",
            "+1234567890123456",
            "+1555O100199",
            "+1 555 010 0199",
            "anonymous",
            "+٣٣١٢٣٤٥٦",
            "++1555010019",
        ] {
            assert_eq!(Number::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_country_is_told_by_its_calling_code_and_islands_by_their_area() {
        for (number, country) in [
            ("+15550100199", "+1"),
            ("+18765550100", "+1876"),
            ("+442079460000", "+44"),
            ("+35312345678", "+353"),
            ("+77012345678", "+77"),
            ("+74951234567", "+7"),
            ("+881612345678", "+881"),
        ] {
            let number = Number::parse(number).unwrap();
            assert_eq!(Some(number.country()), Prefix::parse(country));
            assert!(number.begins_with(number.country()));
        }
    }
}
