//! The way to Redis: asks the Sentinels where the primary is, if there are any, connects, and does the handshake of TLS.
//!
//! All of it is bounded by whoever calls.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue as _, RedisConnectionInfo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::{RedisAddress, RedisHost, RedisLogin, RedisPlace};
use super::fault;
use crate::store::error::StoreError;

/// How long a Sentinel may take: one that is away must not cost the others their turn.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(200);

/// A connection of bytes.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Connects to a host, by TLS if the address wants it.
pub(super) async fn connect(
    address: &RedisAddress,
    host: &RedisHost,
) -> Result<Box<dyn Duplex>, StoreError> {
    let away = |error: std::io::Error| StoreError::Away(format!("{host}: {error}"));
    let stream = TcpStream::connect((host.host.as_str(), host.port));
    let stream = stream.await.map_err(away)?;
    stream.set_nodelay(true).map_err(away)?;
    let Some(tls) = &address.tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(host.host.clone());
    let name = name.map_err(|_| StoreError::Away(format!("{host}: no name for a certificate")))?;
    let stream = TlsConnector::from(tls.clone()).connect(name, stream);
    Ok(Box::new(stream.await.map_err(away)?))
}

/// Where the primary is now.
pub(super) async fn primary(address: &RedisAddress) -> Result<RedisHost, StoreError> {
    let (sentinels, name) = match &address.place {
        RedisPlace::Fixed(host) => return Ok(host.clone()),
        RedisPlace::Sentinels(sentinels, name) => (sentinels, name),
    };
    let answers = sentinels.iter().map(async |sentinel| {
        let answer = timeout(SENTINEL_TIMEOUT, ask(address, sentinel, name));
        answer.await.unwrap_or(Err(StoreError::TimedOut))
    });
    // What most of them say: one that was cut off from the others does not know what they agreed on.
    let mut votes: BTreeMap<(String, u16), usize> = BTreeMap::new();
    let mut why = StoreError::Away("there is no Sentinel".into());
    for answer in join_all(answers).await {
        match answer {
            Ok(host) => *votes.entry((host.host, host.port)).or_default() += 1,
            Err(error) => why = error,
        }
    }
    let most = votes.into_iter().max_by_key(|&(_, votes)| votes);
    match most {
        Some(((host, port), _)) => Ok(RedisHost { host, port }),
        None => Err(StoreError::Away(format!(
            "no Sentinel says where the primary {name} is ({why})"
        ))),
    }
}

async fn ask(
    address: &RedisAddress,
    sentinel: &RedisHost,
    name: &str,
) -> Result<RedisHost, StoreError> {
    let stream = connect(address, sentinel).await?;
    let login = login(&address.sentinel_login, 0);
    let opened = MultiplexedConnection::new(&login, stream).await;
    let (mut connection, driver) = opened.map_err(|error| fault::of_client(&error))?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let asked = std::pin::pin!(connection.send_packed_command(&command));
    let answer = match select(asked, std::pin::pin!(driver)).await {
        Either::Left((answer, _)) => answer.map_err(|error| fault::of_client(&error))?,
        Either::Right(_) => return Err(StoreError::Away(format!("{sentinel} hung up"))),
    };
    let unknown = || StoreError::Away(format!("{sentinel} knows no primary {name}"));
    let (host, port) = <(String, u16)>::from_redis_value(answer).map_err(|_| unknown())?;
    Ok(RedisHost { host, port })
}

/// What the client introduces itself with.
pub(super) fn login(login: &RedisLogin, database: i64) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default()
        .set_db(database)
        .set_skip_set_lib_name();
    if let Some(user) = &login.user {
        info = info.set_username(user);
    }
    if let Some(password) = &login.password {
        info = info.set_password(password);
    }
    info
}
