//! How often what happened within a stretch of time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::time::Utc;

/// The most moments of a window; when it is full, its cap is reached. With the default prices the money is spent far earlier.
pub(super) const EVENTS_MAX: usize = 200_000;

/// Events of the last so long, counted by their key. They may be told, and taken back, in any order.
#[derive(Debug)]
pub(super) struct Window<K> {
    lasts: Duration,
    /// In the order of their time, each with how often it was told.
    events: BTreeMap<(Utc, K), u32>,
    counts: BTreeMap<K, u32>,
}

impl<K: Ord + Copy> Window<K> {
    pub(super) const fn new(lasts: Duration) -> Self {
        Self {
            lasts,
            events: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// How often it happened; more than any cap where there is no room to know.
    pub(super) fn count(&mut self, now: Utc, key: K) -> u32 {
        while let Some((&(at, _), _)) = self.events.first_key_value()
            && now.since(at) >= self.lasts
        {
            if let Some(((_, old), times)) = self.events.pop_first() {
                self.lower(old, times);
            }
        }
        if self.events.len() >= EVENTS_MAX {
            return u32::MAX;
        }
        self.counts.get(&key).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, at: Utc, key: K) {
        if self.events.len() < EVENTS_MAX || self.events.contains_key(&(at, key)) {
            *self.events.entry((at, key)).or_default() += 1;
            *self.counts.entry(key).or_default() += 1;
        }
    }

    /// What was added is taken back once, if it is still in the window.
    pub(super) fn remove(&mut self, at: Utc, key: K) {
        if let Some(times) = self.events.get_mut(&(at, key)) {
            *times -= 1;
            if *times == 0 {
                self.events.remove(&(at, key));
            }
            self.lower(key, 1);
        }
    }

    /// Nothing is left of a key.
    pub(super) fn forget(&mut self, key: K) {
        if self.counts.remove(&key).is_some() {
            self.events.retain(|(_, other), _| *other != key);
        }
    }

    fn lower(&mut self, key: K, by: u32) {
        if let Some(count) = self.counts.get_mut(&key) {
            *count = count.saturating_sub(by);
            if *count == 0 {
                self.counts.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Utc {
        Utc::from_millis(millis)
    }

    #[test]
    fn what_is_told_in_any_order_and_taken_back_is_counted_as_long_as_the_window_lasts() {
        let mut window = Window::new(SECOND);
        for (millis, key) in [(500, 'a'), (100, 'a'), (500, 'a'), (300, 'b')] {
            window.add(at(millis), key);
        }
        assert_eq!(
            (window.count(at(600), 'a'), window.count(at(600), 'b')),
            (3, 1)
        );
        window.remove(at(500), 'a');
        window.remove(at(501), 'a');
        assert_eq!(
            window.count(at(600), 'a'),
            2,
            "what was never told is not taken back"
        );
        assert_eq!(window.count(at(1_100), 'a'), 1);
        window.remove(at(100), 'a');
        assert_eq!(
            window.count(at(1_100), 'a'),
            1,
            "nor what has left the window"
        );
        assert_eq!(window.count(at(1_500), 'a'), 0);
        assert!(window.events.is_empty() && window.counts.is_empty());
    }

    #[test]
    fn a_key_that_is_forgotten_leaves_nothing_and_a_window_without_room_says_so() {
        let mut window = Window::new(SECOND);
        window.add(at(1), u64::MAX);
        window.add(at(2), 7);
        window.forget(u64::MAX);
        assert_eq!(
            (window.count(at(3), u64::MAX), window.count(at(3), 7)),
            (0, 1)
        );
        assert_eq!(window.events.len(), 1);
        for key in 0..u64::try_from(EVENTS_MAX).unwrap() {
            window.add(at(2), key);
        }
        assert_eq!(window.events.len(), EVENTS_MAX);
        assert_eq!(window.count(at(3), u64::MAX), u32::MAX);
    }
}
