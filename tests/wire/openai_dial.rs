//! Dialling: each step fails with a fault of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, IsCa, KeyPair, date_time_ymd};
use ringback::core::fault::{DialStage, Fault, TlsFault};
use ringback::provider::dial::dial;
use ringback::provider::endpoint::{Endpoint, Secret};
use ringback::provider::openai::quirks::Dialect;
use ringback::provider::socket::{ProviderSocket, SocketLimits};
use ringback::provider::tls::{CaFileError, client_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::openai::settings;

const DEADLINE: Duration = Duration::from_secs(20);

fn endpoint(url: &str, ca_file: Option<&PathBuf>) -> Endpoint {
    let tls = client_config(ca_file.map(PathBuf::as_path)).unwrap();
    let key = Some(Secret::new("sk-1"));
    Endpoint::new("test", url, key, Dialect::Ga, tls).unwrap()
}

/// What comes of a dial while a provider does this to the first connection.
async fn dialled<P: Future<Output = ()>>(
    scheme: &str,
    ca_file: Option<&PathBuf>,
    limits: SocketLimits,
    provider: impl FnOnce(TcpStream) -> P,
) -> Result<ProviderSocket, Fault> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = endpoint(&format!("{scheme}://localhost:{port}/v1/realtime"), ca_file);
    let both = async {
        tokio::select! {
            // The dial decides when it is over: a provider may stand still for ever.
            biased;
            result = dial(&endpoint, settings(), &limits) => result,
            () = async {
                let (stream, _) = listener.accept().await.unwrap();
                provider(stream).await;
                std::future::pending::<()>().await;
            } => unreachable!("it waits for ever"),
        }
    };
    tokio::time::timeout(DEADLINE, both)
        .await
        .expect("a dial ends")
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert!(
            stream.read_buf(&mut request).await.unwrap() > 0,
            "a whole request"
        );
    }
    String::from_utf8(request).unwrap()
}

/// The fault of an upgrade that is answered like this; the body comes later than the head.
async fn refused(head: &str, body: &str) -> Fault {
    let answered = dialled("ws", None, SocketLimits::default(), async |mut stream| {
        read_request(&mut stream).await;
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(body.as_bytes()).await.unwrap();
    });
    answered.await.unwrap_err()
}

#[tokio::test]
async fn a_refused_upgrade_says_why_by_its_status_and_its_body() {
    let slow = Some(Duration::from_secs(7));
    let retry_after = None;
    for (head, body, fault) in [
        ("401 Unauthorized", "", Fault::Unauthorized),
        ("403 Forbidden", "no", Fault::Unauthorized),
        ("403 Forbidden", "", Fault::Refused { status: 403 }),
        ("404 Not Found", "", Fault::ModelNotFound),
        ("402 Payment Required", "", Fault::QuotaExhausted),
        (
            "429 Too Many Requests",
            "",
            Fault::RateLimited { retry_after },
        ),
        (
            "429 Too Many Requests\r\nRetry-After: 7",
            "{}",
            Fault::RateLimited { retry_after: slow },
        ),
        (
            "429 Too Many Requests\r\nretry-after: 7",
            r#"{"error": {"code": "rate_limit_exceeded", "message": "slow down"}}"#,
            Fault::RateLimited { retry_after: slow },
        ),
        (
            "429 Too Many Requests\r\nRetry-After: 7",
            r#"{"error": {"type": "insufficient_quota", "code": "insufficient_quota", "param": null}}"#,
            Fault::QuotaExhausted,
        ),
        (
            "400 Bad Request",
            r#"{"error": {"code": "OpperationNotSupported"}}"#,
            Fault::ModelNotFound,
        ),
        (
            "400 Bad Request",
            r#"{"error": {"type": "invalid_request_error"}}"#,
            Fault::Refused { status: 400 },
        ),
        (
            "503 Service Unavailable",
            "<html>",
            Fault::Refused { status: 503 },
        ),
        (
            "302 Found\r\nLocation: /",
            "",
            Fault::Refused { status: 302 },
        ),
        ("200 OK", "hello", Fault::Refused { status: 200 }),
    ] {
        assert_eq!(refused(head, body).await, fault, "{head}: {body}");
    }
}

#[tokio::test]
async fn what_is_no_answer_to_an_upgrade_is_garbled() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: AAAA\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000)),
    ] {
        let told = dialled("ws", None, SocketLimits::default(), async |mut stream| {
            read_request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        assert_eq!(told.await.unwrap_err(), Fault::Garbled, "{answer}");
    }
    let cut = dialled("ws", None, SocketLimits::default(), async |stream| {
        drop(stream);
    });
    assert_eq!(cut.await.unwrap_err(), Fault::Closed { code: 1006 });
}

#[tokio::test]
async fn the_first_event_may_come_with_the_answer_to_the_upgrade() {
    let mut socket = dialled("ws", None, SocketLimits::default(), async |mut stream| {
        let request = read_request(&mut stream).await;
        assert!(request.contains("GET /v1/realtime HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer sk-1\r\n"), "{request}");
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let mut answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            derive_accept_key(key.unwrap().as_bytes())
        )
        .into_bytes();
        let event = br#"{"type":"rate_limited_next_year"}"#;
        answer.extend([0x81, u8::try_from(event.len()).unwrap()]);
        answer.extend(event);
        stream.write_all(&answer).await.unwrap();
    })
    .await
    .unwrap();
    let event = std::future::poll_fn(|cx| socket.poll_event(cx));
    let event = tokio::time::timeout(DEADLINE, event).await.unwrap();
    assert_eq!(format!("{event:?}"), "Ignored(UnknownEvent)");
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    drop(listener);
    let fault = dial(&endpoint(&url, None), settings(), &SocketLimits::default()).await;
    assert_eq!(fault.unwrap_err(), Fault::ConnectFailed);
    // A label is 63 characters at most: no resolver asks anybody for this one.
    let nowhere = format!("ws://{}.invalid/", "x".repeat(64));
    let fault = dial(
        &endpoint(&nowhere, None),
        settings(),
        &SocketLimits::default(),
    )
    .await;
    assert_eq!(fault.unwrap_err(), Fault::DnsFailed);
}

#[tokio::test]
async fn a_provider_that_stands_still_is_named_with_the_stage() {
    let limits = SocketLimits {
        dial_timeout: Duration::from_millis(150),
        ..SocketLimits::default()
    };
    for (scheme, stage) in [("ws", DialStage::Upgrade), ("wss", DialStage::Tls)] {
        let told = dialled(scheme, None, limits.clone(), async |stream| {
            std::future::pending::<()>().await;
            drop(stream);
        });
        assert_eq!(told.await.unwrap_err(), Fault::DialTimedOut(stage));
    }
}

/// An authority of our own, whose certificate is in a file.
struct Authority {
    certified: CertifiedKey,
    file: PathBuf,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key_pair = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key_pair).unwrap();
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}.pem", std::process::id()));
        std::fs::write(&file, cert.pem()).unwrap();
        Self {
            certified: CertifiedKey { cert, key_pair },
            file,
        }
    }

    /// A server's settings, with a certificate of ours for `host` that ends in `year`.
    fn server(&self, host: &str, year: i32) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params
            .signed_by(&key, &self.certified.cert, &self.certified.key_pair)
            .unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        std::fs::remove_file(&self.file).ok();
    }
}

async fn dialled_by_tls(
    server: Arc<ServerConfig>,
    trusted: &Authority,
) -> Result<ProviderSocket, Fault> {
    // A handshake of both sides is too much for one stack frame.
    Box::pin(dialled(
        "wss",
        Some(&trusted.file),
        SocketLimits::default(),
        async |stream| {
            if let Ok(stream) = TlsAcceptor::from(server).accept(stream).await {
                let socket = tokio_tungstenite::accept_async(stream).await;
                // Stay until the dial is over.
                std::future::pending::<()>().await;
                drop(socket);
            }
        },
    ))
    .await
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_named() {
    let ours = Authority::new("ours");
    let foreign = Authority::new("foreign");
    let refused = async |server| dialled_by_tls(server, &ours).await.unwrap_err();
    assert!(
        dialled_by_tls(ours.server("localhost", 4000), &ours)
            .await
            .is_ok()
    );
    for (server, fault) in [
        (ours.server("localhost", 2001), TlsFault::Expired),
        (ours.server("elsewhere.test", 4000), TlsFault::WrongName),
        (foreign.server("localhost", 4000), TlsFault::Untrusted),
    ] {
        assert_eq!(refused(server).await, Fault::TlsFailed(fault));
    }
}

#[tokio::test]
async fn a_server_without_tls_fails_the_handshake() {
    let told = dialled("wss", None, SocketLimits::default(), async |mut stream| {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    assert_eq!(told.await.unwrap_err(), Fault::TlsFailed(TlsFault::Other));
}

#[test]
fn a_ca_file_without_a_certificate_is_refused_with_its_name() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("empty.pem");
    let missing = client_config(Some(&file.with_extension("missing"))).unwrap_err();
    assert!(
        matches!(missing, CaFileError::Unreadable { .. }),
        "{missing}"
    );
    std::fs::write(&file, "no certificate\n").unwrap();
    let empty = client_config(Some(&file)).unwrap_err();
    assert!(
        empty.to_string().contains("empty.pem: no certificate"),
        "{empty}"
    );
}
