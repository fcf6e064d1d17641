//! The protocol's words, both ways; pure functions of text.
//!
//! Lenient in: unknown events and fields are no error, old and new names mean the same, only what is needed must be there.
//! Strict out: nothing but what the protocol has. What the words mean for a call: [`super::session`].

pub mod audio;
pub mod read;
pub(super) mod write;
