//! With credentials for Twilio's REST interface a goodbye ends the call there as well.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::DEADLINE;
use crate::model::{Manner, Model, spawn};
use crate::server::Server;
use crate::twilio::{VARIABLES, ask, upgrade};

/// What the interface does with a request.
#[derive(Clone, Copy)]
enum Manners {
    Answers,
    Hangs,
}

/// Twilio's REST interface, as far as it is asked here.
struct Interface {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Interface {
    async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                spawn(serve(stream, manners, Arc::clone(&seen)));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, manners: Manners, seen: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let mut part = [0; 4_096];
    while !request.ends_with(b"Status=completed") {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&part[..read]),
        }
    }
    seen.lock()
        .unwrap()
        .push(String::from_utf8(request).unwrap());
    if let Manners::Hangs = manners {
        std::future::pending::<()>().await;
    }
    let body = format!("{{\"sid\":\"CA{:032x}\",\"status\":\"completed\"}}", 1);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .ok();
}

/// A server that uses this interface with an API key, and says goodbye to the first frame.
async fn parting(model: &Model, rest_url: &str, rest: &str) -> Server {
    let more = [
        ("RINGBACK__TWILIO__REST_URL", rest_url),
        ("RINGBACK__TWILIO__REST", rest),
        ("KEY_SECRET", "the-secret-of-the-key"),
    ];
    let variables = [VARIABLES.as_slice(), &more].concat();
    let sections = "[twilio]\napi_key = \"SK00000000000000000000000000000009\"\n\
        api_key_secret = { env = \"KEY_SECRET\" }\n\
        [call]\ngoodbye_grace = \"100ms\"\ncarrier_silence_max = \"1m\"\n";
    Server::with(&model.url(), sections, &variables).await
}

/// A call that says goodbye; what comes after its stream.
async fn goodbye(server: &mut Server) -> Vec<String> {
    let document = ask(server, "/twiml/answer", 1, &[]).await;
    let mut phone = document.stream(server, 1).await;
    phone.hear_audio(160).await;
    phone.say(1).await;
    phone.heard_to_end().await;
    ask(server, &document.action, 1, &[]).await.verbs
}

#[tokio::test]
async fn a_goodbye_ends_the_call_by_rest_before_its_socket_closes() {
    let model = Model::start(Manner::Parts).await;
    let interface = Interface::start(Manners::Answers).await;
    let mut server = parting(&model, &interface.url, "api_key").await;
    assert_eq!(goodbye(&mut server).await, ["Hangup"], "both ways end it");
    let asked = interface.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let request = asked[0].to_lowercase();
    let line = format!(
        "post /2010-04-01/accounts/ac{:032x}/calls/ca{:032x}.json",
        1, 1
    );
    assert!(request.starts_with(&line), "{request}");
    assert!(request.contains("authorization: basic "), "{request}");
    server.terminate();
    server.exit().await;
    let counts = server.line("stopped", |_| true).await["counts"].to_string();
    assert!(counts.contains("rest_calls_ended=1"), "{counts}");
    assert!(!server.log().contains("the-secret-of-the-key"));
}

#[tokio::test]
async fn an_interface_that_is_away_or_slow_holds_nobody_on_the_line() {
    let model = Model::start(Manner::Parts).await;
    let hanging = Interface::start(Manners::Hangs).await;
    for url in [hanging.url.as_str(), "http://127.0.0.1:1"] {
        let mut server = parting(&model, url, "api_key").await;
        // Far less than the interface's own time-out would do, were the line held for it.
        let ended = timeout(DEADLINE, goodbye(&mut server)).await;
        assert_eq!(ended.unwrap(), ["Hangup"], "{url}");
        let message = "a call was not ended by REST; its document ends it";
        server.line(message, |_| true).await;
    }
}

#[tokio::test]
async fn without_a_word_of_rest_nothing_is_asked_of_it() {
    let model = Model::start(Manner::Parts).await;
    let interface = Interface::start(Manners::Answers).await;
    let mut server = parting(&model, &interface.url, "off").await;
    assert_eq!(goodbye(&mut server).await, ["Hangup"]);
    server.terminate();
    server.exit().await;
    assert_eq!(interface.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_apology_ends_the_call_by_rest_as_well() {
    let interface = Interface::start(Manners::Answers).await;
    let nobody = Model::start(Manner::RecoversAfter(usize::MAX)).await;
    let mut server = parting(&nobody, &interface.url, "auth_token").await;
    let document = ask(&server, "/twiml/answer", 1, &[]).await;
    document.stream(&server, 1).await.heard_to_end().await;
    assert_eq!(interface.asked().len(), 1, "before the socket closed");
    server.ended("apologized").await;
    let next = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Hangup"]);
}

#[tokio::test]
async fn a_call_of_somebody_elses_document_ends_with_its_stream() {
    let model = Model::start(Manner::Parts).await;
    let interface = Interface::start(Manners::Answers).await;
    let more = [
        ("RINGBACK__TWILIO__REST_URL", interface.url.as_str()),
        ("RINGBACK__TWILIO__REST", "auth_token"),
        ("RINGBACK__TWILIO__MODE", "static"),
        ("STREAM_SECRET", "0123456789abcdef"),
    ];
    let variables = [VARIABLES.as_slice(), &more].concat();
    let sections = "[twilio]\nstream_secrets = [{ env = \"STREAM_SECRET\" }]\n\
        [call]\ngoodbye_grace = \"100ms\"\n";
    let mut server = Server::with(&model.url(), sections, &variables).await;
    let mut phone = upgrade(&server, &[]).await.unwrap();
    phone.start(1, &json!({"secret": "0123456789abcdef"})).await;
    phone.hear_audio(160).await;
    phone.say(1).await;
    phone.heard_to_end().await;
    server.ended("goodbye").await;
    server.terminate();
    server.exit().await;
    assert_eq!(
        interface.asked(),
        Vec::<String>::new(),
        "what follows is theirs"
    );
}
