//! What agents need besides: listeners, a Redis and a Postgres that hang, refuse, answer late and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::health::{health, probe, ready, until, until_failed, until_ready_says};
use crate::model::{Manner, Model, spawn};
use crate::phone::Phone;
#[cfg(feature = "postgres")]
use crate::postgres::Postgres;
use crate::redis_server::Server as Redis;
use crate::server::Server;

/// What a listener does with who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// It answers 204 at once.
    Answers = 0,
    /// It takes the connection, and says nothing.
    Hangs,
    /// It answers, but later than anybody waits.
    IsLate,
    /// It answers 500.
    Fails,
    /// It closes the connection.
    Closes,
}

/// Something that an agent needs, and that changes its manners.
pub(crate) struct Needed {
    pub(crate) port: u16,
    manners: Arc<AtomicUsize>,
}

impl Needed {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let manners = Arc::new(AtomicUsize::new(0));
        let now = Arc::clone(&manners);
        spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                spawn(answer(stream, now.load(Ordering::SeqCst)));
            }
        });
        Self { port, manners }
    }

    pub(crate) fn become_one_that(&self, manners: Manners) {
        self.manners.store(manners as usize, Ordering::SeqCst);
    }
}

async fn answer(mut stream: TcpStream, manners: usize) {
    let mut part = [0; 1_024];
    let all = [
        Manners::Answers,
        Manners::Hangs,
        Manners::IsLate,
        Manners::Fails,
        Manners::Closes,
    ];
    let status = match all[manners] {
        Manners::Answers => "204 No Content",
        Manners::Fails => "500 Oh",
        Manners::IsLate => {
            sleep(Duration::from_secs(1)).await;
            "204 No Content"
        }
        Manners::Hangs => return std::future::pending().await,
        Manners::Closes => return,
    };
    if stream.read(&mut part).await.unwrap_or(0) > 0 {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.ok(); // Nobody may wait any more.
    }
}

#[tokio::test]
async fn a_required_probe_that_fails_is_told_and_the_last_node_stays_ready() {
    let model = Model::start(Manner::Greets).await;
    let page = Needed::start().await;
    let sections = probe("page", "http", "{ env = \"PAGE\" }", "");
    let url = format!("http://reader:hunter2@127.0.0.1:{}/?key=hunter2", page.port);
    let server = Server::with(&model.url(), &sections, &[("PAGE", &url)]).await;
    until(&server, "probe.page", "ok").await;
    for (manners, reason) in [
        (Manners::Hangs, "no answer in time"),
        (Manners::Answers, ""),
        (Manners::IsLate, "no answer in time"),
        (Manners::Answers, ""),
        (Manners::Fails, "it answers 500"),
        (Manners::Answers, ""),
        (Manners::Closes, "the connection broke"),
    ] {
        page.become_one_that(manners);
        if manners == Manners::Answers {
            let found = until(&server, "probe.page", "ok").await;
            assert_eq!(found["status"], "well");
            continue;
        }
        let found = until_failed(&server, "probe.page", reason).await;
        assert_eq!(found["status"], "failing");
        until_ready_says(&server, 200, "ready, without: probe\n").await;
        assert_eq!(health(&server).await["missing"], "probe");
    }
    assert!(!server.log().contains("hunter2"), "{}", server.log());
    // Calls come all the same.
    let mut phone = Phone::dial(&server, 1).await;
    phone.hear_audio(160).await;
}

#[tokio::test]
async fn a_probe_that_is_not_required_changes_nothing() {
    let model = Model::start(Manner::Greets).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("\"tcp://{}\"", free.local_addr().unwrap());
    drop(free);
    let server = Server::with(
        &model.url(),
        &probe("port", "tcp", &url, "required = false"),
        &[],
    )
    .await;
    let found = until_failed(&server, "probe.port", "it cannot be reached").await;
    assert_eq!(
        (&found["status"], &found["missing"]),
        (&"degraded".into(), &Value::Null)
    );
    assert_eq!(ready(&server).await, (200, "ready\n".to_owned()));
}

#[tokio::test]
async fn a_redis_that_an_agent_needs_is_missed_when_it_stands_still_and_when_it_is_gone() {
    let model = Model::start(Manner::Greets).await;
    let mut redis = Redis::start().await;
    let wanted = ["CONFIG", "SET", "requirepass", "hunter2"];
    redis.ask::<String>(&wanted).await.unwrap();
    redis.login = ":hunter2@".to_owned();
    let wrong = format!("\"redis://127.0.0.1:{}\"", redis.port);
    let right = format!("{wrong}\npassword = {{ env = \"PASSWORD\" }}");
    let sections = [
        probe("stock", "redis", &right, ""),
        probe("wrong", "redis", &wrong, ""),
    ]
    .concat();
    let server = Server::with(&model.url(), &sections, &[("PASSWORD", "hunter2")]).await;
    until(&server, "probe.stock", "ok").await;
    until_failed(&server, "probe.wrong", "it refuses (login)").await;
    redis.pause();
    until_failed(&server, "probe.stock", "no answer in time").await;
    redis.resume();
    until(&server, "probe.stock", "ok").await;
    redis.kill();
    until_failed(&server, "probe.stock", "it cannot be reached").await;
    assert!(!server.log().contains("hunter2"));
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn a_postgres_that_an_agent_needs_answers_a_query_by_tls_or_is_missed() {
    let model = Model::start(Manner::Greets).await;
    let mut postgres = Postgres::start().await;
    let address = format!("127.0.0.1:{}/postgres", postgres.port);
    let plain = format!("\"postgres://ringback@{address}?sslmode=disable\"");
    let secure = format!("\"postgres://ringback@{address}?sslmode=require\"");
    let trusting = format!("ca_file = {:?}", postgres.certificate());
    let right = "password = { env = \"RIGHT\" }";
    let sections = [
        probe("plain", "postgres", &plain, right),
        probe(
            "secure",
            "postgres",
            &secure,
            &format!("{right}\n{trusting}"),
        ),
        probe("strange", "postgres", &secure, right),
        probe(
            "wrong",
            "postgres",
            &plain,
            "password = { env = \"WRONG\" }",
        ),
        probe("whole", "postgres", "{ env = \"WHOLE\" }", ""),
    ];
    let whole = format!(
        "postgres://ringback:{}@{address}?sslmode=disable",
        Postgres::PASSWORD
    );
    let variables = [
        ("RIGHT", Postgres::PASSWORD),
        ("WRONG", "not-hunter2"),
        ("WHOLE", &whole),
    ];
    let server = Server::with(&model.url(), &sections.concat(), &variables).await;
    for name in ["probe.plain", "probe.secure", "probe.whole"] {
        until(&server, name, "ok").await;
    }
    // Nobody whom we trust signed it.
    until_failed(&server, "probe.strange", "it cannot be reached").await;
    until_failed(&server, "probe.wrong", "it refuses (28P01)").await;

    postgres.pause(true);
    until_failed(&server, "probe.plain", "no answer in time").await;
    postgres.pause(false);
    until(&server, "probe.plain", "ok").await;
    postgres.stop();
    until_failed(&server, "probe.plain", "it cannot be reached").await;
    assert!(!server.log().contains("hunter2"), "{}", server.log());
    assert!(!health(&server).await.to_string().contains("hunter2"));
}
