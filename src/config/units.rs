//! Times as one writes them: a number and a unit.

use std::time::Duration;

/// How a time is written, for messages.
pub(super) const DURATION_FORM: &str =
    r#"a number and a unit (ms, s, m, h) in quotes, as in "900ms", "1.5s", "2m""#;

/// The units, longest first: `ms` ends in `s`.
const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];

/// The time that `text` names; `None` if it names none, or less than a microsecond, or more than a week.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    const SECONDS_MAX: f64 = 7.0 * 86_400.0;
    let (number, seconds) = UNITS
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    if !number.chars().all(digits) {
        return None;
    }
    let seconds = number.parse::<f64>().ok()? * seconds;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return None;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// The time as one writes it: in the largest unit that needs no fraction.
pub(super) fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, millis) in [
            ("900ms", 900),
            ("1.5s", 1_500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for wrong in [
            "", "s", "5", "-1s", "1e3s", "1 s", "inf s", "infs", "1.2.3s", "9999h", "5 days",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        for millis in [1, 999, 1_000, 1_500, 60_000, 90_000, 7_200_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        }
    }
}
