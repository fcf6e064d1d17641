//! Where a caller stands in the menu, as far as can be told from outside; and which of what can happen was met where.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use ringback::core::call::prompt::Prompt;

use super::desk::Seen;

/// A place in the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Not in it.
    Outside,
    Offering,
    Keying,
    Confirming,
    Promising,
    Inviting,
    Beeping,
    Taping,
    Saving,
    Closing,
}

impl Place {
    const ALL: [Self; 9] = [
        Self::Offering,
        Self::Keying,
        Self::Confirming,
        Self::Promising,
        Self::Inviting,
        Self::Beeping,
        Self::Taping,
        Self::Saving,
        Self::Closing,
    ];

    /// The place after this.
    fn after(self, seen: &Seen) -> Self {
        match seen {
            Seen::Apologized => Self::Offering,
            Seen::Returned | Seen::Ended => Self::Outside,
            _ if self == Self::Outside => self,
            Seen::Wish(_) => Self::Promising,
            Seen::Begin => Self::Taping,
            Seen::End(true) => Self::Saving,
            Seen::Prompted(prompt) => match prompt {
                Prompt::AskNumber => Self::Keying,
                Prompt::ConfirmNumber => Self::Confirming,
                Prompt::LeaveMessage => Self::Inviting,
                Prompt::Tone => Self::Beeping,
                Prompt::Promised
                | Prompt::AlreadyPromised
                | Prompt::TextSent
                | Prompt::MessageSaved
                | Prompt::Goodbye
                | Prompt::ApologyOnly
                | Prompt::Transferring => Self::Closing,
                _ => self,
            },
            _ => self,
        }
    }
}

/// What was seen, when, and where the caller stood before it.
pub(super) type Journey<'a> = Vec<(Duration, Place, &'a Seen)>;

/// The way of a call through its menu.
pub(super) fn journey(menu: &[(Duration, Seen)]) -> Journey<'_> {
    let mut place = Place::Outside;
    let steps = menu.iter().map(|(at, seen)| {
        let before = place;
        place = place.after(seen);
        (*at, before, seen)
    });
    steps.collect()
}

/// What can happen to who stands somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Key,
    Speech,
    Answer,
    ModelsBack,
    HungUp,
    /// Time alone brings the next place.
    GoesOn,
}

const EVENTS: [(Event, &str); 6] = [
    (Event::Key, "key"),
    (Event::Speech, "speech"),
    (Event::Answer, "answer"),
    (Event::ModelsBack, "models"),
    (Event::HungUp, "hang up"),
    (Event::GoesOn, "goes on"),
];

/// How often each was met where.
#[derive(Debug, Default)]
pub(super) struct Coverage(BTreeMap<(Place, Event), usize>);

impl Coverage {
    pub(super) fn count(&mut self, journey: &Journey<'_>) {
        for step in journey.windows(2) {
            let [(_, place, seen), (_, next, _)] = step else {
                continue;
            };
            let event = match seen {
                Seen::Key(_) => Event::Key,
                Seen::Media(true, _) => Event::Speech,
                Seen::Promised(_) | Seen::Recorded(_) => Event::Answer,
                Seen::ModelsBack => Event::ModelsBack,
                Seen::HungUp => Event::HungUp,
                _ if next != place => Event::GoesOn,
                _ => continue,
            };
            *self.0.entry((*place, event)).or_default() += 1;
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut table = format!("{:<12}", "place");
        for (_, name) in EVENTS {
            write!(table, "{name:>10}").unwrap();
        }
        for place in Place::ALL {
            write!(table, "\n{:<12}", format!("{place:?}")).unwrap();
            for (event, _) in EVENTS {
                let times = self.0.get(&(place, event)).copied().unwrap_or(0);
                write!(table, "{times:>10}").unwrap();
            }
        }
        table
    }

    /// What should have been met and was not.
    pub(super) fn missing(&self) -> Vec<String> {
        let wanted = Place::ALL.into_iter().flat_map(|place| {
            let events = EVENTS.into_iter().filter(move |(event, _)| {
                let answers = matches!(place, Place::Promising | Place::Saving | Place::Closing);
                answers || *event != Event::Answer
            });
            events.map(move |(event, name)| (place, event, name))
        });
        let missing = wanted.filter(|(place, event, _)| !self.0.contains_key(&(*place, *event)));
        missing
            .map(|(place, _, name)| format!("{name} while {place:?}"))
            .collect()
    }
}
