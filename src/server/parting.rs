//! The end of a call at the carrier: what is to be on disk, what the carrier is told, and how long its socket waits for both.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::call_task::CallTask;
use super::front::last_wish;
use super::keeper::IsWritten;
use super::menu;
use crate::core::call::effect::EndReason;
use crate::core::front::Means;
use crate::core::region::resume::Fate;
use crate::core::time::Instant;

impl CallTask {
    /// The call is over: what comes after its stream is known before its socket closes.
    pub(super) fn part(&mut self, now: Instant, reason: EndReason) {
        let Some((call, card)) = self.admitted else {
            return;
        };
        let shared = &self.shared;
        if reason == EndReason::Transferred {
            let people = menu::people(&self.agent);
            if let (Some(front), Some(people)) = (&shared.front, people) {
                // Of a newer document the caller is asked again.
                front.memory().endings.wants(now, call, card, people);
            }
        }
        if reason.may_go_on() {
            self.hand_on(now, reason);
            return;
        }
        shared.checkpoints.forget(&call);
        let Some(wish) = last_wish(reason) else {
            // With documents of ours the carrier asks what is next, and says by that whether the call is over.
            if shared.has_foreign_documents() {
                drop(shared.keeper.end_call(call, card.id, Some(card)));
            }
            return;
        };
        let means = match &shared.front {
            None => Means::Close,
            // A newer document was written since: the call goes on elsewhere.
            Some(front) if !front.ended(now, call, card) => return,
            Some(front) => front.means(wish),
        };
        let orders = match means {
            Means::Tell => shared.orders.as_ref(),
            Means::Nothing | Means::Close | Means::CloseAndAnswer | Means::WaitAndClose => None,
        };
        self.parting = Some(Parting {
            is_written: shared.keeper.end_call(call, card.id, Some(card)),
            is_told: orders.map(|orders| orders.end(call)),
        });
    }

    /// The stream ends, and the call is to go on elsewhere: what that takes is written before the carrier asks.
    fn hand_on(&mut self, now: Instant, reason: EndReason) {
        let keeper = &self.shared.keeper;
        let fate = match reason {
            EndReason::Drained if keeper.is_there() => Fate::HandedOver,
            EndReason::Transferred if keeper.is_shared() => Fate::Person,
            // Nobody has known that it would end, so there is nothing to wait for.
            EndReason::CarrierGone
            | EndReason::CarrierSilent
            | EndReason::CarrierStuck
            | EndReason::Drained
            | EndReason::Transferred
            | EndReason::CallerHungUp
            | EndReason::Goodbye
            | EndReason::NeverStarted
            | EndReason::Refused(_)
            | EndReason::Apologized
            | EndReason::Promised
            | EndReason::MessageLeft => return,
        };
        let Some((call, _)) = self.admitted else {
            return;
        };
        // It was kept a moment ago, as the last thing that the call wanted.
        let known = self.shared.checkpoints.known(now, &call);
        let checkpoint = known.map(|left| left.checkpoint).unwrap_or_default();
        if let Some((call, numbered, state)) = self.leave(now, fate, checkpoint) {
            self.parting = Some(Parting {
                is_written: self.shared.keeper.keep_last(call, numbered, &state),
                is_told: None,
            });
        }
    }
}

/// What the end of a call waits for before its socket is closed.
pub(super) struct Parting {
    /// What is to be known of the call is written.
    is_written: IsWritten,
    /// The carrier has ended it.
    is_told: Option<oneshot::Receiver<()>>,
}

/// How long a line is held on which everything was said: longer than a good disk or a good carrier takes.
const PARTING_TIMEOUT: Duration = Duration::from_millis(500);

impl Parting {
    /// Until both is done, or nobody does it, or it has taken too long: then it is done beside.
    pub(super) async fn wait(self) {
        let Self {
            is_written,
            is_told,
        } = self;
        let both = async {
            is_written.wait().await;
            if let Some(is_told) = is_told {
                is_told.await.ok();
            }
        };
        drop(timeout(PARTING_TIMEOUT, both).await);
    }
}
