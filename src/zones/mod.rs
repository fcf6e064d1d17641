//! Translates clocks on walls: zones and their rules into the stretches of time in which a number may be rung.
//!
//! It owns the time zone database, which is in the binary, so that no machine's own makes a difference, and the table of which
//! zones a number may be in. It must not decide whether anybody is rung: that is [`crate::core::callback`]'s.

mod table;

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _};

use crate::core::callback::hours::{AllowedHours, Stretch};
use crate::core::callback::intent::WallTime;
use crate::core::callback::number::Number;
use crate::core::time::Utc;

/// When a day's ringing begins and ends, by the clocks on the walls there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Daily {
    /// The first hour.
    pub from: u8,
    /// The hour behind the last, at most 24: midnight.
    pub until: u8,
}

/// Midnight behind the day.
const MIDNIGHT: u8 = 24;

impl Daily {
    /// Whether no hour is left out: then it does not matter what the clocks show, nor that they skip an hour or show one twice.
    const fn is_always(self) -> bool {
        self.from == 0 && self.until >= MIDNIGHT
    }
}

impl Default for Daily {
    /// Nine to eight: no law or custom that we know of has narrower hours on working days.
    fn default() -> Self {
        Self { from: 9, until: 20 }
    }
}

/// A moment as the clocks on the walls show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Whether it is on the day that it is there now.
    pub is_today: bool,
    /// The day, as `2026-12-31`.
    pub day: String,
    /// The time, as `17:30`.
    pub time: String,
}

/// The rules of all zones.
#[derive(Debug)]
pub struct Zones {
    database: TimeZoneDatabase,
    business: TimeZone,
}

impl Zones {
    /// The zones, for a business in one of them (`Europe/Paris`); `None`: there is no such zone.
    pub fn new(business: &str) -> Option<Self> {
        let database = TimeZoneDatabase::bundled();
        let business = database.get(business).ok()?;
        Some(Self { database, business })
    }

    /// When a number may be rung from the day before `now` on, for `days` days: whenever it is allowed in every zone that it may
    /// be in. Of an hour that a clock shows twice, and of one that it skips, the part is taken that allows less.
    pub fn hours(&self, number: Number, daily: Daily, now: Utc, days: u8) -> AllowedHours {
        let zones = self.of(number);
        let mut all = zones.iter().map(|zone| in_zone(zone, daily, now, days));
        let first = all.next().unwrap_or_default();
        all.fold(first, |hours, other| hours.and(&other))
    }

    /// The moment that a caller means: the next of its kind at which they may be rung, else the next. `None`: there is no such
    /// time on that day.
    pub fn moment(
        &self,
        number: Number,
        time: WallTime,
        hours: &AllowedHours,
        now: Utc,
    ) -> Option<Utc> {
        let zone = &self.likeliest(number);
        let today = timestamp(now)?.to_zoned(zone.clone()).date();
        let tomorrow = today.tomorrow().ok()?;
        let days: &[Date] = if time.is_tomorrow {
            &[tomorrow]
        } else {
            &[today, tomorrow]
        };
        let halves: &[u8] = if time.is_open { &[0, 12] } else { &[0] };
        let read = |day: &Date, half: &u8| {
            let hour = if time.is_open {
                time.hour % 12
            } else {
                time.hour
            } + half;
            let clock = day.at(
                i8::try_from(hour).ok()?,
                i8::try_from(time.minute).ok()?,
                0,
                0,
            );
            let moment = zone.to_ambiguous_timestamp(clock);
            let is_skipped = matches!(moment.offset(), AmbiguousOffset::Gap { .. });
            let moment = moment.earlier().ok().filter(|_| !is_skipped)?;
            utc(moment).filter(|moment| *moment >= now)
        };
        let all = days
            .iter()
            .flat_map(|day| halves.iter().filter_map(move |half| read(day, half)));
        let all: Vec<Utc> = all.collect();
        let allowed = all.iter().find(|moment| hours.allow(**moment));
        allowed.or(all.first()).copied()
    }

    /// What the clocks show at a moment where a number may be; of several zones, where [`Self::moment`] takes it to be.
    pub fn wall_clock(&self, number: Number, at: Utc, now: Utc) -> Option<Moment> {
        let zone = self.likeliest(number);
        let day_of = |at: Utc| Some(timestamp(at)?.to_zoned(zone.clone()).date());
        let shown = timestamp(at)?.to_zoned(zone.clone());
        Some(Moment {
            is_today: day_of(now)? == shown.date(),
            day: shown.date().to_string(),
            time: format!("{:02}:{:02}", shown.hour(), shown.minute()),
        })
    }

    /// The business's zone, if the number may be there; else the first.
    fn likeliest(&self, number: Number) -> TimeZone {
        let zones = self.of(number);
        let is_ours = zones.contains(&self.business);
        let first = zones.into_iter().next().filter(|_| !is_ours);
        first.unwrap_or_else(|| self.business.clone())
    }

    /// Whether it is one of these hours now, by the clock of the business.
    pub fn is_open(&self, daily: Daily, now: Utc) -> bool {
        in_zone(&self.business, daily, now, 1).allow(now)
    }

    /// The zones that a number may be in; where nothing is known of it, the business's.
    fn of(&self, number: Number) -> Vec<TimeZone> {
        let names = table::zones_of(number).iter();
        let zones: Vec<_> = names
            .filter_map(|name| self.database.get(name).ok())
            .collect();
        if zones.is_empty() {
            vec![self.business.clone()]
        } else {
            zones
        }
    }
}

fn in_zone(zone: &TimeZone, daily: Daily, now: Utc, days: u8) -> AllowedHours {
    let Some(today) = timestamp(now).map(|now| now.to_zoned(zone.clone()).date()) else {
        return AllowedHours::default();
    };
    let stretch = |day: i64| {
        let date = today.checked_add((day - 1).days()).ok()?;
        let clock = |hour: u8| match hour {
            MIDNIGHT.. => Some(date.tomorrow().ok()?.at(0, 0, 0, 0)),
            ..MIDNIGHT => Some(date.at(i8::try_from(hour).ok()?, 0, 0, 0)),
        };
        let from = zone
            .to_ambiguous_timestamp(clock(daily.from)?)
            .later()
            .ok()?;
        let until = zone
            .to_ambiguous_timestamp(clock(daily.until)?)
            .earlier()
            .ok()?;
        Some(Stretch {
            from: utc(from)?,
            until: utc(until)?,
        })
    };
    let all = (0..=i64::from(days)).filter_map(stretch);
    if daily.is_always() {
        return AllowedHours::new(all.reduce(|first, last| Stretch {
            from: first.from,
            until: last.until,
        }));
    }
    AllowedHours::new(all)
}

fn timestamp(utc: Utc) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(utc.millis()).ok()?).ok()
}

fn utc(moment: Timestamp) -> Option<Utc> {
    u64::try_from(moment.as_millisecond())
        .ok()
        .map(Utc::from_millis)
}

#[cfg(test)]
mod tests;
