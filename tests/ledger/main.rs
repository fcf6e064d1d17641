//! The ledger of promises in virtual time: a store, a carrier and phones that fail in every way, and the rules that must hold.
//!
//! `RINGBACK_LEDGER_SEED=7 cargo test --release --test ledger lives` tells one life; `RINGBACK_LEDGER_LIVES=100000` lives many.

#[cfg(test)]
mod books;
#[cfg(test)]
mod carrier;
#[cfg(test)]
mod desks;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod keeper;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod line;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod lost;
#[cfg(test)]
mod meanwhile;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod phones;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod weather;
#[cfg(test)]
mod world;
