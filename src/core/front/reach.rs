//! How far we reach at the carrier, and what can therefore become of a call: the table of `src/docs/front-door.md`.

/// What a number was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The address of the stream alone, in a document that somebody else keeps.
    Stream,
    /// Our documents, which have the carrier ask what comes next.
    Action,
    /// The same, and credentials for the carrier's REST interface.
    Rest,
}

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Everything was said.
    Goodbye,
    /// Nobody can take the call.
    Apology,
    /// The caller is to be sent a text.
    Text,
    /// The caller is to be connected to a person.
    Person,
    /// The stream was lost, and the caller is still there.
    Resume,
    /// The process is going away.
    Drain,
}

/// How it is brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Not at all; callers are not offered it.
    Nothing,
    /// The stream is closed; the foreign document says what follows, or the call ends.
    Close,
    /// The stream is closed, and the answer to the carrier's question says it.
    CloseAndAnswer,
    /// The carrier is told by REST, and the stream is closed.
    Tell,
    /// The calls may end by themselves until the grace is over; then the stream is closed.
    WaitAndClose,
}

impl Reach {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Stream, Self::Action, Self::Rest];

    /// How a wish is brought about.
    pub const fn means(self, wish: Wish) -> Means {
        match (self, wish) {
            (Self::Stream, Wish::Goodbye | Wish::Apology) => Means::Close,
            (Self::Stream, Wish::Text | Wish::Person | Wish::Resume)
            | (Self::Action, Wish::Text) => Means::Nothing,
            (Self::Stream, Wish::Drain) => Means::WaitAndClose,
            (
                Self::Action,
                Wish::Goodbye | Wish::Apology | Wish::Person | Wish::Resume | Wish::Drain,
            )
            // The carrier asks by itself.
            | (Self::Rest, Wish::Person | Wish::Resume | Wish::Drain) => Means::CloseAndAnswer,
            (Self::Rest, Wish::Goodbye | Wish::Apology | Wish::Text) => Means::Tell,
        }
    }
}

impl Wish {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Goodbye,
        Self::Apology,
        Self::Text,
        Self::Person,
        Self::Resume,
        Self::Drain,
    ];

    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Goodbye => "goodbye",
            Self::Apology => "apology",
            Self::Text => "text",
            Self::Person => "person",
            Self::Resume => "resume",
            Self::Drain => "drain",
        }
    }
}

impl Means {
    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "not offered",
            Self::Close => "close",
            Self::CloseAndAnswer => "close, then `next`",
            Self::Tell => "REST, then close",
            Self::WaitAndClose => "wait, then close",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_table_is_this_one() {
        let document = include_str!("../../docs/front-door.md");
        for wish in Wish::ALL {
            let means = Reach::ALL.map(|reach| reach.means(wish).name());
            let row = format!("| {} | {} |", wish.name(), means.join(" | "));
            assert!(document.contains(&row), "no row {row}");
        }
    }

    #[test]
    fn whoever_reaches_further_can_do_no_less() {
        for wish in Wish::ALL {
            let can = Reach::ALL.map(|reach| reach.means(wish) != Means::Nothing);
            assert!(can.is_sorted(), "{wish:?}: {can:?}");
        }
    }
}
