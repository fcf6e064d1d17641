//! How a node says that it stands: real parts that are there, go away, hang, refuse and answer late.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::DEADLINE;
use crate::exposition::Exposition;
use crate::health_probes::{Manners, Needed};
use crate::model::{Manner, Model, spawn};
use crate::operators;
use crate::phone::Phone;
use crate::redis_server::Server as Redis;
use crate::regions::{node, places};
use crate::server::{Folder, Server, output, provider, ringback};
use crate::twilio::VARIABLES;

const HOST: &str = "Host: localhost\r\n";

/// As `openssl rand -base64 32` prints it.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Every part is looked at as often as it may be.
const OFTEN: &str = "[health]\ninterval = \"1s\"\n";

/// What the operators' `/health` says.
pub(crate) async fn health(server: &Server) -> Value {
    let (status, text) = operators::ask(server, "GET /health", HOST).await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// A part of it.
pub(crate) fn check<'a>(health: &'a Value, name: &str) -> &'a Value {
    let mut checks = health["checks"].as_array().unwrap().iter();
    let found = checks.find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name} in {health:#}"))
}

/// Waits until a part stands so; all of `/health` then.
pub(crate) async fn until(server: &Server, name: &str, state: &str) -> Value {
    until_it(server, name, |check| check["state"] == state).await
}

/// Waits until a part has failed for this reason: on a busy machine another one may come first. All of `/health` then.
pub(crate) async fn until_failed(server: &Server, name: &str, reason: &str) -> Value {
    until_it(server, name, |check| {
        check["state"] == "failed" && check["reason"] == reason
    })
    .await
}

async fn until_it(server: &Server, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let waited = timeout(DEADLINE, async {
        loop {
            let health = health(server).await;
            if is_so(check(&health, name)) {
                return health;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    let waited = waited.await;
    waited.unwrap_or_else(|_| panic!("{name} never was so:\n{}", server.log()))
}

/// What a path of the public listener answers.
async fn public(server: &Server, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = timeout(DEADLINE, stream.read_to_string(&mut answer)).await;
    read.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

pub(crate) async fn ready(server: &Server) -> (u16, String) {
    public(server, "/health/ready").await
}

/// Waits until `/health/ready` answers this: what was found is taken in once a second.
pub(crate) async fn until_ready_says(server: &Server, status: u16, body: &str) {
    let expected = (status, body.to_owned());
    let waited = timeout(DEADLINE, async {
        while ready(server).await != expected {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let waited = waited.await;
    assert!(waited.is_ok(), "never {expected:?}:\n{}", server.log());
}

pub(crate) fn probe(name: &str, kind: &str, url: &str, more: &str) -> String {
    format!(
        "[[health.probe]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = {url}\ninterval = \"1s\"\ntimeout = \"500ms\"\n{more}\n"
    )
}

/// What a node with all of it looks at beside its provider, in order.
const PARTS: [&str; 7] = [
    "store",
    "shared",
    "disk.store",
    "disk.messages",
    "probe.page",
    "probe.port",
    "probe.stock",
];

/// A node with a file, this Redis for what nodes share and for what an agent needs, and a listener of which the same is true.
async fn whole_node(model: &Model, folder: &Folder, redis: &Redis, needed: &Needed) -> Server {
    let (path, url, port) = (folder.path("store.redb"), redis.url(), needed.port);
    let (page, tcp) = (
        format!("\"http://127.0.0.1:{port}/\""),
        format!("\"tcp://127.0.0.1:{port}\""),
    );
    let sections = [
        "[shared]\nkey = { env = \"SHARED_KEY\" }\n".to_owned(),
        OFTEN.to_owned(),
        probe("page", "http", &page, "status = 204"),
        probe("port", "tcp", &tcp, ""),
        probe("stock", "redis", &format!("{url:?}"), ""),
    ];
    let variables = [
        ("RINGBACK__STORE__PATH", path.to_str().unwrap()),
        ("RINGBACK__SHARED__URL", &url),
        ("SHARED_KEY", KEY),
    ];
    Server::with(&model.url(), &sections.concat(), &variables).await
}

#[tokio::test]
async fn a_well_node_says_so_of_each_part() {
    let model = Model::start(Manner::Greets).await;
    let (redis, needed, folder) = (Redis::start().await, Needed::start().await, Folder::new());
    let server = whole_node(&model, &folder, &redis, &needed).await;
    for part in PARTS {
        until(&server, part, "ok").await;
    }
    let found = health(&server).await;
    let checks = found["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| &check["name"]).collect();
    assert_eq!(names[0], "provider.test");
    assert_eq!(names[1..], PARTS);
    let provider = check(&found, "provider.test");
    assert_eq!(provider["state"], "unknown", "nobody has asked it");
    assert_eq!(found["status"], "well");
    assert_eq!(found["ready"], true);
    for part in PARTS {
        let age = check(&found, part)["age_ms"].as_u64().unwrap();
        assert!(age < 10_000, "{found:#}");
    }
    assert_eq!(ready(&server).await, (200, "ready\n".to_owned()));
    let live = public(&server, "/health/live").await;
    assert_eq!(live, (200, "live\n".to_owned()));

    // Whoever serves a caller is asked by nobody else.
    let mut phone = Phone::dial(&server, 1).await;
    phone.say(10).await;
    phone.hear_audio(7_840).await;
    let found = until(&server, "provider.test", "ok").await;
    assert_eq!(found["status"], "well");
    let (_, text) = operators::ask(&server, "GET /metrics", HOST).await;
    let metrics = Exposition::parse(&text);
    assert_eq!(metrics.get("ringback_ready", &[]), Some(1.0));
    for part in PARTS {
        let labels = [("check", part)];
        let state = metrics.get("ringback_health_state", &labels);
        assert_eq!(state, Some(0.0), "{part}");
        let age = metrics.get("ringback_health_age_seconds", &labels);
        assert!(age < Some(10.0), "{part}");
        let labels = [("check", part), ("state", "ok")];
        let looks = metrics.get("ringback_health_looks_total", &labels);
        assert!(looks >= Some(1.0), "{part}");
    }
}

#[tokio::test]
async fn one_provider_of_two_is_missed_by_nobody() {
    let model = Model::start(Manner::Greets).await;
    let providers = [
        provider("first", &model.url(), ""),
        provider("second", &model.url(), ""),
    ];
    let server = Server::launch(&providers.concat(), &[]).await;
    isolate(&server, "first");
    let found = until(&server, "provider.first", "failed").await;
    assert_eq!(check(&found, "provider.second")["state"], "unknown");
    assert_eq!(found["status"], "degraded");
    assert_eq!(ready(&server).await, (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn a_node_without_a_model_is_ready_while_nobody_is_better() {
    let model = Model::start(Manner::Greets).await;
    let mut server = Server::start(&model.url(), "").await;
    isolate(&server, "test");
    let found = until(&server, "provider.test", "failed").await;
    assert_eq!(
        (&found["status"], &found["missing"]),
        (&"failing".into(), &"provider".into())
    );
    until_ready_says(&server, 200, "ready, without: provider\n").await;
    // So the apology is reachable.
    let mut phone = Phone::dial(&server, 1).await;
    phone.hear_audio(160).await;
    server
        .line("nobody is left who could take the call", |_| true)
        .await;
}

fn isolate(server: &Server, name: &str) {
    let url = format!("http://{}", server.admin);
    let mut command: Command = ringback(&["breaker", "--admin", &url]);
    command.args(["isolate", name]);
    let (code, said) = output(command);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn a_provider_whom_nobody_asks_is_asked_by_us_and_its_silence_told() {
    let mut model = Model::start_with(|number| match number {
        1 => Manner::Greets,
        _ => Manner::NeverAnswers,
    })
    .await;
    let sections = "[health]\nprovider_interval = \"10s\"\n[breaker]\nprobe_timeout = \"2s\"\n";
    let server = Server::with(&model.url(), sections, &[]).await;
    model.until(|seen| seen.asked == 1).await;
    let found = until(&server, "provider.test", "ok").await;
    assert_eq!(found["status"], "well");
    let found = until(&server, "provider.test", "failed").await;
    let reason = check(&found, "provider.test")["reason"].as_str().unwrap();
    assert!(reason.starts_with("the last probe failed: "), "{reason}");
    let breaker = &found["pool"]["providers"][0]["breaker"];
    assert_eq!(breaker, "closed", "one failure opens no breaker");
}

#[tokio::test]
async fn a_full_house_is_ready_to_say_that_it_is_busy() {
    let model = Model::start(Manner::Greets).await;
    let server = Server::with(&model.url(), "[calls]\ncalls_max = 1\n", &[]).await;
    assert_eq!(health(&server).await["missing"], Value::Null);
    let mut phone = Phone::dial(&server, 1).await;
    phone.hear_audio(160).await;
    let found = health(&server).await;
    assert_eq!(
        (&found["status"], &found["missing"]),
        (&"failing".into(), &"room".into())
    );
    assert_eq!(
        ready(&server).await,
        (200, "ready, without: room\n".to_owned())
    );
}

#[tokio::test]
async fn a_full_disk_is_told_by_the_store() {
    let model = Model::start(Manner::Greets).await;
    let folder = Folder::new();
    let path = folder.path("store.redb");
    let variables = [("RINGBACK__STORE__PATH", path.to_str().unwrap())];
    let server = Server::with(&model.url(), OFTEN, &variables).await;
    until(&server, "store", "ok").await;
    server.fill_disk(true);
    let found = until(&server, "store", "failed").await;
    let reason = check(&found, "store")["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the disk of the store refuses"),
        "{reason}"
    );
    assert_eq!(
        (&found["status"], &found["missing"]),
        (&"degraded".into(), &"store".into())
    );
    until_ready_says(&server, 200, "ready, without: store\n").await;
    server.fill_disk(false);
    until(&server, "store", "ok").await;
    until_ready_says(&server, 200, "ready\n").await;
}

#[tokio::test]
async fn a_shared_store_that_is_away_is_told_and_calls_come_all_the_same() {
    let model = Model::start(Manner::Greets).await;
    let mut redis = Redis::start().await;
    let url = redis.url();
    let sections = format!("[shared]\nkey = {{ env = \"K\" }}\n{OFTEN}");
    let variables = [("RINGBACK__SHARED__URL", url.as_str()), ("K", KEY)];
    let server = Server::with(&model.url(), &sections, &variables).await;
    until(&server, "shared", "ok").await;
    let proved: String = redis
        .ask(&["GET", "ringback:1:proved:node-1"])
        .await
        .unwrap();
    assert_eq!(proved.len(), 16, "it was written, and not only answered");
    redis.kill();
    let found = until(&server, "shared", "failed").await;
    assert_eq!(
        (&found["status"], &found["missing"]),
        (&"degraded".into(), &Value::Null)
    );
    assert_eq!(ready(&server).await, (200, "ready\n".to_owned()));
    let mut phone = Phone::dial(&server, 1).await;
    phone.hear_audio(160).await;
    redis.restart().await;
    until(&server, "shared", "ok").await;
}

#[tokio::test]
async fn a_disk_with_little_room_is_told() {
    let model = Model::start(Manner::Greets).await;
    let folder = Folder::new();
    let path = folder.path("store.redb");
    let variables = [("RINGBACK__STORE__PATH", path.to_str().unwrap())];
    let sections = format!("{OFTEN}disk_free_min_mib = 1073741824\n");
    let server = Server::with(&model.url(), &sections, &variables).await;
    for part in ["disk.store", "disk.messages"] {
        let found = until(&server, part, "degraded").await;
        let reason = check(&found, part)["reason"].as_str().unwrap();
        assert!(
            reason.contains("MiB are left, less than 1073741824"),
            "{reason}"
        );
        assert_eq!(
            (&found["status"], &found["missing"]),
            (&"degraded".into(), &Value::Null)
        );
    }
    assert_eq!(ready(&server).await.0, 200);
}

/// Twilio's interface, which answers each request with this status; how many there were.
async fn interface(status: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&count);
            spawn(async move {
                let mut request = vec![0; 4_096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&request[..read]).to_lowercase();
                assert!(head.starts_with("get /2010-04-01/accounts/ac"), "{head}");
                assert!(head.contains("authorization: basic "), "{head}");
                count.fetch_add(1, Ordering::SeqCst);
                let answer = format!(
                    "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
                );
                stream.write_all(answer.as_bytes()).await.ok();
            });
        }
    });
    (url, asked)
}

#[tokio::test]
async fn the_interface_of_the_carrier_is_asked_and_its_refusal_told() {
    let model = Model::start(Manner::Greets).await;
    for (status, state) in [
        ("200 OK", "ok"),
        ("401 No", "failed"),
        ("503 Away", "failed"),
    ] {
        let (url, asked) = interface(status).await;
        let more = [
            ("RINGBACK__TWILIO__REST_URL", url.as_str()),
            ("RINGBACK__TWILIO__REST", "auth_token"),
        ];
        let variables = [VARIABLES.as_slice(), &more].concat();
        let server = Server::with(&model.url(), OFTEN, &variables).await;
        let found = until(&server, "twilio", state).await;
        let is_well = state == "ok";
        assert_eq!(
            found["status"],
            if is_well { "well" } else { "degraded" },
            "{status}"
        );
        assert_eq!(ready(&server).await, (200, "ready\n".to_owned()));
        let looks = async |at_least: f64| {
            let (_, text) = operators::ask(&server, "GET /metrics", HOST).await;
            let labels = [("check", "twilio"), ("state", state)];
            Exposition::parse(&text).get("ringback_health_looks_total", &labels) >= Some(at_least)
        };
        let waited = timeout(DEADLINE, async {
            while !looks(3.0).await {
                sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "it is looked at again and again");
        let asked = asked.load(Ordering::SeqCst);
        match status {
            "200 OK" => assert_eq!(asked, 1, "an answer is enough for a minute"),
            // Its breaker is open: nobody is asked again and again with credentials that are refused.
            "401 No" => assert_eq!(asked, 1),
            _ => assert!(asked >= 2),
        }
    }
}

#[tokio::test]
async fn a_node_that_misses_what_another_one_has_is_not_ready_and_two_that_miss_the_same_are() {
    let model = Model::start(Manner::Greets).await;
    let needed = Needed::start().await;
    let [east, west] = places([("east-1", "east"), ("west-1", "west")]);
    let page = format!("\"http://127.0.0.1:{}/\"", needed.port);
    let sections = probe("page", "http", &page, "");
    let first = node(&east, &[&west], &model.url(), (&sections, &[])).await;
    let second = node(&west, &[&east], &model.url(), ("", &[])).await;
    for server in [&first, &second] {
        until_ready_says(server, 200, "ready\n").await;
    }
    // What an agent needs is away for the one node, and the other does without.
    needed.become_one_that(Manners::Fails);
    until_ready_says(&first, 503, "better elsewhere, without: probe\n").await;
    let found = health(&first).await;
    assert_eq!(
        (&found["ready"], &found["missing"]),
        (&false.into(), &"probe".into())
    );
    assert_eq!(ready(&second).await, (200, "ready\n".to_owned()));
    // Now the other one has no model: neither is better, and both answer.
    isolate(&second, "test");
    until_ready_says(&second, 200, "ready, without: provider\n").await;
    until_ready_says(&first, 200, "ready, without: probe\n").await;
    // One that is whole again is better than the other.
    needed.become_one_that(Manners::Answers);
    until_ready_says(&first, 200, "ready\n").await;
    until_ready_says(&second, 503, "better elsewhere, without: provider\n").await;
    // The last one of all answers whatever it lacks.
    first.kill();
    until_ready_says(&second, 200, "ready, without: provider\n").await;
}
