//! Several nodes that know of each other: real processes, and questions that they sign.

use std::net::TcpListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::DEADLINE;
use crate::exposition::Exposition;
use crate::model::{Manner, Model, spawn};
use crate::operators;
use crate::redis_server::Server as Redis;
use crate::server::Server;
use crate::twilio::VARIABLES;

mod roles;
mod routing;

pub(crate) const HOST: &str = "Host: localhost\r\n";

/// As `openssl rand -base64 32` prints it.
pub(crate) const STORE_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const KEY: &str = "a-key-of-at-least-32-characters!";

/// Where a node is to be.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) node: &'static str,
    pub(crate) region: &'static str,
    pub(crate) port: u16,
}

/// Places for nodes of these names and regions.
pub(crate) fn places<const N: usize>(names: [(&'static str, &'static str); N]) -> [Place; N] {
    // They are all taken at once, so that no two get the same one; somebody else may get one between here and there.
    let taken = names.map(|(node, region)| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, Place { node, region, port })
    });
    taken.map(|(_, place)| place)
}

/// A node at the first place, which knows of the others.
pub(crate) async fn node(
    me: &Place,
    others: &[&Place],
    model_url: &str,
    (sections, variables): (&str, &[(&str, &str)]),
) -> Server {
    let peers = others.iter().map(|place| {
        let Place { node, region, port } = place;
        format!("{{ node = \"{node}\", region = \"{region}\", url = \"http://127.0.0.1:{port}\" }}")
    });
    let peers: Vec<_> = peers.collect();
    let region = format!(
        "[region]\nname = \"{}\"\nkey = {{ env = \"REGION_KEY\" }}\npeers = [{}]\n",
        me.region,
        peers.join(", ")
    );
    let listen = format!("127.0.0.1:{}", me.port);
    let own = [
        ("REGION_KEY", KEY),
        ("RINGBACK__PUBLIC__NODE", me.node),
        ("RINGBACK__PUBLIC__LISTEN", listen.as_str()),
    ];
    let variables = [VARIABLES.as_slice(), &own, variables].concat();
    Server::with(model_url, &format!("{region}{sections}"), &variables).await
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

#[tokio::test]
async fn nodes_hear_of_each_other_without_a_store_and_notice_who_is_gone() {
    let model = Model::start(Manner::Greets).await;
    let [east, west] = places([("east-1", "east"), ("west-1", "west")]);
    let first = node(&east, &[&west], &model.url(), ("", &[])).await;
    until(&first, "ringback_peers_silent_total", |silent| silent > 0.0).await;
    let mut second = node(&west, &[&east], &model.url(), ("", &[])).await;
    for server in [&first, &second] {
        until(server, "ringback_nodes_heard", |heard| heard > 0.5).await;
    }
    first.kill();
    until(&second, "ringback_nodes_heard", |heard| heard < 0.5).await;
    second
        .line("a node does not answer", |line| line["node"] == "east-1")
        .await;
    assert!(!second.log().contains(KEY));
}

#[tokio::test]
async fn a_node_with_another_key_is_refused_and_counted() {
    let model = Model::start(Manner::Greets).await;
    let [east, west] = places([("east-1", "east"), ("west-1", "west")]);
    let first = node(&east, &[&west], &model.url(), ("", &[])).await;
    let other = [("REGION_KEY", "another-key-of-32-characters-or-so")];
    let mut second = node(&west, &[&east], &model.url(), ("", &other)).await;
    for (server, metric) in [
        (&first, "ringback_peers_forged_total"),
        (&second, "ringback_peers_forged_total"),
        (&second, "ringback_peers_refusing_total"),
    ] {
        until(server, metric, |counted| counted > 0.0).await;
        let heard = scrape(server).await.get("ringback_nodes_heard", &[]);
        assert_eq!(heard, Some(0.0));
    }
    let line = second.line("a node does not answer", |_| true).await;
    assert!(
        line["why"].as_str().unwrap().contains("region.key"),
        "{line}"
    );
}

#[tokio::test]
async fn by_a_store_that_they_share_nodes_hear_of_each_other_and_of_a_name_that_is_taken_twice() {
    let redis = Redis::start().await;
    let url = redis.url();
    let shared = "[shared]\nkey = { env = \"SHARED_KEY\" }\n";
    let variables = [
        ("RINGBACK__SHARED__URL", url.as_str()),
        ("SHARED_KEY", STORE_KEY),
    ];
    let more = (shared, variables.as_slice());
    let model = Model::start(Manner::Greets).await;
    // The addresses of peers lead nowhere: what is heard comes by the store.
    let [east, west, nowhere] = places([("east-1", "east"), ("west-1", "west"), ("", "")]);
    let away = |place: &Place| Place {
        port: nowhere.port,
        ..place.clone()
    };
    let first = node(&east, &[&away(&west)], &model.url(), more).await;
    let second = node(&west, &[&away(&east)], &model.url(), more).await;
    for server in [&first, &second] {
        until(server, "ringback_nodes_heard", |heard| heard > 0.5).await;
    }
    let [double] = places([("west-1", "west")]);
    let mut double = node(&double, &[&away(&east)], &model.url(), more).await;
    until(&first, "ringback_nodes_named_twice_total", |noticed| {
        noticed > 0.0
    })
    .await;
    until(&first, "ringback_nodes_heard", |heard| heard < 0.5).await;
    double
        .line(
            "two processes go by one name: give each its own public.node",
            |line| line["node"] == "west-1",
        )
        .await;
}

#[tokio::test]
async fn what_strangers_ask_of_a_node_is_refused_unread() {
    let model = Model::start(Manner::Greets).await;
    let [east, west] = places([("east-1", "east"), ("west-1", "west")]);
    let server = node(&east, &[&west], &model.url(), ("", &[])).await;
    for (headers, status) in [("", "400"), ("x-ringback-peer: nonsense\r\n", "400")] {
        // The words never come.
        let text = format!(
            "POST /peer/v1/ask HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n{headers}\r\n"
        );
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let read = timeout(DEADLINE, stream.read_to_string(&mut answer)).await;
        read.unwrap().unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    until(&server, "ringback_peers_malformed_total", |seen| seen > 1.5).await;
}

/// What passed on the way to a node.
#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    connections: usize,
    questions: usize,
}

/// A way to a node on which connections and questions are counted.
async fn counted_way(to: &Place) -> (Place, watch::Receiver<Passed>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (count, counted) = watch::channel(Passed::default());
    let node = to.port;
    spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            if let Ok(server) = TcpStream::connect(("127.0.0.1", node)).await {
                count.send_modify(|passed| passed.connections += 1);
                spawn(carry(client, server, count.clone()));
            }
        }
    });
    (Place { port, ..to.clone() }, counted)
}

async fn carry(client: TcpStream, server: TcpStream, count: watch::Sender<Passed>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    spawn(async move {
        copy(&mut from_server, &mut to_client).await.ok();
    });
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length) = from_client.read(&mut bytes).await {
        if length == 0 || to_server.write_all(&bytes[..length]).await.is_err() {
            return;
        }
        // A question is so short that it comes at once.
        let asks = bytes[..length].starts_with(b"POST ");
        count.send_modify(|passed| passed.questions += usize::from(asks));
    }
}

#[tokio::test]
async fn a_node_asks_another_one_again_on_the_connection_that_it_has() {
    let model = Model::start(Manner::Greets).await;
    let [east, west] = places([("east-1", "east"), ("west-1", "west")]);
    let (way, mut passed) = counted_way(&west).await;
    let _second = node(&west, &[&east], &model.url(), ("", &[])).await;
    let first = node(&east, &[&way], &model.url(), ("", &[])).await;
    until(&first, "ringback_nodes_heard", |heard| heard > 0.5).await;
    // How it is, and now and then for its vote.
    let asked = passed.wait_for(|passed| passed.questions >= 12);
    let passed = *timeout(DEADLINE, asked).await.unwrap().unwrap();
    // Two kinds of questions may be under way at once.
    assert!(passed.connections <= 2, "{passed:?}");
}
