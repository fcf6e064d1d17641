//! Whole calls that go well.

use loadtest::twilio::{
    note::End,
    settings::{DialSettings, They, TwilioSettings},
};

use crate::server::{FROM, Media, Server, account, fast, live, phone, sentences, voice_call};

/// What the server of a real number says.
pub(crate) const CONNECT: &str = "<Connect action=\"/next?ticket=1#rc=1\">\
    <Stream url=\"ws://{host}/media\" statusCallback=\"/stream/status\">\
    <Parameter name=\"token\" value=\"secret\"/></Stream></Connect>\
    <Redirect>/next?ticket=1</Redirect>";

#[tokio::test]
async fn a_call_goes_from_document_to_stream_to_action_to_its_end() {
    let server = Server::start(&[Media::PlayAndClose(1000)]).await;
    let server = server.says("/answer", CONNECT).says("/next", "<Hangup/>");
    let report = live(&server, fast()).await;
    assert_eq!(report.end, Some(End::Hangup));
    assert_eq!(
        sentences(&report, &server),
        [
            "Twilio asks http://HOST/answer (a call comes in)",
            "the call is answered",
            "a stream is opened to ws://HOST/media",
            "the stream is open",
            "the server closes the stream (1000)",
            "Twilio asks http://HOST/next (<Connect> is over)",
            "Twilio hangs up, as the document says",
        ]
    );
    assert_eq!((report.documents(), report.streams()), (2, 1));
    assert!(report.call.first_sound.is_some(), "the greeting was heard");
    let told: Vec<_> = report
        .deliveries
        .iter()
        .map(|told| (&*told.what, told.status))
        .collect();
    let delivered = [
        ("stream-started", Ok(204)),
        ("stream-stopped", Ok(204)),
        ("completed", Ok(204)),
    ];
    assert_eq!(told, delivered);
}

#[tokio::test]
async fn every_request_is_signed_and_says_whose_call_it_is() {
    let server = Server::start(&[Media::PlayAndClose(1000)]).await;
    let server = server.says("/answer", CONNECT).says("/next", "<Hangup/>");
    let report = live(&server, fast()).await;
    let asked = server.asked();
    assert_eq!(asked.len(), 5, "{:?}", server.paths());
    for asked in &asked {
        assert!(asked.was_signed, "{}", asked.path);
        assert!(asked.token.is_some(), "{}", asked.path);
        assert_eq!(asked.form.get("CallSid"), Some(&*report.call.call_sid));
    }
    let answer = &server.asked_for("/answer")[0].form;
    assert_eq!(answer.get("CallStatus"), Some("ringing"));
    assert_eq!(answer.get("From"), Some(FROM));
    assert_eq!(answer.get("Direction"), Some("inbound"));
    assert_eq!(
        server.asked_for("/next")[0].form.get("CallStatus"),
        Some("in-progress")
    );
    let over = &server.asked_for("/calls/status")[0].form;
    assert_eq!(over.get("CallStatus"), Some("completed"));
    assert!(over.get("CallDuration").is_some());
    let events = &server.heard()[0];
    assert_eq!(events[0]["event"], "connected");
    let start = &events[1]["start"];
    assert_eq!(start["callSid"], *report.call.call_sid);
    assert_eq!(start["accountSid"], format!("AC{:032x}", 1));
    assert_eq!(
        start["customParameters"],
        serde_json::json!({"token": "secret"})
    );
}

#[tokio::test]
async fn words_and_conversations_are_heard_between_documents() {
    let server = Server::start(&[]).await;
    let server = server
        .says("/answer", "<Say>One moment.</Say><Dial action=\"/next\"><Number url=\"/whisper\">+14155550111</Number></Dial>")
        .says("/whisper", "<Say>A call.</Say>")
        .says("/next", "<Say>Good bye.</Say>");
    let settings = TwilioSettings {
        dial: DialSettings {
            they: They::Answer,
            after_ms: 50,
            talk_ms: 200,
        },
        ..fast()
    };
    let report = live(&server, settings).await;
    assert_eq!(report.end, Some(End::NothingLeft));
    assert_eq!(
        server.paths(),
        ["/answer", "/whisper", "/next", "/calls/status"]
    );
    let next = &server.asked_for("/next")[0].form;
    assert_eq!(next.get("DialCallStatus"), Some("completed"));
    let whisper = &server.asked_for("/whisper")[0].form;
    assert_eq!(whisper.get("ParentCallSid"), Some(&*report.call.call_sid));
    assert_eq!(whisper.get("CallSid"), next.get("DialCallSid"));
    assert!(report.call.first_sound.is_some());
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_the_stream_in_order() {
    let server = Server::start(&[Media::Stay]).await;
    let server = server.says("/answer", CONNECT).says("/next", "<Hangup/>");
    let call = voice_call(&server, &account(), fast());
    let report = call.live(phone(400), |_, _| {}).await;
    assert_eq!(report.end, Some(End::CallerHungUp));
    let events: Vec<_> = server.heard()[0]
        .iter()
        .map(|e| e["event"].clone())
        .collect();
    assert_eq!(events, ["connected", "start", "stop"]);
    let next = &server.asked_for("/next")[0].form;
    assert_eq!(next.get("CallStatus"), Some("completed"));
    let told: Vec<_> = report.deliveries.iter().map(|told| &*told.what).collect();
    assert_eq!(
        told,
        ["stream-started", "stream-stopped", "completed", "completed"]
    );
}

#[tokio::test]
async fn a_rejected_call_is_never_answered() {
    let server = Server::start(&[]).await;
    let server = server.says("/answer", "<Reject reason=\"busy\"/>");
    let report = live(&server, fast()).await;
    assert_eq!(report.end, Some(End::Rejected { busy: true }));
    assert!(!sentences(&report, &server).contains(&"the call is answered".to_owned()));
    let status = &server.asked_for("/calls/status")[0].form;
    assert_eq!(status.get("CallStatus"), Some("busy"));
    assert_eq!(report.call.first_sound, None);
}
