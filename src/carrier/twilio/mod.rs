//! Twilio's media streams, and whatever speaks like them.
//!
//! [`wire`] knows the messages, [`Stream`] knows their order. Neither touches a socket: [`crate::carrier::socket`] does.

pub mod address;
pub mod form;
mod parameters;
pub mod secret;
pub mod signature;
mod stream;
pub mod token;
pub mod twiml;
pub mod wire;

pub use parameters::{PARAMETER_BYTES_MAX, PARAMETERS_MAX, Parameters};
pub use stream::Stream;
