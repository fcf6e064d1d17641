//! When people may be rung.
//!
//! Owns the arithmetic: a prefix, its distance from UTC, and the hours on the wall there.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

const DAY_MINUTES: i64 = 24 * 60;

/// When whoever has a number of this prefix may be rung.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// First characters of the number; the first entry that fits counts.
    pub prefix: String,
    /// How far their clocks are ahead of UTC; behind it: less than 0.
    pub utc_offset_minutes: i16,
    /// From this hour on.
    pub from: u8,
    /// Until this one begins.
    pub until: u8,
}

impl Hours {
    /// Whether such a number may be rung at this time.
    pub fn allow(&self, at: SystemTime) -> bool {
        let since = at.duration_since(SystemTime::UNIX_EPOCH);
        let minutes = i64::try_from(since.unwrap_or(Duration::ZERO).as_secs() / 60);
        let there = minutes.unwrap_or_default() + i64::from(self.utc_offset_minutes);
        let hour = there.rem_euclid(DAY_MINUTES) / 60;
        (i64::from(self.from)..i64::from(self.until)).contains(&hour)
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        if self.from > self.until || self.until > 24 {
            let (from, until) = (self.from, self.until);
            return Err(format!(
                "hours: {from} to {until}; allowed are 0 ≤ from ≤ until ≤ 24"
            ));
        }
        Ok(())
    }
}

/// Whether this number may be rung at this time; one that nothing is said of may.
pub(super) fn may_ring(hours: &[Hours], number: &str, at: SystemTime) -> bool {
    let entry = hours.iter().find(|entry| number.starts_with(&entry.prefix));
    entry.is_none_or(|entry| entry.allow(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_on_their_wall_counts() {
        let hours = |utc_offset_minutes| Hours {
            prefix: "+1202".into(),
            utc_offset_minutes,
            from: 9,
            until: 20,
        };
        // 1970-01-02, 01:30 UTC.
        let at = SystemTime::UNIX_EPOCH + Duration::from_mins(DAY_MINUTES.unsigned_abs() + 90);
        assert!(!hours(0).allow(at));
        assert!(hours(-360).allow(at), "19:30 of the day before");
        assert!(!hours(-330).allow(at), "20:00 is too late");
        assert!(hours(480).allow(at), "9:30");
        assert!(may_ring(&[hours(0)], "+4930", at), "nothing is said of it");
        assert!(!may_ring(&[hours(0)], "+12025550100", at));
    }
}
