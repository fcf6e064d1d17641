//! Two nodes and a Redis between them: a call goes on at the one when the other has gone, and an outage of Redis costs nobody a word.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::DEADLINE;
use crate::exposition::Exposition;
use crate::model::{Manner, Model};
use crate::operators;
use crate::phone::Phone;
use crate::redis_server::Server as Redis;
use crate::server::{Folder, Server};
use crate::twilio::{Document, VARIABLES, ask};

const ANSWER: &str = "/twiml/answer";

const HOST: &str = "Host: localhost\r\n";

/// As `openssl rand -base64 32` prints it.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A node with a file of its own, and this Redis.
async fn node(name: &str, folder: &Folder, redis: &Redis, model: &Model) -> Server {
    node_with(name, folder, redis, model, "").await
}

/// The same, with further sections.
pub(crate) async fn node_with(
    name: &str,
    folder: &Folder,
    redis: &Redis,
    model: &Model,
    more: &str,
) -> Server {
    node_sharing(name, folder, (&redis.url(), ""), model, more).await
}

/// The same, with the address of what is shared and further settings of it.
pub(crate) async fn node_sharing(
    name: &str,
    folder: &Folder,
    (url, settings): (&str, &str),
    model: &Model,
    more: &str,
) -> Server {
    let path = folder.path(&format!("{name}.redb"));
    let variables = [
        VARIABLES.as_slice(),
        &[
            ("RINGBACK__PUBLIC__NODE", name),
            ("RINGBACK__STORE__PATH", path.to_str().unwrap()),
            ("RINGBACK__SHARED__URL", url),
            ("SHARED_KEY", KEY),
        ],
    ];
    let sections = format!("{more}[shared]\nkey = {{ env = \"SHARED_KEY\" }}\n{settings}");
    Server::with(&model.url(), &sections, &variables.concat()).await
}

pub(crate) async fn scrape(server: &Server) -> Exposition {
    let (_, text) = operators::ask(server, "GET /metrics", HOST).await;
    Exposition::parse(&text)
}

/// Waits until a metric is so.
pub(crate) async fn until(server: &Server, metric: &str, is_so: impl Fn(f64) -> bool) {
    let waited = timeout(DEADLINE, async {
        while !scrape(server).await.get(metric, &[]).is_some_and(&is_so) {
            sleep(Duration::from_millis(5)).await;
        }
    });
    let waited = waited.await;
    assert!(waited.is_ok(), "{metric} never was so:\n{}", server.log());
}

/// A call that has spoken with its agent once, all of it on disk here.
pub(crate) async fn talk(server: &Server) -> (Document, Phone) {
    let document = ask(server, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    let mut phone = document.stream(server, 1).await;
    phone.hear_audio(160).await;
    // The token, the call at its start, the call after its greeting; then the call after its first answer.
    until(server, "ringback_store_writes_total", |writes| {
        writes >= 3.0
    })
    .await;
    phone.say(1).await;
    until(server, "ringback_store_writes_total", |writes| {
        writes >= 4.0
    })
    .await;
    (document, phone)
}

/// The carrier asks this node, which knows nothing of the call, and the conversation goes on.
async fn goes_on(server: &mut Server, model: &mut Model, document: &Document) {
    let next = ask(server, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Connect", "Redirect"], "{}", server.log());
    let resume = next.parameters["resume"].as_str().unwrap().to_owned();
    let mut phone = next.stream(server, 1).await;
    phone.hear_audio(160).await;
    let told = |text: &String| text.contains("the blue bicycle");
    model.until(|seen| seen.told.iter().any(told)).await;
    phone.hang_up().await;
    let ended = server.ended("caller_hung_up").await;
    assert_eq!(ended["call"], resume, "it is the same call");
    assert!(!server.log().contains("bicycle"), "words in the log");
}

#[tokio::test]
async fn a_call_goes_on_with_its_memory_at_another_node_when_its_own_was_killed() {
    let redis = Redis::start().await;
    let mut model = Model::start(Manner::Answers("it is about the blue bicycle")).await;
    let folder = Folder::new();
    let first = node("east-1", &folder, &redis, &model).await;
    let mut second = node("east-2", &folder, &redis, &model).await;
    let (document, phone) = talk(&first).await;
    until(&first, "ringback_shared_waiting", |waiting| waiting < 0.5).await;
    first.kill();
    drop(phone);
    goes_on(&mut second, &mut model, &document).await;
    let kept = redis.everything().await;
    assert!(
        !kept.windows(7).any(|part| part == b"bicycle"),
        "words in the clear"
    );
}

#[tokio::test]
async fn what_was_said_while_redis_was_away_is_there_when_it_is_back() {
    let mut redis = Redis::start().await;
    let mut model = Model::start(Manner::Answers("it is about the blue bicycle")).await;
    let folder = Folder::new();
    let first = node("east-1", &folder, &redis, &model).await;
    let mut second = node("east-2", &folder, &redis, &model).await;
    redis.kill();
    until(&first, "ringback_shared_trouble", |trouble| trouble > 0.5).await;
    let (document, phone) = talk(&first).await;
    let (_, health) = operators::ask(&first, "GET /health", HOST).await;
    assert!(health.contains("\"shared\":\"troubled\""), "{health}");
    assert!(health.contains("\"status\":\"degraded\""), "{health}");
    until(&first, "ringback_shared_waiting", |waiting| waiting > 0.5).await;
    assert!(
        first.log().contains("the shared store is away"),
        "the log says why"
    );
    redis.restart().await;
    until(&first, "ringback_shared_waiting", |waiting| waiting < 0.5).await;
    until(&first, "ringback_shared_trouble", |trouble| trouble < 0.5).await;
    until(&second, "ringback_shared_trouble", |trouble| trouble < 0.5).await;
    first.kill();
    drop(phone);
    goes_on(&mut second, &mut model, &document).await;
}

#[tokio::test]
async fn who_asks_while_redis_is_away_is_answered_all_the_same() {
    let mut redis = Redis::start().await;
    let model = Model::start(Manner::Answers("it is about the blue bicycle")).await;
    let folder = Folder::new();
    let first = node("east-1", &folder, &redis, &model).await;
    let second = node("east-2", &folder, &redis, &model).await;
    let (document, phone) = talk(&first).await;
    first.kill();
    drop(phone);
    redis.kill();
    until(&second, "ringback_shared_trouble", |trouble| trouble > 0.5).await;
    let next = ask(&second, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Connect", "Redirect"], "without its memory");
}
