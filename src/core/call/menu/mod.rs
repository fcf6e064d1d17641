//! The menu: what a caller hears and may choose when no model is left.
//!
//! | file | owns |
//! |---|---|
//! | `settings` | what a business offers ([`Menu`]) |
//! | `wish`, `choice` | the words between the menu and whoever keeps promises and messages, and what is told of it |
//! | `words` | which prompts make an offer of what is on offer |
//! | `state` | the states, each with its data |
//! | `choosing`, `numbers`, `message` | what a key, an answer or silence does in each |
//! | `apologizing` | the phase: the line, the state, and a model that may be back |
//!
//! It never touches a provider beyond dialling one that is back, knows no number of the caller's, and keeps nothing: it asks for a
//! promise and for a message to be kept, and tells the caller only what was answered. The table of states:
//! [the menu](crate::docs::menu).

mod apologizing;
mod choice;
mod choosing;
mod message;
mod numbers;
mod settings;
mod state;
mod wish;
mod words;

pub(super) use apologizing::{Apologizing, At};
pub use choice::{Choice, Left, Told};
pub use settings::{Consent, Menu};
pub use wish::{Asked, Caller, Digits, Given, Promised, Record, Recorded, Wish};
