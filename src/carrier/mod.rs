//! Translates carriers: their sockets, and one folder a dialect. Never decides.
//!
//! It owns what a carrier's bytes mean, and the limits of a carrier's socket. It must not import `provider`, wait for anything
//! but the socket, or know what a call does with an event. The frames go on to [`crate::core::call`]. Who we are to a carrier
//! that comes without a proxy is in [`tls`].

pub mod socket;
pub mod tls;
pub mod twilio;
