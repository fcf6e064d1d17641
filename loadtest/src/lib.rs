//! **loadtest** is the world around a Twilio-style stream server: callers, carrier, model, faults, recorded calls.
//!
//! It imports nothing of the server that it tests, so a misread protocol is not mirrored on both sides. The peers are sans-IO
//! and seeded: a simulator couples them in virtual time, the `loadtest` binary couples the same peers to sockets.

pub mod arrivals;
pub mod call;
pub mod carrier;
pub mod drill;
pub mod g711;
pub mod import;
pub mod key;
pub mod listen;
pub mod model;
pub mod net;
pub mod netns;
pub mod peer;
pub mod plan;
pub mod process;
pub mod proxy;
pub mod recording;
pub mod relay;
pub mod report;
pub mod run;
pub mod span;
pub mod stamp;
pub mod tls;
pub mod twilio;
pub mod wav;
