//! How the process ends.

use tokio::net::TcpStream;

use crate::model::{Manner, Model};
use crate::phone::Phone;
use crate::server::Server;

#[tokio::test]
async fn sigterm_while_dialling_ends_cleanly() {
    let mut model = Model::start(Manner::NeverAnswers).await;
    let settings = "[calls]\ndrain_grace = \"100ms\"\n[call]\ndial_timeout = \"1m\"\n";
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
    assert_eq!(stopped["ended"], 1);
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
    assert!(TcpStream::connect(server.address).await.is_err());
    phone.say(5).await;
    phone.hear_audio(160).await;
    phone.hang_up().await;
    assert_eq!(server.exit().await.code(), Some(0));
    assert_eq!(server.line("stopped", |_| true).await["ended"], 0);
    server.ended("caller_hung_up").await;
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
