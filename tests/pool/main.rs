//! The pool of providers: one story for each rule, and swarms of seeded runs under checkers.
//!
//! `RINGBACK_POOL_SEED=7 cargo test --release --test pool swarm` replays one run of the swarm.

#[cfg(test)]
mod breaker;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod checkers;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod ladder;
mod limits;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod renderings;
#[cfg(test)]
mod spares;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod swarm;
#[cfg(test)]
mod throttle;
#[cfg(test)]
mod weather;
#[cfg(test)]
mod world;
