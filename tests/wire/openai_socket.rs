//! An open socket to a provider, over loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use ringback::core::audio::Frame;
use ringback::core::call::effect::ProviderCommand;
use ringback::core::call::input::ProviderEvent;
use ringback::core::fault::Fault;
use ringback::provider::dial::dial;
use ringback::provider::endpoint::Endpoint;
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::socket::{ProviderSocket, SocketLimits};
use ringback::provider::tls::client_config;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::openai::settings;

/// Long enough for a loaded machine; whoever waits for it has failed.
const DEADLINE: Duration = Duration::from_secs(20);

/// Lets a provider and a call meet, until both are done.
async fn meet<P, C>(
    limits: SocketLimits,
    provider: impl FnOnce(WebSocketStream<TcpStream>) -> P,
    call: impl FnOnce(ProviderSocket) -> C,
) where
    P: Future<Output = ()>,
    C: Future<Output = ()>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/v1/realtime", listener.local_addr().unwrap());
    let tls = client_config(None).unwrap();
    let endpoint = Endpoint::new("test", &url, None, Dialect::Ga, tls).unwrap();
    let both = async {
        tokio::join!(
            async {
                let (stream, _) = listener.accept().await.unwrap();
                provider(accept_async(stream).await.unwrap()).await;
            },
            async { call(dial(&endpoint, settings(), &limits).await.unwrap()).await },
        )
    };
    tokio::time::timeout(DEADLINE, both)
        .await
        .expect("both come to an end");
}

async fn next(socket: &mut ProviderSocket) -> ProviderEvent {
    poll_fn(|cx| match (socket.poll_flush(cx), socket.poll_event(cx)) {
        (Poll::Ready(()) | Poll::Pending, event) => event,
    })
    .await
}

async fn flush(socket: &mut ProviderSocket) {
    poll_fn(|cx| socket.poll_flush(cx)).await;
}

/// The fault with which a call's socket ends when the provider behaves like this.
async fn fault_of<P: Future<Output = ()>>(
    provider: impl FnOnce(WebSocketStream<TcpStream>) -> P,
) -> Fault {
    let mut fault = None;
    meet(SocketLimits::default(), provider, async |mut socket| {
        let ProviderEvent::Failed(told) = next(&mut socket).await else {
            panic!("a fault comes first");
        };
        fault = Some(told);
        let silent = poll_fn(|cx| Poll::Ready(socket.poll_event(cx).is_pending())).await;
        assert!(silent, "nothing is heard after a fault");
        assert_eq!(socket.send(&ProviderCommand::Respond), Ok(()), "nor said");
    })
    .await;
    fault.unwrap()
}

fn text(json: &str) -> Message {
    Message::text(json.to_owned())
}

async fn hear(provider: &mut WebSocketStream<TcpStream>) -> String {
    loop {
        match provider.next().await.unwrap().unwrap() {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                panic!("{other:?}")
            }
        }
    }
}

#[tokio::test]
async fn a_session_configures_itself_and_carries_audio_both_ways() {
    let provider = async |mut provider: WebSocketStream<TcpStream>| {
        provider
            .send(text(r#"{"type":"session.created"}"#))
            .await
            .unwrap();
        assert!(hear(&mut provider).await.contains("session.update"));
        provider
            .send(text(r#"{"type":"session.updated"}"#))
            .await
            .unwrap();
        assert!(hear(&mut provider).await.contains(r#""audio":"/////w==""#));
        let delta = r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AAAA"}"#;
        provider.send(text(delta)).await.unwrap();
        let closed = provider.next().await.unwrap().unwrap();
        let Message::Close(Some(frame)) = closed else {
            panic!("{closed:?}");
        };
        assert_eq!(u16::from(frame.code), 1000);
        assert!(provider.next().await.is_none(), "closed properly");
    };
    meet(SocketLimits::default(), provider, async |mut socket| {
        assert_eq!(
            next(&mut socket).await,
            ProviderEvent::Ready { expires_at: None }
        );
        let frame = Frame::from_raw(Bytes::from_static(&[0xFF; 4]));
        socket.send(&ProviderCommand::Append(frame)).unwrap();
        let heard = format!("{:?}", next(&mut socket).await);
        assert_eq!(heard, "Audio(ResponseId(0), item-0, Frame(3 bytes, raw))");
        socket.close().await;
    })
    .await;
}

#[tokio::test]
async fn pings_are_asked_and_answered() {
    let provider = async |mut provider: WebSocketStream<TcpStream>| {
        provider
            .send(Message::Ping(Bytes::from_static(b"you?")))
            .await
            .unwrap();
        let mut answers = 0;
        while answers < 2 {
            match provider.next().await.unwrap().unwrap() {
                Message::Pong(text) => {
                    assert_eq!(&text[..], b"you?");
                    answers += 1;
                }
                Message::Ping(_) => answers += 1,
                other @ (Message::Text(_)
                | Message::Binary(_)
                | Message::Close(_)
                | Message::Frame(_)) => panic!("{other:?}"),
            }
        }
        provider.close(None).await.unwrap();
    };
    meet(SocketLimits::default(), provider, async |mut socket| {
        socket.send(&ProviderCommand::Ping).unwrap();
        assert_eq!(next(&mut socket).await, ProviderEvent::Pong);
        let end = next(&mut socket).await;
        assert_eq!(end, ProviderEvent::Failed(Fault::Closed { code: 1005 }));
    })
    .await;
}

#[tokio::test]
async fn a_close_says_why() {
    for (code, reason, fault) in [
        (1000, "", Fault::Closed { code: 1000 }),
        (1011, "", Fault::Closed { code: 1011 }),
        (
            3000,
            "invalid_request_error.invalid_api_key",
            Fault::Unauthorized,
        ),
        (
            4000,
            "invalid_request_error.beta_api_shape_disabled",
            Fault::WrongDialect,
        ),
        (
            1001,
            "Your session hit the maximum duration of 60 minutes.",
            Fault::Expired,
        ),
    ] {
        let told = fault_of(async |mut provider| {
            let frame = CloseFrame {
                code: code.into(),
                reason: reason.into(),
            };
            provider.close(Some(frame)).await.unwrap();
        });
        assert_eq!(told.await, fault, "{code} {reason}");
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_closed_without_a_word() {
    let cut = fault_of(async |provider| drop(provider)).await;
    assert_eq!(cut, Fault::Closed { code: 1006 });
    let mid_frame = fault_of(async |mut provider| {
        use tokio::io::AsyncWriteExt as _;
        // A text of 100 bytes, of which two come.
        provider
            .get_mut()
            .write_all(&[0x81, 100, b'{', b'"'])
            .await
            .unwrap();
    });
    assert_eq!(mid_frame.await, Fault::Closed { code: 1006 });
}

#[tokio::test]
async fn what_is_not_the_protocol_ends_the_session() {
    let garbage = fault_of(async |mut provider| {
        provider.send(text("Good morning!")).await.unwrap();
    });
    assert_eq!(garbage.await, Fault::Garbled);
    let binary = fault_of(async |mut provider| {
        provider
            .send(Message::Binary(Bytes::from_static(b"{}")))
            .await
            .unwrap();
    });
    assert_eq!(binary.await, Fault::Garbled);
    let no_frame = fault_of(async |mut provider| {
        use tokio::io::AsyncWriteExt as _;
        provider.get_mut().write_all(&[0xFF; 16]).await.unwrap();
    });
    assert_eq!(no_frame.await, Fault::Garbled);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let limit = SocketLimits::default().message_bytes_max;
    let padded = |bytes: usize| {
        let frame = r#"{"type":"error","x":""}"#;
        text(&frame.replace(r#""""#, &format!("\"{}\"", "x".repeat(bytes - frame.len()))))
    };
    let oversized = fault_of(async |mut provider| {
        // It is gone before it has taken everything.
        provider.send(padded(limit + 1)).await.ok();
    });
    assert_eq!(oversized.await, Fault::Oversized);
    let provider = async |mut provider: WebSocketStream<TcpStream>| {
        provider.send(padded(limit)).await.unwrap();
    };
    meet(SocketLimits::default(), provider, async |mut socket| {
        assert!(matches!(next(&mut socket).await, ProviderEvent::Ignored(_)));
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_does_not_read_is_still_heard_until_the_buffer_is_full() {
    let limits = SocketLimits {
        close_timeout: Duration::from_millis(50),
        ..SocketLimits::default()
    };
    let (done, over) = tokio::sync::oneshot::channel::<()>();
    let provider = async |mut provider: WebSocketStream<TcpStream>| {
        provider
            .send(text(r#"{"type":"session.created"}"#))
            .await
            .unwrap();
        provider
            .send(text(r#"{"type":"session.updated"}"#))
            .await
            .unwrap();
        // From here on it says something at times, and reads nothing.
        for _ in 0..50 {
            provider
                .send(text(r#"{"type":"of_next_year"}"#))
                .await
                .unwrap();
        }
        over.await.unwrap();
    };
    meet(limits, provider, async |mut socket| {
        assert_eq!(
            next(&mut socket).await,
            ProviderEvent::Ready { expires_at: None }
        );
        let second = ProviderCommand::Append(Frame::from_raw(Bytes::from_static(&[0xFF; 8_000])));
        let mut stuck = 0;
        let mut overflow = Ok(());
        // No kernel holds 20 MB for a socket.
        for _ in 0..2_000 {
            overflow = socket.send(&second);
            if overflow.is_err() {
                break;
            }
            if poll_fn(|cx| Poll::Ready(socket.poll_flush(cx).is_pending())).await {
                stuck += 1;
                if stuck <= 3 {
                    assert!(matches!(next(&mut socket).await, ProviderEvent::Ignored(_)));
                }
            }
        }
        assert_eq!(overflow, Err(Fault::WriteOverflow));
        assert!(stuck > 3, "the buffer took a while to fill");
        flush(&mut socket).await;
        // A close that is not answered ends all the same.
        socket.close().await;
        done.send(()).unwrap();
    })
    .await;
}
