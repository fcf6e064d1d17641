//! The deterministic simulator: whole calls in virtual time, thousands of them, judged by checkers.
//!
//! `RINGBACK_SIM_CALLS` sets how many calls the swarm lives (5,000); `RINGBACK_SIM_SEED` lives one of them again and tells its
//! story. `RINGBACK_SIM_STORM` does so with a call of the storm, `RINGBACK_SIM_SEVERED` with one whose streams are cut,
//! `RINGBACK_SIM_MENU` with one whose caller has the menu.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a checker looks for a few of many things that can happen"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "how long a swarm took, and how large it is to be, are the machine's to say"
)]

mod checkers;
mod coverage;
mod doors;
mod handed_over;
mod legs;
mod menu;
mod network;
mod scenarios;
mod setup;
mod severed;
mod storm;
mod story;
mod streams;
mod succession;
mod swarm;
mod weather;
mod world;
