//! **ringback**: a real-time voice-agent edge server. A carrier opens a media-stream WebSocket for each phone call; ringback
//! drives a realtime speech model for that call.
//!
//! # The map
//!
//! | module | does | must not |
//! |---|---|---|
//! | [`audio`] | keeps recordings at hand for when no model speaks | be on the path of a frame |
//! | [`core`] | decides: one call, the pool of providers, promises, regions, health | touch a socket, a clock, JSON, a log |
//! | [`carrier`] | translates carriers (Twilio media streams) | decide |
//! | [`provider`] | translates realtime models (OpenAI Realtime and its kin) | decide |
//! | [`store`] | keeps what outlives a call: in a file or a Redis, sealed | decide, know the time |
//! | [`probe`] | asks what agents need whether it is there | decide, keep a connection |
//! | [`config`] | turns files and environment into valid settings | act |
//! | [`telemetry`] | turns [`core::observation::Observation`]s into logs and metrics | decide |
//! | [`zones`] | translates clocks on walls into allowed hours | decide |
//! | [`server`] | acts: the only home of tasks, the clock and `select` | decide |
//!
//! One frame goes from socket to socket through six short files: [`carrier::socket`], [`carrier::twilio::wire`],
//! [`core::call`], [`core::call::uplink`] (or [`core::call::downlink`]), [`provider::openai::wire`], [`provider::socket`].
//!
//! Why it is built so: [`docs::architecture`], [`docs::decisions`]; the words: [`docs::glossary`].

pub mod audio;
pub mod carrier;
pub mod config;
pub mod core;
pub mod docs;
pub mod probe;
pub mod provider;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod zones;
