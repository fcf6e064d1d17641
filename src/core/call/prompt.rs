//! What is said to the caller without a model: cached audio, at hand before it is needed.

/// A cached prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prompt {
    /// The first words of the call.
    Greeting,
    /// "One moment."
    OneMoment,
    /// "I'm still here."
    StillHere,
    /// An apology and a goodbye.
    Apology,
}

impl Prompt {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::OneMoment => "one_moment",
            Self::StillHere => "still_here",
            Self::Apology => "apology",
        }
    }
}
