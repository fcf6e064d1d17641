//! Two regions in virtual time: two nodes each, a store with a replica, a witness and a carrier, harm of every kind, and the rules
//! that must hold.
//!
//! `RINGBACK_REGION_SEED=7 cargo test --release --test region lives` tells one life; `RINGBACK_REGION_LIVES=100000` lives many.

#![cfg_attr(
    test,
    expect(
        clippy::large_types_passed_by_value,
        clippy::large_enum_variant,
        clippy::needless_pass_by_value,
        reason = "rows, documents and events of a double are handed on like letters: who gets one has it"
    )
)]

#[cfg(test)]
mod books;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod carrier;
#[cfg(test)]
mod event;
#[cfg(test)]
mod harm;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod node;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod resuming;
#[cfg(test)]
mod sites;
#[cfg(test)]
mod store;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod weather;
#[cfg(test)]
mod world;
