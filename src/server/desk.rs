//! A call's place at the pool: asks for it, tells for it, and gives up all its seats when the call is gone, however it went.

use std::sync::Arc;

use super::Shared;
use crate::core::call::effect::{DialKind, Report};
use crate::core::call::input::DialAnswer;
use crate::core::desk::{Desk, Ruling};
use crate::core::ids::{AttemptId, CallId, TenantId};
use crate::core::time::Instant;

/// A [`Desk`] that is left when it is dropped: a task that panics takes no seat along.
pub(super) struct CallDesk {
    desk: Desk,
    shared: Arc<Shared>,
}

impl CallDesk {
    pub(super) fn new(shared: Arc<Shared>, now: Instant, call: CallId, tenant: TenantId) -> Self {
        Self {
            desk: Desk::new(now, call, tenant),
            shared,
        }
    }

    /// What becomes of a wish to dial. While the process has much to do, nothing is dialled beside a slow one.
    pub(super) fn dial(&mut self, now: Instant, attempt: AttemptId, kind: DialKind) -> Ruling {
        let has_time = self.shared.overload.stage().allows_extras();
        if !has_time && matches!(kind, DialKind::Beside(_)) {
            return Ruling {
                answer: DialAnswer::Nothing,
                rung: None,
                seen: None,
            };
        }
        let desk = &mut self.desk;
        let mut ruling = self
            .shared
            .providers
            .with(|pool, _| desk.dial(pool, now, attempt, kind));
        if let DialAnswer::Made { hedge_after, .. } = &mut ruling.answer
            && !has_time
        {
            *hedge_after = None;
        }
        ruling
    }

    /// Tells how an attempt fares.
    pub(super) fn report(&mut self, now: Instant, attempt: AttemptId, report: Report) {
        let desk = &mut self.desk;
        self.shared
            .providers
            .with(|pool, news| desk.report(pool, now, attempt, report, news));
    }

    /// Lets go of an attempt.
    pub(super) fn abandon(&mut self, now: Instant, attempt: AttemptId) {
        let desk = &mut self.desk;
        self.shared
            .providers
            .with(|pool, news| desk.abandon(pool, now, attempt, news));
    }

    /// Gives up what is left: seats, and a place in the queue.
    pub(super) fn leave(&mut self) {
        let now = self.shared.clock.now();
        let desk = &mut self.desk;
        self.shared
            .providers
            .with(|pool, news| desk.leave(pool, now, news));
    }
}

impl Drop for CallDesk {
    fn drop(&mut self) {
        self.leave();
    }
}
