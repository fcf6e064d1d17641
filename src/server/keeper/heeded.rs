//! What a store says of a call's owner, told to the stream that believes to be it.
//!
//! It owns the way from a store's ruling to the stream; what follows from a ruling is decided in
//! [`crate::core::region::owner`], and the stream lets go as it does when a newer one of its call comes to this node.

use std::sync::Arc;

use crate::core::ids::CallSid;
use crate::core::region::owner::{Hold, Ruling, Tenure, Word};
use crate::server::calls::Calls;
use crate::telemetry::{Count, Telemetry};

/// The streams that are told. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct Heeded {
    calls: Arc<Calls>,
    telemetry: Telemetry,
}

impl Heeded {
    pub(in crate::server) const fn new(calls: Arc<Calls>, telemetry: Telemetry) -> Self {
        Self { calls, telemetry }
    }

    /// A store has ruled on what this stream wanted to be kept.
    pub(in crate::server) fn heed(&self, sid: CallSid, by: Tenure, ruling: Ruling) {
        match by.hear(Word::Store(ruling)) {
            Hold::Keep => {}
            Hold::LetGo => {
                if self.calls.let_go(sid, by.card.epoch) {
                    self.telemetry.count(Count::StreamsLetGo);
                    tracing::info!(carrier_call = %sid, ?ruling, "a stream lets go: its call is not its own any more");
                }
            }
        }
    }
}
