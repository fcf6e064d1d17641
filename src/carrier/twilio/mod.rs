//! Twilio's media streams, and whatever speaks like them.
//!
//! [`wire`] knows the messages, [`Stream`] knows their order. Neither touches a socket: [`crate::carrier::socket`] does.
//!
//! What comes before a stream is HTTP: [`webhook`] reads what Twilio asks and [`signature`] whether it is Twilio, [`twiml`] writes the
//! documents that answer it, [`token`] what they carry, [`address`] knows where all of that is. The server listens and answers.
//! [`rest`] is the other direction: what we ask of Twilio.

pub mod address;
pub mod form;
mod parameters;
pub mod rest;
pub mod secret;
pub mod signature;
mod stream;
pub mod token;
pub mod twiml;
pub mod webhook;
pub mod wire;

pub use parameters::{PARAMETER_BYTES_MAX, PARAMETERS_MAX, Parameters};
pub use stream::{Stream, UNSTARTED_BYTES_MAX};
