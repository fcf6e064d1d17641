//! What comes first, after a stream, after a person, and after a document that could not be had.

use crate::core::front::{Card, Endings, House, Person, Progress, Standing, Welcome, answer};
use crate::core::ids::{CallId, CallSid};
use crate::core::time::Instant;

/// What is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A stream.
    Stream,
    /// The conversation with a person.
    Conversation,
    /// The attempt to reach a person.
    Dial,
}

/// Why the carrier asks elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It could not get a document.
    Fetch,
    /// It got one that it cannot carry out.
    Document,
}

/// What a caller gets next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The end.
    Hangup,
    /// The busy tone: the call is not answered.
    Busy,
    /// The conversation begins or goes on, on a new stream.
    Stream(Card),
    /// Words that nobody can take the call, and the end.
    Apologize,
    /// A person. The card is that of the stream before.
    Dial(Person, Card),
}

/// Decides on a call that asks to be answered, and remembers it. `new` names a call that nothing is known of.
pub fn receive(
    endings: &mut Endings,
    now: Instant,
    call: CallSid,
    new: CallId,
    progress: Progress,
    house: House,
) -> Next {
    match answer(house, progress, endings.is_over(now, call)) {
        Welcome::Stream => Next::Stream(endings.issue(now, call, None, new)),
        Welcome::Busy => Next::Busy,
        Welcome::Apology => Next::Apologize,
        Welcome::Hangup => Next::Hangup,
    }
}

/// Decides what comes after `over`, and remembers it.
///
/// `card` is what the document said whose time is over; `new` names a call that nothing is known of. A call that ended ends.
/// Any other goes on, however its stream was lost: at most [`RESUMES_MAX`](super::RESUMES_MAX) times within
/// [`RESUMES_WITHIN`](super::RESUMES_WITHIN). A full house takes it all the same: it is no new call.
pub fn next(
    endings: &mut Endings,
    now: Instant,
    call: CallSid,
    (card, new): (Option<Card>, CallId),
    (progress, over): (Progress, Over),
    house: House,
) -> Next {
    let known = endings.known(now, call).cloned();
    let standing = known
        .as_ref()
        .map_or(Standing::Open, |known| known.standing.clone());
    let last = known.as_ref().map(|known| known.card).or(card);
    if progress == Progress::Over {
        endings.is_told_over(now, call);
        return Next::Hangup;
    }
    match (standing, over) {
        (Standing::Ended, _) => Next::Hangup,
        // Whoever is wanted here may have been rung by another node's word.
        (_, Over::Conversation) => {
            end(endings, now, call, last);
            Next::Hangup
        }
        (Standing::Wanted(people), Over::Stream)
        | (Standing::Connected(Some(people)), Over::Dial) => {
            let card = last.unwrap_or(Card { id: new, epoch: 0 });
            let (person, others) = people.split();
            endings.connect(now, call, others);
            Next::Dial(person, card)
        }
        // Each time is one that the caller has chosen.
        (Standing::Connected(None) | Standing::Wanted(_), Over::Dial) if house.has_words() => {
            Next::Stream(endings.issue_unreached(now, call, card, new))
        }
        (
            Standing::Open | Standing::Unreached | Standing::Connected(_) | Standing::Wanted(_),
            Over::Stream | Over::Dial,
        ) => {
            let is_worn_out = known.is_some_and(|known| known.is_worn_out(now));
            if is_worn_out || !house.has_words() {
                end(endings, now, call, last);
                return Next::Apologize;
            }
            Next::Stream(endings.issue_again(now, call, card, new))
        }
    }
}

/// Decides for a carrier that has failed to get or to carry out a document of ours.
///
/// A call that rings is as good as new. One that was answered goes on, unless it is our documents that cannot be carried out.
pub fn fallback(
    endings: &mut Endings,
    now: Instant,
    call: CallSid,
    new: CallId,
    (progress, failed): (Progress, Failed),
    house: House,
) -> Next {
    match (failed, progress) {
        (Failed::Document, Progress::Ringing | Progress::Answered)
            if !endings.is_over(now, call) =>
        {
            let last = endings.known(now, call).map(|known| known.card);
            end(endings, now, call, last);
            Next::Apologize
        }
        (Failed::Fetch, Progress::Ringing) => receive(endings, now, call, new, progress, house),
        (Failed::Document | Failed::Fetch, _) => {
            let over = (progress, Over::Stream);
            next(endings, now, call, (None, new), over, house)
        }
    }
}

fn end(endings: &mut Endings, now: Instant, call: CallSid, card: Option<Card>) {
    if let Some(card) = card {
        endings.ended(now, call, card);
    }
}

#[cfg(test)]
mod tests;
