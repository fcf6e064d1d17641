//! Documents that do not come, or not at once.

use std::time::Duration;

use loadtest::twilio::{note::End, settings::TwilioSettings, twiml::Link};

use crate::server::{Answer, LONG, Server, account, fast, live, phone, sentences, voice_call};

/// Lives a call whose Voice URL has these overrides.
async fn with_overrides(server: &Server, overrides: &str, settings: TwilioSettings) -> Option<End> {
    let mut call = voice_call(server, &account(), settings);
    call.number.voice = Link {
        url: server.url(&format!("/answer#{overrides}")),
        ..Link::default()
    };
    let living = call.live(phone(20_000), |_, _| {});
    tokio::time::timeout(LONG, living).await.unwrap().end
}

fn broken() -> Answer {
    Answer::Other(500, "text/plain", "broken".into())
}

#[tokio::test]
async fn what_fails_is_told_to_the_fallback_url_with_its_reason() {
    let kinds = [
        (broken(), "11200"),
        (
            Answer::Other(404, "text/xml", "<Response/>".into()),
            "11200",
        ),
        (Answer::Other(200, "application/json", "{}".into()), "12300"),
        (Answer::Other(200, "text/xml", "<Response>".into()), "12100"),
        (Answer::Other(200, "text/xml", "<Answer/>".into()), "12100"),
        (Answer::Other(200, "text/xml", "x".repeat(70_000)), "11750"),
        (Answer::Redirect(302, "/answer"), "11215"),
        (Answer::Hang, "11205"),
    ];
    for (answer, code) in kinds {
        let server = Server::start(&[]).await.says("/fallback", "<Hangup/>");
        let server = server.answers("/answer", std::slice::from_ref(&answer));
        let report = live(&server, fast()).await;
        assert_eq!(report.end, Some(End::Hangup), "{answer:?}");
        let fallback = &server.asked_for("/fallback")[0];
        assert_eq!(fallback.form.get("ErrorCode"), Some(code), "{answer:?}");
        assert_eq!(fallback.form.get("ErrorUrl"), Some(&*server.url("/answer")));
        assert!(fallback.was_signed);
        assert_ne!(fallback.token, server.asked_for("/answer")[0].token);
    }
}

#[tokio::test]
async fn without_any_document_the_caller_hears_the_carrier_and_is_hung_up_on() {
    let server = Server::start(&[]).await;
    let server = server
        .answers("/answer", &[broken()])
        .answers("/fallback", &[broken()]);
    let report = live(&server, fast()).await;
    assert_eq!(report.end, Some(End::Error(11_200)));
    assert_eq!(server.paths(), ["/answer", "/fallback", "/calls/status"]);
    let last = sentences(&report, &server).pop();
    assert_eq!(
        last.as_deref(),
        Some("Twilio apologizes and hangs up: 11200")
    );
}

#[tokio::test]
async fn a_request_is_tried_again_as_its_overrides_say_with_one_token() {
    let server = Server::start(&[]).await;
    let server = server.answers(
        "/answer",
        &[broken(), broken(), Answer::Xml("<Hangup/>".into())],
    );
    let end = with_overrides(&server, "rc=2&rp=5xx", fast()).await;
    assert_eq!(end, Some(End::Hangup));
    let asked = server.asked_for("/answer");
    assert_eq!(asked.len(), 3);
    assert!(asked[0].token.is_some());
    assert!(asked.iter().all(|again| again.token == asked[0].token));
}

#[tokio::test]
async fn only_repetitions_carry_the_token_where_the_settings_say_so() {
    let server = Server::start(&[]).await;
    let server = server.answers("/answer", &[broken(), Answer::Xml("<Hangup/>".into())]);
    let settings = TwilioSettings {
        idempotency_on_first: false,
        ..fast()
    };
    with_overrides(&server, "rc=1&rp=5xx", settings).await;
    let asked = server.asked_for("/answer");
    assert_eq!(asked[0].token, None);
    assert!(asked[1].token.is_some());
}

#[tokio::test]
async fn a_slow_answer_is_given_up_in_the_time_of_its_overrides() {
    let server = Server::start(&[]).await.says("/fallback", "<Hangup/>");
    let server = server.answers("/answer", &[Answer::Hang]);
    let began = tokio::time::Instant::now();
    let end = with_overrides(&server, "rt=150&rc=1&rp=rt", fast()).await;
    assert_eq!(end, Some(End::Hangup));
    assert_eq!(server.asked_for("/answer").len(), 2);
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(300),
        "two tries take {took:?}"
    );
}

#[tokio::test]
async fn a_redirect_of_http_is_followed_and_relative_urls_with_it() {
    let server = Server::start(&[]).await;
    let server = server
        .answers("/answer", &[Answer::Redirect(307, "/deep/answer")])
        .says("/deep/answer", "<Redirect>next</Redirect>")
        .says("/deep/next", "<Hangup/>");
    let report = live(&server, fast()).await;
    assert_eq!(report.end, Some(End::Hangup));
    let paths = ["/answer", "/deep/answer", "/deep/next", "/calls/status"];
    assert_eq!(server.paths(), paths);
    assert!(server.asked().iter().all(|asked| asked.was_signed));
    assert!(
        server.asked()[1].form.get("CallSid").is_some(),
        "posted again"
    );
}
