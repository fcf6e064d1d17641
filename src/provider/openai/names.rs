//! Our numbers for a provider's names: items, responses and tool calls are counted in the order in which they are first seen.

use std::collections::VecDeque;

/// Names remembered of one kind. The oldest is forgotten first: a turn has a handful, so a forgotten one is many turns old;
/// if the provider names it again all the same, it counts as new.
const NAMES_MAX: usize = 64;

/// The provider's names of one kind, each with its number and what else is known of it.
#[derive(Debug)]
pub(super) struct Names<T> {
    /// The number of the first entry; the others follow in order.
    first: u32,
    entries: VecDeque<(Box<str>, T)>,
}

impl<T: Default> Names<T> {
    pub(super) const fn new() -> Self {
        Self {
            first: 0,
            entries: VecDeque::new(),
        }
    }

    /// The number of this name, and what is known of it. Allocates only for a name that is new.
    pub(super) fn number(&mut self, name: &str) -> (u32, &mut T) {
        // The latest is the one that is spoken of.
        let index = self.entries.iter().rposition(|(known, _)| **known == *name);
        let index = index.unwrap_or_else(|| self.push(name));
        let number = self
            .first
            .saturating_add(u32::try_from(index).unwrap_or(u32::MAX));
        let (_, known) = self
            .entries
            .get_mut(index)
            .expect("the index was found or made just now");
        (number, known)
    }

    /// The provider's name for this number, unless it is forgotten.
    pub(super) fn name(&self, number: u32) -> Option<(&str, &T)> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries
            .get(index)
            .map(|(name, known)| (&**name, known))
    }

    fn push(&mut self, name: &str) -> usize {
        if self.entries.len() >= NAMES_MAX {
            self.entries.pop_front();
            self.first = self.first.saturating_add(1);
        }
        self.entries.push_back((name.into(), T::default()));
        self.entries.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_and_the_oldest_is_forgotten() {
        let mut names = Names::<()>::new();
        for number in 0..NAMES_MAX + 10 {
            assert_eq!(names.number(&format!("item_{number}")).0 as usize, number);
        }
        assert_eq!(
            names.number("item_50").0,
            50,
            "a known name keeps its number"
        );
        assert_eq!(names.name(9), None);
        assert_eq!(names.name(10).unwrap().0, "item_10");
        assert_eq!(names.entries.len(), NAMES_MAX);
    }
}
