//! The documents, rendered beside the code that they describe.

#[doc = include_str!("architecture.md")]
pub mod architecture {}
#[doc = include_str!("callback.md")]
pub mod callback {}
#[doc = include_str!("decisions.md")]
pub mod decisions {}
#[doc = include_str!("drills.md")]
pub mod drills {}
#[doc = include_str!("failure-modes.md")]
pub mod failure_modes {}
#[doc = include_str!("front-door.md")]
pub mod front_door {}
#[doc = include_str!("glossary.md")]
pub mod glossary {}
#[doc = include_str!("health.md")]
pub mod health {}
#[doc = include_str!("menu.md")]
pub mod menu {}
#[doc = include_str!("messages.md")]
pub mod messages {}
#[doc = include_str!("metrics.md")]
pub mod metrics {}
#[doc = include_str!("prompts.md")]
pub mod prompts {}
#[doc = include_str!("regions.md")]
pub mod regions {}
#[doc = include_str!("store.md")]
pub mod store {}
