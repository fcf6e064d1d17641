//! How the process ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::doors::refusal;
use crate::model::{Manner, Model};
use crate::operators;
use crate::phone::Phone;
use crate::server::{Server, ringback};

const HOST: &str = "Host: localhost\r\n";

/// The status that a path of the public listener is answered with.
async fn public(server: &Server, path: &str) -> u16 {
    let exchange = async {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let text = format!("GET {path} HTTP/1.1\r\n{HOST}\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    };
    timeout(DEADLINE, exchange).await.unwrap()
}

#[tokio::test]
async fn sigterm_while_dialling_ends_cleanly() {
    let mut model = Model::start(Manner::NeverAnswers).await;
    let settings = "[calls]\ndrain_grace = \"100ms\"\n[call]\ndial_timeout = \"1m\"\nhand_over_max = \"100ms\"\n";
    let mut server = Server::with(&model.url(), settings, &[]).await;
    let mut phone = Phone::dial(&server, 1).await;
    model.until(|seen| seen.connections == 1).await;
    server.terminate();
    phone.heard_to_end().await;
    let status = server.exit().await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    server.ended("drained").await;
    let stopped = server.line("stopped", |_| true).await;
    assert_eq!(stopped["live"], 1);
    assert_eq!(stopped["handed_over"], 1);
    assert_eq!(stopped["ended"], 0);
    assert_eq!(stopped["in_time"], true);
}

#[tokio::test]
async fn a_live_call_may_end_by_itself_while_nobody_new_is_let_in() {
    let model = Model::start(Manner::Greets).await;
    let settings = "[calls]\ndrain_grace = \"10m\"\n";
    let mut server = Server::with(&model.url(), settings, &[]).await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.hear_audio(160).await;
    server.terminate();
    server.line("stopping", |line| line["live"] == 1).await;
    let asked = async |request| operators::ask(&server, request, HOST).await;
    let (status, body) = asked("POST /admin/v1/drain").await;
    assert_eq!(status, 200, "asked for again it changes nothing: {body}");
    let view: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(view["stage"], "stopping");
    assert_eq!(view["calls_live"], 1);
    assert_eq!(
        refusal(&server, &[]).await.0,
        503,
        "a new call goes elsewhere"
    );
    assert_eq!(public(&server, "/health/ready").await, 503);
    assert_eq!(public(&server, "/health/live").await, 200);
    phone.say(5).await;
    phone.hear_audio(160).await;
    phone.hang_up().await;
    assert_eq!(server.exit().await.code(), Some(0));
    assert_eq!(server.line("stopped", |_| true).await["ended"], 0);
    server.ended("caller_hung_up").await;
}

#[tokio::test]
async fn a_call_is_let_go_at_its_next_pause_and_not_before() {
    let model = Model::start(Manner::Greets).await;
    let settings = "[calls]\ndrain_grace = \"0s\"\n[call]\nhand_over_max = \"1m\"\n";
    let mut server = Server::with(&model.url(), settings, &[]).await;
    assert_eq!(public(&server, "/health/ready").await, 200);
    let mut phone = Phone::dial(&server, 1).await;
    // Until the carrier has said that the greeting was heard out, there is no pause.
    phone.hear_audio(160).await;
    let drained = ringback(&["drain", "--admin", &format!("http://{}", server.admin)]);
    let drained = tokio::process::Command::from(drained).output();
    let heard = timeout(Duration::from_secs(50), phone.hears_out()).await;
    heard.expect("it does not wait for the limit");
    let drained = timeout(DEADLINE, drained).await.unwrap().unwrap();
    assert_eq!(server.exit().await.code(), Some(0));
    server.ended("drained").await;
    let stopped = server.line("stopped", |_| true).await;
    assert_eq!(stopped["handed_over"], 1);
    assert_eq!(stopped["ended"], 0, "it found its pause");
    let told = String::from_utf8(drained.stdout.clone()).unwrap();
    assert!(told.contains("1 call(s) live"), "{told}");
    assert!(told.contains("the server is gone"), "{told}");
    assert!(drained.status.success(), "{drained:?}");
}

#[tokio::test]
async fn a_second_signal_cuts_the_grace_short() {
    let model = Model::start(Manner::Greets).await;
    let settings = "[calls]\ndrain_grace = \"10m\"\n";
    let mut server = Server::with(&model.url(), settings, &[]).await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.hear_audio(160).await;
    server.terminate();
    server.line("stopping", |_| true).await;
    server.terminate();
    assert_eq!(server.exit().await.code(), Some(0));
    server.ended("drained").await;
}

#[tokio::test]
async fn a_caller_who_does_not_answer_the_goodbye_does_not_hold_the_process() {
    let model = Model::start(Manner::Greets).await;
    let settings = "[calls]\ndrain_grace = \"0s\"\n";
    let mut server = Server::with(&model.url(), settings, &[]).await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.hear_audio(160).await;
    server.terminate();
    // The phone is neither read nor closed.
    assert_eq!(server.exit().await.code(), Some(0));
    assert_eq!(server.line("stopped", |_| true).await["in_time"], true);
    drop(phone);
}
