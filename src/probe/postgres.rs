//! A Postgres: connected to, logged in to, and asked `SELECT 1`. Built with the feature `postgres` only.

#[cfg(feature = "postgres")]
mod client;

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use super::Fault;

/// Why there is no such database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is no address.
    #[error("is no address of a Postgres")]
    NoAddress,
    /// It can be none in this program.
    #[error("is of a kind that this build leaves out")]
    NotBuilt,
}

/// How an address is written, for messages.
pub const ADDRESS_FORM: &str =
    "postgres://[user[:password]@]host[:port][/database][?sslmode=disable|prefer|require]";

/// A database that is there if it answers. Never printed: there is a password in its address.
#[derive(Clone)]
pub struct Postgres {
    #[cfg(feature = "postgres")]
    client: client::Client,
    #[cfg(not(feature = "postgres"))]
    never: std::convert::Infallible,
}

#[cfg(feature = "postgres")]
impl Postgres {
    /// The database of this address ([`ADDRESS_FORM`]). What is said by TLS is said to a name that `tls` trusts.
    pub fn parse(url: &str, tls: &Arc<ClientConfig>) -> Result<Self, Unusable> {
        let client = client::Client::parse(url, tls).ok_or(Unusable::NoAddress)?;
        Ok(Self { client })
    }

    /// Connects, asks, and says goodbye.
    pub async fn ask(&self) -> Result<(), Fault> {
        self.client.ask().await
    }

    /// Whether a password stands in its address.
    pub fn has_password(&self) -> bool {
        self.client.has_password()
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        let client = self.client.with_password(password);
        Self { client }
    }
}

#[cfg(not(feature = "postgres"))]
impl Postgres {
    /// There is none in this build.
    pub fn parse(_: &str, _: &Arc<ClientConfig>) -> Result<Self, Unusable> {
        Err(Unusable::NotBuilt)
    }

    /// There is nobody to ask.
    #[expect(clippy::unused_async, reason = "the other one is")]
    pub async fn ask(&self) -> Result<(), Fault> {
        match self.never {}
    }

    /// There is none.
    pub fn has_password(&self) -> bool {
        match self.never {}
    }

    /// There is none.
    #[must_use]
    pub fn with_password(self, _: &str) -> Self {
        match self.never {}
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres(_)")
    }
}
