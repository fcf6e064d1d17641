//! What the store counts of itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Counts {
    commits: AtomicU64,
    writes: AtomicU64,
    refused: AtomicU64,
    timed_out: AtomicU64,
    failed: AtomicU64,
    mended: AtomicU64,
    panics: AtomicU64,
}

/// What the store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Transactions that are on disk.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Requests that were refused because too many waited.
    pub refused: u64,
    /// Requests that were not answered in time.
    pub timed_out: u64,
    /// Writes that the disk refused.
    pub failed: u64,
    /// How often the file was opened anew after that.
    pub mended: u64,
    /// Bugs that were caught.
    pub panics: u64,
}

impl Counts {
    pub(super) fn committed(&self, writes: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.writes.fetch_add(writes as u64, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn timed_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, writes: usize) {
        self.failed.fetch_add(writes as u64, Ordering::Relaxed);
    }

    pub(super) fn mended(&self) {
        self.mended.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> StoreCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StoreCounts {
            commits: of(&self.commits),
            writes: of(&self.writes),
            refused: of(&self.refused),
            timed_out: of(&self.timed_out),
            failed: of(&self.failed),
            mended: of(&self.mended),
            panics: of(&self.panics),
        }
    }
}
