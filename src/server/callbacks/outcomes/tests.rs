use std::time::Duration;

use super::*;
use crate::carrier::twilio::rest::{Lost, Private, Refusal};

fn refused<T>(code: u32) -> Result<T, RestError> {
    Err(RestError::Refused(Refusal {
        status: 400,
        code: Code::of(code),
        retry_after: None,
    }))
}

fn sid(number: u32) -> String {
    format!("{number:032x}")
}

fn message(body: &str, status: MessageStatus) -> Message {
    Message {
        sid: MessageSid::parse(&format!("SM{}", sid(1))).unwrap(),
        status,
        body: Private(body.to_owned()),
        error: None,
        created: None,
        is_outbound: true,
    }
}

fn call(number: u32, status: CallStatus, created: Option<&str>) -> Call {
    Call {
        sid: CallSid::parse(&format!("CA{}", sid(number))).unwrap(),
        status,
        created: created.map(str::to_owned),
        is_outbound: true,
        answered_by: None,
    }
}

const fn page<T>(items: Vec<T>, has_more: bool) -> Page<T> {
    Page { items, has_more }
}

#[test]
fn each_refusal_of_a_text_has_its_consequence() {
    for (codes, refusal) in [
        (&[21_610][..], TextRefusal::OptedOut),
        (&[21_614, 21_211, 21_612], TextRefusal::NotTextable),
        (&[21_611], TextRefusal::Later),
        (
            &[
                20_003, 20_404, 21_408, 21_606, 21_608, 21_617, 21_659, 21_660, 21_212, 0, 99_999,
            ],
            TextRefusal::Ours,
        ),
    ] {
        for code in codes {
            let outcome = text_outcome(&refused(*code));
            assert_eq!(outcome, TextOutcome::Refused(refusal), "{code}");
        }
    }
}

#[test]
fn each_refusal_of_a_ring_has_its_consequence() {
    for (codes, outcome) in [
        (
            &[21_211, 21_214, 13_223, 13_224, 13_225][..],
            RingOutcome::NotRung,
        ),
        // The last four: a country that the account may not call, and a customer profile that it lacks.
        (
            &[
                20_003, 20_404, 21_210, 21_212, 21_219, 0, 99_999, 21_215, 21_408, 13_227, 21_216,
            ],
            RingOutcome::Later,
        ),
    ] {
        for code in codes {
            assert_eq!(ring_outcome(&refused(*code)), outcome, "{code}");
        }
    }
    for told in [20_003, 21_215, 21_408, 13_227, 21_216] {
        assert!(is_ring_refused(&refused(told)), "{told}");
    }
    assert!(!is_ring_refused(&refused(20_429)));
}

#[test]
fn where_too_much_was_asked_nobody_is_asked_for_as_long_as_is_said() {
    const SAID: Duration = Duration::from_secs(7);
    let too_many = |retry_after| {
        RestError::Refused(Refusal {
            status: 429,
            code: Code::TooManyRequests,
            retry_after,
        })
    };
    for (error, rest) in [
        (too_many(Some(SAID)), SAID),
        (too_many(None), REST),
        (RestError::NotSent(NotSent::Throttled(SAID)), SAID),
        (RestError::NotSent(NotSent::Resting(SAID)), SAID),
        (RestError::NotSent(NotSent::BreakerOpen(SAID)), SAID),
        (RestError::NotSent(NotSent::Crowded), REST),
    ] {
        assert_eq!(text_outcome(&Err(error)), TextOutcome::Held(rest));
        assert_eq!(ring_outcome(&Err(error)), RingOutcome::Held(rest));
        assert_eq!(find_text(Err(error), "AAAA"), LookedUp::NotAsked(rest));
        assert_eq!(known_ring(&Err(error), true), LookedUp::NotAsked(rest));
    }
}

#[test]
fn what_never_left_was_not_done_and_what_was_not_answered_may_have_been() {
    let unreachable = RestError::NotSent(NotSent::Unreachable);
    assert_eq!(text_outcome(&Err(unreachable)), TextOutcome::NotSent);
    assert_eq!(ring_outcome(&Err(unreachable)), RingOutcome::NotSent);
    assert_eq!(known_ring(&Err(unreachable), true), LookedUp::Unavailable);
    for lost in [
        Lost::TimedOut,
        Lost::Closed,
        Lost::Server(500),
        Lost::Garbled,
        Lost::Abandoned,
    ] {
        let error = RestError::Unknown(lost);
        assert_eq!(text_outcome(&Err(error)), TextOutcome::Unknown);
        assert_eq!(ring_outcome(&Err(error)), RingOutcome::Unknown);
    }
}

#[test]
fn a_text_is_found_by_its_reference_among_ours() {
    let mut theirs = message("Ref AAAA", MessageStatus::Delivered);
    theirs.is_outbound = false;
    let ours = message("Sorry. Ref AAAA", MessageStatus::UnderWay);
    let found = LookedUp::Found((ours.sid, TextStatus::Sent));
    let all = || vec![theirs.clone(), ours.clone()];
    assert_eq!(find_text(Ok(page(all(), true)), "AAAA"), found);
    assert_eq!(
        find_text(Ok(page(all(), false)), "BBBB"),
        LookedUp::NotFound
    );
    let unavailable = LookedUp::Unavailable;
    assert_eq!(find_text(Ok(page(all(), true)), "BBBB"), unavailable);
    assert_eq!(find_text(refused(20_404), "AAAA"), unavailable);
}

#[test]
fn a_ring_is_found_by_its_time() {
    const OLD: &str = "Sun, 06 Nov 1994 08:49:37 +0000";
    const NEW: &str = "Sun, 06 Nov 1994 08:59:37 +0000";
    let since = created(NEW).unwrap();
    let old = call(1, CallStatus::Completed, Some(OLD));
    let new = call(2, CallStatus::Ringing, Some(NEW));
    let queued = call(3, CallStatus::Queued, None);
    let find = |calls| find_ring(Ok(page(calls, true)), since, true);
    assert_eq!(find(vec![old.clone()]), LookedUp::NotFound);
    for ours in [new, queued] {
        let found = LookedUp::Found((ours.sid, RingStatus::Ringing));
        assert_eq!(find(vec![ours, old.clone()]), found);
    }
    assert_eq!(
        find_ring(refused(20_003), since, true),
        LookedUp::Unavailable
    );
    assert_eq!(known_ring(&refused(20_404), true), LookedUp::NotFound);
    assert_eq!(known_ring(&refused(20_003), true), LookedUp::Unavailable);
    let odd = call(4, CallStatus::Other, None);
    assert_eq!(known_ring(&Ok(odd), true), LookedUp::Unavailable);
}

#[test]
fn what_a_look_up_says_of_a_ring_is_what_a_status_says() {
    for (status, who, detects, meaning) in [
        (CallStatus::InProgress, None, true, RingStatus::Ringing),
        (CallStatus::InProgress, None, false, RingStatus::Person),
        (
            CallStatus::InProgress,
            Some("human"),
            true,
            RingStatus::Person,
        ),
        (
            CallStatus::InProgress,
            Some("machine_start"),
            true,
            RingStatus::Machine,
        ),
        (
            CallStatus::Completed,
            Some("machine_end_beep"),
            true,
            RingStatus::Machine,
        ),
        (
            CallStatus::Completed,
            Some("human"),
            true,
            RingStatus::Completed,
        ),
        (CallStatus::Completed, None, true, RingStatus::Completed),
    ] {
        let mut ring = call(1, status, None);
        ring.answered_by = who.map(str::to_owned);
        let found = LookedUp::Found((ring.sid, meaning));
        let all = Ok(page(vec![ring.clone()], false));
        let since = Utc::from_millis(0);
        assert_eq!(find_ring(all, since, detects), found, "{status:?} {who:?}");
        assert_eq!(known_ring(&Ok(ring), detects), found, "{status:?} {who:?}");
    }
}

#[test]
fn each_status_of_a_ring_has_its_meaning() {
    for (more, detects, status) in [
        ("CallStatus=initiated", true, Some(RingStatus::Ringing)),
        ("CallStatus=ringing", true, Some(RingStatus::Ringing)),
        ("CallStatus=in-progress", true, Some(RingStatus::Ringing)),
        ("CallStatus=in-progress", false, Some(RingStatus::Person)),
        (
            "CallStatus=in-progress&AnsweredBy=human",
            true,
            Some(RingStatus::Person),
        ),
        (
            "CallStatus=in-progress&AnsweredBy=unknown",
            true,
            Some(RingStatus::Person),
        ),
        (
            "CallStatus=in-progress&AnsweredBy=machine_start",
            true,
            Some(RingStatus::Machine),
        ),
        (
            "CallStatus=completed&AnsweredBy=fax",
            true,
            Some(RingStatus::Machine),
        ),
        (
            "CallStatus=completed&AnsweredBy=human",
            true,
            Some(RingStatus::Completed),
        ),
        ("CallStatus=completed", false, Some(RingStatus::Completed)),
        ("CallStatus=busy", true, Some(RingStatus::Nobody)),
        ("CallStatus=no-answer", true, Some(RingStatus::Nobody)),
        ("CallStatus=canceled", true, Some(RingStatus::Nobody)),
        ("CallStatus=failed", true, Some(RingStatus::Nobody)),
        ("CallStatus=new-one", true, None),
        ("", true, None),
    ] {
        let form = Form::parse(format!("CallSid=CA{}&{more}", sid(1)).as_bytes()).unwrap();
        let said = ring_status(&form, detects).map(|(_, status)| status);
        assert_eq!(said, status, "{more}");
    }
}

#[test]
fn each_status_of_a_text_has_its_meaning() {
    for (more, status) in [
        ("MessageStatus=queued", TextStatus::Sent),
        ("MessageStatus=sent", TextStatus::Sent),
        ("MessageStatus=delivered", TextStatus::Delivered),
        ("MessageStatus=read", TextStatus::Delivered),
        (
            "MessageStatus=undelivered&ErrorCode=30003",
            TextStatus::Failed,
        ),
        ("MessageStatus=failed&ErrorCode=21610", TextStatus::OptedOut),
        ("MessageStatus=canceled", TextStatus::Failed),
        ("SmsStatus=new-one", TextStatus::Sent),
    ] {
        let form = Form::parse(format!("MessageSid=SM{}&{more}", sid(1)).as_bytes()).unwrap();
        let said = text_status(&form).map(|(_, status)| status);
        assert_eq!(said, Some(status), "{more}");
    }
    for wrong in [
        "",
        "MessageStatus=sent",
        "MessageSid=SM1&MessageStatus=sent",
    ] {
        let form = Form::parse(wrong.as_bytes()).unwrap();
        assert_eq!(text_status(&form), None, "{wrong}");
    }
}
