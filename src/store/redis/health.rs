//! Whether a Redis is there, for health: ours can be written, or another one answers at all.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::address::RedisAddress;
use super::calls::check_node;
use super::script::{Request, Script};
use super::{LaneName, Redis, RedisSettings, Way, dial, fault};
use crate::core::time::Utc;
use crate::store::Answer;
use crate::store::error::StoreError;

/// How long what was written to look whether it can be is kept.
const PROVED_FOR: Duration = Duration::from_mins(1);

impl Redis {
    /// Writes something that is of no other use, under this node's name: fails where it cannot be written, or where fewer replicas
    /// than the settings ask for have it in time.
    pub fn prove(&self, node: &str, now: Utc) -> Answer<()> {
        let node = node.to_owned();
        let life = u64::try_from(PROVED_FOR.as_millis()).unwrap_or(u64::MAX);
        self.asker.ask(
            LaneName::Writes,
            Way::SURE_IF_AWAITED,
            "proof",
            move |_| {
                check_node(&node)?;
                let request = Request::new(Script::Prove).text(&node);
                Ok(request.number(now.millis()).number(life))
            },
            |_, _| Ok(()),
        )
    }
}

/// Asks any Redis for a sign of life: connects, logs in and sends `PING`. Leaves no connection. Whoever asks bounds the time.
pub async fn ping(address: &RedisAddress) -> Result<(), StoreError> {
    let host = dial::primary(address, RedisSettings::default().connect_timeout).await?;
    let stream = dial::connect(address, &host).await?;
    let login = dial::login(&address.login, address.database);
    let (mut connection, driver) = dial::open(&login, stream).await?;
    let ping = redis::cmd("PING");
    let asked = pin!(connection.send_packed_command(&ping));
    match select(asked, pin!(driver)).await {
        Either::Left((Ok(redis::Value::ServerError(error)), _)) => Err(fault::of_server(&error)),
        Either::Left((answer, _)) => answer.map(drop).map_err(|error| fault::of_client(&error)),
        Either::Right(_) => Err(StoreError::Away(format!("{host} hung up"))),
    }
}
