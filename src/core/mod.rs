//! Decides, and never does: pure, deterministic state machines that are told the time.
//!
//! Nothing in here touches a socket, a clock, the environment, randomness, JSON, a log or a lock. An input goes in, effects
//! come out as values, and the [`crate::server`] carries them out.
#![deny(clippy::disallowed_types)]

pub mod audio;
pub mod call;
pub mod callback;
pub mod desk;
pub mod fault;
pub mod front;
pub mod health;
pub mod ids;
pub mod observation;
pub mod overload;
pub mod pool;
pub mod region;
pub mod time;
