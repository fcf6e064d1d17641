//! What is told of a menu: names for logs and counts.

/// What a caller chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Choice {
    /// A text and a call back.
    CallBack,
    /// The same, by silence.
    Implied,
    /// A person.
    Person,
    /// A message after the tone, by a key or by staying on the line.
    Message,
    /// Nothing that there is.
    Nothing,
}

impl Choice {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallBack => "call_back",
            Self::Implied => "implied",
            Self::Person => "person",
            Self::Message => "message",
            Self::Nothing => "nothing",
        }
    }
}

/// What a caller was told of the call back that they want.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// That it is promised.
    Promised,
    /// That a text was sent, which has to be answered before anybody rings.
    Asks,
    /// That it was promised before.
    Already,
    /// To key another number.
    AnotherNumber,
    /// Nothing: something else was offered.
    Refused,
    /// The same, since nobody answered in time.
    Unanswered,
}

impl Told {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Promised => "promised",
            Self::Asks => "asks",
            Self::Already => "already",
            Self::AnotherNumber => "another_number",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}

/// What became of a message after the tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// It is kept.
    Kept,
    /// Nothing was said.
    Empty,
    /// It could not be kept.
    Lost,
    /// It was handed over, and nobody said in time what became of it; or the call ended before.
    Unknown,
}

impl Left {
    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Empty => "empty",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}
