//! What leaves for the outside world unasked: a ring, a text. It goes on solid ground, or it waits.
//!
//! A promise is served by one node at a time: by the one that made it until its text lease has ended, by the holder of its claim
//! from then on, and rung by nobody else at any time. A claim counts only if another copy of the store has it as well, or a
//! fail-over would forget it; and it lasts longer than a request can.

use std::time::Duration;

use crate::core::ids::PromiseId;
use crate::core::region::{Epoch, Peer, Role};
use crate::core::time::{Instant, Utc};

/// The numbers of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimSettings {
    /// How long a claim holds.
    pub lease: Duration,
    /// The carrier's interface has this long to answer a request.
    pub request_timeout: Duration,
    /// How far clocks may be apart.
    pub skew_max: Duration,
    /// How old the word may be that somebody has not opted out.
    pub opt_out_within: Duration,
    /// How long the node that made a promise texts it, and nobody else.
    pub text_lease: Duration,
}

impl Default for ClaimSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            skew_max: Duration::from_secs(5),
            opt_out_within: Duration::from_secs(5),
            text_lease: Duration::from_mins(15),
        }
    }
}

impl ClaimSettings {
    /// How long a request may still be under way, by anybody's clock.
    pub const fn request_lasts(&self) -> Duration {
        self.request_timeout.saturating_add(self.skew_max)
    }

    /// Whether there is ever time for a request: the leases are longer than one lasts.
    pub fn is_sound(&self) -> bool {
        self.lease > self.request_lasts() && self.text_lease > self.request_lasts()
    }
}

/// A claim, as the store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// On which promise.
    pub promise: PromiseId,
    /// Who serves it.
    pub holder: Peer,
    /// By which role.
    pub epoch: Epoch,
    /// Until when, by the store's clock.
    pub until: Utc,
}

/// What the store says to somebody who wants a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claiming {
    /// Nobody ever had it: it is theirs.
    First,
    /// It is theirs for longer.
    Renewed,
    /// Somebody had it, whose lease has ended: what became of their requests is to be looked up first.
    TakenOver,
    /// Somebody has it.
    Held,
    /// Somebody had it by a higher epoch: whoever asks has been replaced.
    Outdated(Epoch),
}

impl Claim {
    /// Rules on a claim by `holder` where `kept` is there, at the store's `now`.
    pub fn rule(kept: Option<&Self>, holder: Peer, epoch: Epoch, now: Utc) -> Claiming {
        match kept {
            None => Claiming::First,
            Some(kept) if epoch < kept.epoch => Claiming::Outdated(kept.epoch),
            Some(kept) if holder == kept.holder => Claiming::Renewed,
            Some(kept) if now < kept.until => Claiming::Held,
            Some(_) => Claiming::TakenOver,
        }
    }
}

/// A claim, as its holder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When it was asked for, by the holder's own clock: it ends no later than so long after that.
    pub asked: Instant,
    /// By which role.
    pub epoch: Epoch,
    /// Another copy of the store has it as well.
    pub is_replicated: bool,
    /// What others may have requested before was looked up, or nobody can have.
    pub is_settled: bool,
}

impl Lease {
    /// The lease that the store's answer gives to somebody who had `before`; `None`: it gives none. `was_textable`: another node
    /// may have texted the promise without a claim.
    ///
    /// Nobody rings without a claim, so where nobody ever had one nobody has rung.
    pub fn granted(
        (asked, epoch): (Instant, Epoch),
        is_replicated: bool,
        claiming: Claiming,
        before: Option<Self>,
        was_textable: bool,
    ) -> Option<Self> {
        let is_settled = match claiming {
            Claiming::First => !was_textable,
            Claiming::Renewed => before.is_some_and(|before| before.is_settled),
            Claiming::TakenOver => false,
            Claiming::Held | Claiming::Outdated(_) => return None,
        };
        Some(Self {
            asked,
            epoch,
            is_replicated,
            is_settled,
        })
    }
}

/// Where a word came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The primary, which has seen every write.
    Primary,
    /// A replica, which may be behind.
    Replica,
}

/// What is known of whether somebody has opted out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// When it was asked.
    pub asked: Instant,
    /// Of whom.
    pub source: Source,
    /// They want nothing of us.
    pub is_out: bool,
}

/// What a request stands on, looked at right before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The region's role.
    pub role: Role,
    /// The claim, if it was given.
    pub lease: Option<Lease>,
    /// The last word on an opt-out.
    pub opt_out: Option<OptOut>,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The region is not active.
    Role,
    /// The claim was not given, is of another epoch, or does not outlast a request.
    Claim,
    /// Only one copy of the store has the claim.
    Replica,
    /// What was requested before is not known.
    LookUp,
    /// Nobody has asked the primary of late whether they have opted out.
    OptOut,
    /// The node that made the promise may still text.
    TextLease,
}

/// Whether a request may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Now.
    Go,
    /// Not before there is this as well.
    Wait(Lack),
    /// They want nothing of us.
    Never,
}

/// Who may text a promise by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texter {
    /// This node, which made it then.
    Me(Instant),
    /// Another one, until then, by its clock.
    Other(Utc),
}

impl Ground {
    /// Whether a ring may be requested now.
    pub fn ring(&self, now: Instant, settings: &ClaimSettings) -> Leave {
        if self.opt_out.is_some_and(|opt_out| opt_out.is_out) {
            return Leave::Never;
        }
        match self.lack(now, settings) {
            Some(lack) => Leave::Wait(lack),
            None => Leave::Go,
        }
    }

    /// Whether a text may be requested now.
    ///
    /// Whoever made the promise needs nobody for it: it knows of its own requests, and of its own opt-outs. Everybody else waits
    /// until its lease has certainly ended, and then needs what a ring needs; what it may have texted is looked up first.
    pub fn text(
        &self,
        (now, utc): (Instant, Utc),
        texter: Texter,
        settings: &ClaimSettings,
    ) -> Leave {
        let is_out = self.opt_out.is_some_and(|opt_out| opt_out.is_out);
        let lasts = settings.request_lasts();
        match texter {
            Texter::Me(_) | Texter::Other(_) if is_out => Leave::Never,
            Texter::Me(made) if now + lasts < made + settings.text_lease => Leave::Go,
            Texter::Other(until) if utc.since(until) <= settings.skew_max => {
                Leave::Wait(Lack::TextLease)
            }
            Texter::Me(_) | Texter::Other(_) => self.ring(now, settings),
        }
    }

    fn lack(&self, now: Instant, settings: &ClaimSettings) -> Option<Lack> {
        let Role::Active(epoch) = self.role else {
            return Some(Lack::Role);
        };
        let outlasts = |lease: &Lease| {
            lease.epoch == epoch && now + settings.request_lasts() <= lease.asked + settings.lease
        };
        let Some(lease) = self.lease.filter(outlasts) else {
            return Some(Lack::Claim);
        };
        if !lease.is_replicated {
            return Some(Lack::Replica);
        }
        if !lease.is_settled {
            return Some(Lack::LookUp);
        }
        let is_fresh = |opt_out: &OptOut| {
            opt_out.source == Source::Primary && now.since(opt_out.asked) <= settings.opt_out_within
        };
        let is_known = self.opt_out.as_ref().is_some_and(is_fresh);
        (!is_known).then_some(Lack::OptOut)
    }
}

#[cfg(test)]
mod tests;
