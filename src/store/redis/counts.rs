//! What the shared store counts of itself.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// Counts since the start.
        #[derive(Debug, Default)]
        pub(super) struct Counts {
            $(pub(super) $name: Count,)+
        }

        /// What the shared store has done since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct RedisCounts {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl Counts {
            pub(super) fn read(&self) -> RedisCounts {
                RedisCounts {
                    $($name: self.$name.read(),)+
                }
            }
        }
    };
}

counts! {
    /// Commands that were sent, those of connecting apart.
    commands,
    /// Round trips that they took: what waits meanwhile shares the next one.
    round_trips,
    /// Requests that were refused because too many waited.
    refused,
    /// Requests that were not answered in time.
    timed_out,
    /// Requests that Redis, or the way to it, failed.
    failed,
    /// Connections that were opened.
    connected,
    /// Connections that were lost, or given up.
    lost,
    /// Attempts to connect that failed.
    not_connected,
    /// Advice of other nodes that came, for all who listen together.
    advice,
    /// Advice that is none of ours, or too long.
    advice_dropped,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, by: usize) {
        self.0.fetch_add(by as u64, Ordering::Relaxed);
    }

    pub(super) fn one(&self) {
        self.add(1);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
