//! Who else comes to the front door while calls are measured.

use serde::Deserialize;

use super::{Wrong, within};

/// Whoever is there beside the callers, in the steady window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Beside {
    /// Strangers' sockets: each begins an upgrade and never finishes it. One that the server drops comes again.
    pub idle_sockets: u32,
    /// Webhooks a second whose signature is wrong.
    pub forged_per_second: u32,
    /// Calls a second that ring and are given up before their stream: the Voice URL is asked, signed, and nothing more.
    pub answers_per_second: u32,
    /// Callers a second who want to be called back: each comes in at the Voice URL, opens its stream, presses 1 a second after it has
    /// begun, and again twice, without listening, and is gone. Each has a number of its own.
    pub promises_per_second: u32,
    /// The strangers come from so many addresses of this machine (127.1.0.1 and those behind it); callers from none of them.
    pub addresses: u16,
}

impl Default for Beside {
    fn default() -> Self {
        Self {
            idle_sockets: 0,
            forged_per_second: 0,
            answers_per_second: 0,
            promises_per_second: 0,
            addresses: 100,
        }
    }
}

impl Beside {
    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        let Self {
            idle_sockets,
            forged_per_second,
            answers_per_second,
            promises_per_second,
            addresses: _,
        } = *self;
        let rates = [forged_per_second, answers_per_second, promises_per_second];
        idle_sockets == 0 && rates.iter().all(|rate| *rate == 0)
    }

    pub(super) fn check(&self) -> Result<(), Wrong> {
        within("beside.idle_sockets", self.idle_sockets, 0, 10_000u64)?;
        let forged = self.forged_per_second;
        within("beside.forged_per_second", forged, 0, 5_000u64)?;
        let answers = self.answers_per_second;
        within("beside.answers_per_second", answers, 0, 2_000u64)?;
        let promises = self.promises_per_second;
        within("beside.promises_per_second", promises, 0, 200u64)?;
        within("beside.addresses", self.addresses, 1, 10_000u64)
    }
}
