//! Recordings that the model makes itself: what nobody has recorded is spoken by a provider in the agent's voice.
//!
//! | file | owns |
//! |---|---|
//! | `recite` | one session that speaks one text |
//! | `press` | what was spoken, checked and stored |
//! | `keep` | the task that does so beside the calls, and what it makes of failures |
//! | [`by_hand`] | the same for the command line |
//! | `library` | the recordings that calls find, replaced as a whole when one is added |
//!
//! It must not decide whether there is room for a session: [`crate::core::pool`] does. What a rendering must say and sound like:
//! [`crate::audio::prompts::verify`]. For operators: [`crate::docs::prompts`].

pub mod by_hand;
pub(super) mod keep;
pub(super) mod library;
mod press;
mod recite;
