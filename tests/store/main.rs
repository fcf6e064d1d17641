//! The store as those see it who keep something in it: what was acknowledged is there, whatever happens to the process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;
mod crash;
mod disk;
mod files;
mod load;
mod model;
mod power;
mod promises;
mod redis;
mod support;
