//! The OpenAI Realtime protocol, and the servers that speak it with an accent; no socket and no clock in here.
//!
//! [`wire`] knows the protocol's words, [`session`] what they mean for a call, [`spare`] what they mean
//! before there is one, [`quirks`] how dialects differ, as data.

mod configure;
pub(super) mod errors;
mod names;
pub mod outgoing;
pub mod quirks;
mod recite;
mod seed;
pub mod session;
pub mod settings;
pub mod spare;
pub mod wire;
