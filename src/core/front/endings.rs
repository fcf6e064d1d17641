//! What is known of calls between their streams: whether they have ended, and how often they were put together again.

use std::fmt;
use std::time::Duration;

use crate::core::front::{Card, Expiring};
use crate::core::ids::{CallId, CallSid};
use crate::core::time::Instant;

/// How many calls are remembered; beyond it the oldest is forgotten, and taken for one that goes on if it is asked for.
pub const CALLS_REMEMBERED: usize = 65_536;

/// How long one is: no call lasts longer than a day.
const REMEMBERED_FOR: Duration = Duration::from_hours(25);

/// How often a call is put together again within [`RESUMES_WITHIN`]; then its caller hears an apology.
pub const RESUMES_MAX: usize = 2;

/// See [`RESUMES_MAX`].
pub const RESUMES_WITHIN: Duration = Duration::from_mins(1);

/// For how long at most a caller counts as one who speaks with a person: the carrier's own limit on a connection, so that one of
/// whose end nobody tells us counts no longer than it can last.
pub const WITH_PERSON_MAX: Duration = Duration::from_hours(4);

/// Where a person is whom a caller is connected to: a number in E.164, or a SIP address with `sip:` before it.
#[derive(Clone, PartialEq, Eq)]
pub struct Person(pub Box<str>);

impl Person {
    /// Whether it is a SIP address.
    pub fn is_sip(&self) -> bool {
        self.0.starts_with("sip:")
    }
}

/// A number stays out of logs.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(_)")
    }
}

/// Those whom a caller is connected to, one after the other until somebody answers; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    first: Person,
    others: Box<[Person]>,
}

impl People {
    /// In this order; `None`: there is nobody.
    pub fn new(people: impl IntoIterator<Item = Person>) -> Option<Self> {
        let mut people = people.into_iter();
        Some(Self {
            first: people.next()?,
            others: people.collect(),
        })
    }

    /// Whom to ring now, and those who come after.
    pub(super) fn split(self) -> (Person, Option<Self>) {
        (self.first, Self::new(self.others))
    }
}

/// What is known of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The call, and its newest document that connects a stream.
    pub card: Card,
    /// What is to become of it.
    pub standing: Standing,
    /// When it was put together again, the newest first.
    pub(super) resumed: [Option<Instant>; RESUMES_MAX],
    /// When it was last given away to a person.
    pub(super) given_away: Option<Instant>,
}

/// What is to become of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Open,
    /// Everything was said: whoever asks for it again is to hang up.
    Ended,
    /// Its caller is to be connected to a person.
    Wanted(People),
    /// Its caller is being connected, or speaks with a person; these were not rung yet.
    Connected(Option<People>),
    /// It goes on, for nobody whom its caller wanted could be reached.
    Unreached,
}

impl Known {
    /// Whether it has just been put together as often as it may be.
    pub(super) fn is_worn_out(&self, now: Instant) -> bool {
        let lately = |at: &Option<Instant>| at.is_some_and(|at| now.since(at) < RESUMES_WITHIN);
        self.resumed.iter().all(lately)
    }
}

/// The calls of the last day, in memory. Nothing in it is needed to go on with a call: a call that is not known goes on.
#[derive(Debug)]
pub struct Endings(Expiring<CallSid, Known>);

impl Default for Endings {
    fn default() -> Self {
        Self(Expiring::new(CALLS_REMEMBERED, REMEMBERED_FOR))
    }
}

impl Endings {
    /// What is known of a call.
    pub fn known(&self, now: Instant, call: CallSid) -> Option<&Known> {
        self.0.get(now, &call)
    }

    /// Whether the call has ended.
    pub fn is_over(&self, now: Instant, call: CallSid) -> bool {
        let known = self.known(now, call);
        known.is_some_and(|known| known.standing == Standing::Ended)
    }

    /// A document is written that connects a stream: its card. A call that is not known begins, and is known by `new` from now
    /// on, or by what an earlier document of its says.
    pub fn issue(
        &mut self,
        now: Instant,
        call: CallSid,
        earlier: Option<Card>,
        new: CallId,
    ) -> Card {
        let mut known = self.known(now, call).cloned().unwrap_or(Known {
            card: earlier.unwrap_or(Card { id: new, epoch: 0 }),
            standing: Standing::Open,
            resumed: [None; RESUMES_MAX],
            given_away: None,
        });
        known.card.epoch = known.card.epoch.saturating_add(1);
        known.standing = Standing::Open;
        let card = known.card;
        self.0.put(now, call, known);
        card
    }

    /// The same where the call is put together again, which is remembered.
    pub fn issue_again(
        &mut self,
        now: Instant,
        call: CallSid,
        earlier: Option<Card>,
        new: CallId,
    ) -> Card {
        let card = self.issue(now, call, earlier, new);
        if let Some(known) = self.0.get_mut(now, &call) {
            known.resumed.rotate_right(1);
            if let Some(newest) = known.resumed.first_mut() {
                *newest = Some(now);
            }
        }
        card
    }

    /// What was known of a call before this memory began, if nothing is known of it by now; `resumed` says how long ago it was
    /// put together again, the newest first.
    pub fn recall(
        &mut self,
        now: Instant,
        call: CallSid,
        (card, standing): (Card, Standing),
        resumed: impl IntoIterator<Item = Duration>,
    ) {
        if self.known(now, call).is_some() {
            return;
        }
        let mut known = Known {
            card,
            standing,
            resumed: [None; RESUMES_MAX],
            given_away: Some(now),
        };
        let lately = resumed.into_iter().filter(|ago| *ago < RESUMES_WITHIN);
        for (place, ago) in known.resumed.iter_mut().zip(lately) {
            // What lies before the beginning counts from there: a little longer than it should.
            *place = Some(now - ago);
        }
        self.0.put(now, call, known);
    }

    /// A newer document of a call is known of, whoever has written it: it counts from now on, and the call stands so. `resumed`
    /// is as in [`recall`](Self::recall).
    pub fn adopt(
        &mut self,
        now: Instant,
        call: CallSid,
        (card, standing): (Card, Standing),
        resumed: impl IntoIterator<Item = Duration>,
    ) {
        let known = self.known(now, call);
        if known.is_none_or(|known| known.card.epoch < card.epoch) {
            self.0.remove(&call);
            self.recall(now, call, (card, standing), resumed);
        }
    }

    /// How long ago a call was put together again, the newest first.
    pub fn resumed(&self, now: Instant, call: CallSid) -> impl Iterator<Item = Duration> {
        let known = self.known(now, call);
        let resumed = known.map_or([None; RESUMES_MAX], |known| known.resumed);
        resumed.into_iter().flatten().map(move |at| now.since(at))
    }

    /// Everything was said on the stream of this document. `false`: a newer document was written since, and the call goes on.
    pub fn ended(&mut self, now: Instant, call: CallSid, card: Card) -> bool {
        self.settle(now, call, card, Standing::Ended)
    }

    /// The caller of this document's stream is to be connected to one of these, as soon as the carrier asks.
    pub fn wants(&mut self, now: Instant, call: CallSid, card: Card, people: People) -> bool {
        self.settle(now, call, card, Standing::Wanted(people))
    }

    /// The carrier says that the call is over.
    pub fn is_told_over(&mut self, now: Instant, call: CallSid) {
        if let Some(known) = self.0.get_mut(now, &call) {
            known.standing = Standing::Ended;
        }
    }

    /// Whether nobody whom the caller wanted could be reached, and this is the document that follows.
    pub fn is_unreached(&self, now: Instant, call: CallSid) -> bool {
        let known = self.known(now, call);
        known.is_some_and(|known| known.standing == Standing::Unreached)
    }

    /// Whether the caller is being connected to a person, or speaks with one: from the end of their stream until the carrier asks
    /// what comes next or says that the call is over, and for [`WITH_PERSON_MAX`] where it does neither.
    pub fn is_with_person(&self, now: Instant, call: CallSid) -> bool {
        let is_away = |known: &Known| match known.standing {
            Standing::Wanted(_) | Standing::Connected(_) => known
                .given_away
                .is_some_and(|at| now.since(at) < WITH_PERSON_MAX),
            Standing::Open | Standing::Ended | Standing::Unreached => false,
        };
        self.known(now, call).is_some_and(is_away)
    }

    /// The caller is being connected; these were not rung yet.
    pub(super) fn connect(&mut self, now: Instant, call: CallSid, others: Option<People>) {
        if let Some(known) = self.0.get_mut(now, &call) {
            known.standing = Standing::Connected(others);
            known.given_away = Some(now);
        }
    }

    /// The same as [`issue`](Self::issue), where nobody whom the caller wanted could be reached.
    pub(super) fn issue_unreached(
        &mut self,
        now: Instant,
        call: CallSid,
        earlier: Option<Card>,
        new: CallId,
    ) -> Card {
        let card = self.issue(now, call, earlier, new);
        if let Some(known) = self.0.get_mut(now, &call) {
            known.standing = Standing::Unreached;
        }
        card
    }

    fn settle(&mut self, now: Instant, call: CallSid, card: Card, standing: Standing) -> bool {
        let known = self.known(now, call);
        if known.is_some_and(|known| known.card.epoch > card.epoch) {
            return false;
        }
        let resumed = known.map_or([None; RESUMES_MAX], |known| known.resumed);
        let known = Known {
            card,
            standing,
            resumed,
            given_away: Some(now),
        };
        self.0.put(now, call, known);
        true
    }
}
