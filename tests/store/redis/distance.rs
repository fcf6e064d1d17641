//! A Redis across an ocean: with the settings that are given to everybody it is connected to.

use std::time::Duration;

use ringback::core::region::owner::Ruling;
use ringback::store::Store as _;
use ringback::store::redis::RedisSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::open;
use super::server::Server;
use crate::support::call;

/// From one coast to the other, each way.
const ONE_WAY: Duration = Duration::from_millis(60);

/// A port that leads to another one, as far away as that.
async fn far_from(port: u16) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap().port();
    let mut relay = JoinSet::new();
    relay.spawn(async move {
        let mut ways = JoinSet::new();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            ways.spawn(async move {
                // As long as a handshake takes there and back.
                sleep(2 * ONE_WAY).await;
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
                    return;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::join!(carry(from_client, to_server), carry(from_server, to_client));
            });
        }
    });
    (near, relay)
}

/// One way: what comes arrives so much later, however much is under way.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(1_024);
    let read = async move {
        let mut bytes = Vec::with_capacity(64 * 1024);
        while let Ok(1..) = from.read_buf(&mut bytes).await {
            let at = Instant::now() + ONE_WAY;
            if sender.send((at, std::mem::take(&mut bytes))).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = under_way.recv().await {
            sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

#[tokio::test]
async fn a_node_across_an_ocean_connects_with_the_settings_that_everybody_has() {
    let server = Server::start().await;
    let rights = [
        "ACL", "SETUSER", "ringback", "on", ">word", "~*", "&*", "+@all",
    ];
    server.tell(&rights).await;
    let (port, _relay) = far_from(server.port).await;
    let url = format!("redis://ringback:word@127.0.0.1:{port}");
    let store = open(&url, RedisSettings::default());
    // At the first attempt.
    assert_eq!(store.ready(Duration::from_secs(30)).await, Ok(()));
    assert_eq!(store.counts().not_connected, 0);
    assert_eq!(store.checkpoint(call(1)).await, Ok(Ruling::Kept));
}

#[tokio::test]
async fn sentinels_across_an_ocean_are_waited_for() {
    let primary = Server::start().await;
    let sentinel = Server::sentinel(&primary, 1).await;
    let (port, _relay) = far_from(sentinel.port).await;
    let url = format!("redis+sentinel://127.0.0.1:{port}/main");
    let store = open(&url, RedisSettings::default());
    assert_eq!(store.ready(Duration::from_secs(30)).await, Ok(()));
}

#[tokio::test]
async fn what_more_than_half_of_the_sentinels_say_is_enough() {
    let primary = Server::start().await;
    let one = Server::sentinel(&primary, 2).await;
    let other = Server::sentinel(&primary, 2).await;
    // It takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ports = [silent.local_addr().unwrap().port(), one.port, other.port];
    let hosts = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let settings = RedisSettings {
        connect_timeout: Duration::from_mins(5),
        ..RedisSettings::default()
    };
    let store = open(&format!("redis+sentinel://{hosts}/main"), settings);
    assert_eq!(store.ready(Duration::from_secs(30)).await, Ok(()));
}
