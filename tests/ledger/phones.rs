//! The callers: what they answer to a text, and who picks up.

use std::time::Duration;

use fastrand::Rng;
use ringback::core::callback::hours::{AllowedHours, Stretch};
use ringback::core::callback::intent::Intent;
use ringback::core::callback::number::Number;
use ringback::core::callback::promise::Source;
use ringback::core::time::Utc;

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// One caller.
#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) number: Number,
    pub(crate) is_landline: bool,
    pub(crate) source: Source,
    /// Of a hundred texts of ours: how many are answered.
    answers: u8,
    /// Of a hundred rings: how many a person answers, and how many a machine.
    person: u8,
    machine: u8,
    /// Offsets of the zones that it may be in, in hours.
    zones: Vec<i64>,
}

impl Phone {
    pub(crate) fn draw(rng: &mut Rng, number: Number) -> Self {
        let zones = (0..rng.usize(1..=2)).map(|_| rng.i64(-8..=2)).collect();
        Self {
            number,
            is_landline: rng.u8(..10) == 0,
            source: match rng.u8(..10) {
                0 => Source::Doubted,
                1..=3 => Source::KeyedIn,
                _ => Source::CallerId,
            },
            answers: rng.u8(..100),
            person: rng.u8(10..90),
            machine: rng.u8(..40),
            zones,
        }
    }

    /// Nine to eight in each of its zones, for nine days.
    pub(crate) fn hours(&self, utc: Utc) -> AllowedHours {
        const DAY: i64 = 86_400_000;
        let of = |zone: &i64| {
            let first = i64::try_from(utc.millis()).unwrap() / DAY - 1;
            AllowedHours::new((first..first + 11).map(|day| {
                let at = |hour: i64| {
                    let millis = day * DAY + (hour - zone) * 3_600_000;
                    Utc::from_millis(u64::try_from(millis).unwrap())
                };
                Stretch {
                    from: at(9),
                    until: at(20),
                }
            }))
        };
        let mut zones = self.zones.iter().map(of);
        let first = zones.next().unwrap();
        zones.fold(first, |hours, other| hours.and(&other))
    }

    /// What is answered to a text that has come, and after how long.
    pub(crate) fn answer(&self, rng: &mut Rng, utc: Utc) -> Option<(Duration, Intent<Utc>)> {
        if rng.u8(..100) >= self.answers {
            return None;
        }
        let after = Duration::from_millis(rng.u64(2_000..600_000));
        Some((after, intent(rng, utc)))
    }

    pub(crate) fn picks_up(&self, rng: &mut Rng) -> PicksUp {
        match rng.u8(..100) {
            roll if roll < self.person => PicksUp::Person,
            roll if roll < self.person.saturating_add(self.machine) => PicksUp::Machine,
            _ => PicksUp::Nobody,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PicksUp {
    Person,
    Machine,
    Nobody,
}

pub(crate) fn intent(rng: &mut Rng, utc: Utc) -> Intent<Utc> {
    match rng.u8(..20) {
        0..=7 => Intent::Yes,
        8..=10 => Intent::Call,
        11..=12 => Intent::Stop,
        13 => Intent::Start,
        14 => Intent::Help,
        15 => Intent::No,
        16..=18 => Intent::At(Utc::from_millis(utc.millis() + rng.u64(..90_000_000))),
        _ => Intent::Free,
    }
}
