//! Live calls that are changed over REST, and what goes wrong with it.

use loadtest::twilio::{
    VoiceReport,
    note::{End, Note, StreamOver},
    rest::{FaultWindow, RestFault},
    settings::TwilioSettings,
};

use crate::{
    calls::CONNECT,
    interface::Rest,
    server::{Media, Server, TOKEN, fast, phone, sentences, voice_call},
};

/// A live call with an open stream, and how it ends.
async fn live_call(
    rest: &mut Rest,
    server: &Server,
    settings: TwilioSettings,
) -> (String, tokio::sync::oneshot::Receiver<VoiceReport>) {
    let call = voice_call(server, &rest.account, settings);
    let sid = call.parties.call_sid.clone();
    let (over, report) = tokio::sync::oneshot::channel();
    rest.tasks.spawn(async move {
        let lived = call.live(phone(20_000), |_, _| {}).await;
        assert!(over.send(lived).is_ok());
    });
    server.stream_opened(1).await;
    (format!("Calls/{sid}.json"), report)
}

#[tokio::test]
async fn a_live_call_is_ended_and_shown_as_completed() {
    let server = Server::start(&[Media::Stay]).await.says("/answer", CONNECT);
    let mut rest = Rest::start().await;
    let (path, report) = live_call(&mut rest, &server, fast()).await;
    assert!(
        rest.ask("GET", &path, "", TOKEN)
            .await
            .contains("\"in-progress\"")
    );
    let done = rest.ask("POST", &path, "Status=completed", TOKEN).await;
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    let report = report.await.unwrap();
    assert_eq!(report.end, Some(End::Completed));
    let events: Vec<_> = server.heard()[0]
        .iter()
        .map(|e| e["event"].clone())
        .collect();
    assert_eq!(events, ["connected", "start", "stop"]);
    assert!(
        server.asked_for("/next").is_empty(),
        "a call that is over asks nothing"
    );
    assert!(
        rest.ask("GET", &path, "", TOKEN)
            .await
            .contains("\"completed\"")
    );
    let late = rest.ask("POST", &path, "Status=completed", TOKEN).await;
    assert!(
        late.starts_with("HTTP/1.1 400") && late.contains("21220"),
        "{late}"
    );
    let listed = rest
        .ask("GET", "Calls.json?Status=completed", "", TOKEN)
        .await;
    assert!(listed.contains("\"calls\":[{"), "{listed}");
    let listed = rest
        .ask("GET", "Calls.json?Status=ringing", "", TOKEN)
        .await;
    assert!(listed.contains("\"calls\":[]"), "{listed}");
}

#[tokio::test]
async fn a_live_call_is_taken_elsewhere_whatever_the_order_of_its_streams() {
    for lingers in [0, 300] {
        let server = Server::start(&[Media::Stay, Media::PlayAndClose(1000)]).await;
        let server = server.says("/answer", CONNECT).says("/next", "<Hangup/>");
        let mut rest = Rest::start().await;
        let settings = TwilioSettings {
            old_stream_lingers_ms: lingers,
            ..fast()
        };
        let (path, report) = live_call(&mut rest, &server, settings).await;
        let twiml = format!(
            "<Response><Connect action=\"{}\"><Stream url=\"ws://{}/media\"/></Connect></Response>",
            server.url("/next"),
            server.address
        );
        let form = loadtest::twilio::form::Form::new().with("Twiml", twiml);
        let done = rest.ask("POST", &path, &form.encode(), TOKEN).await;
        assert!(done.starts_with("HTTP/1.1 200"), "{done}");
        let report = report.await.unwrap();
        assert_eq!(
            report.end,
            Some(End::Hangup),
            "{:#?}",
            sentences(&report, &server)
        );
        assert_eq!(report.streams(), 2);
        let left = report.notes.iter().any(|(_, note)| {
            matches!(
                note,
                Note::StreamOver {
                    over: StreamOver::ByCarrier,
                    ..
                }
            )
        });
        assert!(left);
        assert_eq!(server.heard()[0].last().unwrap()["event"], "stop");
        assert_eq!(server.asked_for("/next").len(), 1);
    }
}

#[tokio::test]
async fn strangers_and_wrong_wishes_are_refused_in_the_carriers_words() {
    let rest = Rest::start().await;
    let unknown = format!("Calls/CA{:032x}.json", 9);
    for (method, path, body, key, code) in [
        ("GET", unknown.as_str(), "", "wrong", 20_003),
        ("GET", unknown.as_str(), "", TOKEN, 20_404),
        ("POST", unknown.as_str(), "Status=completed", TOKEN, 20_404),
        ("GET", "Conferences.json", "", TOKEN, 20_404),
        ("POST", "Calls.json", "To=x", TOKEN, 21_213),
        ("POST", "Messages/SM1.json", "Body=", TOKEN, 20_004),
        ("POST", "Messages.json", "To=%2B14155550100", TOKEN, 21_603),
        (
            "POST",
            "Messages.json",
            "To=abc&From=%2B14155550100&Body=x",
            TOKEN,
            21_211,
        ),
    ] {
        let answer = rest.ask(method, path, body, key).await;
        assert!(
            answer.contains(&format!("\"code\":{code}")),
            "{method} {path}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_reset_after_the_effect_leaves_the_outcome_unknown() {
    let server = Server::start(&[Media::Stay]).await.says("/answer", CONNECT);
    let mut rest = Rest::start().await;
    let (path, report) = live_call(&mut rest, &server, fast()).await;
    let window = |fault, writes_only| FaultWindow {
        from_ms: 0,
        until_ms: None,
        of: None,
        writes_only,
        reads_only: false,
        fault,
    };
    rest.account
        .set_faults(vec![window(RestFault::TooMany, false)]);
    let busy = rest.ask("POST", &path, "Status=completed", TOKEN).await;
    assert!(
        busy.contains("20429") && busy.to_lowercase().contains("retry-after: 1"),
        "{busy}"
    );
    rest.account
        .set_faults(vec![window(RestFault::ResetAfterEffect, true)]);
    assert_eq!(rest.ask("POST", &path, "Status=completed", TOKEN).await, "");
    assert_eq!(report.await.unwrap().end, Some(End::Completed));
    assert!(
        rest.ask("GET", &path, "", TOKEN)
            .await
            .contains("\"completed\"")
    );
}
