//! A map that forgets: each entry after its time, and the oldest when there is no room.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::time::Instant;

/// There is no room for another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// At most `max` entries, each for `keep` after it was put in last.
#[derive(Clone, Debug)]
pub struct Expiring<K, V> {
    entries: BTreeMap<K, Entry<V>>,
    /// The keys by age, the oldest first.
    by_age: BTreeMap<u64, K>,
    max: usize,
    keep: Duration,
    number: u64,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    value: V,
    number: u64,
    until: Instant,
}

impl<K: Ord + Clone, V> Expiring<K, V> {
    /// An empty map.
    pub const fn new(max: usize, keep: Duration) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_age: BTreeMap::new(),
            max,
            keep,
            number: 0,
        }
    }

    /// Puts an entry in, in place of one of the same key; where there is no room, in place of the oldest.
    pub fn put(&mut self, now: Instant, key: K, value: V) {
        self.expire(now);
        self.remove(&key);
        if self.entries.len() >= self.max {
            self.forget_oldest();
        }
        self.insert(now, key, value);
    }

    /// Puts an entry in, and forgets none for it.
    pub fn try_put(&mut self, now: Instant, key: K, value: V) -> Result<(), Full> {
        self.expire(now);
        self.remove(&key);
        if self.entries.len() >= self.max {
            return Err(Full);
        }
        self.insert(now, key, value);
        Ok(())
    }

    /// The value of this key, if its time is not over.
    pub fn get(&self, now: Instant, key: &K) -> Option<&V> {
        let entry = self.entries.get(key)?;
        (now < entry.until).then_some(&entry.value)
    }

    /// The same, to be changed; it lives on no longer for that.
    pub fn get_mut(&mut self, now: Instant, key: &K) -> Option<&mut V> {
        let entry = self.entries.get_mut(key)?;
        (now < entry.until).then_some(&mut entry.value)
    }

    /// The keys of the entries that fit and whose time is not over, in their order.
    pub fn keys(&self, now: Instant, fits: impl Fn(&V) -> bool) -> impl Iterator<Item = &K> {
        let entries = self.entries.iter();
        let fitting = entries.filter(move |(_, entry)| now < entry.until && fits(&entry.value));
        fitting.map(|(key, _)| key)
    }

    /// Forgets all entries but these.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.entries.retain(|_, entry| keep(&entry.value));
        let entries = &self.entries;
        self.by_age.retain(|_, key| entries.contains_key(key));
    }

    /// How many entries there are, those included that are over and not yet gone.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn insert(&mut self, now: Instant, key: K, value: V) {
        self.number += 1;
        let number = self.number;
        let until = now + self.keep;
        self.by_age.insert(number, key.clone());
        self.entries.insert(
            key,
            Entry {
                value,
                number,
                until,
            },
        );
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_age.remove(&entry.number);
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.by_age.pop_first() {
            self.entries.remove(&key);
        }
    }

    /// All are kept for the same time: those that are over are the oldest.
    fn expire(&mut self, now: Instant) {
        while let Some((_, key)) = self.by_age.first_key_value()
            && self.entries.get(key).is_none_or(|entry| now >= entry.until)
        {
            self.forget_oldest();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn an_entry_is_forgotten_after_its_time() {
        let mut map = Expiring::new(10, Duration::from_secs(5));
        map.put(at(0), 'a', 1);
        map.put(at(3), 'b', 2);
        assert_eq!(
            (map.get(at(4), &'a'), map.get(at(5), &'a')),
            (Some(&1), None)
        );
        map.put(at(5), 'c', 3);
        assert_eq!(map.len(), 2, "what is over takes no room");
        map.put(at(6), 'b', 4);
        assert_eq!(map.get(at(10), &'b'), Some(&4), "its time begins again");
    }

    #[test]
    fn without_room_the_oldest_goes_or_nobody_comes_in() {
        let mut map = Expiring::new(2, Duration::from_secs(5));
        map.put(at(0), 'a', ());
        map.put(at(0), 'b', ());
        map.put(at(1), 'a', ());
        map.put(at(1), 'c', ());
        assert_eq!(map.get(at(1), &'b'), None);
        assert_eq!(map.try_put(at(1), 'd', ()), Err(Full));
        assert_eq!(map.try_put(at(1), 'c', ()), Ok(()));
        assert_eq!(map.try_put(at(6), 'd', ()), Ok(()));
        assert_eq!((map.len(), map.by_age.len()), (1, 1));
    }
}
