//! The store that nodes share, against a real Redis: what it promises like every store, and what only it can be told to do.

mod away;
mod claims;
mod distance;
mod fail_over;
mod nodes;
mod server;
mod strangers;
mod tls;
mod traffic;

use std::time::Duration;

use ringback::store::redis::{Redis, RedisAddress, RedisSettings};
use ringback::store::{SealingKey, Store as _};

use self::server::Server;
use crate::support::Home;

/// What the stories seal with.
pub(crate) const KEY: SealingKey = SealingKey::from_bytes([7; 32]);

/// A Redis for one story.
pub(crate) struct Place {
    server: Server,
}

impl Home for Place {
    type Kept = Redis;

    const FORGETS_TOKENS_ITSELF: bool = true;

    async fn new() -> Self {
        Self {
            server: Server::start().await,
        }
    }

    async fn open(&self) -> Redis {
        ready(&self.server.url(), patient()).await
    }

    async fn everything(&self) -> Vec<u8> {
        self.server.everything().await
    }
}

/// Settings for stories that are not about time: a busy machine must not fail them.
pub(crate) fn patient() -> RedisSettings {
    RedisSettings {
        connect_timeout: Duration::from_secs(10),
        write_timeout: Duration::from_secs(30),
        read_timeout: Duration::from_secs(30),
        replica_timeout: Duration::from_secs(10),
        ..RedisSettings::default()
    }
}

/// Settings that want a replica.
pub(crate) fn with_replica() -> RedisSettings {
    RedisSettings {
        replicas_min: 1,
        ..patient()
    }
}

/// A node's end of the store, whether or not it is there.
pub(crate) fn open(url: &str, settings: RedisSettings) -> Redis {
    let address = RedisAddress::parse(url).unwrap();
    Redis::open(address, &KEY, settings).unwrap()
}

/// A node's end of the store, once it is there.
pub(crate) async fn ready(url: &str, settings: RedisSettings) -> Redis {
    let store = open(url, settings);
    store.ready(Duration::from_secs(30)).await.unwrap();
    store
}

#[tokio::test]
async fn a_closed_store_has_done_what_was_asked_for_and_refuses_the_rest() {
    let place = Place::new().await;
    let store = place.open().await;
    let kept = store.checkpoint(crate::support::call(1));
    store.close().await.unwrap();
    assert!(kept.await.is_ok(), "it was asked for before");
    let late = store.checkpoint(crate::support::call(2)).await;
    assert_eq!(late, Err(ringback::store::StoreError::Closed));
}
