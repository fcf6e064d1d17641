//! Numbers of callers, and of those whose numbers are abused.
//!
//! Owns how they are made up: each looks like one that may be rung, and none of them is.

/// Area codes of the east of the United States: whoever has one of them is awake when the others are.
const AREAS: [u32; 12] = [202, 212, 215, 301, 305, 404, 410, 412, 617, 703, 704, 919];
/// Exchanges begin with 2 to 9.
const EXCHANGES: u32 = 800;
const LINES: u32 = 10_000;

/// The number of the `nth` caller: of eight millions in each of twelve areas none comes twice, and no seven first digits are often.
pub(crate) fn caller(nth: u32) -> String {
    let count = u32::try_from(AREAS.len()).unwrap_or(1);
    let area = AREAS.iter().cycle().nth((nth % count) as usize).copied();
    let rest = nth / count;
    let (exchange, line) = (200 + rest % EXCHANGES, rest / EXCHANGES % LINES);
    format!("+1{}{exchange}{line:04}", area.unwrap_or(202))
}

/// A number that begins like this; the `nth` of them. What is a whole number already is itself.
pub(super) fn target(prefix: &str, nth: u32) -> String {
    let length = if prefix.starts_with("+1") { 12 } else { 13 };
    let missing = length - prefix.len().min(length);
    let Some(more) = u32::try_from(missing).ok().filter(|missing| *missing > 0) else {
        return prefix.to_owned();
    };
    // The next digit is none that no number has.
    let first = 2 * 10_u64.pow(more - 1);
    let digits = first + u64::from(nth) % first.max(1);
    format!("{prefix}{digits}")
}

/// The keys by which somebody in the United States says that number.
pub(super) fn keys(number: &str) -> String {
    match number.strip_prefix("+1") {
        Some(national) => format!("{national}#"),
        None => format!("011{}#", number.trim_start_matches('+')),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn callers_have_numbers_of_their_own_far_from_each_other() {
        let numbers: BTreeSet<_> = (0..10_000).map(caller).collect();
        assert_eq!(numbers.len(), 10_000);
        assert!(numbers.iter().all(|number| number.len() == 12));
        let mut beginnings: Vec<_> = numbers
            .iter()
            .filter_map(|number| number.get(..8))
            .collect();
        beginnings.sort_unstable();
        let most = beginnings.chunk_by(|a, b| a == b).map(<[_]>::len).max();
        assert!(most.unwrap() <= 2, "{most:?}");
    }

    #[test]
    fn a_target_begins_as_it_should_and_is_keyed_as_people_do() {
        assert_eq!(target("+1900", 3), "+19002000003");
        assert_eq!(target("+44909", 3), "+449092000003");
        assert_eq!(target("+12125550100", 9), "+12125550100");
        assert_eq!(keys("+12125550100"), "2125550100#");
        assert_eq!(keys("+449092000003"), "011449092000003#");
    }
}
