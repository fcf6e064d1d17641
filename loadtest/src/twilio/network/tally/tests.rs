//! What is one too many, and what is not.

use super::*;

const S: fn(u64) -> Duration = Duration::from_secs;
const PHONE: &str = "+12025550111";

fn text(at: u64, path: &str, accepted: bool) -> TextSeen {
    TextSeen {
        at: S(at),
        sid: format!("SM{at}"),
        path: path.into(),
        accepted,
        delivered: accepted,
    }
}

fn ring(at: u64, ended: Option<u64>, connected: bool) -> RingSeen {
    RingSeen {
        at: S(at),
        sid: format!("CA{at}"),
        path: String::new(),
        in_hours: true,
        rang: true,
        connected,
        ended: ended.map(S),
    }
}

fn counts(told: impl FnOnce(&mut Tally)) -> Counts {
    let mut tally = Tally::default();
    told(&mut tally);
    tally.counts(S(60))
}

#[test]
fn one_text_for_each_lost_call_is_right_and_one_more_is_double() {
    let of = |calls, texts: &[TextSeen]| {
        let counts = counts(|tally| {
            for _ in 0..calls {
                tally.call(PHONE, false);
            }
            for text in texts {
                tally.text(PHONE, text.clone(), 2.0);
            }
        });
        (counts.texts, counts.texts_double)
    };
    assert_eq!(of(1, &[text(1, "/a", true)]), (1, 0));
    assert_eq!(
        of(1, &[text(1, "/a", false), text(2, "/b", true)]),
        (1, 0),
        "one was refused"
    );
    assert_eq!(of(1, &[text(1, "/a", true), text(2, "/b", true)]), (2, 1));
    assert_eq!(of(2, &[text(1, "/a", true), text(2, "/b", true)]), (2, 0));
    assert_eq!(
        of(2, &[text(1, "/a", true), text(2, "/a", true)]),
        (2, 1),
        "the same name"
    );
    assert_eq!(
        of(0, &[text(1, "/a", true)]),
        (1, 0),
        "kept, though nobody heard it"
    );
}

#[test]
fn a_ring_is_double_beside_another_right_behind_it_and_after_a_conversation() {
    let of = |rings: &[RingSeen]| {
        counts(|tally| {
            tally.call(PHONE, false);
            for ring in rings {
                tally.ring(PHONE, ring.clone());
            }
        })
        .rings_double
    };
    assert_eq!(
        of(&[ring(0, Some(20), false), ring(900, Some(920), true)]),
        0
    );
    assert_eq!(
        of(&[ring(0, None, false), ring(900, Some(920), true)]),
        1,
        "it still rings"
    );
    assert_eq!(
        of(&[ring(0, Some(20), false), ring(30, Some(50), true)]),
        1,
        "too soon"
    );
    assert_eq!(
        of(&[ring(0, Some(20), true), ring(900, Some(920), false)]),
        1,
        "they have talked"
    );
}

#[test]
fn whoever_was_promised_something_and_got_nothing_is_lost() {
    let lost = |told: fn(&mut Tally)| {
        counts(|tally| {
            tally.call(PHONE, false);
            tally.promise(PHONE, S(5));
            told(tally);
        })
        .promises_lost
    };
    assert_eq!(lost(|_| {}), 1);
    assert_eq!(
        lost(|tally| tally.text(PHONE, text(9, "/a", false), 1.0)),
        1,
        "refused"
    );
    assert_eq!(lost(|tally| tally.text(PHONE, text(9, "/a", true), 1.0)), 0);
    assert_eq!(
        lost(|tally| {
            tally.ring(PHONE, ring(9, Some(20), false));
        }),
        0
    );
    let never_told = counts(|tally| tally.call(PHONE, false));
    assert_eq!((never_told.promises, never_told.promises_lost), (0, 0));
}

#[test]
fn what_comes_after_stop_counts_whether_the_carrier_takes_it_or_not() {
    let counts = counts(|tally| {
        tally.text(PHONE, text(1, "/a", true), 1.0);
        tally.stop(PHONE, Some(S(5)));
        tally.text(PHONE, text(9, "/b", false), 1.0);
        tally.ring(PHONE, ring(10, Some(20), false));
    });
    assert_eq!(
        (
            counts.texts_after_stop,
            counts.rings_after_stop,
            counts.stopped
        ),
        (1, 1, 1)
    );
    assert_eq!(
        counts.texts_double, 0,
        "what was refused costs nobody anything"
    );
}

#[test]
fn a_number_that_was_keyed_in_is_rung_only_after_its_yes() {
    let unasked = |agreed: Option<u64>| {
        counts(|tally| {
            tally.call(PHONE, true);
            if let Some(agreed) = agreed {
                tally.agree(PHONE, S(agreed));
            }
            tally.ring(PHONE, ring(9, Some(20), false));
        })
        .rings_unasked
    };
    assert_eq!(
        (unasked(None), unasked(Some(5)), unasked(Some(10))),
        (1, 0, 1)
    );
}

#[test]
fn money_is_what_was_taken_in_and_what_was_answered() {
    let counts = counts(|tally| {
        tally.text(PHONE, text(1, "/a", true), 2.0);
        tally.text(PHONE, text(2, "/b", false), 2.0);
        tally.answered(PHONE, 1.0);
        tally.pay(4.5);
    });
    assert!((counts.cents - 7.5).abs() < 1e-9);
}
