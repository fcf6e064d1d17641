//! TLS of its own: streams and webhooks come in, and a renewal is noticed by new connections alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::DEADLINE;
use crate::model::{Manner, Model};
use crate::phone::silence;
use crate::server::{Folder, Server, output, provider, ringback};

/// A certificate of a renewal.
struct Issued(CertificateDer<'static>);

/// Writes a pair into the folder, as whoever renews it does.
fn renew(folder: &Folder) -> Issued {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    folder.write("key.pem", &key.serialize_pem());
    folder.write("certificate.pem", &certificate.pem());
    Issued(certificate.der().clone())
}

async fn serve(folder: &Folder, model: &Model) -> Server {
    let path = |name| folder.path(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let variables = [
        ("RINGBACK__PUBLIC__TLS_CERT", certificate.as_str()),
        ("RINGBACK__PUBLIC__TLS_KEY", key.as_str()),
    ];
    Server::with(
        &model.url(),
        "[call]\ncarrier_silence_max = \"1m\"\n",
        &variables,
    )
    .await
}

/// A connection that trusts this certificate alone.
async fn connect(server: &Server, trusted: &Issued) -> Result<TlsStream<TcpStream>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.0.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connected = timeout(DEADLINE, connector.connect(name, tcp)).await;
    connected.unwrap().map_err(|error| error.to_string())
}

/// Waits until new connections are shown this certificate.
async fn until_shown(server: &Server, certificate: &Issued) {
    let shown = timeout(DEADLINE, async {
        while connect(server, certificate).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let shown = shown.await;
    assert!(shown.is_ok(), "{}", server.log());
}

type Stream = WebSocketStream<TlsStream<TcpStream>>;

async fn say(stream: &mut Stream, message: &Value) {
    let text = Message::text(message.to_string());
    stream.send(text).await.unwrap();
}

/// Starts the stream of a call.
async fn dial(server: &Server, trusted: &Issued) -> Stream {
    let tls = connect(server, trusted).await.unwrap();
    let url = format!("wss://{}/media", server.address);
    let (mut stream, _) = client_async(url, tls).await.unwrap();
    say(
        &mut stream,
        &json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}),
    )
    .await;
    let sid = format!("MZ{:032x}", 1);
    let start = json!({
        "event": "start", "sequenceNumber": "1", "streamSid": sid,
        "start": {
            "accountSid": format!("AC{:032x}", 1), "streamSid": sid,
            "callSid": format!("CA{:032x}", 1), "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
        },
    });
    say(&mut stream, &start).await;
    stream
}

/// Speaks a frame, which reaches the model.
async fn is_heard(stream: &mut Stream, model: &mut Model, frames: usize) {
    let media = json!({
        "event": "media", "streamSid": format!("MZ{:032x}", 1),
        "media": {"track": "inbound", "chunk": "1", "timestamp": "1", "payload": silence()},
    });
    say(stream, &media).await;
    model.until(|seen| seen.frames >= frames).await;
}

#[tokio::test]
async fn streams_and_requests_come_in_by_tls_and_by_nothing_else() {
    let model = Model::start(Manner::Greets).await;
    let folder = Folder::new();
    let certificate = renew(&folder);
    let server = serve(&folder, &model).await;
    let mut stream = dial(&server, &certificate).await;
    let first = timeout(DEADLINE, stream.next()).await.unwrap();
    let first = first.unwrap().unwrap().into_text().unwrap();
    assert!(first.contains("\"media\""), "{first}");

    let request = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut tls = connect(&server, &certificate).await.unwrap();
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, tls.read_to_string(&mut answer))
        .await
        .unwrap()
        .ok();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(DEADLINE, plain.read_to_end(&mut answer)).await;
    read.unwrap().ok();
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.contains("HTTP"), "{answer}");
}

#[tokio::test]
async fn a_renewal_is_shown_to_new_connections_and_drops_no_call() {
    let mut model = Model::start(Manner::Greets).await;
    let folder = Folder::new();
    let old = renew(&folder);
    let mut server = serve(&folder, &model).await;
    let mut stream = dial(&server, &old).await;
    model.until(|seen| seen.opened == 1).await;
    is_heard(&mut stream, &mut model, 1).await;

    let new = renew(&folder);
    server.signal("HUP");
    until_shown(&server, &new).await;
    assert!(connect(&server, &old).await.is_err());
    is_heard(&mut stream, &mut model, 2).await;

    // A torn renewal: the key of the one, the certificate of the other.
    let other = KeyPair::generate().unwrap();
    folder.write("key.pem", &other.serialize_pem());
    server.signal("HUP");
    let message = "the certificate is of no use as it is now; the one before stays";
    let line = server.line(message, |_| true).await;
    let said = line["error"].as_str().unwrap();
    assert!(
        said.contains("is not the key of the certificate in"),
        "{said}"
    );
    connect(&server, &new).await.unwrap();

    // Without a signal it is found by the look of the files.
    let newest = renew(&folder);
    until_shown(&server, &newest).await;
    is_heard(&mut stream, &mut model, 3).await;
}

#[test]
fn a_pair_that_is_of_no_use_is_told_before_anything_begins() {
    let folder = Folder::new();
    renew(&folder);
    let other = KeyPair::generate().unwrap();
    folder.write("other.pem", &other.serialize_pem());
    let tls = |key: &str| {
        format!(
            "[public]\nauth = \"none\"\ntls_cert = \"certificate.pem\"\ntls_key = \"{key}\"\n{}",
            provider("test", "ws://127.0.0.1:1/", "")
        )
    };
    for (key, command, code, sentence) in [
        ("key.pem", "check", 0, "the settings are good"),
        (
            "other.pem",
            "check",
            2,
            "is not the key of the certificate in",
        ),
        (
            "other.pem",
            "serve",
            1,
            "is not the key of the certificate in",
        ),
        ("missing.pem", "check", 2, "missing.pem: cannot be read"),
    ] {
        let file = folder.write("ringback.toml", &tls(key));
        let mut ringback = ringback(&[command, "--config", file.to_str().unwrap()]);
        ringback
            .env("RINGBACK__PUBLIC__LISTEN", "127.0.0.1:0")
            .env("RINGBACK__ADMIN__LISTEN", "off");
        let (exit, said) = output(ringback);
        assert_eq!(exit, Some(code), "{key} {command}: {said}");
        assert!(said.contains(sentence), "{key} {command}: {said}");
    }
}
