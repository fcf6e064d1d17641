//! The numbers that a call goes by.

use std::time::Duration;

use crate::core::call::menu::Menu;
use crate::core::call::prompt::Prompts;

/// The numbers that a call goes by; the defaults are those of `config/ringback.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// How long a socket may be open before its stream starts.
    pub start_timeout: Duration,
    /// How long one dial may take, from the first packet to a configured session.
    pub dial_timeout: Duration,
    /// How long a dial may take before another one is made beside it.
    pub slow_dial: Duration,
    /// How long a session may leave the caller without an answer before it counts as failed.
    pub answer_timeout: Duration,
    /// How long an item that is being spoken may make no progress where its audio runs dry.
    pub stall_timeout: Duration,
    /// The same between two items of a response.
    pub pause_timeout: Duration,
    /// How long the caller hears nothing, while something is owed, before the first filler.
    pub filler_after: Duration,
    /// How long after a filler the caller hears nothing before the next.
    pub filler_again_after: Duration,
    /// How long the caller waits before the apology.
    pub apology_after: Duration,
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
    /// How long a call may look for a pause in which it is handed over to another process.
    pub hand_over_max: Duration,
    /// How long after a key the caller is taken to have finished keying.
    pub keys_timeout: Duration,
    /// How many messages of a stream may be refused before it ends.
    pub refusals_max: u32,
    /// What is offered when no model is left.
    pub menu: Menu,
    /// What is said without a model.
    pub prompts: Prompts,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(5),
            dial_timeout: Duration::from_secs(3),
            slow_dial: Duration::from_millis(1_500),
            answer_timeout: Duration::from_millis(2_500),
            stall_timeout: Duration::from_secs(1),
            pause_timeout: Duration::from_secs(2),
            filler_after: Duration::from_millis(1_200),
            filler_again_after: Duration::from_millis(1_500),
            apology_after: Duration::from_secs(8),
            carrier_silence_max: Duration::from_secs(5),
            ping_interval: Duration::from_secs(1),
            pong_timeout: Duration::from_millis(2_500),
            ahead_max: Duration::from_secs(5),
            held_max: Duration::from_mins(2),
            uplink_max: Duration::from_secs(30),
            rotate_before: Duration::from_mins(5),
            goodbye_grace: Duration::from_secs(2),
            hand_over_max: Duration::from_secs(10),
            keys_timeout: Duration::from_secs(2),
            refusals_max: 100,
            menu: Menu::default(),
            prompts: Prompts::default(),
        }
    }
}
