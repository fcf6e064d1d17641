//! Twilio's REST interface over real sockets, against a server that answers, refuses, hangs and breaks as it is told.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;
mod requests;
mod server;
