//! Who has come with bad papers too often: asked before anything is read of a request.

use std::time::Duration;

use crate::core::front::Expiring;
use crate::core::time::Instant;

/// How many addresses are remembered; beyond it the oldest is forgotten.
pub const STRANGERS_REMEMBERED: usize = 4_096;

/// Addresses `A`, and how much patience is left for each. Only what was refused costs any: a carrier, whose papers are good,
/// may come as often as it likes.
#[derive(Debug)]
pub struct Strangers<A> {
    /// When the last refusal will be forgiven.
    forgiven_at: Expiring<A, Instant>,
    /// How long one takes to be.
    each: Duration,
    /// How far ahead that may lie before the address has to wait.
    patience: Duration,
}

impl<A: Ord + Clone> Strangers<A> {
    /// Bears `at_once` refusals of an address at once, and `per_minute` of them in the long run; both at least one.
    pub fn new(at_once: u32, per_minute: u32) -> Self {
        let each = Duration::from_mins(1) / per_minute.max(1);
        let patience = each * at_once.max(1);
        Self {
            // An address that is forgotten in this time was forgiven.
            forgiven_at: Expiring::new(STRANGERS_REMEMBERED, patience + each),
            each,
            patience,
        }
    }

    /// Whether the address may ask for something.
    pub fn may_ask(&self, now: Instant, address: &A) -> bool {
        let at = self.forgiven_at.get(now, address);
        at.is_none_or(|at| at.since(now) < self.patience)
    }

    /// Something that the address asked for was refused.
    pub fn refused(&mut self, now: Instant, address: A) {
        let at = self.forgiven_at.get(now, &address).copied();
        let at = at.unwrap_or(now).max(now) + self.each;
        self.forgiven_at.put(now, address, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_limited_comes_back_and_is_each_addresss_own() {
        let at = |millis| Instant::from_start(Duration::from_millis(millis));
        let mut strangers = Strangers::new(3, 60);
        for _ in 0..3 {
            assert!(strangers.may_ask(at(0), &'a'));
            strangers.refused(at(0), 'a');
        }
        assert!(!strangers.may_ask(at(0), &'a'));
        assert!(strangers.may_ask(at(0), &'b'));
        assert!(!strangers.may_ask(at(0), &'a'));
        assert!(
            strangers.may_ask(at(1), &'a'),
            "the first is forgiven bit by bit"
        );
        strangers.refused(at(1), 'a');
        assert!(!strangers.may_ask(at(1_000), &'a'));
        assert!(strangers.may_ask(at(1_001), &'a'));
    }

    #[test]
    fn whoever_comes_from_everywhere_fills_no_memory() {
        let mut strangers = Strangers::new(3, 60);
        for address in 0..2 * STRANGERS_REMEMBERED {
            strangers.refused(Instant::ZERO, address);
        }
        assert_eq!(strangers.forgiven_at.len(), STRANGERS_REMEMBERED);
    }
}
