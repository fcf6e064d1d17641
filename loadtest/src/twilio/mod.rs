//! Twilio as a server meets it: it fetches documents, carries them out, opens streams, tells how they went, and lets a live call be
//! changed over REST.
//!
//! Owns the carrier's side of the front door. Look next at [`interpreter`] for what it does with a document (no clock, no socket),
//! at [`twiml`] for how it reads one, at [`settings`] for what no document promises, and at [`VoiceCall`] for one whole call over
//! real sockets. Texts, and calls that REST makes, are [`network`]'s. The media stream itself is [`carrier`](crate::carrier)'s.
//!
#![doc = include_str!("voice-url.md")]

pub mod account;
pub mod address;
pub mod check;
pub mod fault;
pub mod fetch;
pub mod form;
pub mod http;
pub mod interpreter;
pub mod network;
pub mod note;
pub mod number;
pub mod overrides;
pub mod rest;
pub mod settings;
pub mod signature;
pub mod twiml;
pub mod voice_call;

pub use account::Account;
pub use voice_call::{VoiceCall, VoiceReport};
