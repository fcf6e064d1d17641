//! The pool of providers: one story for each rule, and swarms of seeded runs under checkers.
//!
//! `RINGBACK_POOL_SEED=7 cargo test --release --test pool swarm` replays one run of the swarm.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod breaker;
mod budgets;
mod checkers;
mod desk;
mod ladder;
mod policy;
mod speed;
mod swarm;
mod throttle;
mod world;
