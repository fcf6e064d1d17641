//! Where the processes of a house stand: all on one address of this machine, or each region in a network namespace of its own.
//!
//! Owns which address is whose, and what stands before a command. How namespaces are made is in [`netns`](crate::netns).

use std::net::{Ipv4Addr, SocketAddr};

use crate::{
    netns::{NetnsError, Place},
    run::RunError,
};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Grounds {
    /// Without it all stand side by side.
    place: Option<Place>,
}

impl Grounds {
    pub(super) fn new(place: Option<Place>) -> Self {
        Self { place }
    }

    /// Whether regions are apart by themselves, and no proxies are needed between them.
    pub(super) fn are_apart(&self) -> bool {
        self.place.is_some()
    }

    /// The address of a region's processes, or of those that stand in none.
    pub(super) fn host(&self, region: &str) -> Ipv4Addr {
        let host = self.place.as_ref().map(|place| place.host(region));
        host.unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// The address of what stands in no region.
    pub(super) fn world(&self) -> Ipv4Addr {
        self.host("")
    }

    /// One of its ports.
    pub(super) fn at(&self, region: &str, port: u16) -> SocketAddr {
        SocketAddr::from((self.host(region), port))
    }

    /// What stands before a command of a region.
    pub(super) fn within(&self, region: &str) -> Vec<String> {
        let place = self.place.as_ref();
        place.map_or_else(Vec::new, |place| place.within(region))
    }

    /// Regions are parted, or joined again.
    pub(super) fn part(&self, between: &[String], are_parted: bool) -> Result<(), RunError> {
        let place = self.place.as_ref();
        let parted = place.map_or(Ok(()), |place| place.part(between, are_parted));
        parted.map_err(|error| failed(&error))
    }

    /// Nothing comes from or to a region any more, or does again.
    pub(super) fn lose(&self, region: &str, is_lost: bool) -> Result<(), RunError> {
        let place = self.place.as_ref();
        let lost = place.map_or(Ok(()), |place| place.lose(region, is_lost));
        lost.map_err(|error| failed(&error))
    }
}

fn failed(error: &NetnsError) -> RunError {
    RunError::Listen {
        what: "a network namespace".into(),
        source: std::io::Error::other(error.to_string()),
    }
}
