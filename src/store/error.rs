//! Why the store did not do what it was asked for.

/// Why the store did not answer, or did not keep something.
///
/// After a failed *write* it is not known whether it was kept, unless the variant says so: write again what may be written
/// twice, and do nothing in the outside world on the strength of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too much waits already. Nothing was done.
    #[error("the store has more to do than it takes on")]
    Overloaded,
    /// It did not answer in time. What was to be written may still be.
    #[error("the store did not answer in time")]
    TimedOut,
    /// The disk refuses, or is not there; with the words of the operating system.
    #[error("the disk of the store refuses: {0}")]
    Disk(String),
    /// A record was written by a newer version. Nothing was done.
    #[error("the store holds a {0} of a newer version of ringback: go back to that version")]
    Newer(&'static str),
    /// A record cannot be read. Nothing was done.
    #[error("the store holds a {0} that is damaged, or sealed with another key")]
    Damaged(&'static str),
    /// What was to be kept is longer than allowed. Nothing was done.
    #[error("a {0} is longer than allowed")]
    TooLong(&'static str),
    /// The shared store cannot be reached, or was lost on the way; with the reason. What was to be written may still be.
    #[error("the shared store is away: {0}")]
    Away(String),
    /// It takes nothing more. Nothing was done.
    #[error("the memory of the shared store is full: give it more, or see who else fills it")]
    Full,
    /// It is a replica, or becomes one just now. Nothing was done.
    #[error("the shared store is a replica now, which takes no writes")]
    ReadOnly,
    /// It reads back what it keeps, after a start. Nothing was done.
    #[error("the shared store is still reading back what it keeps")]
    Loading,
    /// It does not let us in, or not do this. Nothing was done.
    #[error("the shared store does not let us: {0}")]
    Denied(String),
    /// What stands there is not ours, or not for this version or key: a person must look at it. Nothing was done.
    #[error("the shared store is not to be used: {0}")]
    Unfit(String),
    /// It is kept, but so few replicas said so in time that a fail-over may lose it.
    #[error("only {0} replicas of the shared store have it: a fail-over may lose it")]
    TooFewReplicas(usize),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A bug of ours; the store goes on.
    #[error("the store ran into a bug of its own")]
    Bug,
}

impl StoreError {
    /// Whether it is about one record alone: the others are no worse for it.
    pub const fn is_of_one_record(&self) -> bool {
        matches!(self, Self::Newer(_) | Self::Damaged(_))
    }
}
