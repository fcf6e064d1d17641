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
    }
}

const fn page<T>(items: Vec<T>, has_more: bool) -> Page<T> {
    Page { items, has_more }
}

#[test]
fn each_refusal_of_a_text_has_its_consequence() {
    for (codes, refusal) in [
        (&[21_610][..], TextRefusal::OptedOut),
        (&[21_614, 21_211, 21_408, 21_612], TextRefusal::NotTextable),
        (&[20_429, 21_611], TextRefusal::Later),
        (
            &[
                20_003, 20_404, 21_606, 21_608, 21_617, 21_659, 21_660, 21_212, 0, 99_999,
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
            &[21_211, 21_215, 21_216, 13_223, 13_224, 13_225][..],
            RingOutcome::NotRung,
        ),
        (
            &[20_429, 20_003, 20_404, 21_210, 21_212, 21_219, 0, 99_999],
            RingOutcome::Later,
        ),
    ] {
        for code in codes {
            assert_eq!(ring_outcome(&refused(*code)), outcome, "{code}");
        }
    }
    assert!(is_ring_refused(&refused(20_003)) && !is_ring_refused(&refused(20_429)));
}

#[test]
fn what_never_left_was_not_done_and_what_was_not_answered_may_have_been() {
    let unreachable = || RestError::NotSent(NotSent::Unreachable);
    let throttled = || RestError::NotSent(NotSent::Throttled(Duration::from_secs(1)));
    for error in [unreachable(), throttled()] {
        assert_eq!(text_outcome(&Err(error)), TextOutcome::NotSent);
        assert_eq!(ring_outcome(&Err(error)), RingOutcome::NotSent);
    }
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
    let find = |calls| find_ring(Ok(page(calls, true)), since);
    assert_eq!(find(vec![old.clone()]), LookedUp::NotFound);
    for ours in [new, queued] {
        let found = LookedUp::Found((ours.sid, RingStatus::Ringing));
        assert_eq!(find(vec![ours, old.clone()]), found);
    }
    assert_eq!(find_ring(refused(20_429), since), LookedUp::Unavailable);
    assert_eq!(known_ring(&refused(20_404)), LookedUp::NotFound);
    assert_eq!(known_ring(&refused(20_429)), LookedUp::Unavailable);
    let odd = call(4, CallStatus::Other, None);
    assert_eq!(known_ring(&Ok(odd)), LookedUp::Unavailable);
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
