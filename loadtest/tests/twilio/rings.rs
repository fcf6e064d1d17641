//! Calls that REST makes: who picks up, what they hear, and what is told of it.

use std::time::Duration;

use loadtest::twilio::{
    form::Form,
    network::{Network, Overheard, PhoneSettings, habits::Does, hours::Hours, settings::PicksUp},
    note::Note,
    rest::RestShares,
    voice_call::Told,
};
use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    calls::CONNECT,
    interface::{NUMBER, PHONE, Rest, quick, until},
    server::{LONG, Media, Server, fast},
};

const STATUS: &str = "/ring/status/r1/token";

fn phones(does: Does) -> PhoneSettings {
    PhoneSettings {
        picks_up: vec![PicksUp { does, share: 1.0 }],
        ..quick()
    }
}

async fn rest(does: Does) -> Rest {
    Rest::with(phones(does), RestShares::default()).await
}

fn call(server: &Server) -> Form {
    Form::new()
        .with("To", PHONE)
        .with("From", NUMBER)
        .with("Url", server.url("/answer"))
        .with("StatusCallback", server.url(STATUS))
        .with("StatusCallbackEvent", "initiated")
        .with("StatusCallbackEvent", "ringing")
        .with("StatusCallbackEvent", "answered")
        .with("StatusCallbackEvent", "completed")
}

fn statuses(server: &Server) -> Vec<String> {
    let told = server.asked_for(STATUS);
    assert!(told.iter().all(|told| told.was_signed));
    let numbers: Vec<_> = told
        .iter()
        .map(|it| it.form.get("SequenceNumber").unwrap().to_owned())
        .collect();
    let counted: Vec<_> = (0..numbers.len()).map(|nth| nth.to_string()).collect();
    assert_eq!(numbers, counted);
    told.iter()
        .map(|it| it.form.get("CallStatus").unwrap().to_owned())
        .collect()
}

/// Makes a call, and waits for its end.
async fn made(rest: &Rest, form: &Form) -> Value {
    let created = rest.post("Calls.json", form).await;
    assert_eq!(
        (created.status(), created.text("status")),
        (201, "queued".into()),
        "{created:?}"
    );
    assert!(created.body["start_time"].is_null());
    let path = format!("Calls/{}.json", created.text("sid"));
    until(async || !rest.get(&path).await.body["end_time"].is_null()).await;
    rest.get(&path).await.body
}

#[tokio::test]
async fn whoever_picks_up_is_a_caller_with_a_stream_like_any_other() {
    let server = Server::start(&[Media::Stay]).await.says("/answer", CONNECT);
    let rest = rest(Does::Answer).await;
    let over = made(&rest, &call(&server)).await;
    assert_eq!(
        (&over["status"], &over["direction"]),
        (&"completed".into(), &"outbound-api".into())
    );
    until(async || statuses(&server).len() == 4).await;
    assert_eq!(
        statuses(&server),
        ["initiated", "ringing", "in-progress", "completed"]
    );
    let asked = &server.asked_for("/answer")[0];
    assert!(asked.was_signed);
    let field = |name| asked.form.get(name).unwrap_or_default().to_owned();
    assert_eq!([field("From"), field("To")], [NUMBER, PHONE]);
    assert_eq!(
        [field("Direction"), field("CallStatus")],
        ["outbound-api", "in-progress"]
    );
    assert_eq!(asked.form.get("AnsweredBy"), None, "nobody wanted to know");
    let start = &server.heard()[0][1];
    assert_eq!(start["start"]["callSid"], over["sid"]);
    until(async || rest.account.network.tally().phone(PHONE).unwrap().rings[0].connected).await;
    let seen = rest.account.network.tally().phone(PHONE).unwrap().clone();
    assert!(seen.rings[0].rang && seen.rings[0].ended.is_some());
    assert_eq!(seen.rings[0].path, STATUS);
    assert!(
        (rest.counts().cents - 1.5).abs() < 1e-9,
        "a minute that has begun"
    );
}

#[tokio::test]
async fn whoever_listens_in_hears_a_ring_and_the_call_that_it_becomes_to_its_end() {
    let server = Server::start(&[Media::Stay]).await.says("/answer", CONNECT);
    let (overheard, mut heard) = mpsc::channel(64);
    let mut network = Network::new(phones(Does::Answer), fast(), Vec::new());
    network.overheard = Some(overheard);
    let rest = Rest::before(network, RestShares::default()).await;
    made(&rest, &call(&server)).await;
    let mut next = async || timeout(LONG, heard.recv()).await.unwrap().unwrap();
    assert!(matches!(next().await, Overheard::Rings));
    let answered = next().await;
    assert!(
        matches!(answered, Overheard::Told(_, Told::Note(Note::Answered))),
        "{answered:?}"
    );
    loop {
        match next().await {
            Overheard::Rings => panic!("it rings once"),
            Overheard::Told(..) => {}
            Overheard::Over(report) => {
                assert_eq!(report.streams(), 1);
                assert!(!report.call.said.audio().is_empty(), "it is recorded");
                break;
            }
        }
    }
}

#[tokio::test]
async fn who_does_not_pick_up_is_told_apart() {
    for (does, told, rang) in [
        (
            Does::Busy,
            ["initiated", "ringing", "busy"].as_slice(),
            false,
        ),
        (Does::NoAnswer, &["initiated", "ringing", "no-answer"], true),
        (Does::Failed, &["initiated", "failed"], false),
    ] {
        let server = Server::start(&[]).await.says("/answer", CONNECT);
        let rest = rest(does).await;
        let over = made(&rest, &call(&server).with("Timeout", "1")).await;
        assert_eq!(over["status"], *told.last().unwrap());
        assert_eq!(over["duration"], "0");
        until(async || statuses(&server).len() == told.len()).await;
        assert_eq!(statuses(&server), told);
        assert!(
            server.asked_for("/answer").is_empty(),
            "nobody hears anything"
        );
        assert_eq!(
            rest.account.network.tally().phone(PHONE).unwrap().rings[0].rang,
            rang
        );
        assert!(rest.counts().cents < 1e-9);
    }
}

#[tokio::test]
async fn a_machine_is_found_out_before_the_document_or_beside_it() {
    for (detection, word) in [
        ("Enable", "machine_start"),
        ("DetectMessageEnd", "machine_end_beep"),
    ] {
        let server = Server::start(&[]).await.says("/answer", "<Hangup/>");
        let rest = rest(Does::Machine).await;
        let over = made(&rest, &call(&server).with("MachineDetection", detection)).await;
        assert_eq!(over["answered_by"], word);
        assert_eq!(
            server.asked_for("/answer")[0].form.get("AnsweredBy"),
            Some(word)
        );
    }
    let server = Server::start(&[Media::Stay]).await.says("/answer", CONNECT);
    let rest = rest(Does::Answer).await;
    let form = call(&server)
        .with("MachineDetection", "Enable")
        .with("AsyncAmd", "true")
        .with("AsyncAmdStatusCallback", server.url("/amd"));
    made(&rest, &form).await;
    assert_eq!(
        server.asked_for("/answer")[0].form.get("AnsweredBy"),
        None,
        "it goes on at once"
    );
    let told = &server.asked_for("/amd")[0];
    assert_eq!(told.form.get("AnsweredBy"), Some("human"));
    assert!(told.was_signed && told.form.get("MachineDetectionDuration").is_some());
}

#[tokio::test]
async fn a_document_may_stand_in_the_request_and_an_early_hang_up_is_no_conversation() {
    let rest = rest(Does::HangUp).await;
    let form = Form::new()
        .with("To", PHONE)
        .with("From", NUMBER)
        .with("Twiml", "<Response><Pause length=\"60\"/></Response>");
    let over = made(&rest, &form).await;
    assert_eq!(over["status"], "completed");
    until(async || {
        rest.account.network.tally().phone(PHONE).unwrap().rings[0]
            .ended
            .is_some()
    })
    .await;
    assert!(!rest.account.network.tally().phone(PHONE).unwrap().rings[0].connected);
}

#[tokio::test]
async fn a_call_may_be_taken_back_while_it_rings_and_ended_when_it_was_answered() {
    let slow = PhoneSettings {
        pick_up_after_ms: [60_000, 60_000],
        ..quick()
    };
    let server = Server::start(&[]).await;
    let rest = Rest::with(slow, RestShares::default()).await;
    let sid = rest.post("Calls.json", &call(&server)).await.text("sid");
    let path = format!("Calls/{sid}.json");
    until(async || rest.get(&path).await.text("status") == "ringing").await;
    let change = Form::new().with("Status", "canceled");
    assert_eq!(rest.post(&path, &change).await.status(), 200);
    until(async || rest.get(&path).await.text("status") == "canceled").await;
    assert_eq!(rest.post(&path, &change).await.body["code"], 21_220);
}

#[tokio::test]
async fn calls_are_found_by_number_and_time_and_queued_ones_by_no_time() {
    let server = Server::start(&[]).await.says("/answer", "<Hangup/>");
    let lagging = RestShares {
        list_lag_ms: [500, 500],
        ..RestShares::default()
    };
    let rest = Rest::with(quick(), lagging).await;
    rest.post("Calls.json", &call(&server)).await;
    let found = async |query: &str| {
        rest.get(&format!("Calls.json?{query}"))
            .await
            .list("calls")
            .len()
    };
    assert_eq!(found("To=%2B12025550111").await, 0, "lists lag");
    until(async || found("To=%2B12025550111").await == 1).await;
    assert_eq!(found("To=%2B12025550111&StartTime%3E=1970-01-01").await, 1);
    assert_eq!(found("To=%2B12025550111&StartTime%3C=1999-01-01").await, 0);
    assert_eq!(found("To=%2B12025550112").await, 0);
}

#[tokio::test]
async fn a_wrong_call_is_refused_in_the_carriers_numbers() {
    let rest = rest(Does::Answer).await;
    let right = "To=%2B12025550111&From=%2B12025550100&";
    for (form, code) in [
        ("From=%2B12025550100&Twiml=x".to_owned(), 21_201),
        ("To=%2B12025550111&Twiml=x".to_owned(), 21_213),
        ("To=12&From=%2B12025550100&Twiml=x".to_owned(), 21_211),
        (right.to_owned(), 21_205),
        (format!("{right}Url=ftp://x/y"), 21_205),
        (format!("{right}Twiml=x&Timeout=601"), 20_001),
        (format!("{right}Twiml=x&MachineDetection=maybe"), 20_001),
        (format!("{right}Twiml=x&StatusCallbackEvent=never"), 21_626),
        (format!("{right}Twiml={}", "x".repeat(4_001)), 20_001),
    ] {
        let refused = rest.post("Calls.json", &Form::parse(form.as_bytes())).await;
        assert_eq!(refused.body["code"], code, "{refused:?}");
    }
    assert_eq!(rest.counts().rings, 0);
}

#[tokio::test]
async fn rings_beside_each_other_and_out_of_hours_are_counted() {
    let asleep = Hours {
        prefix: "+1202".into(),
        utc_offset_minutes: 0,
        from: 0,
        until: 0,
    };
    let phones = PhoneSettings {
        hours: vec![asleep],
        ..phones(Does::NoAnswer)
    };
    let server = Server::start(&[]).await;
    let rest = Rest::with(phones, RestShares::default()).await;
    rest.post("Calls.json", &call(&server)).await;
    rest.post("Calls.json", &call(&server)).await;
    let counts = rest.account.network.tally().counts(Duration::from_secs(1));
    assert_eq!(
        (
            counts.rings,
            counts.rings_double,
            counts.rings_outside_hours
        ),
        (2, 1, 2)
    );
}
