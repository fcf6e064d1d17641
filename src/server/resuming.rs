//! What is known of a call here, and what others know of it.
//!
//! It owns whom to ask, and for how long: what nodes share and the call's home at once, 300 ms. It must not decide: what they say
//! is weighed in [`crate::core::region::resume`].

use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::sleep_until;

use super::Shared;
use super::clock::Clock;
use super::drain::Stage;
use super::front::Front;
use super::keeper::remembered;
use super::region::Said;
use super::region::call_words::CallWords;
use super::region::words::{self, Answer};
use crate::carrier::twilio::address::PublicUrl;
use crate::carrier::twilio::token::Ticket;
use crate::core::call::checkpoint::Checkpoint;
use crate::core::front::{Card, Standing};
use crate::core::ids::CallSid;
use crate::core::region::owner::{Hold, Tenure, Word};
use crate::core::region::resume::{
    ANSWER_WITHIN, Account, Ask, Fate, Heard, HomeSays, Question, Resume, Resumed, Verdict,
};
use crate::core::region::{Life, Peer};
use crate::core::time::{Instant, Utc};
use crate::telemetry::Count;

impl Shared {
    /// Whether others may know more of a call than this node.
    pub(super) const fn has_others(&self) -> bool {
        self.keeper.is_shared() || self.nodes.is_some()
    }

    /// What is known of a call in memory. `ticket` is what the carrier brings of it.
    pub(super) fn account(
        &self,
        front: &Front,
        now: Instant,
        call: CallSid,
        ticket: Option<&Ticket>,
    ) -> Option<Account<Checkpoint>> {
        let known = front.memory().endings.known(now, call).cloned();
        let left = self.checkpoints.known(now, &call);
        let card = match (&known, &left) {
            (Some(known), _) => known.card,
            (None, Some(left)) => left.by.card,
            (None, None) => return None,
        };
        // The stream of the newest document that is known here, if it is or was here.
        let held = left
            .as_ref()
            .filter(|left| left.by.card.epoch == card.epoch);
        let fate = match known.map(|known| known.standing) {
            Some(Standing::Ended) => Fate::Ended,
            Some(Standing::Wanted(_) | Standing::Connected(_)) => Fate::Person,
            Some(Standing::Open | Standing::Unreached) | None => {
                held.map_or(Fate::GoesOn, |left| left.fate)
            }
        };
        let is_of_ticket = |ticket: &Ticket| ticket.card == card && ticket.home == Some(self.me);
        let owner = match (held, ticket) {
            (Some(left), _) => left.by.owner,
            (None, Some(ticket)) if is_of_ticket(ticket) => self.me,
            // A document whose stream never came here: whoever has it is somebody else.
            (None, _) => Peer {
                life: Life(0),
                ..self.me
            },
        };
        // Times that were told by clocks of two kinds are never quite the same: what a document says is exact.
        let resumed = match (held, ticket) {
            (Some(left), _) => left.resumed,
            (None, Some(ticket)) if ticket.card == card => Resumed::default(),
            (None, _) => front.resumed(now, call),
        };
        Some(Account {
            card,
            owner,
            fate,
            resumed,
            memory: left.map(|left| remembered(left.version(), left.checkpoint)),
        })
    }

    /// Asks what nodes share and the call's home, until enough is known, 300 ms at most; what follows, and when that was decided.
    pub(super) async fn ask_others(
        &self,
        question: Question,
        call: CallSid,
        own: Option<Account<Checkpoint>>,
    ) -> (Verdict<Checkpoint>, Utc) {
        let clock = self.clock;
        let mut resume = Resume::new(clock.now(), self.me, question, own);
        let mut answers = FuturesUnordered::<BoxFuture<'_, Heard<Checkpoint>>>::new();
        let mut heard = Heard::Tick;
        loop {
            let utc = Clock::utc();
            if let Some(verdict) = resume.hear(clock.now(), utc, heard) {
                return (verdict, utc);
            }
            for ask in resume.asks() {
                answers.push(match ask {
                    Ask::Store => {
                        let says = self.keeper.account_shared(call);
                        says.map(Heard::Store).boxed()
                    }
                    Ask::Home(home) => {
                        let says = self.ask_home(home, call);
                        says.map(move |says| Heard::Home(home, says)).boxed()
                    }
                });
            }
            let at = resume.deadline().unwrap_or_else(|| clock.now());
            heard = tokio::select! {
                Some(heard) = answers.next() => heard,
                () = sleep_until(clock.timer_at(at)) => Heard::Tick,
            };
        }
    }

    /// Where another node is, for the carrier; `None`: no node of that name is known.
    pub(super) fn place_of(&self, home: Peer) -> Option<&PublicUrl> {
        self.nodes.as_ref()?.peers.url(home.node)
    }

    async fn ask_home(&self, home: Peer, call: CallSid) -> HomeSays<Checkpoint> {
        if home.node == self.me.node {
            return HomeSays::Stranger; // It was a life of this one, and is over.
        }
        let Some(nodes) = &self.nodes else {
            return HomeSays::Dead; // Nobody is known by that name.
        };
        let question = words::Question::Call(call.to_string());
        match nodes.peers.ask(home.node, &question, ANSWER_WITHIN).await {
            Err(_) => HomeSays::Dead,
            Ok(Said { from, answer }) => match answer {
                Answer::Call(words) => words.read(from == home).unwrap_or(HomeSays::Stranger),
                Answer::NoCall
                | Answer::NotUnderstood
                | Answer::Beat(_)
                | Answer::Heard
                | Answer::Vote(_)
                | Answer::Record(_) => HomeSays::Stranger,
            },
        }
    }

    /// What another node is told of a call: of one whose stream is or was here, or of which the end is known.
    pub(super) fn tell(&self, call: CallSid) -> Option<CallWords> {
        let (front, now) = (self.front.as_ref()?, self.clock.now());
        let account = self.account(front, now, call, None)?;
        let is_of_use = match account.fate {
            Fate::Ended | Fate::Person => true,
            // What a life before has kept is of use as well.
            Fate::GoesOn | Fate::HandedOver => account.owner.node == self.me.node,
        };
        let has_room = self.calls.are_live(&[call]) || self.calls.has_room();
        let takes = has_room
            && self.tasks.stage() == Stage::Serving
            && self.overload.stage().allows_calls();
        is_of_use.then(|| CallWords::of(account, takes))
    }

    /// A stream of a call that goes on has started here: nodes that may have an older one are told. Nobody waits for it.
    pub(super) fn tell_opened(self: &Arc<Self>, call: CallSid, card: Card) {
        if self.nodes.is_none() {
            return;
        }
        let shared = Arc::clone(self);
        self.tasks.spawn("newer stream", async move {
            let Some(nodes) = &shared.nodes else { return };
            let question = words::Question::Opened(call.to_string(), card.id.bits(), card.epoch);
            // Nodes that are gone would only keep others from their turn.
            let believed: Vec<_> = {
                let presence = nodes.presence();
                let beats = presence.believed(shared.clock.now());
                beats.map(|beat| beat.peer.node).collect()
            };
            let told = believed
                .into_iter()
                .map(|node| nodes.peers.ask(node, &question, ANSWER_WITHIN));
            // Who does not hear it is told by the store.
            drop(join_all(told).await);
        });
    }

    /// Another node has opened a stream of a call: an older one here lets go.
    pub(super) fn hear_opened(&self, call: CallSid, opened: Tenure) {
        let Some(left) = self.checkpoints.known(self.clock.now(), &call) else {
            return;
        };
        let (by, is_it) = (left.by, left.by.card.id == opened.card.id);
        if is_it
            && by.hear(Word::Opened(opened)) == Hold::LetGo
            && self.calls.let_go(call, by.card.epoch)
        {
            self.telemetry.count(Count::StreamsLetGo);
            tracing::info!(carrier_call = %call, to = %opened.owner.node, "a stream lets go: another node has a newer one");
        }
    }

    /// A call goes on by what was decided then: after a crash, or otherwise.
    pub(super) fn count_resumed(&self, verdict: &Verdict<Checkpoint>, utc: Utc) {
        match verdict {
            Verdict::Hangup | Verdict::Apologize | Verdict::Person(_) => {}
            Verdict::Back { resumed, .. } | Verdict::Here { resumed, .. } => {
                let is_crash = resumed.0.first() == Some(&Some(utc));
                self.telemetry.count(if is_crash {
                    Count::CallsResumed
                } else {
                    Count::CallsTakenOver
                });
            }
        }
    }
}
