//! Which prompts make an offer. Recordings say fixed words, so an offer is made of those that say no more than is on offer.

use crate::core::call::menu::settings::Menu;
use crate::core::call::prompt::Prompt;

/// How the menu begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// With words that offer something to be chosen.
    Offer(Prompt),
    /// With nothing to choose: the caller is connected to a person at once.
    Person,
    /// With nothing to choose: the caller is asked for a message.
    Message,
    /// With nothing at all.
    Nothing,
}

impl Opening {
    /// The opening that fits. What the words do not name is gone on to by itself when nothing is chosen, and has its key all the
    /// same.
    pub(super) const fn of(menu: &Menu) -> Self {
        match (menu.call_back, menu.person, menu.message) {
            (true, true, true) => Self::Offer(Prompt::Apology),
            (true, _, _) => Self::Offer(Prompt::Busy),
            (false, true, _) => Self::Person,
            (false, false, true) => Self::Message,
            (false, false, false) => Self::Nothing,
        }
    }
}
