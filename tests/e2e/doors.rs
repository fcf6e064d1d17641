//! Who is let in.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use crate::DEADLINE;
use crate::model::{Manner, Model};
use crate::phone::Phone;
use crate::server::Server;

/// The status and the words with which an upgrade is refused.
pub(crate) async fn refusal(server: &Server, headers: &[(&'static str, &str)]) -> (u16, String) {
    match Phone::connect_with(server, headers).await {
        Err(Error::Http(response)) => {
            let words = response.body().clone().unwrap_or_default();
            (
                response.status().as_u16(),
                String::from_utf8(words).unwrap(),
            )
        }
        Err(error) => panic!("no answer, but {error}"),
        Ok(_) => panic!("let in with {headers:?}"),
    }
}

#[tokio::test]
async fn without_auth_whatever_comes_from_outside_is_refused() {
    let model = Model::start(Manner::Greets).await;
    let mut server = Server::start(&model.url(), "").await;
    for header in [
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-twilio-signature", "Ko8aymfVk0cCegaxVKH0ZCvSyf4="),
        ("origin", "https://evil.example"),
    ] {
        let (status, words) = refusal(&server, &[header]).await;
        assert_eq!(status, 403, "{header:?}");
        assert!(words.contains("serves this machine only"), "{words}");
    }
    let origin = format!("http://{}", server.address);
    assert!(
        Phone::connect_with(&server, &[("origin", &origin)])
            .await
            .is_ok()
    );
    server.terminate();
    server.exit().await;
    let counts = server.line("stopped", |_| true).await["counts"].to_string();
    assert!(counts.contains("upgrades_forwarded=4"), "{counts}");
    assert!(counts.contains("upgrades_from_pages=1"), "{counts}");
}

#[tokio::test]
async fn sockets_without_a_stream_and_calls_are_limited_in_number() {
    let model = Model::start(Manner::Greets).await;
    let limits = "[public]\nunstarted_max = 2\n[calls]\ncalls_max = 3\n";
    let server = Server::with(&model.url(), limits, &[]).await;
    let mut first = Phone::connect(&server).await;
    let second = Phone::connect(&server).await;
    assert_eq!(refusal(&server, &[]).await.0, 503);

    // A stream that starts makes room among the unstarted; the third socket takes the last of the calls.
    first.start(1, &serde_json::json!({})).await;
    first.hear_audio(160).await;
    let third = Phone::connect(&server).await;
    drop(second);
    // The second one's place is free as soon as the server sees it go.
    let room = async {
        loop {
            if let Ok(fourth) = Phone::connect_with(&server, &[]).await {
                return fourth;
            }
            tokio::task::yield_now().await;
        }
    };
    let fourth = timeout(DEADLINE, room).await.unwrap();
    assert_eq!(refusal(&server, &[]).await.0, 503);
    drop((third, fourth));
}

/// What the server answers to these bytes, until it closes.
async fn answer(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    read.expect("the server closes").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn it_says_that_it_lives_and_nothing_else_to_those_who_are_no_carrier() {
    let server = Server::start("ws://127.0.0.1:1/", "").await;
    let live = answer(&server, "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(live.starts_with("HTTP/1.1 200 OK"), "{live}");
    for (request, status) in [
        ("GET /media HTTP/1.1\r\nhost: x\r\n\r\n", "400"),
        ("POST /media HTTP/1.1\r\nhost: x\r\n\r\n", "405"),
        ("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n", "404"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let answer = answer(&server, request).await;
        let status = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&status), "{request}: {answer}");
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // It may hang up while we still write.
    stream.write_all(long.as_bytes()).await.ok();
    let live = answer(&server, "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(live.starts_with("HTTP/1.1 200 OK"), "{live}");
}
