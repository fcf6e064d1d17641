//! Which entry stands on which rung, and which of those that would do a call gets.
//!
//! Knows the policy and the call; what is well or free is told to it.

use crate::core::fault::{Count, DialStage, Fault};
use crate::core::ids::{CallId, KeyId, ProviderId, Tier};
use crate::core::pool::backoff::mix;
use crate::core::pool::policy::{ProviderPolicy, Share};
use crate::core::pool::request::{Request, Tried};

/// A set of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries(u32);

impl Entries {
    /// The set of this one.
    pub(super) fn of(provider: ProviderId) -> Self {
        Self(1_u32.checked_shl(provider.0.into()).unwrap_or_default())
    }

    pub(super) const fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }

    pub(super) const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What an entry is to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// What the last fault asks for.
    Preferred,
    /// It would do.
    Usual,
    /// It failed this call before, and has no better reason to be taken than that there is nobody else.
    Avoided,
    /// It would fail in the same way.
    Unfit,
}

/// The tiers in order, with their entries in the order of the configuration; canaries stand apart.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    tiers: Vec<(Tier, Vec<ProviderId>)>,
    canaries: Vec<ProviderId>,
}

impl Ladder {
    pub(super) fn new(providers: &[ProviderPolicy]) -> Self {
        let mut tiers: Vec<(Tier, Vec<ProviderId>)> = Vec::new();
        let mut canaries = Vec::new();
        for (place, provider) in (0..).zip(providers) {
            let id = ProviderId(place);
            match provider.share {
                Share::Canary(_) => canaries.push(id),
                Share::Weight(_) => {
                    match tiers.iter_mut().find(|(tier, _)| *tier == provider.tier) {
                        Some((_, entries)) => entries.push(id),
                        None => tiers.push((provider.tier, vec![id])),
                    }
                }
            }
        }
        tiers.sort_by_key(|(tier, _)| *tier);
        Self { tiers, canaries }
    }

    /// The tiers, the first to be tried first.
    pub(super) fn tiers(&self) -> &[(Tier, Vec<ProviderId>)] {
        &self.tiers
    }

    /// The canaries.
    pub(super) fn canaries(&self) -> &[ProviderId] {
        &self.canaries
    }
}

/// Whether a call is one of the `permille` thousandths of all calls that this question picks; always the same answer.
pub(super) fn is_picked(call: CallId, question: Question, permille: u32) -> bool {
    hash(call, question) % 1_000 < u64::from(permille)
}

/// What a call's hash decides; each question splits the calls in its own way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// Does it go to this canary?
    Canary(ProviderId),
    /// Does it go to this tier, which is in its slow start?
    SlowStart(Tier),
    /// Does it go to this entry rather than to those before it?
    Entry(ProviderId),
}

fn hash(call: CallId, question: Question) -> u64 {
    let salt = match question {
        Question::Canary(provider) => 0x100 + u64::from(provider.0),
        Question::SlowStart(tier) => 0x200 + u64::from(tier.0),
        Question::Entry(provider) => 0x300 + u64::from(provider.0),
    };
    let bits = call.bits();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "both halves are taken, one after the other"
    )]
    let (low, high) = (bits as u64, (bits >> 64) as u64);
    mix(mix(low ^ mix(salt)) ^ high)
}

/// Chooses one of the entries of a tier in one pass, each with the probability that its weight asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Draw {
    pub(super) chosen: Option<(ProviderId, KeyId)>,
    weights: u64,
    /// The greatest share of calls that one of them takes.
    pub(super) permille: u32,
}

impl Draw {
    /// Offers an entry that takes `permille` thousandths of the calls that it is given.
    pub(super) fn offer(
        &mut self,
        call: CallId,
        entry: (ProviderId, KeyId),
        share: Share,
        permille: u32,
    ) {
        let weight = match share {
            Share::Weight(weight) => u64::from(weight),
            Share::Canary(_) => 1, // The only one that is offered.
        };
        let weight = (weight * u64::from(permille)).max(1);
        self.weights += weight;
        self.permille = self.permille.max(permille);
        if hash(call, Question::Entry(entry.0)) % self.weights < weight {
            self.chosen = Some(entry);
        }
    }
}

/// What an entry is to a request, by what failed before. `is_faster` is asked only where it matters.
pub(super) fn fit(
    providers: &[ProviderPolicy],
    request: &Request,
    provider: ProviderId,
    is_faster: impl Fn(ProviderId, ProviderId) -> bool,
) -> Fit {
    let policy = |id: ProviderId| providers.get(usize::from(id.0));
    let Some(entry) = policy(provider) else {
        return Fit::Unfit;
    };
    for tried in request.tried() {
        let Some(other) = policy(tried.provider) else {
            continue;
        };
        let is_refused = tried.fault == Fault::PolicyRefused && entry.vendor == other.vendor;
        let is_too_small =
            tried.fault == Fault::ContextTooLong && entry.window_tokens <= other.window_tokens;
        if is_refused || is_too_small {
            return Fit::Unfit;
        }
    }
    if request.is_rotation() {
        return preferred(request.home() == Some(provider));
    }
    let limits = |tried: &&Tried| tried.provider == provider && tried.fault.count() == Count::Rests;
    let has_limited_all = request.tried().filter(limits).count() >= usize::from(entry.keys);
    if request.is_avoided(provider) || has_limited_all {
        return Fit::Avoided;
    }
    let Some(last) = request.last_tried() else {
        return Fit::Preferred;
    };
    if last.fault.count() == Count::Rests {
        preferred(policy(last.provider).is_some_and(|other| other.model == entry.model))
    } else if is_slowness(last.fault) {
        preferred(is_faster(provider, last.provider))
    } else {
        Fit::Preferred
    }
}

const fn preferred(is_preferred: bool) -> Fit {
    if is_preferred {
        Fit::Preferred
    } else {
        Fit::Usual
    }
}

/// Whether the model was too slow, rather than the way to it.
const fn is_slowness(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::AnswerTimedOut | Fault::DialTimedOut(DialStage::Session)
    )
}
