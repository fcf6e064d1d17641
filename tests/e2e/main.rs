//! The real process, real sockets on loopback: what a caller, an operator and an attacker see of the server.
//!
//! [`server`] runs the program as a child, [`phone`] is a carrier's side of a call, [`model`] a provider's; [`doubles`] are
//! whole ones of both.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod callbacks;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod doubles;
#[cfg(test)]
mod drills;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod exchange;
#[cfg(test)]
#[path = "../telemetry/exposition.rs"]
mod exposition;
mod front_door;
#[cfg(test)]
mod front_plans;
#[cfg(test)]
mod health;
#[cfg(test)]
mod health_probes;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod model;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod phone;
#[cfg(test)]
mod plans;
#[cfg(test)]
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(test)]
mod prompts;
#[cfg(test)]
mod providers;
#[cfg(test)]
#[path = "../store/redis/server.rs"]
mod redis_server;
#[cfg(test)]
mod regions;
#[cfg(test)]
mod renderings;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod resuming;
#[cfg(test)]
mod server;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod spares;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod transcripts;
#[cfg(test)]
mod twilio;
#[cfg(test)]
mod whole_calls;

#[cfg(test)]
use std::time::Duration;

/// Long enough for a loaded machine; whoever waits for it has failed.
#[cfg(test)]
const DEADLINE: Duration = Duration::from_secs(20);
