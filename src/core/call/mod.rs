//! The machine of one call.

pub mod effect;
pub mod input;
pub mod memory;

use std::time::Duration;

use crate::core::call::effect::Effects;
use crate::core::call::input::Input;
use crate::core::ids::CallId;
use crate::core::time::{Instant, Utc};

/// The numbers that a call goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// How long a socket may be open before its stream starts.
    pub start_timeout: Duration,
    /// How long one dial may take, from the first packet to a configured session.
    pub dial_timeout: Duration,
    /// How long the carrier may send nothing.
    pub carrier_silence_max: Duration,
    /// How often a provider's socket is asked for a sign of life.
    pub ping_interval: Duration,
    /// How long an answer to that may take, once a first one has come.
    pub pong_timeout: Duration,
    /// How much audio may be at the carrier ahead of our play-out clock.
    pub ahead_max: Duration,
    /// How much audio may be held beyond that.
    pub held_max: Duration,
    /// How much of the caller's audio is kept while no session can take it.
    pub uplink_max: Duration,
    /// How long before a session's expiry its successor is dialled.
    pub rotate_before: Duration,
    /// How long a goodbye may take beyond the end of its audio.
    pub goodbye_grace: Duration,
    /// How long after a key the caller is taken to have finished keying.
    pub keys_timeout: Duration,
    /// How many messages of a stream may be refused before it ends.
    pub refusals_max: u32,
    /// Whether the agent speaks first.
    pub greets: bool,
}

/// The machine of one call: told what happens, it says what to do.
#[derive(Debug)]
pub struct Call;

impl Call {
    /// A call whose carrier has just connected; `utc` is the wall-clock time of `now`.
    pub fn new(_id: CallId, _now: Instant, _utc: Utc, _settings: CallSettings) -> Self {
        Self
    }

    /// Takes an input and appends what is to be done about it, in order.
    pub fn handle(&mut self, _now: Instant, _input: Input, _effects: &mut Effects) {}

    /// When the call next wants a [`Input::Tick`]; `None`: never, it is over.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whether the call is over: it takes no more inputs.
    pub fn is_over(&self) -> bool {
        false
    }
}
