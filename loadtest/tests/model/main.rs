//! Whole conversations with the model double, in virtual time, every event of it checked against the schema.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod driver;
mod faults;
mod house;
mod interruption;
mod never_panics;
mod recital;
mod refusals;
// The server's own tests check what it sends by the same definitions.
#[path = "../../../tests/wire/schema.rs"]
mod schema;
mod sickness;
mod takeover;
mod talk;
