//! Whoever is not Twilio: what they can take of us, and for how long. And documents that are not ours.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use crate::model::{Manner, Model};
use crate::phone::Phone;
use crate::server::Server;
use crate::twilio::{Request, VARIABLES, ask, form, serve, upgrade};

/// The status that an upgrade is refused with.
async fn status(server: &Server, headers: &[(&'static str, &str)]) -> u16 {
    match Phone::connect_with(server, headers).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("no answer, but {error}"),
        Ok(_) => 101,
    }
}

#[tokio::test]
async fn an_upgrade_without_a_signature_opens_no_socket() {
    let model = Model::start(Manner::Greets).await;
    let server = serve(&model.url(), "").await;
    assert_eq!(status(&server, &[]).await, 403);
    let forged = [("x-twilio-signature", "Ko8aymfVk0cCegaxVKH0ZCvSyf4=")];
    assert_eq!(status(&server, &forged).await, 403);
    assert!(upgrade(&server, &[]).await.is_ok());
}

#[tokio::test]
async fn where_upgrades_need_no_signature_each_address_has_a_few_sockets_until_they_start() {
    let model = Model::start(Manner::Greets).await;
    let sections =
        "[public]\nunstarted_per_address_max = 2\n[twilio]\nupgrade_signature = \"if_present\"\n";
    let server = serve(&model.url(), sections).await;
    let from = |address| [("x-forwarded-for", address)];
    let mut first = Phone::connect_with(&server, &from("192.0.2.1"))
        .await
        .unwrap();
    let _second = Phone::connect_with(&server, &from("192.0.2.1"))
        .await
        .unwrap();
    assert_eq!(status(&server, &from("192.0.2.1")).await, 503);
    assert_eq!(status(&server, &from("192.0.2.2")).await, 101);
    // With a signature the address does not matter.
    let signed = upgrade(&server, &from("192.0.2.1")).await;
    assert!(signed.is_ok());
    // Who starts is no stranger any more.
    let document = ask(&server, "/twiml/answer", 1, &[]).await;
    first.start(1, &document.parameters.into()).await;
    first.hear_audio(160).await;
    assert_eq!(status(&server, &from("192.0.2.1")).await, 101);
    let forged = [
        from("192.0.2.3")[0],
        ("x-twilio-signature", "Ko8aymfVk0cCegaxVKH0ZCvSyf4="),
    ];
    assert_eq!(
        status(&server, &forged).await,
        403,
        "one that is there must be good"
    );
}

#[tokio::test]
async fn an_address_that_is_refused_too_often_is_not_read_any_more() {
    let model = Model::start(Manner::Greets).await;
    let server = serve(&model.url(), "").await;
    let good = Request::signed(&server, "/twiml/answer", form(1, &[]));
    let from = |address| good.clone().with("x-forwarded-for", address);
    let bad = from("192.0.2.1").with("x-twilio-signature", "x");
    let mut refused = 0;
    while bad.send(&server).await.status == 403 {
        refused += 1;
        assert!(refused < 100);
    }
    assert!(refused >= 20, "{refused}");
    assert_eq!(bad.send(&server).await.status, 429);
    assert_eq!(
        from("192.0.2.2").send(&server).await.status,
        200,
        "others are"
    );
    // What is good costs nothing, however often it comes.
    for _ in 0..50 {
        assert_eq!(from("192.0.2.3").send(&server).await.status, 200);
    }
}

#[tokio::test]
async fn whoever_waits_at_the_door_and_asks_for_nothing_gives_way_to_the_carrier() {
    let model = Model::start(Manner::Greets).await;
    let sections = "[public]\nunstarted_max = 1\nconnections_per_address_max = 1000\n";
    let server = serve(&model.url(), sections).await;
    // Three times as many as have a place: some say nothing, the others begin a request and never end it.
    let mut idle = Vec::new();
    for number in 0..195 {
        let mut stranger = TcpStream::connect(server.address).await.unwrap();
        if number % 2 == 0 {
            stranger
                .write_all(b"POST /twiml/answer HTTP/1.1\r\nHost:")
                .await
                .unwrap();
        }
        idle.push(stranger);
    }
    for call in 1..=20 {
        let document = ask(&server, "/twiml/answer", call, &[]).await;
        let mut phone = document.stream(&server, call).await;
        phone.hear_audio(160).await;
    }
    // The oldest had to go, and was told.
    let mut said = Vec::new();
    let end = idle[0].read_to_end(&mut said);
    let end = timeout(Duration::from_secs(5), end).await;
    assert!(end.is_ok(), "the oldest is still there");
}

#[tokio::test]
async fn a_stranger_says_only_so_much_before_the_start() {
    let model = Model::start(Manner::Greets).await;
    let mut server = serve(&model.url(), "").await;
    let mut talker = upgrade(&server, &[]).await.unwrap();
    for _ in 0..5 {
        talker
            .send_text(&format!("{{\"event\":\"{}\"}}", "x".repeat(15_000)))
            .await;
    }
    talker.heard_to_end().await;
    assert_eq!(server.ended("refused").await["cause"], "oversized");
}

#[tokio::test]
async fn a_document_of_somebody_else_lets_in_with_its_secret() {
    let model = Model::start(Manner::Greets).await;
    let sections =
        "[twilio]\nmode = \"static\"\nstream_secrets = [{ env = \"OLD\" }, { env = \"NEW\" }]\n";
    let secrets = [("OLD", "0123456789abcdef"), ("NEW", "fedcba9876543210")];
    let variables = [VARIABLES.as_slice(), &secrets].concat();
    let mut server = Server::with(&model.url(), sections, &variables).await;
    for (call, secret) in [(1, "0123456789abcdef"), (2, "fedcba9876543210")] {
        let mut phone = upgrade(&server, &[]).await.unwrap();
        phone.start(call, &json!({"secret": secret})).await;
        phone.hear_audio(160).await;
        let mut second = upgrade(&server, &[]).await.unwrap();
        second.start(call, &json!({"secret": secret})).await;
        assert_eq!(second.heard_to_end().await, 0, "a call has one live stream");
        phone.hang_up().await;
        let carrier_call = format!("CA{call:032x}");
        server
            .line("call ended", |line| line["carrier_call"] == *carrier_call)
            .await;
    }
    let mut wrong = upgrade(&server, &[]).await.unwrap();
    wrong.start(3, &json!({"secret": "0123456789abcdeF"})).await;
    assert_eq!(wrong.heard_to_end().await, 0);
    assert_eq!(
        status(&server, &[]).await,
        403,
        "the upgrade is signed all the same"
    );
    // An `action` of that document that asks us is answered: the call goes on with a document of ours.
    let next = ask(&server, "/twiml/next", 1, &[]).await;
    assert_eq!(next.verbs, ["Connect", "Redirect"]);
    next.stream(&server, 1).await.hear_audio(160).await;
}
