//! Listens to what other nodes tell: a connection of its own, made when somebody first listens, and made again when it is lost.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use redis::aio::{PubSub, PubSubStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::link::FORM;
use super::nodes::ADVICE_PLACE;
use super::{Known, dial, fault};
use crate::store::State;
use crate::store::error::StoreError;
use crate::store::sealer::Place;
use crate::store::shared::ADVICE_BYTES_MAX;

/// How often the other end is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// How much longer advice is when it is sealed.
const SEAL_BYTES: usize = 64;

/// Passes on what comes, until nobody can ask the store any more.
pub(super) async fn listen(known: Arc<Known>, mut is_open: watch::Receiver<()>) {
    let closed = async { while is_open.changed().await.is_ok() {} };
    let listening = async {
        while !known.is_listening.load(Ordering::SeqCst) {
            known.listen.notified().await;
        }
        loop {
            // Why it fails, the other connections say.
            if hear(&known).await.is_err() {
                sleep(PAUSE).await;
            }
        }
    };
    match select(pin!(closed), pin!(listening)).await {
        Either::Left(((), _)) => {}
        Either::Right(((), _)) => unreachable!("it listens for ever"),
    }
}

async fn hear(known: &Known) -> Result<(), StoreError> {
    let limit = known.settings.connect_timeout;
    let (mut sink, mut stream) = timeout(limit, subscribe(known))
        .await
        .unwrap_or(Err(StoreError::TimedOut))?
        .split();
    loop {
        let hung_up = timeout(PING_INTERVAL, forward(known, &mut stream)).await;
        if hung_up.is_ok() {
            return Err(StoreError::Away("it hung up".into()));
        }
        let pinged = timeout(limit, sink.ping::<redis::Value>()).await;
        let pinged = pinged.map_err(|_| StoreError::TimedOut)?;
        pinged.map_err(|error| fault::of_client(&error))?;
    }
}

async fn subscribe(known: &Known) -> Result<PubSub, StoreError> {
    let address = &known.address;
    let host = dial::primary(address, known.settings.connect_timeout).await?;
    let stream = dial::connect(address, &host).await?;
    let login = dial::login(&address.login, address.database);
    let of_client = |error: redis::RedisError| fault::of_client(&error);
    let mut subscription = PubSub::new(&login, stream).await.map_err(of_client)?;
    let channel = format!("{}{FORM}:advice", known.settings.prefix);
    subscription.subscribe(channel).await.map_err(of_client)?;
    Ok(subscription)
}

async fn forward(known: &Known, stream: &mut PubSubStream) {
    let place = Place {
        table: ADVICE_PLACE,
        id: 0,
    };
    while let Some(message) = stream.next().await {
        let sealed = message.get_payload_bytes();
        let is_short = sealed.len() <= ADVICE_BYTES_MAX + SEAL_BYTES;
        let opened = is_short.then(|| known.sealer.open(place, sealed).ok());
        let Some(advice) = opened.flatten() else {
            known.counts.advice_dropped.one();
            continue;
        };
        known.advice.send(State(advice)).ok(); // Nobody listens just now.
        known.counts.advice.one();
    }
}
