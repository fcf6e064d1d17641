//! Spares: dialled only from what is left over, and handed over once.

use ringback::core::fault::Count;
use ringback::core::ids::ProviderId;
use ringback::core::pool::{BreakerState, Charge, Report, Rung, Seat};
use ringback::core::time::Instant;

use super::{Books, Session};

impl Books {
    /// A spare is dialled: all is well there, and enough is left for callers.
    pub(crate) fn on_spare(&mut self, now: Instant, rung: &Rung) {
        self.see("Spare".to_owned());
        assert_eq!((rung.charge, rung.spare), (Charge::Spare, None));
        for key in [None, Some(rung.key)] {
            let state = self.breakers[&(rung.provider, key)].state;
            assert_eq!(state, BreakerState::Closed, "a spare where all is not well");
        }
        let policy = self.policy.providers[usize::from(rung.provider.0)].clone();
        self.check_key(now, rung);
        let left = self.keys[&(rung.provider, rung.key)].tokens;
        assert!(
            (left + 1.0) * 2.0 > f64::from(policy.burst) - 1e-3,
            "a spare takes a start that callers may need: {left} left"
        );
        let sessions = self.sessions(rung.provider);
        assert!(sessions + 2 <= usize::try_from(policy.sessions_max).unwrap());
        let session = Session {
            rung: *rung,
            is_ready: false,
            is_spare: true,
            call: None,
        };
        let before = self.sessions.insert(rung.seat, session);
        assert!(before.is_none(), "a seat is taken twice");
        let held = self.spares(rung.provider).count();
        assert!(held <= usize::try_from(policy.spares).unwrap());
    }

    /// A call that is given a spare is given one that waits at its rung, and nobody else is given it again.
    pub(super) fn check_handed_over(&mut self, rung: &Rung) {
        let Some(seat) = rung.spare else {
            let waiting = self.spares(rung.provider);
            let mut here = waiting.filter(|of| of.is_ready && of.rung.key == rung.key);
            let is_call = !matches!(rung.charge, Charge::Probe | Charge::Spare);
            assert!(!is_call || here.next().is_none(), "a spare is passed by");
            return;
        };
        self.see("Spare taken".to_owned());
        let spare = self.sessions.remove(&seat).expect("it is there");
        assert!(spare.is_spare && spare.is_ready, "{rung:?}");
        assert_eq!(
            (spare.rung.provider, spare.rung.key),
            (rung.provider, rung.key)
        );
    }

    pub(super) fn on_spare_report(&mut self, now: Instant, seat: Seat, report: Report) {
        let session = self.sessions.get_mut(&seat).unwrap();
        let (rung, was_ready) = (session.rung, session.is_ready);
        session.is_ready |= report == Report::Ready;
        match report {
            Report::Slow | Report::Answered { .. } | Report::AnswerFailed(_) => {}
            Report::Ready => {
                let breaker = self.endpoint(rung);
                // What callers added to the row stays.
                breaker.row_of_dials -= std::mem::take(&mut breaker.spares_failed);
            }
            Report::Ended => {
                self.sessions.remove(&seat);
            }
            Report::Failed(fault) => {
                self.sessions.remove(&seat);
                if was_ready && fault.count() == Count::Once {
                    self.see("Spare lost".to_owned());
                    return;
                }
                self.see("Spare failed".to_owned());
                self.on_fault(now, rung, fault, false, was_ready);
                if fault.count() == Count::Once {
                    self.endpoint(rung).spares_failed += 1;
                }
            }
        }
    }

    /// The pool does not know the seat, so nobody may hold it.
    pub(crate) fn check_gone(&self, seat: Seat) {
        assert!(!self.sessions.contains_key(&seat), "{seat:?} is forgotten");
    }

    pub(super) fn spares_waiting(&self, provider: ProviderId) -> usize {
        self.spares(provider).filter(|of| of.is_ready).count()
    }

    fn spares(&self, provider: ProviderId) -> impl Iterator<Item = &Session> {
        let sessions = self.sessions.values();
        sessions.filter(move |of| of.is_spare && of.rung.provider == provider)
    }
}
