//! Two regions: who owns a call, where a call goes on, who may ring, and how a node leaves.
//!
//! Calls are available: any node may answer, from what it knows, and waits for nobody longer than 300 ms. Rings and texts are
//! consistent: they need a role, a claim and the word of the primary, or they wait. This module decides both and does neither: it
//! knows no socket, no store and no clock. Time since the process began is told as an `Instant`; what several nodes date, as `Utc`.
//!
//! Of a call: [`owner`] (whose it is), [`resume`] (what comes after a stream), [`route`] (where a new one goes), [`drain`] (how it
//! leaves a node). Of nodes: [`presence`] (who is there), [`advice`] (what they say of providers), [`trial`] (whether one that has just
//! begun does as well as they do). Of regions: [`ballot`] and [`role`]
//! (which one is active), [`claim`] (what leaves unasked). The rules, and what remains possible: [`crate::docs::regions`].

pub mod advice;
pub mod ballot;
pub mod claim;
pub mod drain;
mod name;
pub mod owner;
pub mod presence;
pub mod resume;
pub mod role;
pub mod route;
pub mod trial;

pub use self::name::{Epoch, Life, NAME_BYTES_MAX, Node, Peer, Region};
pub use self::owner::{Papers, Version};
pub use self::role::Role;
