//! A phone that is carried: its call outlives its streams.
//!
//! Owns what a carrier does with the phone before, between and behind streams. Time goes on there for the caller: they speak,
//! wait and hang up, and what they say then is heard by nobody.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{Ended, Phase, Phone};
use crate::peer::Outbox;

/// What a stream says of itself in its `start`. It shows the names of its parameters, not their values.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// `AC…`.
    pub account_sid: String,
    /// `CA…`: the same in all streams of a call.
    pub call_sid: String,
    /// `MZ…`: another in each.
    pub stream_sid: String,
    /// `customParameters`.
    pub parameters: BTreeMap<String, String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("stream_sid", &self.stream_sid)
            .finish_non_exhaustive()
    }
}

impl Phone {
    /// The call is answered, and the caller on the line: a greeting is owed. There is no stream yet. From here on the end of a
    /// stream is not the end of the call. Does nothing the second time.
    pub fn answer(&mut self, now: Duration) {
        if self.phase == Phase::Idle {
            (self.phase, self.is_carried) = (Phase::Held, true);
            self.stream.begin(now, &mut self.log);
        }
    }

    /// A stream of this identity opens. Does nothing but between streams.
    pub fn connect(&mut self, now: Duration, identity: Identity, out: &mut Outbox) {
        if self.phase == Phase::Held && self.pass(now, &mut Outbox::new()) {
            self.log.report.call_sid.clone_from(&identity.call_sid);
            self.stream.wire.begin(identity);
            self.phase = Phase::Open;
            self.stream.open(now, &mut self.log, out);
        }
    }

    /// The carrier leaves the stream. Returns what is to be said on it before it closes, if anything is.
    pub fn disconnect(&mut self, now: Duration, out: &mut Outbox) -> Option<String> {
        if self.phase != Phase::Open || !self.pass(now, out) {
            return None;
        }
        let stop = self.stop_before_close.then(|| self.stream.wire.stop());
        self.hold(now);
        stop
    }

    /// The caller hears somebody who comes over no stream, for so long. Not while there is a stream.
    pub fn hear(&mut self, now: Duration, length: Duration) {
        if self.phase == Phase::Held {
            self.stream.hear_voice(now, length);
        }
    }

    /// What was to be [heard](Self::hear) is not heard any more.
    pub fn hush(&mut self, now: Duration) {
        if self.phase == Phase::Held {
            self.stream.hush(now, &mut self.log);
        }
    }

    /// The carrier ends the call. A caller who has hung up already has done it themselves.
    pub fn hang_up(&mut self, now: Duration, ended: Ended) {
        if self.pass(now, &mut Outbox::new()) {
            self.end(now, ended);
        } else if self.phase == Phase::Idle {
            self.phase = Phase::Over;
            self.log.report.ended = Some(ended);
        }
    }

    /// The stream is gone; the caller is still there.
    pub(super) fn hold(&mut self, now: Duration) {
        self.phase = Phase::Held;
        self.stream.close(now, &mut self.log);
    }
}
