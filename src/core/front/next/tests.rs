//! Stories of calls between their streams.

use std::time::Duration;

use super::*;
use crate::core::front::{Known, People, RESUMES_MAX, RESUMES_WITHIN, WITH_PERSON_MAX};

const WELL: House = House {
    is_full: false,
    has_provider: true,
    has_menu: false,
};

const NEW: CallId = CallId::from_bits(1);

fn at(seconds: u64) -> Instant {
    Instant::from_start(Duration::from_secs(seconds))
}

fn sid() -> CallSid {
    CallSid::parse(&format!("CA{}", "a".repeat(32))).unwrap()
}

const fn card(epoch: u32) -> Card {
    Card { id: NEW, epoch }
}

/// A call that was answered with its first document.
fn answered() -> Endings {
    let mut endings = Endings::default();
    assert_eq!(endings.issue(at(0), sid(), None, NEW), card(1));
    endings
}

fn after_stream(endings: &mut Endings, now: Instant, epoch: u32) -> Next {
    let over = (Progress::Answered, Over::Stream);
    next(endings, now, sid(), (Some(card(epoch)), NEW), over, WELL)
}

#[test]
fn a_goodbye_is_followed_by_the_end() {
    let mut endings = answered();
    assert!(endings.ended(at(9), sid(), card(1)));
    for _ in 0..3 {
        assert_eq!(after_stream(&mut endings, at(10), 1), Next::Hangup);
    }
    assert!(endings.is_over(at(3_600), sid()), "and is remembered");
}

#[test]
fn a_lost_stream_is_followed_by_another_twice_a_minute_and_then_by_an_apology() {
    let mut endings = answered();
    assert_eq!(after_stream(&mut endings, at(10), 1), Next::Stream(card(2)));
    assert_eq!(after_stream(&mut endings, at(20), 2), Next::Stream(card(3)));
    // The first is a minute ago: it no longer counts.
    assert_eq!(after_stream(&mut endings, at(70), 3), Next::Stream(card(4)));
    assert_eq!(after_stream(&mut endings, at(71), 4), Next::Apologize);
    assert_eq!(after_stream(&mut endings, at(72), 4), Next::Hangup);
}

#[test]
fn however_often_a_stream_is_lost_there_is_no_loop() {
    let mut endings = answered();
    let mut streams: Vec<Instant> = Vec::new();
    let mut epoch = 1;
    for second in 0..600 {
        match after_stream(&mut endings, at(second), epoch) {
            Next::Stream(card) => {
                epoch = card.epoch;
                streams.push(at(second));
            }
            Next::Apologize => break,
            other @ (Next::Hangup | Next::Busy | Next::Dial(..)) => panic!("{other:?}"),
        }
    }
    assert_eq!(streams.len(), RESUMES_MAX);
}

#[test]
fn a_call_that_nothing_is_known_of_goes_on_by_its_card() {
    let mut endings = Endings::default();
    let theirs = Card {
        id: CallId::from_bits(7),
        epoch: 3,
    };
    let over = (Progress::Answered, Over::Stream);
    let decided = next(&mut endings, at(0), sid(), (Some(theirs), NEW), over, WELL);
    assert_eq!(decided, Next::Stream(Card { epoch: 4, ..theirs }));
}

#[test]
fn the_end_of_an_older_stream_does_not_end_the_call() {
    let mut endings = answered();
    assert_eq!(after_stream(&mut endings, at(10), 1), Next::Stream(card(2)));
    assert!(
        !endings.ended(at(11), sid(), card(1)),
        "the old one says goodbye late"
    );
    assert_eq!(after_stream(&mut endings, at(12), 2), Next::Stream(card(3)));
}

#[test]
fn what_the_carrier_says_is_over_is_over() {
    let mut endings = answered();
    let over = (Progress::Over, Over::Stream);
    let decided = next(&mut endings, at(1), sid(), (Some(card(1)), NEW), over, WELL);
    assert_eq!(decided, Next::Hangup);
    assert_eq!(after_stream(&mut endings, at(2), 1), Next::Hangup);
}

#[test]
fn a_full_house_goes_on_with_its_calls_and_one_without_providers_apologizes() {
    let full = House {
        is_full: true,
        ..WELL
    };
    let over = (Progress::Answered, Over::Stream);
    let mut endings = answered();
    let decided = next(&mut endings, at(1), sid(), (Some(card(1)), NEW), over, full);
    assert_eq!(decided, Next::Stream(card(2)));
    let alone = House {
        has_provider: false,
        ..WELL
    };
    let decided = next(
        &mut endings,
        at(2),
        sid(),
        (Some(card(2)), NEW),
        over,
        alone,
    );
    assert_eq!(decided, Next::Apologize);
}

#[test]
fn a_person_follows_the_stream_and_their_goodbye_is_the_end() {
    let mut endings = answered();
    assert!(endings.wants(at(5), sid(), card(1), people(&["+14155550101"])));
    assert_eq!(
        after_stream(&mut endings, at(6), 1),
        Next::Dial(person("+14155550101"), card(1))
    );
    let over = (Progress::Answered, Over::Conversation);
    let decided = next(
        &mut endings,
        at(90),
        sid(),
        (Some(card(1)), NEW),
        over,
        WELL,
    );
    assert_eq!(decided, Next::Hangup);
    assert!(endings.is_over(at(91), sid()));
}

fn person(number: &str) -> Person {
    Person(number.into())
}

fn people(numbers: &[&str]) -> People {
    People::new(numbers.iter().map(|number| person(number))).unwrap()
}

#[test]
fn people_are_rung_one_after_the_other_and_then_the_agent_goes_on() {
    let mut endings = answered();
    let both = people(&["+14155550101", "sip:desk@example.com"]);
    endings.wants(at(5), sid(), card(1), both);
    assert_eq!(
        after_stream(&mut endings, at(6), 1),
        Next::Dial(person("+14155550101"), card(1))
    );
    let mut after_dial = |second, house| {
        let over = (Progress::Answered, Over::Dial);
        let cards = (Some(card(1)), NEW);
        next(&mut endings, at(second), sid(), cards, over, house)
    };
    let other = Next::Dial(person("sip:desk@example.com"), card(1));
    assert_eq!(after_dial(26, WELL), other);
    // Without a model as well, as long as there is something to choose.
    let alone = House {
        has_provider: false,
        has_menu: true,
        ..WELL
    };
    assert_eq!(after_dial(46, alone), Next::Stream(card(2)));
    assert!(endings.is_unreached(at(47), sid()));
    // What is lost from here on is a stream like any other.
    assert_eq!(after_stream(&mut endings, at(60), 2), Next::Stream(card(3)));
    assert!(!endings.is_unreached(at(61), sid()));
}

#[test]
fn whom_another_node_has_rung_is_not_rung_again_by_who_only_knows_that_they_are_wanted() {
    let after = |over| {
        let mut endings = answered();
        endings.wants(at(5), sid(), card(1), people(&["+14155550101"]));
        let over = (Progress::Answered, over);
        let cards = (Some(card(1)), NEW);
        next(&mut endings, at(60), sid(), cards, over, WELL)
    };
    assert_eq!(after(Over::Conversation), Next::Hangup, "they have spoken");
    assert_eq!(after(Over::Dial), Next::Stream(card(2)), "nobody answered");
    let first = Next::Dial(person("+14155550101"), card(1));
    assert_eq!(after(Over::Stream), first);
}

#[test]
fn where_nobody_is_reached_and_nothing_can_be_said_the_call_ends_with_an_apology() {
    let mut endings = answered();
    endings.wants(at(5), sid(), card(1), people(&["+14155550101"]));
    after_stream(&mut endings, at(6), 1);
    let over = (Progress::Answered, Over::Dial);
    let cards = (Some(card(1)), NEW);
    let alone = House {
        has_provider: false,
        ..WELL
    };
    let decided = next(&mut endings, at(26), sid(), cards, over, alone);
    assert_eq!(decided, Next::Apologize);
    assert!(endings.is_over(at(27), sid()));
}

#[test]
fn a_document_that_could_not_be_had_is_given_again_and_one_that_is_bad_is_not() {
    for (failed, ended, decided) in [
        (Failed::Fetch, false, Next::Stream(card(2))),
        (Failed::Fetch, true, Next::Hangup),
        (Failed::Document, false, Next::Apologize),
        (Failed::Document, true, Next::Hangup),
    ] {
        let mut endings = answered();
        if ended {
            endings.ended(at(1), sid(), card(1));
        }
        let how = (Progress::Answered, failed);
        assert_eq!(
            fallback(&mut endings, at(2), sid(), NEW, how, WELL),
            decided
        );
    }
}

#[test]
fn a_call_that_rings_is_as_good_as_new_when_it_comes_by_the_fallback() {
    let how = (Progress::Ringing, Failed::Fetch);
    let full = House {
        is_full: true,
        ..WELL
    };
    for (house, decided) in [(WELL, Next::Stream(card(1))), (full, Next::Busy)] {
        let mut endings = Endings::default();
        assert_eq!(
            fallback(&mut endings, at(0), sid(), NEW, how, house),
            decided
        );
    }
}

#[test]
fn only_the_last_minute_wears_out() {
    let known = |first, second| Known {
        card: card(1),
        standing: Standing::Open,
        given_away: None,
        resumed: [first, second],
    };
    let now = at(100);
    let minute_ago = now - RESUMES_WITHIN;
    let later = minute_ago + Duration::from_millis(1);
    assert!(!known(None, None).is_worn_out(now));
    assert!(!known(Some(now), None).is_worn_out(now));
    assert!(!known(Some(now), Some(minute_ago)).is_worn_out(now));
    assert!(known(Some(now), Some(later)).is_worn_out(now));
}

#[test]
fn a_newer_document_that_is_heard_of_counts_from_then_on() {
    let mut endings = answered();
    let ago = |seconds| Duration::from_secs(seconds);
    let open = (card(4), Standing::Open);
    endings.adopt(at(30), sid(), open.clone(), [ago(2), ago(9)]);
    assert_eq!(endings.known(at(30), sid()).unwrap().card, card(4));
    // An older one says nothing, nor does the same one again.
    endings.adopt(at(31), sid(), (card(3), Standing::Ended), []);
    endings.adopt(at(31), sid(), (card(4), Standing::Ended), []);
    assert!(!endings.is_over(at(31), sid()));
    // It was put together twice: that counts here as well.
    assert_eq!(after_stream(&mut endings, at(32), 4), Next::Apologize);
    // Who ends the stream of an older one ends nothing.
    let mut endings = answered();
    endings.adopt(at(30), sid(), open, []);
    assert!(!endings.ended(at(31), sid(), card(1)));
}

#[test]
fn whoever_speaks_with_a_person_is_on_the_line_until_the_carrier_says_otherwise() {
    let mut endings = answered();
    let is_on_line = |endings: &Endings, at| endings.is_with_person(at, sid());
    assert!(!is_on_line(&endings, at(5)), "they have a stream");
    endings.wants(
        at(10),
        sid(),
        card(1),
        people(&["+14155550101", "+14155550102"]),
    );
    assert!(is_on_line(&endings, at(10)), "the carrier is about to ask");
    assert!(matches!(
        after_stream(&mut endings, at(11), 1),
        Next::Dial(..)
    ));
    assert!(is_on_line(&endings, at(3_000)));
    // Nobody answers: the next one is rung.
    let over = |over| (Progress::Answered, over);
    let ask = |endings: &mut Endings, now, what| {
        next(endings, now, sid(), (Some(card(1)), NEW), over(what), WELL)
    };
    assert!(matches!(
        ask(&mut endings, at(3_000), Over::Dial),
        Next::Dial(..)
    ));
    assert!(is_on_line(&endings, at(3_001)));
    // They have spoken.
    assert_eq!(
        ask(&mut endings, at(3_600), Over::Conversation),
        Next::Hangup
    );
    assert!(!is_on_line(&endings, at(3_600)));

    // Nobody could be reached: they have a stream again.
    let mut endings = answered();
    endings.wants(at(10), sid(), card(1), people(&["+14155550101"]));
    ask(&mut endings, at(11), Over::Stream);
    assert!(matches!(
        ask(&mut endings, at(40), Over::Dial),
        Next::Stream(_)
    ));
    assert!(!is_on_line(&endings, at(40)));

    // The call ends, which the carrier says.
    let mut endings = answered();
    endings.wants(at(10), sid(), card(1), people(&["+14155550101"]));
    ask(&mut endings, at(11), Over::Stream);
    endings.is_told_over(at(600), sid());
    assert!(!is_on_line(&endings, at(600)));

    // The carrier never says anything: it can last no longer than this.
    let mut endings = answered();
    endings.wants(at(10), sid(), card(1), people(&["+14155550101"]));
    ask(&mut endings, at(11), Over::Stream);
    let last = at(11) + WITH_PERSON_MAX;
    assert!(is_on_line(&endings, at(11) + WITH_PERSON_MAX / 2));
    assert!(!is_on_line(&endings, last));
}
