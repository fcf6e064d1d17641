//! The way to Redis: asks the Sentinels where the primary is, if there are any, connects, and does the handshake of TLS.
//!
//! All of it is bounded by whoever calls.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue as _, RedisConnectionInfo, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::address::{RedisAddress, RedisHost, RedisLogin, RedisPlace};
use super::fault;
use crate::store::error::StoreError;

/// How long a Sentinel may take, or a replica, of all the time that there is to connect: one that is away must not cost the others their
/// turn, and to reach one takes as many round trips as to reach a primary and ask it.
fn share(connect_timeout: Duration) -> Duration {
    connect_timeout * 2 / 5
}

/// Replicas that are tried at one Sentinel's word.
const REPLICAS_MAX: usize = 8;

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

/// Where the primary is now, as more than half of the Sentinels say; where not so many answer in time, as most of those do.
pub(super) async fn primary(
    address: &RedisAddress,
    connect_timeout: Duration,
) -> Result<RedisHost, StoreError> {
    let (sentinels, name) = match &address.place {
        RedisPlace::Fixed(host) => return Ok(host.clone()),
        RedisPlace::Sentinels(sentinels, name) => (sentinels, name),
    };
    let answers = sentinels.iter().map(async |sentinel| {
        let answer = timeout(share(connect_timeout), ask(address, sentinel, name));
        answer.await.unwrap_or(Err(StoreError::TimedOut))
    });
    let mut answers: FuturesUnordered<_> = answers.collect();
    // What most of them say: one that was cut off from the others does not know what they agreed on.
    let mut votes: BTreeMap<(String, u16), usize> = BTreeMap::new();
    let mut why = StoreError::Away("there is no Sentinel".into());
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(RedisHost { host, port }) => {
                let for_it = votes.entry((host.clone(), port)).or_default();
                *for_it += 1;
                if *for_it * 2 > sentinels.len() {
                    return Ok(RedisHost { host, port });
                }
            }
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

/// A replica that can be connected to, as the Sentinels know them; an error where there are no Sentinels to ask, or no such replica.
pub(super) async fn replica(
    address: &RedisAddress,
    connect_timeout: Duration,
) -> Result<(RedisHost, Box<dyn Duplex>), StoreError> {
    let RedisPlace::Sentinels(sentinels, name) = &address.place else {
        return Err(StoreError::Away("nobody says where a replica is".into()));
    };
    let share = share(connect_timeout);
    let mut why = StoreError::Away("no replica is known".into());
    for sentinel in sentinels {
        let asked = timeout(share, replicas(address, sentinel, name));
        let known = match asked.await.unwrap_or(Err(StoreError::TimedOut)) {
            Ok(known) => known,
            Err(error) => {
                why = error;
                continue;
            }
        };
        for host in known.into_iter().take(REPLICAS_MAX) {
            match timeout(share, connect(address, &host)).await {
                Ok(Ok(stream)) => return Ok((host, stream)),
                Ok(Err(error)) => why = error,
                Err(_) => why = StoreError::TimedOut,
            }
        }
    }
    Err(why)
}

async fn ask(
    address: &RedisAddress,
    sentinel: &RedisHost,
    name: &str,
) -> Result<RedisHost, StoreError> {
    let answer = command(address, sentinel, "GET-MASTER-ADDR-BY-NAME", name).await?;
    let unknown = || StoreError::Away(format!("{sentinel} knows no primary {name}"));
    let (host, port) = <(String, u16)>::from_redis_value(answer).map_err(|_| unknown())?;
    Ok(RedisHost { host, port })
}

/// The replicas that this Sentinel does not hold for lost.
async fn replicas(
    address: &RedisAddress,
    sentinel: &RedisHost,
    name: &str,
) -> Result<Vec<RedisHost>, StoreError> {
    let answer = command(address, sentinel, "REPLICAS", name).await?;
    let unknown = || StoreError::Away(format!("{sentinel} knows no primary {name}"));
    let known = <Vec<BTreeMap<String, String>>>::from_redis_value(answer).map_err(|_| unknown())?;
    let host = |fields: &BTreeMap<String, String>| {
        let is_lost = fields.get("flags")?.contains("s_down");
        let port = fields.get("port")?.parse().ok()?;
        let host = fields.get("ip")?.clone();
        (!is_lost).then_some(RedisHost { host, port })
    };
    Ok(known.iter().filter_map(host).collect())
}

async fn command(
    address: &RedisAddress,
    sentinel: &RedisHost,
    what: &str,
    name: &str,
) -> Result<Value, StoreError> {
    let stream = connect(address, sentinel).await?;
    let login = login(&address.sentinel_login, 0);
    let (mut connection, driver) = open(&login, stream).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg(what).arg(name);
    let asked = std::pin::pin!(connection.send_packed_command(&command));
    match select(asked, std::pin::pin!(driver)).await {
        Either::Left((answer, _)) => answer.map_err(|error| fault::of_client(&error)),
        Either::Right(_) => Err(StoreError::Away(format!("{sentinel} hung up"))),
    }
}

/// Introduces itself to whoever is at the other end. The client would give up what takes longer than half a second; here whoever asks has
/// a time-out of their own.
pub(super) async fn open(
    login: &RedisConnectionInfo,
    stream: Box<dyn Duplex>,
) -> Result<(MultiplexedConnection, impl Future<Output = ()> + 'static), StoreError> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let opened = MultiplexedConnection::new_with_config(login, stream, config).await;
    opened.map_err(|error| fault::of_client(&error))
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
