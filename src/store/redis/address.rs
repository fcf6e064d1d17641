//! Where the shared store is and how it is let into, as it is written in a URL.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

/// How an address is written, for messages.
pub const ADDRESS_FORM: &str = "redis://[user[:password]@]host[:port][/database], rediss://… for TLS, or \
    redis+sentinel://[user[:password]@]host[:port],host[:port],…/primary[/database], rediss+sentinel://… for TLS";

/// The most Sentinels that are named.
const SENTINELS_MAX: usize = 16;

const REDIS_PORT: u16 = 6_379;
const SENTINEL_PORT: u16 = 26_379;

/// Where it is. Never printed with its passwords.
#[derive(Clone, Debug)]
pub struct RedisAddress {
    /// Who says where the primary is.
    pub place: RedisPlace,
    /// Which of its databases.
    pub database: i64,
    /// How it lets us in.
    pub login: RedisLogin,
    /// How its Sentinels do.
    pub sentinel_login: RedisLogin,
    /// Whether it is asked for by TLS, as the URL says; [`tls`](Self::tls) is whom we trust then.
    pub is_tls: bool,
    /// Whom TLS trusts; `None`: there is no TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Who says where the primary is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisPlace {
    /// It is here, always.
    Fixed(RedisHost),
    /// These are asked, in this order, for the primary of this name.
    Sentinels(Vec<RedisHost>, String),
}

/// A host by name or address, and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisHost {
    /// Name, or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// User and password, each if there is one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RedisLogin {
    /// The user of the access list; `None`: the one who is so by default.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

impl RedisAddress {
    /// Reads an address ([`ADDRESS_FORM`]); `None` if it is none. Trust in certificates is to be added where it wants TLS.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (is_tls, is_sentinel) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ => return None,
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (RedisLogin::parse(login)?, hosts),
            None => (RedisLogin::default(), authority),
        };
        let (place, database) = if is_sentinel {
            let hosts = hosts.split(',');
            let hosts: Option<Vec<_>> = hosts
                .map(|host| RedisHost::parse(host, SENTINEL_PORT))
                .collect();
            let hosts = hosts.filter(|hosts| hosts.len() <= SENTINELS_MAX)?;
            let (name, database) = path.split_once('/').unwrap_or((path, ""));
            if name.is_empty() {
                return None;
            }
            (RedisPlace::Sentinels(hosts, decode(name)?), database)
        } else {
            let host = RedisHost::parse(hosts, REDIS_PORT)?;
            (RedisPlace::Fixed(host), path)
        };
        let database = match database {
            "" => 0,
            number => number.parse::<u16>().ok()?.into(),
        };
        Some(Self {
            place,
            database,
            login,
            sentinel_login: RedisLogin::default(),
            is_tls,
            tls: None,
        })
    }
}

impl RedisHost {
    fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            // An address of the sixth version.
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                match port {
                    "" => (host, None),
                    port => (host, Some(port.strip_prefix(':')?)),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_name) {
            return None;
        }
        let port = port.map_or(Some(default_port), |port| port.parse().ok())?;
        let host = host.to_owned();
        Some(Self { host, port })
    }
}

impl fmt::Display for RedisHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl RedisLogin {
    fn parse(text: &str) -> Option<Self> {
        let (user, password) = match text.split_once(':') {
            Some((user, password)) => (user, Some(decode(password)?)),
            None => (text, None),
        };
        let user = Some(decode(user)?).filter(|user| !user.is_empty());
        Some(Self { user, password })
    }
}

/// Without the password.
impl fmt::Debug for RedisLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "_");
        f.debug_struct("RedisLogin")
            .field("user", &self.user)
            .field("password", &password)
            .finish()
    }
}

/// Text in which some bytes are written as `%` and two digits.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: u16) -> RedisHost {
        let host = host.to_owned();
        RedisHost { host, port }
    }

    #[test]
    fn an_address_is_read_in_all_of_its_forms() {
        let plain = RedisAddress::parse("redis://localhost").unwrap();
        assert_eq!(plain.place, RedisPlace::Fixed(host("localhost", 6_379)));
        assert_eq!((plain.database, plain.is_tls), (0, false));
        let full = RedisAddress::parse("rediss://ringback:p%40ss@[::1]:7000/3").unwrap();
        assert_eq!(full.place, RedisPlace::Fixed(host("::1", 7_000)));
        assert_eq!((full.database, full.is_tls), (3, true));
        assert_eq!(full.login.user.as_deref(), Some("ringback"));
        assert_eq!(full.login.password.as_deref(), Some("p@ss"));
        let watched = RedisAddress::parse("redis+sentinel://:secret@a,b:1/main").unwrap();
        let hosts = vec![host("a", 26_379), host("b", 1)];
        assert_eq!(watched.place, RedisPlace::Sentinels(hosts, "main".into()));
        assert_eq!(watched.login.user, None);
        assert!(!format!("{watched:?} {full:?}").contains("secret"));
        assert!(!format!("{full:?}").contains("p@ss"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "localhost",
            "http://localhost",
            "redis://",
            "redis://a:b:c",
            "redis://a:70000",
            "redis://a/first",
            "redis://a,b/1",
            "redis://[::1",
            "redis://u:%zz@a",
            "redis+sentinel://a,b",
            "redis+sentinel://a,,b/main",
        ] {
            assert!(RedisAddress::parse(text).is_none(), "{text}");
        }
    }
}
