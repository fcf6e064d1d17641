//! Translates realtime models: their sockets, and one folder a protocol. Never decides.
//!
//! | module | owns |
//! |---|---|
//! | [`endpoint`] | where a provider is, its key and its dialect |
//! | [`dial`] | DNS, TCP, TLS and the upgrade, each with its own fault |
//! | [`socket`] | one provider's WebSocket with its session: events out, commands in |
//! | [`spare`] | a WebSocket that waits for a call: opened, and not configured |
//! | [`flood`] | whether more comes than any conversation needs |
//! | [`openai`] | the OpenAI Realtime protocol and its kin, without a socket |
//! | [`tls`] | whom we trust |
//!
//! Nothing in here retries, fails over or knows the call: see [`crate::core::call`].

pub mod dial;
pub mod endpoint;
pub mod flood;
pub mod openai;
pub mod socket;
pub mod spare;
pub mod tls;
pub mod upgrade;
