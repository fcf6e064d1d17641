//! Counts of one kind, by name: a fixed array of atomics, so that counting takes no lock and allocates nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts by name. Names are few and compared one by one: nothing on the path of a frame is counted here.
#[derive(Debug)]
pub(super) struct Family<const N: usize> {
    names: [&'static str; N],
    numbers: [AtomicU64; N],
}

impl<const N: usize> Family<N> {
    pub(super) const fn new(names: [&'static str; N]) -> Self {
        let numbers = [const { AtomicU64::new(0) }; N];
        Self { names, numbers }
    }

    /// Adds one to the count of this name, which must be in the list.
    pub(super) fn add(&self, name: &str) {
        let number = self.find(name);
        debug_assert!(number.is_some(), "{name} is in no list");
        if let Some(number) = number {
            number.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The count of this name; zero if it is in no list.
    pub(super) fn get(&self, name: &str) -> u64 {
        let number = self.find(name);
        number.map_or(0, |number| number.load(Ordering::Relaxed))
    }

    /// All counts, in the order of the list.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let numbers = self.names.iter().zip(&self.numbers);
        numbers.map(|(name, number)| (*name, number.load(Ordering::Relaxed)))
    }

    fn find(&self, name: &str) -> Option<&AtomicU64> {
        let place = self.names.iter().position(|of| *of == name)?;
        self.numbers.get(place)
    }
}
