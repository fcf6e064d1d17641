//! The ledger of promises: who was promised a text and a call back, and what is to be done about it.
//!
//! It owns every promise from the moment at which a call asks for it to its end, when a text is requested and when a caller is
//! rung. It must not know how anything is kept or requested, what time it is, or in which zone anybody lives: it is told. Start
//! at [`ledger`]; a promise as it is kept is in [`promise`], what may go wrong with requests in `texting` and `ringing`. The
//! rules, and what remains possible: [`crate::docs::callback`].

mod answering;
pub mod caps;
mod clock;
pub mod destinations;
pub mod effect;
mod elsewhere;
mod entry;
mod errands;
pub mod hours;
pub mod input;
pub mod intent;
mod keeping;
pub mod ledger;
pub mod number;
mod others;
mod past;
pub mod promise;
mod ringing;
pub mod settings;
mod taking;
mod texting;
mod window;

pub use ledger::CallbackLedger;
