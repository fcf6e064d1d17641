//! What goes wrong: what is proven not to have been done is told apart from what nobody knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringback::carrier::twilio::rest::{
    Advice, CallChange, Code, Lost, NewMessage, NotSent, Rest, RestError, Sender,
};
use ringback::core::ids::CallSid;
use ringback::core::time::Instant;
use ringback::provider::tls::client_config;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::server::{Reaction, Server, answer, error, json, read, rest, settings};

fn sid() -> CallSid {
    CallSid::parse("CA0123456789abcdef0123456789abcdef").unwrap()
}

async fn text(rest: &Rest) -> Result<(), RestError> {
    let message = NewMessage {
        to: "+15550100",
        from: Sender::Service("MG1"),
        body: "hello",
        status_callback: None,
        validity_seconds: None,
    };
    rest.create_message(&message).await.map(drop)
}

/// How a text fails when the server does this, and what to do then.
async fn text_meets(reaction: Reaction) -> (RestError, Advice) {
    let server = Server::new([reaction]).await;
    let error = text(&rest(settings(&server.url))).await.unwrap_err();
    assert_eq!(server.asked().len(), 1, "it is sent once, whatever happens");
    (error, error.advice())
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let second = Duration::from_secs(1);
    for (status, number, code, advice) in [
        (400, 21_610, Code::OptedOut, Advice::OptedOut),
        (400, 21_614, Code::NotTextable, Advice::NotByText),
        (400, 21_211, Code::InvalidTo, Advice::Never),
        (400, 21_617, Code::BodyTooLong, Advice::Never),
        (400, 21_220, Code::CallNotInProgress, Advice::Over),
        (404, 20_404, Code::NotFound, Advice::Over),
        (401, 20_003, Code::Unauthorized, Advice::Mend),
        (400, 21_408, Code::CountryNotAllowed, Advice::Mend),
        (400, 21_606, Code::SenderUnusable, Advice::Mend),
        (429, 20_429, Code::TooManyRequests, Advice::Retry(second)),
        (
            429,
            21_611,
            Code::SenderQueueFull,
            Advice::Retry(60 * second),
        ),
        (400, 99_999, Code::Other(99_999), Advice::Never),
        // Whatever it is called: there was too much.
        (429, 99_999, Code::TooManyRequests, Advice::Retry(second)),
    ] {
        let (told, what) = text_meets(error(status, number)).await;
        let RestError::Refused(refusal) = told else {
            panic!("{number}: {told:?}");
        };
        assert_eq!((refusal.status, refusal.code), (status, code));
        assert_eq!(what, advice, "{number}");
        assert!(!told.to_string().contains("1555"), "{told}");
    }
}

#[tokio::test]
async fn a_proxys_refusal_without_a_code_is_understood_by_its_status() {
    for (status, code) in [
        (401, Code::Unauthorized),
        (404, Code::NotFound),
        (429, Code::TooManyRequests),
        (403, Code::Other(0)),
    ] {
        let (told, _) = text_meets(json(status, "<html>no</html>")).await;
        assert!(
            matches!(told, RestError::Refused(refusal) if refusal.code == code),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_to_be_looked_up() {
    for (reaction, lost) in [
        (error(500, 20_500), Lost::Server(500)),
        (error(503, 20_503), Lost::Server(503)),
        (json(408, ""), Lost::Server(408)),
        (json(302, ""), Lost::Server(302)),
        (json(201, "not JSON"), Lost::Garbled),
        (
            json(201, r#"{"sid":"nonsense","status":"queued"}"#),
            Lost::Garbled,
        ),
        (json(201, &" ".repeat(5 * 1024 * 1024)), Lost::Garbled),
        (Reaction::Reset, Lost::Closed),
        (Reaction::ResetMidBody, Lost::Closed),
    ] {
        let name = format!("{lost:?}");
        let (told, advice) = text_meets(reaction).await;
        assert_eq!(told, RestError::Unknown(lost), "{name}");
        assert_eq!(advice, Advice::LookUp);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up() {
    let server = Server::new([Reaction::Hang]).await;
    let mut settings = settings(&server.url);
    settings.timeout = Duration::from_millis(200);
    let told = text(&rest(settings)).await.unwrap_err();
    assert_eq!(told, RestError::Unknown(Lost::TimedOut));
    assert_eq!(server.asked().len(), 1, "it had come through");
}

#[tokio::test]
async fn a_connection_that_never_was_proves_that_nothing_was_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let told = text(&rest(settings(&url))).await.unwrap_err();
    assert_eq!(told, RestError::NotSent(NotSent::Unreachable));
    assert!(matches!(told.advice(), Advice::Retry(_)));
    // Nor one that is never encrypted: the server accepts and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let mut settings = settings(&url);
    settings.connect_timeout = Duration::from_millis(200);
    let told = text(&rest(settings)).await.unwrap_err();
    assert_eq!(told, RestError::NotSent(NotSent::Unreachable));
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_told_nothing() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.key_pair.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let ca_file = std::env::temp_dir().join(format!("ringback-rest-{port}.pem"));
    std::fs::write(&ca_file, certified.cert.pem()).unwrap();
    let settings = settings(&format!("https://localhost:{port}"));
    let trusting = client_config(Some(&ca_file)).unwrap();
    std::fs::remove_file(&ca_file).unwrap();
    let clock = || -> Instant { Instant::ZERO };
    let trusting = Rest::new(settings.clone(), (*trusting).clone(), Box::new(clock));
    let doubting = rest(settings);

    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        assert!(acceptor.accept(stream).await.is_err(), "it was refused");
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let asked = read(&mut stream).await.unwrap();
        answer(&mut stream, 400, "", r#"{"code":21610}"#).await;
        asked
    };
    let ask = async {
        let told = text(&doubting).await.unwrap_err();
        assert_eq!(told, RestError::NotSent(NotSent::Unreachable));
        text(&trusting).await.unwrap_err().advice()
    };
    let (asked, advice) = tokio::join!(serve, ask);
    assert!(asked.line.starts_with("POST "));
    assert_eq!(advice, Advice::OptedOut);
}

#[tokio::test]
async fn a_rest_that_twilio_asks_for_is_kept() {
    for code in [20_429, 99_999] {
        let body = format!(r#"{{"code":{code}}}"#);
        let limited = Reaction::Answer(429, "retry-after: 7\r\n", body);
        let server = Server::new([limited]).await;
        let rest = rest(settings(&server.url));
        let told = text(&rest).await.unwrap_err();
        let seven = Duration::from_secs(7);
        assert_eq!(told.advice(), Advice::Retry(seven), "{code}");
        let told = text(&rest).await.unwrap_err();
        assert_eq!(told, RestError::NotSent(NotSent::Resting(seven)));
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_api_that_is_down_is_left_alone_until_one_request_comes_through() {
    let down = || error(503, 20_503);
    let up = json(
        200,
        r#"{"sid":"CA0123456789abcdef0123456789abcdef","status":"completed"}"#,
    );
    let reactions = [down(), down(), down(), down(), down(), up.clone(), up];
    let server = Server::new(reactions).await;
    let millis = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&millis);
    let clock = move || Instant::from_start(Duration::from_millis(told.load(Ordering::SeqCst)));
    let tls = client_config(None).unwrap();
    let rest = Rest::new(settings(&server.url), (*tls).clone(), Box::new(clock));
    let end = || rest.change_call(sid(), CallChange::Complete);
    for _ in 0..5 {
        assert_eq!(end().await, Err(RestError::Unknown(Lost::Server(503))));
    }
    let open = NotSent::BreakerOpen(Duration::from_secs(5));
    assert_eq!(end().await, Err(RestError::NotSent(open)));
    assert_eq!(server.asked().len(), 5, "it is left alone");
    millis.store(5_000, Ordering::SeqCst);
    assert!(end().await.is_ok());
    assert_eq!(rest.open_for(), None);
    assert!(end().await.is_ok());
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_frees_its_place() {
    let server = Server::new([]).await;
    let mut settings = settings(&server.url);
    settings.limits.under_way_max = 1;
    let rest = rest(settings);
    for number in 1..=3 {
        let mut abandoned = Box::pin(text(&rest));
        let came = async {
            while server.asked().len() < number {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            told = &mut abandoned => panic!("{told:?}"),
            () = came => {}
        }
        let crowded = text(&rest).await;
        assert_eq!(crowded, Err(RestError::NotSent(NotSent::Crowded)));
        drop(abandoned);
    }
}
