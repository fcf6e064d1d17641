//! Whether a new call is taken, before it is answered.

use crate::core::front::Progress;

/// How the house stands, as far as new calls go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct House {
    /// There is too much to do for another call.
    pub is_full: bool,
    /// Some provider takes new calls.
    pub has_provider: bool,
    /// A caller for whom there is none has something to choose: a call back, a person, a message.
    pub has_menu: bool,
}

impl House {
    /// Whether a stream has anything to say to its caller.
    pub const fn has_words(self) -> bool {
        self.has_provider || self.has_menu
    }
}

/// What a new caller gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// An agent.
    Stream,
    /// The busy tone: the call is not answered.
    Busy,
    /// Words that nobody can take the call, and the end.
    Apology,
    /// Nothing: the call is over, and somebody asks for it again.
    Hangup,
}

/// Decides on a call that asks to be answered; `is_over`: we know that it has ended.
///
/// A call that rings can be refused: its caller hears the busy tone and pays nothing. One that was answered can only be told.
pub const fn answer(house: House, progress: Progress, is_over: bool) -> Welcome {
    match (progress, is_over) {
        (Progress::Over, _) | (_, true) => Welcome::Hangup,
        (Progress::Ringing, false) if house.is_full => Welcome::Busy,
        (Progress::Answered, false) if house.is_full => Welcome::Apology,
        (Progress::Ringing | Progress::Answered, false) if !house.has_words() => Welcome::Apology,
        (Progress::Ringing | Progress::Answered, false) => Welcome::Stream,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_and_the_call_decide() {
        const WELL: House = House {
            is_full: false,
            has_provider: true,
            has_menu: false,
        };
        const FULL: House = House {
            is_full: true,
            ..WELL
        };
        const ALONE: House = House {
            has_provider: false,
            ..WELL
        };
        const OFFERS: House = House {
            has_menu: true,
            ..ALONE
        };
        const BOTH: House = House {
            is_full: true,
            ..ALONE
        };
        for (house, progress, is_over, welcome) in [
            (WELL, Progress::Ringing, false, Welcome::Stream),
            (WELL, Progress::Answered, false, Welcome::Stream),
            (WELL, Progress::Over, false, Welcome::Hangup),
            (WELL, Progress::Ringing, true, Welcome::Hangup),
            (WELL, Progress::Answered, true, Welcome::Hangup),
            (FULL, Progress::Ringing, false, Welcome::Busy),
            (FULL, Progress::Answered, false, Welcome::Apology),
            (FULL, Progress::Answered, true, Welcome::Hangup),
            (ALONE, Progress::Ringing, false, Welcome::Apology),
            (ALONE, Progress::Answered, false, Welcome::Apology),
            (ALONE, Progress::Over, false, Welcome::Hangup),
            (OFFERS, Progress::Ringing, false, Welcome::Stream),
            (OFFERS, Progress::Answered, false, Welcome::Stream),
            (BOTH, Progress::Ringing, false, Welcome::Busy),
            (BOTH, Progress::Answered, false, Welcome::Apology),
        ] {
            let decided = answer(house, progress, is_over);
            assert_eq!(decided, welcome, "{house:?} {progress:?} {is_over}");
        }
    }
}
