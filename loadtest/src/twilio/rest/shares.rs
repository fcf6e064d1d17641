//! What goes wrong with requests by chance.
//!
//! Owns the shares and what is drawn for one request. Windows in which all of them fail are in [`faults`](super::faults); what a fault
//! does to a connection is [`serve`](super::serve)'s.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{Resource, RestFault};
use crate::twilio::network::{
    habits::{chance, pick, within},
    settings::{check_range, check_share},
};

/// Shares of all requests that go wrong; a plan's `[rest]` table. Every key may be left out, and any of them may be set together: a
/// request may be taken in late, answered later, and its connection be cut then.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RestShares {
    /// What chance is drawn from.
    pub seed: u64,

    // Refused: without any effect, and proven so only by a 429.
    /// 429 with `Retry-After`.
    pub too_many_share: f64,
    /// 429 without.
    pub too_many_bare_share: f64,
    /// 500.
    pub error_share: f64,
    /// 503.
    pub unavailable_share: f64,
    /// The connection is cut.
    pub reset_share: f64,

    // Taken in, and not told so.
    /// The effect takes place at once, the answer comes later: after its client has given up, perhaps.
    pub held_share: f64,
    /// Least and most of that.
    pub held_ms: [u64; 2],
    /// The effect itself takes place later, though its client has given up; the answer comes behind it.
    pub late_share: f64,
    /// Least and most of that.
    pub late_ms: [u64; 2],
    /// 500 behind the effect.
    pub error_after_share: f64,
    /// The connection is cut behind the effect.
    pub reset_after_share: f64,

    // Lists.
    /// Least and most time before lists show what was taken in.
    pub list_lag_ms: [u64; 2],
    /// Of look-ups, lists and single ones: 503.
    pub look_ups_share: f64,

    // Numbers.
    /// Numbers that are refused with these codes, by their shares of all numbers: 21610, 21614, 21211 and so on.
    pub refused: Vec<Refused>,
    /// The code with which these numbers are refused.
    pub numbers: BTreeMap<String, u32>,
}

/// Numbers that are refused.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The carrier's code.
    pub code: u32,
    /// So many of all numbers.
    pub share: f64,
}

impl Default for RestShares {
    fn default() -> Self {
        Self {
            seed: 1,
            too_many_share: 0.0,
            too_many_bare_share: 0.0,
            error_share: 0.0,
            unavailable_share: 0.0,
            reset_share: 0.0,
            held_share: 0.0,
            held_ms: [6_000, 12_000],
            late_share: 0.0,
            late_ms: [6_000, 12_000],
            error_after_share: 0.0,
            reset_after_share: 0.0,
            list_lag_ms: [0, 0],
            look_ups_share: 0.0,
            refused: Vec::new(),
            numbers: BTreeMap::new(),
        }
    }
}

/// What goes wrong with one request. Default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// It has no effect, and ends like this.
    pub refused: Option<RestFault>,
    /// It has its effect only then.
    pub effect_after: Duration,
    /// It is answered so long behind that.
    pub answer_after: Duration,
    /// It has had its effect, and ends like this.
    pub fails: Option<RestFault>,
}

impl Trouble {
    /// As a window says.
    pub(in crate::twilio) fn of(fault: RestFault) -> Self {
        let (refused, fails) = if fault.has_effect() {
            (None, Some(fault))
        } else {
            (Some(fault), None)
        };
        Self {
            refused,
            fails,
            ..Self::default()
        }
    }
}

impl RestShares {
    /// What goes wrong with the `nth` request.
    pub(in crate::twilio) fn trouble(&self, nth: u64, writes: bool) -> Trouble {
        let mut rng = chance(self.seed, "", "request", nth);
        let refusals = [
            (RestFault::TooMany, self.too_many_share),
            (RestFault::TooManyBare, self.too_many_bare_share),
            (RestFault::Error, self.error_share),
            (RestFault::Unavailable, self.unavailable_share),
            (RestFault::Reset, self.reset_share),
        ];
        let look_up = [(RestFault::Unavailable, self.look_ups_share)];
        let refused = pick(refusals.into_iter(), &mut rng);
        if !writes {
            return Trouble {
                refused: refused.or_else(|| pick(look_up.into_iter(), &mut rng)),
                ..Trouble::default()
            };
        }
        let mut delay = |share: f64, range| {
            let is_drawn = rng.f64() < share;
            let delay = within(range, &mut rng);
            if is_drawn { delay } else { Duration::ZERO }
        };
        let effect_after = delay(self.late_share, self.late_ms);
        let answer_after = delay(self.held_share, self.held_ms);
        let fails = [
            (RestFault::ErrorAfterEffect, self.error_after_share),
            (RestFault::ResetAfterEffect, self.reset_after_share),
        ];
        Trouble {
            refused,
            effect_after,
            answer_after,
            fails: pick(fails.into_iter(), &mut rng),
        }
    }

    /// How long lists do not show what was taken in as the `nth`.
    pub(in crate::twilio) fn lag(&self, resource: Resource, nth: u64) -> Duration {
        let occasion = match resource {
            Resource::Calls => "call",
            Resource::Messages => "message",
        };
        within(self.list_lag_ms, &mut chance(self.seed, "", occasion, nth))
    }

    /// The code with which this number is refused; the same in every request.
    pub(in crate::twilio) fn refusal(&self, number: &str) -> Option<u32> {
        if let Some(code) = self.numbers.get(number) {
            return Some(*code);
        }
        let refused = self.refused.iter().map(|it| (it.code, it.share));
        pick(refused, &mut chance(self.seed, number, "number", 0))
    }

    /// Says what is not allowed, if anything. Whoever reads shares from a file asks this.
    pub fn validate(&self) -> Result<(), String> {
        let refusals = self.too_many_share
            + self.too_many_bare_share
            + self.error_share
            + self.unavailable_share
            + self.reset_share;
        for (key, share) in [
            (
                "too_many, too_many_bare, error, unavailable, reset",
                refusals,
            ),
            ("held_share", self.held_share),
            ("late_share", self.late_share),
            (
                "error_after, reset_after",
                self.error_after_share + self.reset_after_share,
            ),
            ("look_ups_share", self.look_ups_share),
            ("refused", self.refused.iter().map(|it| it.share).sum()),
        ] {
            check_share(key, share)?;
        }
        for (key, range) in [
            ("held_ms", self.held_ms),
            ("late_ms", self.late_ms),
            ("list_lag_ms", self.list_lag_ms),
        ] {
            check_range(key, range)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_come_by_their_shares_together_and_the_same_in_every_run() {
        let shares = RestShares {
            reset_share: 0.25,
            held_share: 0.5,
            reset_after_share: 0.5,
            look_ups_share: 0.5,
            ..RestShares::default()
        };
        assert_eq!(shares.validate(), Ok(()));
        let all: Vec<_> = (0..4_000).map(|nth| shares.trouble(nth, true)).collect();
        let many = |is: fn(&&Trouble) -> bool| all.iter().filter(is).count();
        let near = |count: usize, wanted: usize| count.abs_diff(wanted) < 160;
        assert!(near(many(|it| it.refused.is_some()), 1_000));
        assert!(near(many(|it| !it.answer_after.is_zero()), 2_000));
        assert!(near(
            many(|it| !it.answer_after.is_zero() && it.fails.is_some()),
            1_000
        ));
        assert_eq!(many(|it| !it.effect_after.is_zero()), 0);
        assert_eq!(shares.trouble(7, true), shares.trouble(7, true));
        let look_ups = (0..4_000).filter(|&nth| shares.trouble(nth, false).refused.is_some());
        assert!(near(look_ups.count(), 2_500));
    }

    #[test]
    fn a_number_is_refused_always_or_never() {
        let shares = RestShares {
            refused: vec![Refused {
                code: 21_614,
                share: 0.5,
            }],
            numbers: [("+12025550111".to_owned(), 21_610)].into(),
            ..RestShares::default()
        };
        assert_eq!(shares.refusal("+12025550111"), Some(21_610));
        let refused = |nth: u32| shares.refusal(&format!("+1202555{nth:04}"));
        let all = (0..1_000).filter(|&nth| refused(nth).is_some()).count();
        assert!((430..570).contains(&all), "{all}");
        assert_eq!(refused(3), refused(3));
    }
}
