//! Where calls and the pool meet: one desk per call, which knows what the call has asked for and which seats it holds.
//!
//! A call speaks of attempts and the pool of seats, and neither knows the other. The desk puts the one's wishes into the other's
//! words. It opens no socket: who [dials](crate::core::call::effect::Effect::Dial) does so at the [`Rung`] that the desk names.

use crate::core::call::effect::{DialKind, Report as Fares};
use crate::core::call::input::DialAnswer;
use crate::core::fault::{DialStage, Fault, Retry};
use crate::core::ids::{AttemptId, CallId, TenantId};
use crate::core::observation::Observation;
use crate::core::pool::{Admission, News, Pool, Report, Request, Rung};
use crate::core::time::Instant;

/// Seats that a call holds at a time: a session and its successor, or a dial, a slow one and one beside it.
const SEATS_MAX: usize = 4;

/// One call's dealings with the pool.
///
/// Whoever owns it calls [`leave`](Self::leave) when the call is over: a seat that is never given up is lost to everybody.
#[derive(Debug)]
pub struct Desk {
    request: Request,
    seats: Vec<Seated>,
}

/// An attempt that was admitted and is not over.
#[derive(Clone, Copy, Debug)]
struct Seated {
    attempt: AttemptId,
    rung: Rung,
    is_ready: bool,
    has_answered: bool,
}

/// What becomes of a wish to dial.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// What the call is told.
    pub answer: DialAnswer,
    /// What is to be dialled, if anything.
    pub rung: Option<Rung>,
    /// What is to be observed, if anything.
    pub seen: Option<Observation>,
}

impl Desk {
    /// The desk of a new call.
    pub fn new(now: Instant, call: CallId, tenant: TenantId) -> Self {
        Self {
            request: Request::new(now, call, tenant),
            seats: Vec::with_capacity(SEATS_MAX),
        }
    }

    /// A call wants to dial.
    pub fn dial(
        &mut self,
        pool: &mut Pool,
        now: Instant,
        attempt: AttemptId,
        kind: DialKind,
    ) -> Ruling {
        let admission = match kind {
            DialKind::Needed => pool.admit(now, &mut self.request),
            DialKind::Successor(of) => {
                if let Some(seated) = self.find(of) {
                    self.request.rotate(now, &seated.rung);
                }
                pool.admit(now, &mut self.request)
            }
            DialKind::Beside(first) => {
                let first = self.find(first).map(|seated| seated.rung);
                let second = first.and_then(|first| pool.hedge(now, &mut self.request, &first));
                let Some(rung) = second else {
                    return Ruling {
                        answer: DialAnswer::Nothing,
                        rung: None,
                        seen: None,
                    };
                };
                Admission::Dial(rung)
            }
        };
        match admission {
            Admission::Dial(rung) => self.seat(attempt, rung),
            Admission::Wait { until } => Ruling {
                answer: DialAnswer::Wait { until },
                rung: None,
                seen: None,
            },
            Admission::Nothing(why) => Ruling {
                answer: DialAnswer::Nothing,
                rung: None,
                seen: Some(Observation::NotAdmitted(why)),
            },
        }
    }

    /// A call says how an attempt fares.
    pub fn report(
        &mut self,
        pool: &mut Pool,
        now: Instant,
        attempt: AttemptId,
        fares: Fares,
        news: &mut News,
    ) {
        let Some(seated) = self
            .seats
            .iter_mut()
            .find(|seated| seated.attempt == attempt)
        else {
            return;
        };
        let rung = seated.rung;
        let report = match fares {
            Fares::Slow => {
                self.request
                    .failed(&rung, Fault::DialTimedOut(DialStage::Session));
                Report::Slow
            }
            Fares::Ready => {
                seated.is_ready = true;
                Report::Ready
            }
            Fares::Answered { after } => {
                seated.has_answered = true;
                self.request.answered(&rung);
                Report::Answered { after }
            }
            Fares::AnswerFailed(fault) => Report::AnswerFailed(fault),
            Fares::Failed(fault) => {
                // A session that ends before its first answer has not lived its time, whatever it says: the next is sought elsewhere.
                if seated.is_ready && !seated.has_answered && fault.retry() == Retry::Rotate {
                    self.request.lost(now, &rung, Fault::ServerError);
                } else if seated.is_ready {
                    self.request.lost(now, &rung, fault);
                } else {
                    self.request.failed(&rung, fault);
                }
                self.seats.retain(|seated| seated.attempt != attempt);
                Report::Failed(fault)
            }
        };
        pool.record(now, rung.seat, report, news);
    }

    /// A call lets go of an attempt with which nothing was wrong, or of which it has said what was.
    pub fn abandon(&mut self, pool: &mut Pool, now: Instant, attempt: AttemptId, news: &mut News) {
        if let Some(seated) = self.find(attempt) {
            self.seats.retain(|seated| seated.attempt != attempt);
            pool.record(now, seated.rung.seat, Report::Ended, news);
        }
    }

    /// The call is over: it gives up its seats and its place in the queue.
    pub fn leave(&mut self, pool: &mut Pool, now: Instant, news: &mut News) {
        for seated in self.seats.drain(..) {
            pool.record(now, seated.rung.seat, Report::Ended, news);
        }
        pool.withdraw(&mut self.request);
    }

    fn seat(&mut self, attempt: AttemptId, rung: Rung) -> Ruling {
        self.seats.push(Seated {
            attempt,
            rung,
            is_ready: false,
            has_answered: false,
        });
        let Rung {
            provider,
            key,
            tier,
            charge,
            hedge_after,
            seat: _,
            spare: _,
        } = rung;
        Ruling {
            answer: DialAnswer::Made {
                provider,
                key,
                tier,
                hedge_after,
            },
            rung: Some(rung),
            seen: Some(Observation::Dialled {
                attempt,
                provider,
                key,
                tier,
                charge,
            }),
        }
    }

    fn find(&self, attempt: AttemptId) -> Option<Seated> {
        self.seats
            .iter()
            .copied()
            .find(|seated| seated.attempt == attempt)
    }
}
