//! What comes after a stream, where others may know more of a call than this node: asks them, and does what follows.
//!
//! It must not decide: what others say is weighed in [`crate::core::region::resume`], and what a front door knows alone in
//! [`crate::core::front`]. Whom to ask is known to [`super::super::resuming`].

use std::sync::Arc;

use super::super::Shared;
use super::super::checkpoints::Left;
use super::super::front::{Front, Opening, new_call};
use super::super::keeper::Recalled;
use super::super::menu::people;
use super::{Hook, Received};
use crate::carrier::twilio::address::PublicUrl;
use crate::carrier::twilio::webhook::Voice;
use crate::config::Agent;
use crate::core::call::checkpoint::Checkpoint;
use crate::core::front::{Card, Failed, House, Next, Over, Progress, Standing, next};
use crate::core::ids::{CallId, CallSid};
use crate::core::region::Peer;
use crate::core::region::owner::Tenure;
use crate::core::region::resume::{Account, Fate, Memory, Question, Resumed, StoreSays, Verdict};
use crate::core::time::Instant;
use crate::telemetry::Count;

/// What a caller gets next, and what its document says of the stream, where there is one.
pub(super) struct Given<'a> {
    pub(super) next: Next,
    pub(super) opening: Opening<'a>,
}

impl<'a> Given<'a> {
    /// One that gets no stream.
    fn none(next: Next) -> Self {
        let opening = Opening::default();
        Self { next, opening }
    }

    /// A new call that another node gets.
    pub(super) fn away(id: CallId, home: (Peer, &'a PublicUrl)) -> Self {
        let opening = Opening {
            home: Some(home),
            is_fresh: true,
            ..Opening::default()
        };
        let next = Next::Stream(Card { id, epoch: 1 });
        Self { next, opening }
    }

    /// The same by a node whose streams are let go, where there is nobody else: who would have got one here hears our apology.
    pub(super) fn at_end(self, front: &Front, now: Instant, call: CallSid) -> Self {
        match self.next {
            Next::Stream(_) if self.opening.home.is_none() => {
                front.memory().endings.is_told_over(now, call);
                Self::none(Next::Apologize)
            }
            Next::Stream(_) | Next::Hangup | Next::Busy | Next::Apologize | Next::Dial(..) => self,
        }
    }

    /// A call that goes on.
    const fn on(next: Next, home: Option<(Peer, &'a PublicUrl)>, resumed: Resumed) -> Self {
        let opening = Opening {
            home,
            resumed,
            is_fresh: false,
        };
        Self { next, opening }
    }
}

/// Whether the call has not begun: it is as good as new, whoever could not give it a document.
pub(super) fn is_new(hook: Hook, voice: &Voice) -> bool {
    match (hook, voice.progress, voice.failed) {
        (Hook::Answer, _, _) | (Hook::Fallback, Progress::Ringing, Failed::Fetch) => true,
        (
            Hook::Fallback | Hook::Next | Hook::Whisper | Hook::StreamStatus | Hook::CallStatus,
            Progress::Ringing | Progress::Answered | Progress::Over,
            Failed::Fetch | Failed::Document,
        ) => false,
    }
}

/// Asks others what they know of a call, and says what follows; `None`: what is known here is enough, there are no others, or the call
/// begins.
pub(super) async fn ask(
    hook: Hook,
    shared: &Shared,
    front: &Front,
    voice: &Voice,
    received: &Received,
) -> Option<Verdict<Checkpoint>> {
    let call = voice.call;
    if hook == Hook::Answer && voice.progress == Progress::Ringing {
        return None;
    }
    if !shared.has_others() {
        recall(shared, front, voice, received).await;
        return None;
    }
    let now = shared.clock.now();
    let standing = front.memory().endings.known(now, call).cloned();
    let standing = standing.map(|known| known.standing);
    let is_known_here = match (voice.over, &standing) {
        (Over::Conversation, _) | (Over::Dial, Some(Standing::Connected(_))) => true,
        (Over::Stream | Over::Dial, _) => false,
    };
    if voice.progress != Progress::Answered || is_known_here {
        return None;
    }
    let ticket = received.ticket.as_ref();
    let ticket = ticket.and_then(|text| front.ticket(call, text));
    let new = Card {
        id: new_call(),
        epoch: 0,
    };
    let own = match shared.account(front, now, call, ticket.as_ref()) {
        Some(own) => Some(own),
        None => shared.keeper.account_here(call).await,
    };
    let question = match ticket {
        Some(ticket) => Question::Ticket {
            card: ticket.card,
            // Where nobody is named, nobody but the store is asked.
            home: ticket.home.unwrap_or(shared.me),
            resumed: ticket.resumed,
        },
        None => Question::Bare { new },
    };
    let (verdict, utc) = shared.ask_others(question, call, own).await;
    if hook == Hook::Answer && is_of(&verdict, new.id) {
        return None; // Somebody else has answered it, and sends it here: to us it begins.
    }
    shared.count_resumed(&verdict, utc);
    if hook == Hook::Fallback && voice.failed == Failed::Document {
        // It is our documents that cannot be carried out: only that it has ended is of use.
        return matches!(verdict, Verdict::Hangup).then_some(verdict);
    }
    Some(verdict)
}

/// Whether a call goes on by this name.
fn is_of(verdict: &Verdict<Checkpoint>, id: CallId) -> bool {
    match verdict {
        Verdict::Hangup | Verdict::Apologize | Verdict::Person(_) => false,
        Verdict::Back { last, .. } | Verdict::Here { last, .. } => last.id == id,
    }
}

/// Does what follows from what others say, and remembers it.
pub(super) fn follow<'a>(
    verdict: Verdict<Checkpoint>,
    shared: &'a Shared,
    front: &Front,
    voice: &Voice,
    (house, agent): (House, &Agent),
) -> Given<'a> {
    let (now, call) = (shared.clock.now(), voice.call);
    if front.memory().endings.is_over(now, call) {
        // It was said meanwhile.
        return Given::none(Next::Hangup);
    }
    let card = verdict.card();
    match (verdict, card) {
        (Verdict::Hangup, _) => Given::none(Next::Hangup),
        (Verdict::Person(account), _) => {
            let next = person(account, shared, front, voice, (house, agent));
            Given::on(next, None, front.resumed(now, call))
        }
        (Verdict::Back { home, resumed, .. }, Some(card))
            if let Some(place) = shared.place_of(home) =>
        {
            Given::on(Next::Stream(card), Some((home, place)), resumed)
        }
        (
            Verdict::Here {
                last,
                resumed,
                memory,
            },
            Some(card),
        ) if house.has_words() => {
            let standing = match voice.over {
                Over::Stream | Over::Conversation => Standing::Open,
                Over::Dial => Standing::Unreached,
            };
            front.adopt(now, call, (card, standing), resumed);
            remember(shared, call, (last, resumed), memory);
            Given::on(Next::Stream(card), None, resumed)
        }
        (Verdict::Apologize | Verdict::Back { .. } | Verdict::Here { .. }, _) => {
            front.memory().endings.is_told_over(now, call);
            Given::none(Next::Apologize)
        }
    }
}

/// A caller wants a person: they are those of the agent's file, which every node has. Whom another node has rung already is not
/// known here, so that nobody is rung after somebody who was not reached.
fn person(
    account: Account<Checkpoint>,
    shared: &Shared,
    front: &Front,
    voice: &Voice,
    (house, agent): (House, &Agent),
) -> Next {
    let (now, call) = (shared.clock.now(), voice.call);
    let standing = match (voice.over, people(agent)) {
        (Over::Stream, Some(people)) => Standing::Wanted(people),
        (Over::Stream | Over::Dial | Over::Conversation, _) => Standing::Connected(None),
    };
    let card = account.card;
    front.adopt(now, call, (card, standing), account.resumed);
    if let Some(checkpoint) = account.memory.and_then(|memory| memory.checkpoint) {
        let known = (card, account.resumed);
        remember(shared, call, known, Memory::Whole(checkpoint));
    }
    let endings = &mut front.memory().endings;
    let cards = (Some(card), card.id);
    next(
        endings,
        now,
        call,
        cards,
        (voice.progress, voice.over),
        house,
    )
}

/// What the next stream of a call here is told.
fn remember(
    shared: &Shared,
    call: CallSid,
    (last, resumed): (Card, Resumed),
    memory: Memory<Checkpoint>,
) {
    let checkpoint = match memory {
        Memory::Whole(checkpoint) => checkpoint,
        Memory::LastWordsLost(checkpoint) => Checkpoint {
            is_mid_turn: true,
            ..checkpoint
        },
        Memory::None | Memory::Newer => {
            // What is known here is older than what cannot be had.
            shared.checkpoints.forget(&call);
            return;
        }
    };
    let now = shared.clock.now();
    let known = shared.checkpoints.known(now, &call);
    if known.is_none_or(|known| known.checkpoint != checkpoint) {
        shared.telemetry.count(Count::CallsRecalled);
    }
    let left = Left {
        by: Tenure {
            card: last,
            owner: shared.me,
        },
        // There is no newer one before the next stream.
        turn: u32::MAX,
        fate: Fate::GoesOn,
        resumed,
        checkpoint,
    };
    shared.checkpoints.keep(now, call, left);
}

/// Asks the store beside the process for a call of which nothing is known in memory: of a life before. Twilio waits a moment for it,
/// and no longer.
async fn recall(shared: &Shared, front: &Front, voice: &Voice, received: &Received) {
    let call = voice.call;
    let is_known = |now| front.memory().endings.known(now, call).is_some();
    if !shared.keeper.is_there() || is_known(shared.clock.now()) {
        return;
    }
    match shared.keeper.look_up(call).await {
        None => {}
        Some(Recalled::Ended(id)) => {
            let ended = (Card { id, epoch: 0 }, Standing::Ended);
            let now = shared.clock.now();
            front.memory().endings.recall(now, call, ended, []);
        }
        Some(Recalled::InProgress(mut known)) => {
            let ticket = received.ticket.as_ref();
            let ticket = ticket.and_then(|ticket| front.ticket(call, ticket));
            let card = ticket.map(|ticket| ticket.card);
            if let Some(card) = card.filter(|card| card.id == known.by.card.id) {
                // A document was written after the last time that the call was.
                known.by.card.epoch = known.by.card.epoch.max(card.epoch);
            }
            shared.recall(*known);
        }
    }
}

/// The carrier says that a call is over: what is kept of it goes, its words first.
pub(super) fn keep_end(shared: &Arc<Shared>, front: &Front, call: CallSid) {
    let now = shared.clock.now();
    let id = front
        .memory()
        .endings
        .known(now, call)
        .map(|known| known.card.id);
    shared.checkpoints.forget(&call);
    if let Some(id) = id {
        // Nobody waits until it is written.
        drop(shared.keeper.end_call(call, id, None));
        return;
    }
    if !shared.keeper.is_shared() {
        return;
    }
    // Another node knows its name.
    let asking = Arc::clone(shared);
    shared.tasks.spawn("end of a call", async move {
        if let StoreSays::Call(account) = asking.keeper.account_shared(call).await
            && account.fate != Fate::Ended
        {
            drop(asking.keeper.end_call(call, account.card.id, None));
        }
    });
}
