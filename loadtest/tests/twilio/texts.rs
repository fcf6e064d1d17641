//! Texts: how they are taken in, found, told of and answered.

use std::time::Duration;

use loadtest::twilio::{
    form::Form,
    network::{
        PhoneSettings,
        settings::{Lost, Numbered, Receipts, Reply},
        words::Says,
    },
    rest::RestShares,
};

use crate::{
    interface::{NUMBER, PHONE, Rest, quick, text, until},
    server::{Asked, Server},
};

fn statuses(server: &Server) -> Vec<String> {
    let told = server.asked_for("/sms/status/s1/token");
    let status = |asked: &Asked| asked.form.get("MessageStatus").unwrap().to_owned();
    told.iter().map(status).collect()
}

fn told_text(server: &Server) -> Form {
    text(PHONE).with("StatusCallback", server.url("/sms/status/s1/token"))
}

#[tokio::test]
async fn a_text_goes_through_its_statuses_and_each_is_told_and_signed() {
    let server = Server::start(&[]).await;
    let rest = Rest::start().await;
    let created = rest.post("Messages.json", &told_text(&server)).await;
    assert_eq!(created.status(), 201, "{created:?}");
    assert_eq!(
        (created.text("status"), created.text("direction")),
        ("queued".into(), "outbound-api".into())
    );
    assert!(created.body["date_sent"].is_null() && !created.body["date_created"].is_null());
    until(async || server.asked_for("/sms/status/s1/token").len() == 3).await;
    assert_eq!(statuses(&server), ["queued", "sent", "delivered"]);
    let told = server.asked_for("/sms/status/s1/token");
    assert!(told.iter().all(|told| told.was_signed));
    assert_eq!(told[2].form.get("MessageSid"), Some(&*created.text("sid")));
    let now = rest
        .get(&format!("Messages/{}.json", created.text("sid")))
        .await;
    assert_eq!(now.text("status"), "delivered");
    assert!(now.body["error_code"].is_null() && !now.body["date_sent"].is_null());
    let tally = rest.account.network.tally();
    let seen = tally.phone(PHONE).unwrap();
    assert!(seen.texts[0].delivered);
    assert_eq!(seen.texts[0].path, "/sms/status/s1/token");
}

#[tokio::test]
async fn a_queued_text_is_found_by_its_number_and_by_no_date() {
    let slow = PhoneSettings {
        stage_ms: [60_000, 60_000],
        ..PhoneSettings::default()
    };
    let rest = Rest::with(slow, RestShares::default()).await;
    rest.text(PHONE).await;
    assert_eq!(rest.texts("To=%2B12025550111").await.len(), 1);
    assert_eq!(rest.texts("To=%2B12025550112").await.len(), 0);
    for dated in [
        "DateSent=2026-01-01",
        "DateSent%3E=1970-01-01",
        "DateSent%3C=2999-01-01",
    ] {
        let found = rest.texts(&format!("To=%2B12025550111&{dated}")).await;
        assert!(found.is_empty(), "{dated}: {found:?}");
    }
    let quick = Rest::start().await;
    quick.text(PHONE).await;
    until(async || !quick.texts("DateSent%3E=1970-01-01").await.is_empty()).await;
    assert_eq!(quick.texts("DateSent%3C=1999-01-01").await.len(), 0);
}

#[tokio::test]
async fn a_list_comes_in_pages_the_newest_first_though_it_grows_meanwhile() {
    let rest = Rest::start().await;
    let mut sids = Vec::new();
    for _ in 0..5 {
        sids.push(rest.text(PHONE).await.text("sid"));
    }
    let first = rest.get("Messages.json?To=%2B12025550111&PageSize=2").await;
    rest.text(PHONE).await;
    let mut seen: Vec<_> = first.list("messages");
    let mut next = first.text("next_page_uri");
    while !next.is_empty() {
        let page = rest.get(&next).await;
        assert!(page.list("messages").len() <= 2);
        seen.extend(page.list("messages"));
        next = page.text("next_page_uri");
    }
    let seen: Vec<_> = seen
        .iter()
        .map(|it| it["sid"].as_str().unwrap().to_owned())
        .collect();
    sids.reverse();
    assert_eq!(seen, sids);
}

#[tokio::test]
async fn a_wrong_request_is_refused_in_the_carriers_numbers() {
    let rest = Rest::start().await;
    for (form, code) in [
        ("From=%2B12025550100&Body=x", 21_604),
        ("To=%2B12025550111&Body=x", 21_603),
        ("To=%2B12025550111&From=%2B12025550100", 21_602),
        ("To=abc&From=%2B12025550100&Body=x", 21_211),
        ("To=%2B12025550111&From=a%20b&Body=x", 21_212),
        ("To=%2B12025550111&From=%2B12025550111&Body=x", 21_266),
        ("To=%2B12025550111&MessagingServiceSid=x&Body=x", 21_701),
        (
            "To=%2B12025550111&From=%2B12025550100&Body=x&StatusCallback=x",
            21_609,
        ),
    ] {
        let refused = rest
            .post("Messages.json", &Form::parse(form.as_bytes()))
            .await;
        assert_eq!(
            (refused.status(), refused.body["code"].as_u64()),
            (400, Some(code)),
            "{form}"
        );
    }
    let longest = |chars: usize| {
        let body: String = "ä".repeat(chars);
        Form::new()
            .with("To", PHONE)
            .with("From", NUMBER)
            .with("Body", body)
    };
    let long = rest.post("Messages.json", &longest(1_601)).await;
    assert_eq!(long.body["code"], 21_617);
    assert_eq!(
        rest.post("Messages.json", &longest(1_600)).await.status(),
        201
    );
    let service = Form::new()
        .with("To", PHONE)
        .with("MessagingServiceSid", "MG1")
        .with("Body", "x");
    let accepted = rest.post("Messages.json", &service).await;
    assert_eq!(accepted.text("status"), "accepted");
    assert!(accepted.body["from"].is_null());
    assert_eq!(rest.counts().texts, 2, "what was refused is not counted");
}

#[tokio::test]
async fn a_text_that_is_lost_is_told_with_its_reason() {
    for (failed, words) in [
        (true, ["queued", "failed"].as_slice()),
        (false, &["queued", "sent", "undelivered"]),
    ] {
        let server = Server::start(&[]).await;
        let lost = Lost {
            code: 30_003,
            share: 1.0,
            failed,
        };
        let phones = PhoneSettings {
            lost: vec![lost],
            ..quick()
        };
        let rest = Rest::with(phones, RestShares::default()).await;
        let sid = rest
            .post("Messages.json", &told_text(&server))
            .await
            .text("sid");
        until(async || statuses(&server).len() == words.len()).await;
        assert_eq!(statuses(&server), words);
        let told = server.asked_for("/sms/status/s1/token").pop().unwrap();
        assert_eq!(told.form.get("ErrorCode"), Some("30003"));
        let now = rest.get(&format!("Messages/{sid}.json")).await;
        assert_eq!(now.body["error_code"], 30_003);
        assert_eq!(
            rest.account
                .network
                .tally()
                .phone(PHONE)
                .unwrap()
                .texts
                .len(),
            1
        );
    }
}

#[tokio::test]
async fn receipts_come_twice_and_in_the_wrong_order_with_their_own_tokens() {
    let server = Server::start(&[]).await;
    let phones = PhoneSettings {
        receipts: Receipts {
            twice_share: 1.0,
            reordered_share: 1.0,
            ..Receipts::default()
        },
        ..quick()
    };
    let rest = Rest::with(phones, RestShares::default()).await;
    rest.post("Messages.json", &told_text(&server)).await;
    until(async || statuses(&server).len() == 6).await;
    let expected = ["delivered", "delivered", "sent", "sent", "queued", "queued"];
    assert_eq!(statuses(&server), expected);
    let told = server.asked_for("/sms/status/s1/token");
    assert_eq!(told[0].token, told[1].token, "the same event");
    assert_ne!(told[1].token, told[2].token);
}

/// A phone that answers a text with this; what the server was told.
async fn answers(server: &Server, says: Says, phones: PhoneSettings) -> (Rest, Vec<Asked>) {
    let phones = PhoneSettings {
        replies: vec![Reply { says, share: 1.0 }],
        ..phones
    };
    let copies = if phones.reply_twice_share > 0.5 { 2 } else { 1 };
    let rest = Rest::with(phones, RestShares::default())
        .await
        .texted(server);
    rest.text(PHONE).await;
    until(async || server.asked_for("/sms").len() == copies).await;
    (rest, server.asked_for("/sms"))
}

#[tokio::test]
async fn a_phone_answers_by_a_signed_webhook_and_follows_the_reply() {
    let server = Server::start(&[])
        .await
        .says("/sms", "<Message>You are on our list.</Message>");
    let (rest, told) = answers(&server, Says::AtFive, quick()).await;
    assert!(told[0].was_signed);
    let field = |name| told[0].form.get(name).unwrap_or_default().to_owned();
    assert_eq!(
        [field("From"), field("To"), field("Body")],
        [PHONE, NUMBER, "at 5"]
    );
    assert_eq!([field("NumMedia"), field("SmsStatus")], ["0", "received"]);
    assert!(field("MessageSid").starts_with("SM") && field("MessageSid") == field("SmsSid"));
    until(async || rest.texts("To=%2B12025550111").await.len() == 2).await;
    let newest = &rest.texts("To=%2B12025550111").await[0];
    assert_eq!(newest["direction"], "outbound-reply");
    assert_eq!(newest["body"], "You are on our list.");
    assert_eq!(
        (rest.counts().texts, rest.counts().answers),
        (1, 1),
        "an answer is no second text"
    );
    assert!(
        rest.account
            .network
            .tally()
            .phone(PHONE)
            .unwrap()
            .agreed_at
            .is_some()
    );
}

#[tokio::test]
async fn an_answer_may_come_twice_with_one_sid() {
    let server = Server::start(&[]).await;
    let phones = PhoneSettings {
        reply_twice_share: 1.0,
        ..quick()
    };
    let (_, told) = answers(&server, Says::Yes, phones).await;
    assert_eq!(
        told[0].form.get("MessageSid"),
        told[1].form.get("MessageSid")
    );
    assert_eq!(told[0].token, told[1].token);
}

#[tokio::test]
async fn whatever_a_phone_writes_arrives_letter_by_letter() {
    for says in [Says::Emoji, Says::RightToLeft, Says::Long, Says::Words] {
        let server = Server::start(&[]).await;
        let (_, told) = answers(&server, says, quick()).await;
        assert_eq!(told[0].form.get("Body"), says.words().as_deref());
        assert!(told[0].was_signed, "{says:?}");
    }
}

#[tokio::test]
async fn after_stop_the_carrier_refuses_and_counts_who_asks_all_the_same() {
    let server = Server::start(&[]).await.says("/sms", "");
    let (rest, _) = answers(&server, Says::Stop, quick()).await;
    until(async || rest.counts().stopped == 1).await;
    let refused = rest.text(PHONE).await;
    assert_eq!(refused.body["code"], 21_610);
    assert_eq!(rest.counts().texts_after_stop, 1);
    // Where the carrier leaves it to the number's owner the text arrives, and counts all the same.
    let server = Server::start(&[]).await.says("/sms", "");
    let phones = PhoneSettings {
        carrier_opts_out: false,
        ..quick()
    };
    let (rest, _) = answers(&server, Says::Stop, phones).await;
    until(async || rest.counts().stopped == 1).await;
    assert_eq!(rest.text(PHONE).await.status(), 201);
    assert_eq!(
        (rest.counts().texts_after_stop, rest.counts().texts_double),
        (1, 1)
    );
}

#[tokio::test]
async fn a_stop_that_was_not_taken_in_binds_nobody() {
    let server = Server::start(&[]).await;
    let refusal = crate::server::Answer::Other(503, "text/plain", String::new());
    let server = server.answers("/sms", &[refusal]);
    let (rest, _) = answers(&server, Says::Stop, quick()).await;
    tokio::time::timeout(Duration::from_millis(200), std::future::pending::<()>())
        .await
        .unwrap_err();
    assert_eq!(rest.counts().stopped, 0);
}

#[tokio::test]
async fn a_phone_may_say_nothing() {
    let numbers = [(
        PHONE.to_owned(),
        Numbered {
            does: None,
            says: Some(Says::Nothing),
        },
    )]
    .into();
    let other = "+12025550112";
    let server = Server::start(&[]).await;
    let phones = PhoneSettings {
        numbers,
        replies: vec![Reply {
            says: Says::No,
            share: 1.0,
        }],
        ..quick()
    };
    let rest = Rest::with(phones, RestShares::default())
        .await
        .texted(&server);
    rest.text(PHONE).await;
    rest.text(other).await;
    until(async || !server.asked_for("/sms").is_empty()).await;
    let from: Vec<_> = server
        .asked_for("/sms")
        .iter()
        .map(|it| it.form.get("From").unwrap().to_owned())
        .collect();
    assert_eq!(from, [other]);
}
