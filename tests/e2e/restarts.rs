//! What outlives the process: calls, their ends and used tokens, across a kill and a restart on the same file.

use std::fs;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::DEADLINE;
use crate::exposition::Exposition;
use crate::model::{Manner, Model};
use crate::operators;
use crate::phone::Phone;
use crate::server::{Folder, Server, output, ringback};
use crate::twilio::{Document, VARIABLES, ask};

const ANSWER: &str = "/twiml/answer";

const HOST: &str = "Host: localhost\r\n";

/// A server that keeps what it knows in this file.
async fn keeping(path: &str, model: &Model, sections: &str) -> Server {
    let variables = [VARIABLES.as_slice(), &[("RINGBACK__STORE__PATH", path)]].concat();
    Server::with(&model.url(), sections, &variables).await
}

fn store(folder: &Folder) -> String {
    folder.path("store.redb").to_str().unwrap().to_owned()
}

async fn scrape(server: &Server) -> Exposition {
    let (_, text) = operators::ask(server, "GET /metrics", HOST).await;
    Exposition::parse(&text)
}

/// Waits until so much is counted.
async fn counted(server: &Server, metric: &str, at_least: f64) {
    let waited = timeout(DEADLINE, async {
        while scrape(server).await.get(metric, &[]).unwrap_or(0.0) < at_least {
            sleep(Duration::from_millis(5)).await;
        }
    });
    let waited = waited.await;
    assert!(waited.is_ok(), "no {at_least} {metric}:\n{}", server.log());
}

/// Waits until so many writes are on disk.
async fn written(server: &Server, writes: f64) {
    counted(server, "ringback_store_writes_total", writes).await;
}

/// A call that speaks with its agent.
async fn call(server: &Server, number: u32) -> (Document, Phone) {
    let document = ask(server, ANSWER, number, &[("CallStatus", "ringing")]).await;
    let mut phone = document.stream(server, number).await;
    phone.hear_audio(160).await;
    (document, phone)
}

#[tokio::test]
async fn a_call_goes_on_with_its_memory_after_the_process_was_killed() {
    let mut model = Model::start(Manner::Answers("it is about the blue bicycle")).await;
    let folder = Folder::new();
    let path = store(&folder);
    let server = keeping(&path, &model, "").await;
    let (document, mut phone) = call(&server, 1).await;
    // The token, the call at its start, the call after its greeting.
    written(&server, 3.0).await;
    phone.say(1).await;
    // The call after its first answer.
    written(&server, 4.0).await;
    server.kill();
    drop(phone);

    let mut server = keeping(&path, &model, "").await;
    let next = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Connect", "Redirect"]);
    let resume = next.parameters["resume"].as_str().unwrap().to_owned();
    let mut phone = next.stream(&server, 1).await;
    phone.hear_audio(160).await;
    let told = |text: &String| text.contains("the blue bicycle");
    model.until(|seen| seen.told.iter().any(told)).await;
    phone.hang_up().await;
    let ended = server.ended("caller_hung_up").await;
    assert_eq!(ended["call"], resume, "it is the same call");
    for text in [
        server.log(),
        String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
    ] {
        assert!(!text.contains("bicycle"), "words in the clear");
    }
}

#[tokio::test]
async fn a_token_lets_in_once_across_a_restart() {
    let model = Model::start(Manner::Greets).await;
    let folder = Folder::new();
    let path = store(&folder);
    let server = keeping(&path, &model, "").await;
    let (document, _phone) = call(&server, 1).await;
    written(&server, 2.0).await;
    server.kill();

    let server = keeping(&path, &model, "").await;
    let mut again = document.stream(&server, 1).await;
    assert_eq!(again.heard_to_end().await, 0);
    counted(&server, "ringback_tokens_used_total", 1.0).await;
}

#[tokio::test]
async fn who_has_said_goodbye_is_not_called_back_into_the_call_by_a_restart() {
    let model = Model::start(Manner::Parts).await;
    let folder = Folder::new();
    let path = store(&folder);
    let short = "[call]\ngoodbye_grace = \"100ms\"\n";
    let server = keeping(&path, &model, short).await;
    let (document, mut phone) = call(&server, 1).await;
    phone.say(1).await;
    phone.heard_to_end().await;
    // The socket is closed, so the end is on disk.
    server.kill();

    let server = keeping(&path, &model, short).await;
    let next = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Hangup"]);
}

#[tokio::test]
async fn a_call_that_brings_the_process_down_does_so_twice_at_most() {
    let model = Model::start(Manner::Greets).await;
    let folder = Folder::new();
    let path = store(&folder);
    let mut server = keeping(&path, &model, "").await;
    let mut document = ask(&server, ANSWER, 1, &[]).await;
    for _ in 0..2 {
        let mut phone = document.stream(&server, 1).await;
        phone.hear_audio(160).await;
        written(&server, 2.0).await;
        server.kill();
        server = keeping(&path, &model, "").await;
        document = ask(&server, &document.action, 1, &[]).await;
        assert_eq!(document.verbs, ["Connect", "Redirect"]);
    }
    let mut phone = document.stream(&server, 1).await;
    phone.hear_audio(160).await;
    written(&server, 2.0).await;
    server.kill();
    let server = keeping(&path, &model, "").await;
    let last = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(last.verbs, ["Say", "Hangup"]);
}

#[tokio::test]
async fn a_drained_call_goes_on_elsewhere() {
    let mut model = Model::start(Manner::Answers("it is about the red tandem")).await;
    let folder = Folder::new();
    let path = store(&folder);
    let mut server = keeping(&path, &model, "[calls]\ndrain_grace = \"0s\"\n").await;
    let (document, mut phone) = call(&server, 1).await;
    written(&server, 3.0).await;
    phone.say(1).await;
    written(&server, 4.0).await;
    server.terminate();
    phone.hears_out().await;
    server.exit().await;
    server.ended("drained").await;

    let server = keeping(&path, &model, "").await;
    let next = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Connect", "Redirect"]);
    next.stream(&server, 1).await.hear_audio(160).await;
    let told = |text: &String| text.contains("the red tandem");
    model.until(|seen| seen.told.iter().any(told)).await;
}

#[tokio::test]
async fn on_a_disk_that_refuses_calls_are_answered_and_operators_are_told() {
    let model = Model::start(Manner::Parts).await;
    // Nobody may write there, not even root.
    let short = "[call]\ngoodbye_grace = \"100ms\"\n";
    let mut server = keeping("/sys/ringback.redb", &model, short).await;
    let (document, mut phone) = call(&server, 1).await;
    phone.say(1).await;
    phone.heard_to_end().await;
    let next = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Hangup"], "known in memory");
    let mut again = document.stream(&server, 1).await;
    assert_eq!(again.heard_to_end().await, 0, "so is the token");
    server.ended("goodbye").await;

    counted(&server, "ringback_store_refused_total", 3.0).await;
    let metrics = scrape(&server).await;
    assert_eq!(metrics.get("ringback_store_trouble", &[]), Some(1.0));
    let (_, health) = operators::ask(&server, "GET /health", HOST).await;
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["store"], "troubled", "{health}");
    assert_eq!(health["status"], "degraded", "{health}");
    let told =
        "the store does not keep what it should: calls go on, and will not survive a restart";
    let lines = server.log().matches(told).count();
    assert_eq!(lines, 1, "one line a burst:\n{}", server.log());
}

#[tokio::test]
async fn a_disk_that_fills_up_costs_no_call_and_is_mended_when_there_is_room_again() {
    let model = Model::start(Manner::Parts).await;
    let folder = Folder::new();
    let path = store(&folder);
    let settings = "[call]\ngoodbye_grace = \"100ms\"\n[store]\ncollect_interval = \"1s\"\n";
    let mut server = keeping(&path, &model, settings).await;
    let (_document, mut before) = call(&server, 1).await;
    written(&server, 2.0).await;
    server.fill_disk(true);
    let (document, mut during) = call(&server, 2).await;
    for phone in [&mut before, &mut during] {
        phone.say(1).await;
        phone.heard_to_end().await;
    }
    let next = ask(&server, &document.action, 2, &[]).await;
    assert_eq!(next.verbs, ["Hangup"]);
    counted(&server, "ringback_store_refused_total", 1.0).await;

    server.fill_disk(false);
    server.line("the store is well again", |_| true).await;
    counted(&server, "ringback_store_mended_total", 1.0).await;
    let (document, mut after) = call(&server, 3).await;
    after.say(1).await;
    after.heard_to_end().await;
    server.kill();
    let server = keeping(&path, &model, settings).await;
    let next = ask(&server, &document.action, 3, &[]).await;
    assert_eq!(next.verbs, ["Hangup"], "the end of that call is on disk");
}

#[tokio::test]
async fn without_a_file_everything_is_as_it_is_in_memory() {
    let model = Model::start(Manner::Greets).await;
    let server = Server::with(&model.url(), "", &VARIABLES).await;
    let (_document, _phone) = call(&server, 1).await;
    let (_, health) = operators::ask(&server, "GET /health", HOST).await;
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["store"], "none", "{health}");
    assert_eq!(health["status"], "well", "{health}");
}

#[test]
fn a_file_that_a_person_must_look_at_keeps_the_server_from_beginning() {
    let folder = Folder::new();
    let path = folder.write(
        "store.redb",
        "this is a letter to my grandmother, not a store\n",
    );
    let mut command = ringback(&["serve"]);
    command
        .env("RINGBACK__PUBLIC__AUTH", "none")
        .env("RINGBACK__PUBLIC__LISTEN", "127.0.0.1:0")
        .env("RINGBACK__ADMIN__LISTEN", "127.0.0.1:0")
        .env("RINGBACK__STORE__PATH", &path);
    let (code, said) = output(command);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("store.path = "), "{said}");
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    let before = "this is a letter to my grandmother, not a store\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}
