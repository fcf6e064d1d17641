//! What goes wrong with requests: each fault by itself, and some together.

use std::time::Duration;

use loadtest::twilio::{
    Account,
    rest::{FaultWindow, Refused, Resource, RestFault, RestShares},
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    interface::{PHONE, Rest, quick, text, until},
    server::TOKEN,
};

async fn with(shares: RestShares) -> Rest {
    Rest::with(quick(), shares).await
}

fn all() -> RestShares {
    RestShares::default()
}

fn accepted(account: &Account) -> u32 {
    account.network.tally().counts(Duration::ZERO).texts
}

#[tokio::test]
async fn what_is_refused_has_no_effect() {
    for (shares, status, retry_after) in [
        (
            RestShares {
                too_many_share: 1.0,
                ..all()
            },
            429,
            true,
        ),
        (
            RestShares {
                too_many_bare_share: 1.0,
                ..all()
            },
            429,
            false,
        ),
        (
            RestShares {
                error_share: 1.0,
                ..all()
            },
            500,
            false,
        ),
        (
            RestShares {
                unavailable_share: 1.0,
                ..all()
            },
            503,
            false,
        ),
        (
            RestShares {
                reset_share: 1.0,
                ..all()
            },
            0,
            false,
        ),
    ] {
        let rest = with(shares).await;
        let answer = rest.text(PHONE).await;
        assert_eq!(answer.status(), status, "{answer:?}");
        let head = answer.head.to_ascii_lowercase();
        assert_eq!(head.contains("retry-after: 1"), retry_after, "{answer:?}");
        assert_eq!(accepted(&rest.account), 0);
    }
}

#[tokio::test]
async fn what_fails_behind_its_effect_was_sent_all_the_same() {
    for (shares, status) in [
        (
            RestShares {
                error_after_share: 1.0,
                ..all()
            },
            500,
        ),
        (
            RestShares {
                reset_after_share: 1.0,
                ..all()
            },
            0,
        ),
    ] {
        let rest = with(shares).await;
        assert_eq!(rest.text(PHONE).await.status(), status);
        assert_eq!(accepted(&rest.account), 1);
        until(async || rest.texts("To=%2B12025550111").await.len() == 1).await;
    }
}

/// A client that asks, and gives up.
async fn ask_and_give_up(rest: &Rest, after: Duration) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut tcp = TcpStream::connect(&rest.address).await.unwrap();
    let credentials = STANDARD.encode(format!("{}:{TOKEN}", rest.account.sid));
    let body = text(PHONE).encode();
    let request = format!(
        "POST /2010-04-01/Accounts/{}/Messages.json HTTP/1.1\r\nHost: x\r\n\
         Authorization: Basic {credentials}\r\nContent-Length: {}\r\n\r\n{body}",
        rest.account.sid,
        body.len()
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(after).await;
}

#[tokio::test]
async fn a_held_answer_comes_behind_a_text_that_was_sent_at_once() {
    let rest = with(RestShares {
        held_share: 1.0,
        held_ms: [60_000, 60_000],
        ..all()
    })
    .await;
    ask_and_give_up(&rest, Duration::from_millis(300)).await;
    assert_eq!(
        accepted(&rest.account),
        1,
        "it is sent before its client gives up"
    );
}

#[tokio::test]
async fn a_text_may_be_taken_in_when_its_client_has_long_given_up() {
    let rest = with(RestShares {
        late_share: 1.0,
        late_ms: [600, 600],
        ..all()
    })
    .await;
    ask_and_give_up(&rest, Duration::from_millis(100)).await;
    assert_eq!(
        accepted(&rest.account),
        0,
        "not yet, and its client is gone"
    );
    assert!(rest.texts("To=%2B12025550111").await.is_empty());
    until(async || accepted(&rest.account) == 1).await;
    assert_eq!(rest.texts("To=%2B12025550111").await.len(), 1);
    // Whoever waits is answered.
    assert_eq!(rest.text(PHONE).await.status(), 201);
}

#[tokio::test]
async fn lists_lag_and_single_ones_do_not() {
    let rest = with(RestShares {
        list_lag_ms: [800, 800],
        ..all()
    })
    .await;
    let sid = rest.text(PHONE).await.text("sid");
    assert!(rest.texts("To=%2B12025550111").await.is_empty());
    assert_eq!(
        rest.get(&format!("Messages/{sid}.json")).await.status(),
        200
    );
    until(async || rest.texts("To=%2B12025550111").await.len() == 1).await;
}

#[tokio::test]
async fn a_number_is_refused_with_its_code_in_texts_and_where_it_fits_in_rings() {
    let numbers = [
        (PHONE.to_owned(), 21_614),
        ("+12025550112".to_owned(), 21_610),
        ("+12025550113".to_owned(), 21_211),
    ];
    let rest = with(RestShares {
        numbers: numbers.into(),
        ..all()
    })
    .await;
    for (number, code, ring) in [
        (PHONE, 21_614, 201),
        ("+12025550112", 21_610, 201),
        ("+12025550113", 21_211, 400),
    ] {
        assert_eq!(rest.text(number).await.body["code"], code);
        let form = text(number).with("Twiml", "<Response/>");
        assert_eq!(
            rest.post("Calls.json", &form).await.status(),
            ring,
            "{number}"
        );
    }
    let refused = vec![Refused {
        code: 21_408,
        share: 1.0,
    }];
    let rest = with(RestShares { refused, ..all() }).await;
    assert_eq!(rest.text(PHONE).await.body["code"], 21_408);
    assert_eq!(accepted(&rest.account), 0);
}

#[tokio::test]
async fn look_ups_may_be_out_while_texts_are_taken_in() {
    let rest = with(RestShares {
        look_ups_share: 1.0,
        ..all()
    })
    .await;
    assert_eq!(rest.text(PHONE).await.status(), 201);
    assert_eq!(rest.get("Messages.json").await.status(), 503);
    // By chance, or for a time.
    let rest = with(all()).await;
    let window = FaultWindow {
        from_ms: 0,
        until_ms: None,
        of: Some(Resource::Messages),
        writes_only: false,
        reads_only: true,
        fault: RestFault::Unavailable,
    };
    rest.account.set_faults(vec![window]);
    assert_eq!(rest.text(PHONE).await.status(), 201);
    assert_eq!(rest.get("Messages.json").await.status(), 503);
    assert_eq!(rest.get("Calls.json").await.status(), 200);
    rest.account.set_faults(Vec::new());
    assert_eq!(rest.texts("To=%2B12025550111").await.len(), 1);
}

#[tokio::test]
async fn faults_come_together() {
    let shares = RestShares {
        late_share: 1.0,
        late_ms: [200, 200],
        held_share: 1.0,
        held_ms: [200, 200],
        reset_after_share: 1.0,
        list_lag_ms: [300, 300],
        ..all()
    };
    let rest = with(shares).await;
    let began = rest.account.clock.now();
    assert_eq!(rest.text(PHONE).await.status(), 0, "cut");
    let lasted = rest.account.clock.now().saturating_sub(began);
    assert!(lasted >= Duration::from_millis(400), "{lasted:?}");
    assert_eq!(accepted(&rest.account), 1);
    until(async || rest.texts("To=%2B12025550111").await.len() == 1).await;
}
