//! What is known of a call here, and what others know of it.
//!
//! It owns whom to ask, and for how long: what nodes share and the call's home at once, 300 ms. It must not decide: what they say
//! is weighed in [`crate::core::region::resume`].

use futures_util::future::{BoxFuture, ready};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::sleep_until;

use super::Shared;
use super::clock::Clock;
use super::front::Front;
use super::keeper::remembered;
use crate::carrier::twilio::token::Ticket;
use crate::core::call::checkpoint::Checkpoint;
use crate::core::front::Standing;
use crate::core::ids::CallSid;
use crate::core::region::resume::{Account, Ask, Fate, Heard, HomeSays, Question, Resume, Verdict};
use crate::core::region::{Life, Peer};
use crate::core::time::{Instant, Utc};
use crate::telemetry::Count;

impl Shared {
    /// Whether others may know more of a call than this node.
    pub(super) const fn has_others(&self) -> bool {
        self.keeper.is_shared()
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
        Some(Account {
            card,
            owner,
            fate,
            resumed: front.resumed(now, call),
            memory: left.map(|left| remembered(left.version(), left.checkpoint)),
        })
    }

    /// Asks what nodes share and the call's home, until enough is known, 300 ms at most.
    pub(super) async fn ask_others(
        &self,
        question: Question,
        call: CallSid,
        own: Option<Account<Checkpoint>>,
    ) -> Verdict<Checkpoint> {
        let clock = self.clock;
        let mut resume = Resume::new(clock.now(), self.me, question, own);
        let mut answers = FuturesUnordered::<BoxFuture<'_, Heard<Checkpoint>>>::new();
        let mut heard = Heard::Tick;
        loop {
            let utc = Clock::utc();
            if let Some(verdict) = resume.hear(clock.now(), utc, heard) {
                self.count_resumed(&verdict, utc);
                return verdict;
            }
            for ask in resume.asks() {
                answers.push(match ask {
                    Ask::Store => {
                        let says = self.keeper.account_shared(call);
                        says.map(Heard::Store).boxed()
                    }
                    // A life of this node that is over, or somebody of whom it is not known where they are.
                    Ask::Home(home) => ready(Heard::Home(home, HomeSays::Dead)).boxed(),
                });
            }
            let at = resume.deadline().unwrap_or_else(|| clock.now());
            heard = tokio::select! {
                Some(heard) = answers.next() => heard,
                () = sleep_until(clock.timer_at(at)) => Heard::Tick,
            };
        }
    }

    fn count_resumed(&self, verdict: &Verdict<Checkpoint>, utc: Utc) {
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
