//! The number that somebody keyed in, as people write theirs: in their own country's form, or internationally.

use crate::core::callback::number::Number;

/// The calling code of North America, whose countries share it.
const NORTH_AMERICA: &str = "1";

/// The calling code of Italy, of whose numbers the zero is part.
const ITALY: &str = "39";

/// What a number begins with within a country, in most of them.
const TRUNK: char = '0';

/// The number, as somebody means it who has called `called`; `None`: it can be none. Keys that are no digits are left out.
///
/// With two zeros before it, it is international; a zero before it stands for the called number's country, in Italy as well,
/// whose own form keeps it. All else is a number within that country, with its calling code or without.
pub(super) fn number_of_keys(keys: &str, called: Number) -> Option<Number> {
    let digits: String = keys.chars().filter(char::is_ascii_digit).collect();
    if let Some(international) = digits.strip_prefix("00") {
        return Number::parse(&format!("+{international}"));
    }
    let country = called.country().value().to_string();
    if country.starts_with(NORTH_AMERICA) {
        return match digits.len() {
            10 => Number::parse(&format!("+1{digits}")),
            11 if digits.starts_with(NORTH_AMERICA) => Number::parse(&format!("+{digits}")),
            _ => None,
        };
    }
    let own = match digits.strip_prefix(TRUNK) {
        Some(own) if country != ITALY => own,
        Some(_) | None => &digits,
    };
    Number::parse(&format!("+{country}{own}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_keyed_in_as_people_write_theirs() {
        for (called, keys, number) in [
            ("+14155550100", "4155550123", Some("+14155550123")),
            ("+14155550100", "1-415-555-0123", Some("+14155550123")),
            ("+14155550100", "0044 20 7946 0000", Some("+442079460000")),
            ("+14155550100", "5550123", None),
            ("+442079460000", "07700900123", Some("+447700900123")),
            ("+442079460000", "7700900123", Some("+447700900123")),
            ("+390612345678", "0612345678", Some("+390612345678")),
            ("+390612345678", "3331234567", Some("+393331234567")),
            ("+33123456789", "0612345678#", Some("+33612345678")),
            ("+33123456789", "12", None),
            ("+33123456789", "", None),
            ("+33123456789", "00", None),
        ] {
            let called = Number::parse(called).unwrap();
            let number = number.map(|number| Number::parse(number).unwrap());
            assert_eq!(number_of_keys(keys, called), number, "{keys}");
        }
    }
}
