//! What `check-number` finds at Voice URLs that are as they should be, and at others.

use std::time::Duration;

use loadtest::{
    net::Clock,
    twilio::{
        check::{Check, Finding, Verdict},
        number::Parties,
        signature::AuthToken,
        twiml::Link,
    },
};

use crate::{
    calls::CONNECT,
    server::{Answer, FROM, LONG, Media, Server, TOKEN},
};

async fn found(server: &Server, token: &str) -> (bool, Vec<Finding>) {
    let link = |path: &str| Link {
        url: server.url(path),
        ..Link::default()
    };
    let mut rng = fastrand::Rng::with_seed(3);
    let check = Check {
        voice: link("/answer"),
        fallback: Some(link("/fallback")),
        parties: Parties::draw("AC1", FROM, "+14155550100", &mut rng),
        token: AuthToken::new(token),
        tls: None,
        audio_within: Duration::from_millis(800),
        clock: Clock::start(),
    };
    let mut findings = Vec::new();
    let mut tell = |finding: &Finding| findings.push(finding.clone());
    let good = tokio::time::timeout(LONG, check.run(&mut tell))
        .await
        .unwrap();
    (good, findings)
}

async fn whole_server(media: &[Media]) -> Server {
    Server::start(media)
        .await
        .says("/answer", CONNECT)
        .says("/next", "<Hangup/>")
        .says("/fallback", "<Say>Sorry.</Say>")
}

fn bad(findings: &[Finding]) -> Vec<(&str, &str)> {
    let bad = findings
        .iter()
        .filter(|finding| finding.verdict == Verdict::Bad);
    bad.map(|finding| (finding.of, finding.says.as_str()))
        .collect()
}

#[tokio::test]
async fn a_number_may_point_to_a_server_that_is_as_it_should_be() {
    let server = whole_server(&[Media::PlayAndClose(1000)]).await;
    let (good, findings) = found(&server, TOKEN).await;
    assert!(good, "{findings:#?}");
    let of: Vec<_> = findings.iter().map(|finding| finding.of).collect();
    for of_what in [
        "URL",
        "DNS",
        "connection",
        "document",
        "stranger",
        "stream",
        "audio",
        "action",
        "fallback",
    ] {
        assert!(of.contains(&of_what), "{of_what}: {findings:#?}");
    }
    let heard = findings
        .iter()
        .any(|finding| finding.says.contains("the first sound after"));
    assert!(heard, "{findings:#?}");
    assert_eq!(server.heard()[0].last().unwrap()["event"], "stop");
}

#[tokio::test]
async fn a_server_that_lets_anybody_in_is_bad() {
    let server = whole_server(&[Media::PlayAndClose(1000); 2]).await.open();
    let (good, findings) = found(&server, TOKEN).await;
    assert!(!good);
    let expected = (
        "stranger",
        "a wrong signature gets 200: anybody can make calls",
    );
    assert_eq!(bad(&findings), [expected]);
}

#[tokio::test]
async fn another_accounts_token_is_said_to_be_the_likely_reason() {
    let server = whole_server(&[]).await;
    let (good, findings) = found(&server, "another").await;
    assert!(!good);
    let bad = bad(&findings);
    assert!(
        bad[0]
            .1
            .starts_with("11200: status 403: the signature is not accepted"),
        "{bad:?}"
    );
}

#[tokio::test]
async fn a_silent_stream_is_bad() {
    let server = whole_server(&[Media::Stay]).await;
    let (good, findings) = found(&server, TOKEN).await;
    assert!(!good);
    assert_eq!(
        bad(&findings),
        [("audio", "nothing was heard within 800 ms")]
    );
}

#[tokio::test]
async fn a_document_that_is_none_is_told_by_its_number() {
    let json = Answer::Other(200, "application/json", "{}".into());
    let server = whole_server(&[]).await.answers("/answer", &[json]);
    let (good, findings) = found(&server, TOKEN).await;
    assert!(!good);
    assert_eq!(
        bad(&findings),
        [("document", "12300: content type \"application/json\"")]
    );
}

#[tokio::test]
async fn nobody_at_the_address_ends_the_check_at_once() {
    let mut server = whole_server(&[]).await;
    server.address = "127.0.0.1:1".into();
    let (good, findings) = found(&server, TOKEN).await;
    assert!(!good);
    assert!(bad(&findings)[0].1.starts_with("11205: "), "{findings:#?}");
}
