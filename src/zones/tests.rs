use super::*;

fn at(text: &str) -> Utc {
    utc(text.parse().unwrap()).unwrap()
}

fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

fn zones() -> Zones {
    Zones::new("Europe/Paris").unwrap()
}

fn plain(hour: u8, minute: u8) -> WallTime {
    WallTime {
        hour,
        minute,
        is_open: false,
        is_tomorrow: false,
    }
}

#[test]
fn every_zone_of_the_table_is_in_the_database() {
    let zones = zones();
    for name in table::names() {
        assert!(zones.database.get(name).is_ok(), "{name}");
    }
    assert!(Zones::new("Europe/Atlantis").is_none());
}

#[test]
fn a_number_is_rung_only_when_it_is_day_in_every_zone_that_it_may_be_in() {
    let zones = zones();
    let now = at("2026-07-01T00:00:00Z");
    let hours = |text| zones.hours(number(text), Daily::default(), now, 3);
    // New York alone; an area of two zones; an area that is not known: from Newfoundland to Hawaii.
    for (text, from, until) in [
        (
            "+12125550123",
            "2026-07-01T13:00:00Z",
            "2026-07-02T00:00:00Z",
        ),
        (
            "+18505550123",
            "2026-07-01T14:00:00Z",
            "2026-07-02T00:00:00Z",
        ),
        (
            "+12995550123",
            "2026-07-01T19:00:00Z",
            "2026-07-01T22:30:00Z",
        ),
        // Of this country nothing is known: the business's.
        (
            "+99355501234",
            "2026-07-01T07:00:00Z",
            "2026-07-01T18:00:00Z",
        ),
    ] {
        let hours = hours(text);
        let stretch = hours.stretches().iter().find(|stretch| stretch.from > now);
        let expected = Stretch {
            from: at(from),
            until: at(until),
        };
        assert_eq!(stretch, Some(&expected), "{text}");
    }
}

#[test]
fn where_a_clock_skips_an_hour_or_shows_it_twice_the_part_is_taken_that_allows_less() {
    let zones = zones();
    let early = Daily { from: 2, until: 3 };
    let hours = |text, now| zones.hours(number(text), early, at(now), 1);
    // Paris, 29 March: 2:00 to 3:00 is skipped. 25 October: it comes twice, and 3:00 once.
    let spring = hours("+33123456789", "2026-03-29T00:00:00Z");
    assert!(!spring.stretches().iter().any(
        |one| one.from >= at("2026-03-29T00:00:00Z") && one.until < at("2026-03-29T12:00:00Z")
    ));
    let autumn = hours("+33123456789", "2026-10-25T00:00:00Z");
    assert!(!autumn.allow(at("2026-10-25T00:30:00Z")), "the first 2:30");
    assert!(autumn.allow(at("2026-10-25T01:30:00Z")), "the second 2:30");
    assert!(!autumn.allow(at("2026-10-25T02:00:00Z")));
}

#[test]
fn days_of_23_and_of_25_hours_begin_and_end_by_the_clock_on_the_wall() {
    let zones = zones();
    for (now, from, until) in [
        (
            "2026-03-29T00:30:00Z",
            "2026-03-29T07:00:00Z",
            "2026-03-29T18:00:00Z",
        ),
        (
            "2026-10-25T00:30:00Z",
            "2026-10-25T08:00:00Z",
            "2026-10-25T19:00:00Z",
        ),
    ] {
        let hours = zones.hours(number("+33123456789"), Daily::default(), at(now), 1);
        assert_eq!(hours.next(at(now)), Some(at(from)));
        assert!(hours.allow(at(from)) && !hours.allow(at(until)));
    }
}

#[test]
fn hours_may_end_at_midnight() {
    let zones = zones();
    let (now, paris) = (at("2026-07-01T00:00:00Z"), number("+33123456789"));
    let late = Daily {
        from: 20,
        until: 24,
    };
    let hours = zones.hours(paris, late, now, 1);
    let last = at("2026-07-01T21:59:59Z");
    assert!(hours.allow(last) && !hours.allow(at("2026-07-01T22:00:00Z")));
}

#[test]
fn all_hours_are_all_of_them_whatever_a_clock_does_at_midnight() {
    let zones = zones();
    let always = Daily { from: 0, until: 24 };
    // Santiago skips the hour behind midnight in September and has the one before it twice in April; the Azores have the one behind it
    // twice in October. Of Newfoundland to Hawaii all are asked.
    for (text, now, until) in [
        (
            "+56212345678",
            "2026-09-05T12:00:00Z",
            "2026-09-07T12:00:00Z",
        ),
        (
            "+56212345678",
            "2026-04-03T12:00:00Z",
            "2026-04-06T00:00:00Z",
        ),
        (
            "+351212345678",
            "2026-10-24T00:00:00Z",
            "2026-10-26T00:00:00Z",
        ),
        (
            "+12995550123",
            "2026-03-07T00:00:00Z",
            "2026-03-09T00:00:00Z",
        ),
    ] {
        let hours = zones.hours(number(text), always, at(now), 3);
        let is_all = |one: &Stretch| one.from <= at(now) && at(until) <= one.until;
        assert!(hours.stretches().iter().any(is_all), "{text}: {hours:?}");
    }
}

#[test]
fn a_time_is_the_next_of_its_kind_at_which_we_ring() {
    let zones = zones();
    let paris = number("+33123456789");
    let now = at("2026-07-01T08:00:00Z");
    let hours = zones.hours(paris, Daily::default(), now, 3);
    let moment = |time| zones.moment(paris, time, &hours, now);
    let open = WallTime {
        is_open: true,
        ..plain(5, 0)
    };
    assert_eq!(moment(open), Some(at("2026-07-01T15:00:00Z")));
    assert_eq!(moment(plain(9, 0)), Some(at("2026-07-02T07:00:00Z")));
    let tomorrow = WallTime {
        is_tomorrow: true,
        ..plain(17, 30)
    };
    assert_eq!(moment(tomorrow), Some(at("2026-07-02T15:30:00Z")));
}

#[test]
fn a_time_that_a_clock_skips_is_not_understood_and_one_that_it_shows_twice_is_the_first() {
    let zones = zones();
    let paris = number("+33123456789");
    let none = AllowedHours::default();
    let tomorrow = WallTime {
        is_tomorrow: true,
        ..plain(2, 30)
    };
    let moment = |now| zones.moment(paris, tomorrow, &none, at(now));
    assert_eq!(moment("2026-03-28T12:00:00Z"), None);
    assert_eq!(
        moment("2026-10-24T12:00:00Z"),
        Some(at("2026-10-25T00:30:00Z"))
    );
}
