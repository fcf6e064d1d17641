//! What one call asks of the pool, and what it has tried so far: the call's own side of admission.
//!
//! The value lives as long as its call and is used again for each outage; a completed answer ends an outage.

use crate::core::fault::{Count, Fault, Retry, Scope};
use crate::core::ids::{CallId, KeyId, ProviderId, TenantId};
use crate::core::pool::admission::{Charge, Rung};
use crate::core::pool::retry_budget::CallBudget;
use crate::core::pool::seats::Seat;
use crate::core::time::Instant;

/// How many dials a call makes in one outage: more have never helped a caller.
pub const DIALS_MAX: usize = 8;

/// Who goes first where there is not enough for all; the greatest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// We ring somebody back: it can wait.
    RingBack,
    /// A new call.
    New,
    /// A live call that lost its session, or is about to.
    Live,
}

/// A call's request for a session.
#[derive(Clone, Debug)]
pub struct Request {
    call: CallId,
    tenant: TenantId,
    urgency: Urgency,
    since: Instant,
    search: Search,
    /// Who failed this call at any time, as bits: a call does not go back there while there is somebody else.
    failed: u32,
    pub(super) budget: CallBudget,
    /// The request may stand in the queue.
    pub(super) is_queued: bool,
}

/// One search for a session, from the loss of the last one to the first answer of the next.
#[derive(Clone, Debug, Default)]
struct Search {
    aim: Aim,
    tried: [Option<Tried>; DIALS_MAX],
    tries: usize,
    dials: usize,
    /// How many of them came to a session in whose place another one came in its time.
    rotated: usize,
    redials: u32,
    has_moved: bool,
    has_redialed: bool,
    redial_at: Option<Instant>,
    waits_until: Option<Instant>,
}

/// What the search is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Aim {
    /// The call's first session.
    #[default]
    First,
    /// A successor of the session at `home`, which has expired or soon will.
    Rotation {
        home: ProviderId,
        seat: Seat,
        is_lost: bool,
    },
    /// Another session for the one that failed at `home`.
    Recovery { home: ProviderId },
}

impl Aim {
    const fn rotation(rung: &Rung, is_lost: bool) -> Self {
        Self::Rotation {
            home: rung.provider,
            seat: rung.seat,
            is_lost,
        }
    }

    fn is_replacing(self, rung: &Rung) -> bool {
        matches!(self, Self::Rotation { seat, .. } if seat == rung.seat)
    }
}

/// What failed in this search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) provider: ProviderId,
    pub(super) key: KeyId,
    pub(super) fault: Fault,
}

/// There are 32 providers at most.
const fn bit(provider: ProviderId) -> u32 {
    1_u32.wrapping_shl(provider.0 as u32)
}

impl Request {
    /// A new call's request; it has waited since `now`.
    pub fn new(now: Instant, call: CallId, tenant: TenantId) -> Self {
        Self::with_urgency(now, call, tenant, Urgency::New)
    }

    /// The request of a call that we place.
    pub fn ring_back(now: Instant, call: CallId, tenant: TenantId) -> Self {
        Self::with_urgency(now, call, tenant, Urgency::RingBack)
    }

    fn with_urgency(now: Instant, call: CallId, tenant: TenantId, urgency: Urgency) -> Self {
        Self {
            call,
            tenant,
            urgency,
            since: now,
            search: Search::default(),
            failed: 0,
            budget: CallBudget::WHOLE,
            is_queued: false,
        }
    }

    /// The dial failed, or is given up for being slow: go on elsewhere.
    pub fn failed(&mut self, rung: &Rung, fault: Fault) {
        self.note(rung, fault);
    }

    /// The live session is lost.
    pub fn lost(&mut self, now: Instant, rung: &Rung, fault: Fault) {
        if fault.retry() == Retry::Rotate {
            self.aim(now, rung, Aim::rotation(rung, true));
        } else {
            let home = rung.provider;
            self.aim(now, rung, Aim::Recovery { home });
            self.note(rung, fault);
        }
    }

    /// The live session is well, but its time is nearly over: a successor is wanted, at the same provider if possible.
    pub fn rotate(&mut self, now: Instant, rung: &Rung) {
        self.aim(now, rung, Aim::rotation(rung, false));
    }

    /// This session completed an answer: the outage is over, and what it used up is whole again. Of one that is to be
    /// replaced it says nothing.
    pub fn answered(&mut self, rung: &Rung) {
        if !self.search.aim.is_replacing(rung) {
            self.search = Search::default();
            self.budget = CallBudget::WHOLE;
        }
    }

    fn note(&mut self, rung: &Rung, fault: Fault) {
        self.search.note(rung, fault);
        if fault.scope() == Scope::Endpoint {
            self.failed |= bit(rung.provider);
        }
    }

    /// Whether it failed this call before the search that goes on.
    pub(super) fn is_avoided(&self, provider: ProviderId) -> bool {
        self.failed & bit(provider) != 0 && self.is_fresh(provider)
    }

    /// A search that goes on keeps its place in the queue and what it has used up; `rung` is the session that is left.
    fn aim(&mut self, now: Instant, rung: &Rung, aim: Aim) {
        if self.search.has_rotated_to(rung) {
            // Whoever says nothing for hours moves many times without an answer.
            self.search.rotated = self.search.dials.min(self.search.rotated + 1);
        }
        if self.search.aim == Aim::First {
            self.urgency = Urgency::Live;
            self.since = now;
            self.search = Search {
                tried: self.search.tried,
                tries: self.search.tries,
                ..Search::default()
            };
        }
        self.search.aim = aim;
    }

    /// Whose it is.
    pub const fn call(&self) -> CallId {
        self.call
    }

    /// Who pays.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// How urgent it is.
    pub const fn urgency(&self) -> Urgency {
        self.urgency
    }

    /// Its place among others: the least goes first.
    pub(super) fn rank(&self) -> Rank {
        (std::cmp::Reverse(self.urgency), self.since, self.call)
    }

    pub(super) const fn home(&self) -> Option<ProviderId> {
        match self.search.aim {
            Aim::First => None,
            Aim::Rotation { home, .. } | Aim::Recovery { home } => Some(home),
        }
    }

    /// Whether it wants the same provider first, as nothing is wrong there.
    pub(super) const fn is_rotation(&self) -> bool {
        matches!(self.search.aim, Aim::Rotation { .. })
    }

    /// Whether no dial was made in this search.
    pub(super) const fn is_first(&self) -> bool {
        self.search.dials == 0
    }

    pub(super) const fn is_tried_out(&self) -> bool {
        self.search.dials - self.search.rotated >= DIALS_MAX || self.search.tries >= DIALS_MAX
    }

    /// What failed in this search, oldest first.
    pub(super) fn tried(&self) -> impl DoubleEndedIterator<Item = &Tried> {
        self.search.tried.iter().flatten()
    }

    /// How often the provider failed in this search.
    pub(super) fn failures(&self, provider: ProviderId) -> usize {
        let failed = |tried: &&Tried| tried.provider == provider;
        self.tried().filter(failed).count()
    }

    /// What failed last.
    pub(super) fn last_tried(&self) -> Option<&Tried> {
        self.tried().next_back()
    }

    /// Whether the provider has not failed in this search; one that only limits a key, or refuses it, has not.
    pub(super) fn is_fresh(&self, provider: ProviderId) -> bool {
        let failed =
            |tried: &Tried| tried.provider == provider && tried.fault.scope() == Scope::Endpoint;
        !self.tried().any(failed)
    }

    /// The provider's keys that must not be used again, as bits. One that is limited may be, once it has rested.
    pub(super) fn barred_keys(&self, provider: ProviderId) -> u16 {
        self.tried()
            .filter(|tried| tried.provider == provider && tried.fault.scope() == Scope::Key)
            .filter(|tried| tried.fault.count() != Count::Rests)
            .fold(0, |keys, tried| keys | 1 << tried.key.0)
    }

    /// Whether the provider may be dialled again although it failed. What makes another place advisable bars this one for whoever
    /// has lost nothing yet: a live call without another place is not to be refused while there is a budget.
    pub(super) fn may_redial(&self, provider: ProviderId) -> bool {
        let is_live = self.urgency == Urgency::Live;
        self.tried()
            .filter(|tried| tried.provider == provider && tried.fault.scope() == Scope::Endpoint)
            .all(|tried| match tried.fault.retry() {
                Retry::Here | Retry::Rotate => true,
                Retry::Elsewhere => is_live,
                Retry::Never => false,
            })
    }

    /// How a dial of this provider is to be paid for.
    pub(super) fn charge(&self, provider: ProviderId) -> Charge {
        let is_same =
            self.home() == Some(provider) || self.tried().any(|tried| tried.provider == provider);
        match self.urgency {
            Urgency::New | Urgency::RingBack if self.is_first() => Charge::First,
            Urgency::Live if self.is_rotation() && self.is_first() => Charge::Rotation,
            Urgency::Live if is_same && self.has_reserve() => Charge::Reserve,
            Urgency::Live if !is_same && !self.search.has_moved => Charge::Move,
            Urgency::New | Urgency::RingBack | Urgency::Live => Charge::Extra,
        }
    }

    /// Whether the reserve's redial is still to be had.
    pub(super) fn has_reserve(&self) -> bool {
        self.urgency == Urgency::Live && !self.search.has_redialed
    }

    /// Where a live call may come back once although the breaker is open: where its session was when it was lost.
    pub(super) fn last_resort(&self) -> Option<ProviderId> {
        let home = match self.search.aim {
            Aim::First | Aim::Rotation { is_lost: false, .. } => None,
            Aim::Rotation { home, .. } | Aim::Recovery { home } => Some(home),
        };
        home.filter(|&home| self.has_reserve() && self.may_redial(home))
    }

    pub(super) const fn redials(&self) -> u32 {
        self.search.redials
    }

    pub(super) const fn redial_at(&self) -> Option<Instant> {
        self.search.redial_at
    }

    pub(super) const fn set_redial_at(&mut self, at: Instant) {
        self.search.redial_at = Some(at);
    }

    /// The moment up to which waiting is paid for already.
    pub(super) const fn waits_until(&self) -> Option<Instant> {
        self.search.waits_until
    }

    pub(super) const fn set_waits_until(&mut self, until: Instant) {
        self.search.waits_until = Some(until);
    }

    /// A dial is made.
    pub(super) fn on_dial(&mut self, provider: ProviderId, charge: Charge) {
        let was_tried = !self.is_fresh(provider);
        let search = &mut self.search;
        search.dials += 1;
        search.redials += u32::from(was_tried);
        search.has_moved |= charge == Charge::Move;
        search.has_redialed |= charge == Charge::Reserve;
        search.redial_at = None;
        search.waits_until = None;
    }
}

/// See [`Request::rank`].
pub(super) type Rank = (std::cmp::Reverse<Urgency>, Instant, CallId);

impl Search {
    /// Whether this session came in its time after the one that was to be replaced. Where that had ended, it proves nothing: a
    /// provider may end each session at once.
    fn has_rotated_to(&self, rung: &Rung) -> bool {
        matches!(self.aim, Aim::Rotation { seat, is_lost: false, .. } if seat != rung.seat)
    }

    /// Notes what failed; a search with no room for it is over.
    fn note(&mut self, rung: &Rung, fault: Fault) {
        if let Some(place) = self.tried.get_mut(self.tries) {
            *place = Some(Tried {
                provider: rung.provider,
                key: rung.key,
                fault,
            });
            self.tries += 1;
        }
    }
}
