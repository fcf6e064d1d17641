//! The end of a call at the carrier: what is to be on disk, what the carrier is told, and how long its socket waits for both.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::call_task::CallTask;
use super::front::last_wish;
use super::menu;
use crate::core::call::effect::EndReason;
use crate::core::front::Means;
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
            return;
        }
        shared.checkpoints.forget(&call);
        let Some(wish) = last_wish(reason) else {
            // With documents of ours the carrier asks what is next, and says by that whether the call is over.
            if shared.has_foreign_documents() {
                drop(shared.keeper.end_call(call, card.id));
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
            is_written: shared.keeper.end_call(call, card.id),
            is_told: orders.map(|orders| orders.end(call)),
        });
    }
}

/// What the end of a call waits for before its socket is closed.
pub(super) struct Parting {
    /// That the call has ended is on disk.
    is_written: oneshot::Receiver<()>,
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
            is_written.await.ok();
            if let Some(is_told) = is_told {
                is_told.await.ok();
            }
        };
        drop(timeout(PARTING_TIMEOUT, both).await);
    }
}
