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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::config::{self, Environment};
    use crate::core::overload::Stage;
    use crate::telemetry::Telemetry;

    const FIRST: AttemptId = AttemptId(0);

    fn shared() -> Arc<Shared> {
        let variables = [("RINGBACK__PUBLIC__AUTH".to_owned(), "none".to_owned())];
        let environment: Environment = variables.into_iter().collect();
        let config = config::load(None, &environment).unwrap();
        Arc::new(Shared::new(config, Telemetry::default(), 0).unwrap())
    }

    fn desk(shared: &Arc<Shared>) -> CallDesk {
        let call = CallId::from_bits(1);
        let now = shared.clock.now();
        CallDesk::new(Arc::clone(shared), now, call, TenantId::default())
    }

    fn sessions(shared: &Shared) -> u32 {
        let now = shared.clock.now();
        let status = shared.providers.with(|pool, _| pool.status(now));
        status.providers.iter().map(|of| of.sessions).sum()
    }

    #[test]
    fn a_call_that_panics_gives_up_its_seat() {
        let shared = shared();
        let mut desk = desk(&shared);
        let ruling = desk.dial(shared.clock.now(), FIRST, DialKind::Needed);
        assert!(matches!(ruling.answer, DialAnswer::Made { .. }));
        assert_eq!(sessions(&shared), 1);
        let panics = AssertUnwindSafe(move || {
            let _held = desk;
            panic!("on purpose");
        });
        assert!(catch_unwind(panics).is_err());
        assert_eq!(sessions(&shared), 0);
    }

    #[test]
    fn with_much_to_do_a_call_is_dialled_for_and_nothing_beside_it() {
        let shared = shared();
        let mut desk = desk(&shared);
        shared.overload.set(Stage::Lean);
        let now = shared.clock.now();
        let first = desk.dial(now, FIRST, DialKind::Needed);
        let DialAnswer::Made { hedge_after, .. } = first.answer else {
            panic!("it is dialled: {first:?}");
        };
        assert_eq!(hedge_after, None);
        let beside = desk.dial(now, AttemptId(1), DialKind::Beside(FIRST));
        assert_eq!(beside.answer, DialAnswer::Nothing);
        assert_eq!(sessions(&shared), 1);
    }
}
