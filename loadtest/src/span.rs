//! Stretches of time in which a plan wants something to be so: once, for ever, or again and again.

use std::time::Duration;

/// A stretch of time. Times are since whatever its owner counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    from: Duration,
    /// `None`: for ever.
    to: Option<Duration>,
    every: Option<Duration>,
}

impl Span {
    /// It begins then and does not end.
    pub const fn from(from: Duration) -> Self {
        Self {
            from,
            to: None,
            every: None,
        }
    }

    /// It ends then.
    #[must_use]
    pub const fn until(self, to: Duration) -> Self {
        Self {
            to: Some(to),
            ..self
        }
    }

    /// It begins again every so often.
    #[must_use]
    pub const fn every(self, every: Duration) -> Self {
        Self {
            every: Some(every),
            ..self
        }
    }

    /// As a plan writes it. `is_moment`: only its beginnings count. The error names key, value and what is allowed.
    pub fn parse(
        from_ms: u64,
        to_ms: Option<u64>,
        every_ms: Option<u64>,
        is_moment: bool,
    ) -> Result<Self, String> {
        match (to_ms, every_ms) {
            (Some(to), _) if to <= from_ms => {
                return Err(format!(
                    "to_ms = {to}: allowed: more than from_ms = {from_ms}"
                ));
            }
            (Some(to), _) if is_moment => {
                return Err(format!(
                    "to_ms = {to}: this happens at a moment, from_ms; allowed: none"
                ));
            }
            (Some(to), Some(every)) if every <= to - from_ms => {
                return Err(format!(
                    "every_ms = {every}: allowed: more than to_ms - from_ms"
                ));
            }
            (None, Some(every)) if !is_moment => {
                return Err(format!(
                    "every_ms = {every}: allowed only with to_ms: what stays cannot come again"
                ));
            }
            (None, Some(0)) => return Err("every_ms = 0: allowed: 1 or more".into()),
            (Some(_) | None, Some(_) | None) => {}
        }
        Ok(Self {
            from: Duration::from_millis(from_ms),
            to: to_ms.map(Duration::from_millis),
            every: every_ms.map(Duration::from_millis),
        })
    }

    /// Whether it holds.
    pub fn is_open(&self, now: Duration) -> bool {
        let Some(since) = now.checked_sub(self.from) else {
            return false;
        };
        let Some(length) = self.length() else {
            return true;
        };
        self.every.map_or(since, |every| remainder(since, every)) < length
    }

    /// When it begins, after `now`; of those that come again and again the first [`BEGINNINGS_MAX`].
    pub fn beginnings(&self, now: Duration) -> impl Iterator<Item = Duration> + use<> {
        let (from, every) = (self.from, self.every);
        let passed = now.checked_sub(from).map_or(0, |since| {
            every.map_or(1, |every| count(since, every).saturating_add(1))
        });
        let last = every.map_or(1, |_| passed.saturating_add(BEGINNINGS_MAX));
        (passed..last).map(move |nth| from + every.unwrap_or_default().saturating_mul(nth))
    }

    /// How often it has begun by now.
    pub fn begun(&self, now: Duration) -> u64 {
        now.checked_sub(self.from).map_or(0, |since| {
            self.every
                .map_or(1, |every| u64::from(count(since, every)) + 1)
        })
    }

    /// When it next begins or ends.
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        let next = self.beginnings(now).next();
        let end = self.length().filter(|_| self.is_open(now)).map(|length| {
            let since = now.saturating_sub(self.from);
            let into = self.every.map_or(since, |every| remainder(since, every));
            now.saturating_sub(into) + length
        });
        [next, end].into_iter().flatten().min()
    }

    fn length(&self) -> Option<Duration> {
        self.to.map(|to| to.saturating_sub(self.from))
    }
}

/// So far ahead anybody looks.
pub const BEGINNINGS_MAX: u32 = 64;

fn remainder(time: Duration, every: Duration) -> Duration {
    let micros = time.as_micros() % every.as_micros().max(1);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

fn count(time: Duration, every: Duration) -> u32 {
    u32::try_from(time.as_micros() / every.as_micros().max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_span_begins_ends_and_begins_again() {
        let span = Span::parse(1_000, Some(1_500), Some(2_000), false).unwrap();
        let open: Vec<_> = (0..60).filter(|&at| span.is_open(MS(at * 100))).collect();
        let expected: Vec<_> = [10..15, 30..35, 50..55].into_iter().flatten().collect();
        assert_eq!(open, expected);
        let stays = Span::from(MS(1_000));
        assert!(!stays.is_open(MS(999)) && stays.is_open(MS(1_000_000)));
    }

    #[test]
    fn its_beginnings_and_changes_are_known_ahead() {
        let once = Span::from(MS(1_000));
        assert_eq!(once.beginnings(MS(999)).collect::<Vec<_>>(), [MS(1_000)]);
        assert_eq!(once.beginnings(MS(1_000)).count(), 0);
        assert_eq!(
            (once.next_change(MS(1)), once.next_change(MS(1_000))),
            (Some(MS(1_000)), None)
        );
        let again = Span::parse(1_000, None, Some(500), true).unwrap();
        let next = |now| again.beginnings(MS(now)).take(2).collect::<Vec<_>>();
        assert_eq!(next(0), [MS(1_000), MS(1_500)]);
        assert_eq!(next(1_000), [MS(1_500), MS(2_000)]);
        assert_eq!(next(1_499), [MS(1_500), MS(2_000)]);
        let window = Span::parse(1_000, Some(1_200), Some(500), false).unwrap();
        let changes: Vec<_> = std::iter::successors(Some(MS(0)), |&now| window.next_change(now))
            .skip(1)
            .take(5)
            .collect();
        assert_eq!(changes, [1_000, 1_200, 1_500, 1_700, 2_000].map(MS));
    }
}
