//! Whose address a request has, and how much of us one address may take.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;

/// The address at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Who is asking: an address, or the part of one that a single customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Client(IpAddr);

impl Client {
    /// IPv6 addresses count by their first 64 bits, for one customer has all the others; IPv4 ones as they are, in either dress.
    fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => {
                let network = v6.to_bits() >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
        })
    }
}

/// The proxies in front of us, whose word is taken.
#[derive(Clone, Debug)]
pub(super) struct Proxies(Vec<IpAddr>);

impl Proxies {
    pub(super) const fn new(trusted: Vec<IpAddr>) -> Self {
        Self(trusted)
    }

    /// Who is at the other end of a connection; `None`: a proxy of ours, which may have as many as it likes.
    pub(super) fn client_of(&self, peer: Peer) -> Option<Client> {
        (!self.trusts(peer.0)).then(|| Client::new(peer.0))
    }

    /// Who asks: the last address that no proxy of ours has; `None`: none of them says.
    pub(super) fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<Client> {
        if let Some(client) = self.client_of(peer) {
            return Some(client);
        }
        // Whoever forwards appends: what stands before the last foreign address is hearsay.
        let values = headers.get_all("x-forwarded-for").iter().rev();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.rsplit(','))
            .map_while(|address| address.trim().parse().ok())
            .find(|address| !self.trusts(*address))
            .map(Client::new)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// How many of something each address has, at most `max`. Bounded by what has a [`Place`].
#[derive(Debug)]
pub(super) struct PerAddress {
    counts: Mutex<BTreeMap<Client, usize>>,
    max: usize,
}

impl PerAddress {
    pub(super) fn new(max: usize) -> Arc<Self> {
        let counts = Mutex::default();
        Arc::new(Self { counts, max })
    }

    /// A place for one more; `None`: the address has all that it may have.
    pub(super) fn enter(self: &Arc<Self>, client: Client) -> Option<Place> {
        let mut counts = self.lock();
        let count = counts.entry(client).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        let all = Arc::clone(self);
        Some(Place { all, client })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Client, usize>> {
        // Nothing is done under the lock that could leave a count half changed.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of what an address has; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    all: Arc<PerAddress>,
    client: Client,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.all.lock();
        if let Some(count) = counts.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(proxies: &Proxies, peer: &str, forwarded: &[&str]) -> Option<Client> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        proxies.client(Peer(ip(peer)), &headers)
    }

    #[test]
    fn the_last_foreign_address_asks_whatever_it_says_of_others() {
        let proxies = Proxies::new(vec![ip("127.0.0.1"), ip("10.0.0.1")]);
        let known = |text| Some(Client::new(ip(text)));
        for (peer, forwarded, asks) in [
            ("192.0.2.1", &[][..], known("192.0.2.1")),
            ("192.0.2.1", &["198.51.100.1"], known("192.0.2.1")),
            ("127.0.0.1", &["198.51.100.1"], known("198.51.100.1")),
            (
                "127.0.0.1",
                &["203.0.113.9, 198.51.100.1"],
                known("198.51.100.1"),
            ),
            (
                "127.0.0.1",
                &["203.0.113.9", "198.51.100.1, 10.0.0.1"],
                known("198.51.100.1"),
            ),
            ("127.0.0.1", &["198.51.100.1, nonsense"], None),
            ("127.0.0.1", &[], None),
            ("::ffff:127.0.0.1", &["198.51.100.1"], known("198.51.100.1")),
        ] {
            assert_eq!(
                client(&proxies, peer, forwarded),
                asks,
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn a_customer_has_one_address_however_many_there_are() {
        assert_eq!(
            Client::new(ip("2001:db8::1")),
            Client::new(ip("2001:db8::ffff:1"))
        );
        assert_ne!(
            Client::new(ip("2001:db8::1")),
            Client::new(ip("2001:db8:0:1::1"))
        );
        assert_eq!(
            Client::new(ip("::ffff:192.0.2.1")),
            Client::new(ip("192.0.2.1"))
        );
        assert_ne!(Client::new(ip("192.0.2.1")), Client::new(ip("192.0.2.2")));
    }

    #[test]
    fn places_are_each_addresss_own_and_come_back() {
        let places = PerAddress::new(2);
        let (a, b) = (Client::new(ip("192.0.2.1")), Client::new(ip("192.0.2.2")));
        let first = places.enter(a).unwrap();
        let _second = places.enter(a).unwrap();
        assert!(places.enter(a).is_none());
        assert!(places.enter(b).is_some());
        drop(first);
        assert!(places.enter(a).is_some());
        assert_eq!(places.lock().len(), 1, "who has left is forgotten");
    }
}
