//! Asks what agents need whether it is there: a page, a port, a database.
//!
//! | file | owns |
//! |---|---|
//! | [`http`] | a page that is fetched |
//! | [`tcp`] | a port that takes connections |
//! | [`postgres`] | a database that answers a query |
//!
//! A Redis is asked by [`crate::store::redis::ping`]. It owns what is asked and what an answer means. It keeps no connection, bounds no
//! time (whoever asks does), decides nothing, and prints no address, since there may be a secret in it.

pub mod http;
pub mod postgres;
pub mod tcp;

/// Why something is not there, without its address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no connection: name, network or TLS.
    #[error("it cannot be reached")]
    Unreachable,
    /// It did not answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke.
    #[error("the connection broke")]
    Closed,
    /// It answers with another status than it should.
    #[error("it answers {0}")]
    Status(u16),
    /// It does not let us in, or refuses the question; with the code that it gives.
    #[error("it refuses ({0})")]
    Refused(String),
    /// It answers something else than was asked for.
    #[error("its answer makes no sense")]
    Garbled,
}
