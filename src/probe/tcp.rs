//! A port: somebody takes connections there, whatever they do with them.

use tokio::net::TcpStream;

use super::Fault;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    host: String,
    port: u16,
}

impl Tcp {
    /// Reads `tcp://HOST:PORT`; `None` if it is none.
    pub fn parse(url: &str) -> Option<Self> {
        let (host, port) = url.strip_prefix("tcp://")?.rsplit_once(':')?;
        let is_six = host.starts_with('[') && host.ends_with(']');
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_name = |byte: u8| {
            byte.is_ascii_alphanumeric() || b".-_".contains(&byte) || (is_six && byte == b':')
        };
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let fits = !host.is_empty() && host.bytes().all(is_name);
        fits.then(|| Self {
            host: host.to_owned(),
            port,
        })
    }

    /// Connects, and closes.
    pub async fn ask(&self) -> Result<(), Fault> {
        let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
        connected.map(drop).map_err(|_| Fault::Unreachable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_with_its_host() {
        let read = |url| Tcp::parse(url).map(|tcp| (tcp.host, tcp.port));
        assert_eq!(
            read("tcp://crm.internal:5060"),
            Some(("crm.internal".into(), 5_060))
        );
        assert_eq!(read("tcp://[::1]:7"), Some(("::1".into(), 7)));
        for wrong in [
            "",
            "tcp://",
            "tcp://host",
            "tcp://host:0",
            "tcp://host:70000",
            "host:1",
            "tcp://me@host:1",
            "tcp://a:b:1",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
