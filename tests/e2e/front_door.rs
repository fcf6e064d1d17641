//! The front door: whom it lets in, what callers get, and what comes after a stream.

use serde_json::json;

use crate::model::{Manner, Model};
use crate::server::Server;
use crate::twilio::{Request, VARIABLES, ask, form, serve, upgrade};

const ANSWER: &str = "/twiml/answer";

async fn greeter() -> (Model, Server) {
    let model = Model::start(Manner::Greets).await;
    let server = serve(&model.url(), "").await;
    (model, server)
}

#[tokio::test]
async fn a_call_gets_a_document_and_its_stream_gets_an_agent() {
    let (_model, mut server) = greeter().await;
    let document = ask(&server, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    assert_eq!(document.verbs, ["Connect", "Redirect"]);
    assert_eq!(document.parameters["to"], "+14155550100");
    let mut phone = document.stream(&server, 1).await;
    phone.hear_audio(160).await;
    phone.hang_up().await;
    server.ended("caller_hung_up").await;
    let log = server.log();
    for private in [
        "4155550199",
        "4155550100",
        document.parameters["token"].as_str().unwrap(),
    ] {
        assert!(!log.contains(private), "{private} in:\n{log}");
    }
}

#[tokio::test]
async fn a_question_that_is_not_twilios_gets_no_document() {
    let (_model, server) = greeter().await;
    let good = Request::signed(&server, ANSWER, form(1, &[]));
    let mut unsigned = good.clone();
    unsigned
        .headers
        .retain(|(name, _)| name != "x-twilio-signature");
    let mut other_call = good.clone();
    other_call.body = form(2, &[]);
    let mut other_path = good.clone();
    other_path.path = "/twiml/next".to_owned();
    let mut long = good.clone();
    long.body = "x".repeat(1024 * 1024);
    let foreign = form(1, &[]).replace("AC0", "AC9");
    let mut crowded = good.clone();
    crowded.body.push_str(&"&x=y".repeat(600));
    for (name, request, status) in [
        ("unsigned", unsigned, 403),
        ("another call", other_call, 403),
        ("another path", other_path, 403),
        (
            "hostile header",
            good.clone().with("x-twilio-signature", &"x".repeat(1_000)),
            403,
        ),
        (
            "another kind",
            good.clone().with("content-type", "application/json"),
            403,
        ),
        ("a megabyte", long, 413),
        (
            "an account of others",
            Request::signed(&server, ANSWER, foreign),
            403,
        ),
        (
            "no call",
            Request::signed(&server, ANSWER, "a=b".to_owned()),
            400,
        ),
        ("too many parameters", crowded, 400),
    ] {
        let answer = request.send(&server).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert!(!answer.body.contains("Response"), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn a_question_that_is_asked_again_gets_the_same_document() {
    let (_model, server) = greeter().await;
    let request = Request::signed(&server, ANSWER, form(1, &[]));
    let first = request
        .clone()
        .with("i-twilio-idempotency-token", "a")
        .send(&server)
        .await;
    let again = request
        .clone()
        .with("i-twilio-idempotency-token", "a")
        .send(&server)
        .await;
    assert_eq!(first, again);
    let other = request
        .clone()
        .with("i-twilio-idempotency-token", "b")
        .send(&server)
        .await;
    assert_ne!(first, other);
    assert_ne!(request.send(&server).await, request.send(&server).await);
}

#[tokio::test]
async fn a_token_lets_one_stream_of_its_call_in() {
    let (_model, mut server) = greeter().await;
    let document = ask(&server, ANSWER, 1, &[]).await;
    let token = document.parameters["token"].as_str().unwrap();
    let mut foreign = document.stream(&server, 2).await;
    assert_eq!(foreign.heard_to_end().await, 0);
    for (call, parameters) in [
        (3, json!({})),
        (4, json!({"token": "nonsense"})),
        (1, json!({"token": format!("{token}x")})),
        (5, json!({"secret": "0123456789abcdef"})),
    ] {
        let mut stranger = upgrade(&server, &[]).await.unwrap();
        stranger.start(call, &parameters).await;
        assert_eq!(stranger.heard_to_end().await, 0, "{parameters}");
    }
    let mut phone = document.stream(&server, 1).await;
    phone.hear_audio(160).await;
    phone.hang_up().await;
    server.ended("caller_hung_up").await;
    let mut again = document.stream(&server, 1).await;
    assert_eq!(again.heard_to_end().await, 0, "a token lets in once");
    server.terminate();
    server.exit().await;
    let counts = server.line("stopped", |_| true).await["counts"].to_string();
    for part in [
        "tokens_missing=2",
        "tokens_forged=2",
        "tokens_of_others=1",
        "tokens_used=1",
        "refused.unauthenticated=6",
        // Nobody else has cost anything.
        "sessions_ready=1",
    ] {
        assert!(counts.contains(part), "{part}: {counts}");
    }
}

#[tokio::test]
async fn a_lost_stream_is_followed_by_another_twice_and_then_by_an_apology() {
    let (_model, server) = greeter().await;
    let mut document = ask(&server, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    let mut resume = None;
    for _ in 0..2 {
        let mut phone = document.stream(&server, 1).await;
        phone.hear_audio(160).await;
        drop(phone); // Without a word, as when a network fails.
        document = ask(&server, &document.action, 1, &[]).await;
        assert_eq!(document.verbs, ["Connect", "Redirect"]);
        let name = document.parameters["resume"].as_str().map(str::to_owned);
        assert!(resume.is_none() || resume == name, "it is the same call");
        resume = name;
    }
    let last = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(last.verbs, ["Say", "Hangup"]);
}

#[tokio::test]
async fn a_goodbye_is_followed_by_the_end() {
    let model = Model::start(Manner::Parts).await;
    let mut server = serve(&model.url(), "[call]\ngoodbye_grace = \"100ms\"\n").await;
    let document = ask(&server, ANSWER, 1, &[]).await;
    let mut phone = document.stream(&server, 1).await;
    phone.hear_audio(160).await;
    phone.say(1).await;
    phone.heard_to_end().await;
    // The socket is closed, so the end is known: nothing is waited for.
    let next = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Hangup"]);
    let stale = ask(&server, ANSWER, 1, &[]).await;
    assert_eq!(stale.verbs, ["Hangup"], "nor does the call begin anew");
    server.ended("goodbye").await;
}

#[tokio::test]
async fn an_apology_is_followed_by_the_end() {
    let patient = "[call]\ncarrier_silence_max = \"1m\"\n";
    let server = serve("ws://127.0.0.1:1/", patient).await;
    let document = ask(&server, ANSWER, 1, &[]).await;
    document.stream(&server, 1).await.heard_to_end().await;
    let next = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Hangup"]);
}

#[tokio::test]
async fn a_new_stream_takes_over_from_one_that_has_not_ended() {
    let (_model, mut server) = greeter().await;
    let document = ask(&server, ANSWER, 1, &[]).await;
    let mut old = document.stream(&server, 1).await;
    old.hear_audio(160).await;
    let document = ask(&server, &document.action, 1, &[]).await;
    let mut new = document.stream(&server, 1).await;
    old.heard_to_end().await;
    server.ended("carrier_gone").await;
    new.hear_audio(160).await;
    new.hang_up().await;
    server.ended("caller_hung_up").await;
}

#[tokio::test]
async fn what_twilio_says_is_over_is_over() {
    let (_model, server) = greeter().await;
    let document = ask(&server, ANSWER, 1, &[]).await;
    let status = Request::signed(
        &server,
        "/calls/status",
        form(1, &[("CallStatus", "completed")]),
    );
    assert_eq!(status.send(&server).await.status, 204);
    let next = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Hangup"]);
}

#[tokio::test]
async fn a_stream_that_could_not_be_opened_is_told() {
    let (_model, mut server) = greeter().await;
    let error = [
        ("StreamEvent", "stream-error"),
        ("StreamError", "31920 handshake"),
    ];
    let status = Request::signed(&server, "/stream/status", form(1, &error));
    assert_eq!(status.send(&server).await.status, 204);
    let line = |line: &serde_json::Value| line["error"] == "31920 handshake";
    server
        .line("the carrier lost a stream, or could not open it", line)
        .await;
}

#[tokio::test]
async fn the_fallback_goes_on_at_once_and_apologizes_for_a_bad_document() {
    let (_model, server) = greeter().await;
    ask(&server, ANSWER, 1, &[]).await;
    let lost = ask(&server, "/twiml/fallback", 1, &[("ErrorCode", "11200")]).await;
    assert_eq!(lost.verbs, ["Connect", "Redirect"]);
    lost.stream(&server, 1).await.hear_audio(160).await;
    let bad = ask(&server, "/twiml/fallback", 1, &[("ErrorCode", "12100")]).await;
    assert_eq!(bad.verbs, ["Say", "Hangup"]);
}

#[tokio::test]
async fn a_full_house_is_busy_and_one_without_models_apologizes() {
    let model = Model::start(Manner::Greets).await;
    let server = serve(&model.url(), "[calls]\ncalls_max = 1\n").await;
    let document = ask(&server, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    let mut phone = document.stream(&server, 1).await;
    phone.hear_audio(160).await;
    let ringing = ask(&server, ANSWER, 2, &[("CallStatus", "ringing")]).await;
    assert_eq!(ringing.verbs, ["Reject"]);
    let answered = ask(&server, ANSWER, 3, &[]).await;
    assert_eq!(answered.verbs, ["Say", "Hangup"]);

    let server = serve("ws://127.0.0.1:1/", "[breaker]\nfailures_in_a_row = 1\n").await;
    let document = ask(&server, ANSWER, 1, &[]).await;
    document.stream(&server, 1).await.heard_to_end().await;
    let refused = async {
        loop {
            let document = ask(&server, ANSWER, 2, &[("CallStatus", "ringing")]).await;
            if document.verbs == ["Say", "Hangup"] {
                return;
            }
        }
    };
    let refused = tokio::time::timeout(crate::DEADLINE, refused).await;
    assert!(refused.is_ok(), "{}", server.log());
}

#[tokio::test]
async fn an_address_that_does_not_fit_is_told_with_both() {
    let model = Model::start(Manner::Greets).await;
    let mut variables = VARIABLES;
    variables[3].1 = "https://voice.example.com";
    let mut server = Server::with(&model.url(), "", &variables).await;
    let host = server.address.to_string();
    // Twilio signs for the address in the number's Voice URL, which is what its request names.
    let request = Request::signed(&server, ANSWER, form(1, &[]));
    let request = request.with("host", &host);
    assert_eq!(request.send(&server).await.status, 403);
    let both = |line: &serde_json::Value| {
        line["configured"] == "https://voice.example.com" && line["asked"] == *host
    };
    let sentence = "Twilio signs for another address than the configured one: twilio.public_url must be what the number's Voice URL says";
    server.line(sentence, both).await;
}

#[tokio::test]
async fn without_twilio_there_are_no_webhooks() {
    let model = Model::start(Manner::Greets).await;
    let server = Server::start(&model.url(), "").await;
    let answer = Request::signed(&server, ANSWER, form(1, &[]))
        .send(&server)
        .await;
    assert_eq!(answer.status, 404);
}
