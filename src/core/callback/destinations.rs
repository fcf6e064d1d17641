//! Which numbers may be texted and rung at all.

use crate::core::callback::number::{Number, Prefix};

/// The most prefixes of either list: as many as there are countries, and some areas.
pub const PREFIXES_MAX: usize = 512;

/// The lists of an operator, on top of what is always refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// What may be rung; empty: the country of the number that was called, and no other.
    pub allowed: Vec<Prefix>,
    /// What may not, though it is allowed above.
    pub refused: Vec<Prefix>,
}

impl Destinations {
    /// Whether a caller of `called` may be texted and rung at `to`. Premium and satellite ranges never.
    pub fn allow(&self, to: Number, called: Number) -> bool {
        let is_in = |list: &[Prefix]| list.iter().any(|prefix| to.begins_with(*prefix));
        let is_dear = DEAR.iter().any(|&value| to.begins_with(Prefix::of(value)));
        let is_wanted = match self.allowed.as_slice() {
            [] => to.country() == called.country(),
            allowed => is_in(allowed),
        };
        to != called && is_wanted && !is_dear && !is_in(&self.refused)
    }
}

/// Premium, shared-cost, personal and satellite ranges: they pay whoever makes others ring them.
const DEAR: [u64; 39] = [
    // The world's: premium, shared cost, personal numbers, satellites, networks of no country.
    979, 808, 878, 870, 881, 882, 883, 888, 800,
    // +1: premium, and areas without a place.
    1900, 1976, 1500, 1533, 1544, 1566, 1577, 1588, 1700,
    // Premium, shared-cost and personal numbers of single countries.
    449, 4487, 4484, 4470, 4476, 338, 3481, 34803, 34806, 34807, 34905, 39892, 39895, 39899, 49900,
    49137, 41900, 43900, 31900, 61190, 55900,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn by_itself_only_the_called_numbers_country_is_rung_and_nothing_dear_in_it() {
        let lists = Destinations::default();
        let called = number("+15550100100");
        assert!(lists.allow(number("+14155550123"), called));
        for refused in [
            "+19005550123",
            "+18765550123",
            "+442079460000",
            "+881612345678",
            "+15550100100",
        ] {
            assert!(!lists.allow(number(refused), called), "{refused}");
        }
    }

    #[test]
    fn an_operators_lists_open_countries_and_close_areas_but_never_open_what_is_dear() {
        let lists = Destinations {
            allowed: ["+44", "+1900"]
                .map(|text| Prefix::parse(text).unwrap())
                .to_vec(),
            refused: vec![Prefix::parse("+4477").unwrap()],
        };
        let called = number("+15550100100");
        assert!(lists.allow(number("+442079460000"), called));
        for refused in [
            "+447700900123",
            "+449012345678",
            "+19005550123",
            "+14155550123",
        ] {
            assert!(!lists.allow(number(refused), called), "{refused}");
        }
    }
}
