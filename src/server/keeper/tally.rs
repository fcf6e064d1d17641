//! How the store fares: what it refused is counted, and told once.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Recovered;
use super::state::CallState;
use crate::store::{CallRecord, StoreError};
use crate::telemetry::{Count, Telemetry};

/// How the store fares, and who is told.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) telemetry: Telemetry,
    /// Whether the log knows that something is wrong.
    pub(super) is_told: AtomicBool,
    /// Whether the log knows that something is left alone.
    pub(super) is_told_of_others: AtomicBool,
}

impl Tally {
    /// Counts what failed, and tells when it begins: what comes after it gets no line of its own.
    pub(super) fn note<T>(&self, answer: Result<T, StoreError>) -> Option<T> {
        answer.map_err(|error| self.failed(&error)).ok()
    }

    /// What has expired and cannot be read stays, for a version that can: it is in nobody's way, and told once.
    pub(super) fn leaves_alone(&self, records: usize) {
        if records > 0 && !self.is_told_of_others.swap(true, Ordering::Relaxed) {
            self.telemetry.count(Count::StoreFaults);
            tracing::warn!(
                records,
                "what has expired is not thrown away, for it cannot be read"
            );
        }
    }

    /// Nothing has failed for a while.
    pub(super) fn is_well(&self) {
        if self.is_told.swap(false, Ordering::Relaxed) {
            tracing::info!("the store is well again");
        }
    }

    pub(super) fn failed(&self, error: &StoreError) {
        self.telemetry.count(match error {
            StoreError::Disk(_)
            | StoreError::Away(_)
            | StoreError::Full
            | StoreError::ReadOnly
            | StoreError::Loading
            | StoreError::Denied(_) => Count::StoreRefused,
            StoreError::TimedOut | StoreError::TooFewReplicas(_) => Count::StoreLate,
            StoreError::Overloaded => Count::StoreOverloaded,
            StoreError::Newer(_)
            | StoreError::Damaged(_)
            | StoreError::Unfit(_)
            | StoreError::TooLong(_)
            | StoreError::Closed
            | StoreError::Bug => Count::StoreFaults,
        });
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the store does not keep what it should: calls go on, and will not survive a restart");
        }
    }

    /// A call without its words is still a call.
    pub(super) fn read(&self, call: &CallRecord) -> Recovered {
        let state = CallState::read(&call.state).unwrap_or_else(|_| {
            self.failed(&StoreError::Damaged("conversation"));
            CallState::default()
        });
        let CallRecord { sid, by, turn, .. } = *call;
        Recovered {
            sid,
            by,
            turn,
            state,
        }
    }
}
