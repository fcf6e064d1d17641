//! When a caller may be rung: stretches of time, worked out at the edge from the rules of all zones the number may be in.

use crate::core::time::Utc;

/// The most stretches: two weeks of days, each with a pause at noon.
pub const STRETCHES_MAX: usize = 28;

/// Stretches of time in which ringing is allowed, in order, none touching the next. Outside of them, and behind the last, it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHours(Vec<Stretch>);

/// From a moment to another, which is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The first moment.
    pub from: Utc,
    /// The first moment behind it.
    pub until: Utc,
}

impl AllowedHours {
    /// These stretches in any order: empty ones are dropped, those that touch are joined. Beyond [`STRETCHES_MAX`] the last are
    /// dropped, so that less is allowed.
    pub fn new(stretches: impl IntoIterator<Item = Stretch>) -> Self {
        let mut sorted: Vec<_> = stretches
            .into_iter()
            .filter(|one| one.from < one.until)
            .collect();
        sorted.sort_unstable();
        let mut joined: Vec<Stretch> = Vec::new();
        for stretch in sorted {
            match joined.last_mut() {
                Some(last) if stretch.from <= last.until => {
                    last.until = last.until.max(stretch.until);
                }
                Some(_) | None => joined.push(stretch),
            }
        }
        joined.truncate(STRETCHES_MAX);
        Self(joined)
    }

    /// What both allow.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let pairs = self
            .0
            .iter()
            .flat_map(|one| other.0.iter().map(move |two| (one, two)));
        Self::new(pairs.map(|(one, two)| Stretch {
            from: one.from.max(two.from),
            until: one.until.min(two.until),
        }))
    }

    /// Whether ringing is allowed now.
    pub fn allow(&self, at: Utc) -> bool {
        self.0
            .iter()
            .any(|stretch| stretch.from <= at && at < stretch.until)
    }

    /// The first allowed moment from `at` on; `None`: none is known.
    pub fn next(&self, at: Utc) -> Option<Utc> {
        let stretch = self.0.iter().find(|stretch| at < stretch.until)?;
        Some(stretch.from.max(at))
    }

    /// The stretches.
    pub fn stretches(&self) -> &[Stretch] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(pairs: &[(u64, u64)]) -> AllowedHours {
        AllowedHours::new(pairs.iter().map(|&(from, until)| Stretch {
            from: Utc::from_millis(from),
            until: Utc::from_millis(until),
        }))
    }

    #[test]
    fn what_two_zones_allow_is_what_both_do() {
        let (one, other) = (hours(&[(10, 20), (30, 40)]), hours(&[(15, 35)]));
        assert_eq!(one.and(&other), hours(&[(15, 20), (30, 35)]));
        assert_eq!(one.and(&hours(&[(20, 30)])), AllowedHours::default());
    }

    #[test]
    fn the_next_allowed_moment_is_now_or_the_next_stretch_begins() {
        let hours = hours(&[(30, 40), (10, 20), (20, 25), (5, 5)]);
        assert_eq!(hours.stretches().len(), 2);
        let next = |at| hours.next(Utc::from_millis(at)).map(Utc::millis);
        assert_eq!(
            [next(0), next(12), next(25), next(39)],
            [Some(10), Some(12), Some(30), Some(39)]
        );
        assert_eq!(next(40), None);
        assert!(hours.allow(Utc::from_millis(24)) && !hours.allow(Utc::from_millis(25)));
    }

    #[test]
    fn what_is_too_much_to_keep_is_not_allowed() {
        let many: Vec<_> = (0..100).map(|day| (day * 10, day * 10 + 5)).collect();
        assert_eq!(hours(&many).stretches().len(), STRETCHES_MAX);
    }
}
