//! A session that waits for a call: what it hears meanwhile, and how it becomes one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use ringback::core::call::input::ProviderEvent;
use ringback::core::fault::Fault;
use ringback::core::time::Utc;
use ringback::provider::endpoint::Endpoint;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::openai::spare::{Spare, SpareEvent};
use ringback::provider::socket::{ProviderSocket, SocketLimits};
use ringback::provider::spare::SpareSocket;
use ringback::provider::tls::client_config;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::openai::settings;

/// Long enough for a loaded machine; whoever waits for it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

const CREATED: &str = r#"{"type":"session.created","session":{"expires_at":1700000000}}"#;

const EXPIRES_AT: Option<Utc> = Some(Utc::from_millis(1_700_000_000_000));

fn hear(spare: &mut Spare, text: &'static str) -> Option<SpareEvent> {
    spare.receive(&Bytes::from_static(text.as_bytes()))
}

/// Lets a provider and a spare meet, until both are done.
async fn meet<P: Future<Output = ()>, S: Future<Output = ()>>(
    provider: impl FnOnce(WebSocketStream<TcpStream>) -> P,
    spare: impl FnOnce(SpareSocket) -> S,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/v1/realtime", listener.local_addr().unwrap());
    let tls = client_config(None).unwrap();
    let endpoint = Endpoint::new("test", &url, None, Dialect::Ga, tls).unwrap();
    let limits = SocketLimits::default();
    let both = async {
        tokio::join!(
            async {
                let (stream, _) = listener.accept().await.unwrap();
                provider(accept_async(stream).await.unwrap()).await;
            },
            async {
                spare(
                    SpareSocket::dial(&endpoint, Some("m"), &limits)
                        .await
                        .unwrap(),
                )
                .await;
            },
        )
    };
    tokio::time::timeout(DEADLINE, both)
        .await
        .expect("both come to an end");
}

async fn next(spare: &mut SpareSocket) -> SpareEvent {
    poll_fn(|cx| spare.poll_event(cx)).await
}

async fn next_of_call(socket: &mut ProviderSocket) -> ProviderEvent {
    poll_fn(|cx| match (socket.poll_flush(cx), socket.poll_event(cx)) {
        (Poll::Ready(()) | Poll::Pending, event) => event,
    })
    .await
}

#[tokio::test]
async fn a_spare_says_nothing_until_a_call_claims_it_and_is_then_as_if_just_dialled() {
    let provider = async |mut provider: WebSocketStream<TcpStream>| {
        provider.send(Message::text(CREATED)).await.unwrap();
        let ping = provider.next().await.unwrap().unwrap();
        assert!(ping.is_ping(), "nothing but signs of life: {ping:?}");
        let update = provider.next().await.unwrap().unwrap();
        let update: Value = serde_json::from_str(update.to_text().unwrap()).unwrap();
        assert_eq!(update["type"], "session.update");
        assert_eq!(update["session"]["instructions"], *settings().instructions);
        let updated = r#"{"type":"session.updated"}"#;
        provider.send(Message::text(updated)).await.unwrap();
        let end = provider.next().await.unwrap().unwrap();
        assert!(end.is_close(), "{end:?}");
    };
    meet(provider, async |mut spare| {
        let expires_at = EXPIRES_AT;
        assert_eq!(next(&mut spare).await, SpareEvent::Opened { expires_at });
        spare.ping();
        assert_eq!(next(&mut spare).await, SpareEvent::Pong);
        let mut socket = spare.claim(settings()).unwrap();
        let ready = next_of_call(&mut socket).await;
        assert_eq!(
            ready,
            ProviderEvent::Ready { expires_at },
            "what was told at the opening still holds"
        );
        socket.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_spare_that_is_cut_says_so_once() {
    let provider = async |provider: WebSocketStream<TcpStream>| drop(provider);
    meet(provider, async |mut spare| {
        let cut = SpareEvent::Failed(Fault::Closed { code: 1006 });
        assert_eq!(next(&mut spare).await, cut);
        let silent = poll_fn(|cx| Poll::Ready(spare.poll_event(cx).is_pending())).await;
        assert!(silent, "nothing is heard after a fault");
    })
    .await;
}

#[test]
fn it_is_opened_once_and_hears_of_faults_only() {
    let mut spare = Spare::new(Dialect::Ga.quirks());
    let expires_at = EXPIRES_AT;
    assert_eq!(
        hear(&mut spare, CREATED),
        Some(SpareEvent::Opened { expires_at })
    );
    for of_no_concern in [
        CREATED,
        r#"{"type":"session.updated","session":{}}"#,
        r#"{"type":"input_audio_buffer.speech_started"}"#,
        r#"{"type":"rate_limits.updated"}"#,
        r#"{"type":"news.of.tomorrow"}"#,
        r#"{"type":"error","error":{"code":"item_not_found"}}"#,
    ] {
        assert_eq!(hear(&mut spare, of_no_concern), None, "{of_no_concern}");
    }
    for (text, fault) in [
        (
            r#"{"type":"error","error":{"code":"session_expired"}}"#,
            Fault::Expired,
        ),
        (
            r#"{"type":"error","error":{"code":"insufficient_quota"}}"#,
            Fault::QuotaExhausted,
        ),
        ("{\"type\": 7, ]", Fault::Garbled),
    ] {
        assert_eq!(hear(&mut spare, text), Some(SpareEvent::Failed(fault)));
    }
}

#[test]
fn a_close_that_would_refuse_the_key_of_a_new_session_does_not_refuse_that_of_an_idle_one() {
    let mut spare = Spare::new(Dialect::LiteLlm.quirks());
    assert_eq!(spare.closed(1008, ""), Fault::Unauthorized);
    hear(&mut spare, CREATED);
    assert_eq!(spare.closed(1008, ""), Fault::Closed { code: 1008 });
}
