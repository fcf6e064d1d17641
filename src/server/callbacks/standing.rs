//! What a desk stands on where nodes share promises: its claim, and for each request what was asked of the primary right before.
//!
//! The claim says that the desk is there: who has none any more is not served by it, and requests nothing. It is one for all
//! promises of the desk, which are told apart by the name that stands with each ([`super::served`]). That a request may be made is
//! decided by [`crate::core::region::claim`]; this only keeps what that has to know. What was kept as begun was kept by the
//! primary in one step with the look at the opt-out, so that is its word.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Message;
use super::archive::Common;
use super::desk::Desk;
use super::served::DeskName;
use crate::core::callback::promise::{SendId, SendKind};
use crate::core::ids::PromiseId;
use crate::core::region::Epoch;
use crate::core::region::claim::{
    ClaimSettings, Ground, Lack, Lease, Leave, OptOut, Source, Texter,
};
use crate::core::region::role::Role;
use crate::core::time::{Instant, Utc};
use crate::store::shared::{Claim, ClaimId, Claimed, Shared as _};
use crate::store::{Answer, StoreError};

/// Requests that are kept as begun and not made yet, and promises that were made here a moment ago; beyond it the oldest name goes,
/// whose request waits for its next turn.
const NOTES_MAX: usize = 32_768;

/// Nodes without regions are all of one, which is active.
const REGIONLESS: Role = Role::Active(Epoch(0));

/// How often the claim is asked for anew in the time by which it lasts longer than a request.
const ASKED_TIMES: u32 = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) common: Arc<Common>,
    /// Whether a claim that no replica has is one: where there are no replicas.
    is_alone: bool,
    node: Box<str>,
    claims: ClaimSettings,
    /// What this region may do, as it was last looked at.
    role: Role,
    lease: Option<Lease>,
    pub(super) claim_at: Instant,
    /// When each request was asked to be kept as begun.
    begun: BTreeMap<SendId, Instant>,
    /// When each promise was made here.
    made: BTreeMap<PromiseId, Instant>,
    /// Whether the log knows that the claim is lost.
    is_told: bool,
}

impl Standing {
    pub(super) fn new(
        common: Arc<Common>,
        node: &str,
        claims: ClaimSettings,
        replicas_min: usize,
    ) -> Self {
        Self {
            common,
            is_alone: replicas_min == 0,
            node: node.into(),
            claims,
            role: REGIONLESS,
            lease: None,
            claim_at: Instant::ZERO,
            begun: BTreeMap::new(),
            made: BTreeMap::new(),
            is_told: false,
        }
    }

    /// Whether the desk is known to be there.
    pub(super) fn holds(&self, now: Instant) -> bool {
        let lease = self.claims.lease;
        self.lease
            .is_some_and(|held| held.is_replicated && now < held.asked + lease)
    }

    /// Whether this desk serves what others leave.
    pub(super) fn may_follow(&self, now: Instant) -> bool {
        matches!(self.role, Role::Active(_)) && self.holds(now)
    }

    /// Whether it can be looked at what others serve.
    pub(super) fn may_look(&self, now: Instant) -> bool {
        self.role == Role::Standby || self.holds(now)
    }

    pub(super) fn has_made(&mut self, now: Instant, promise: PromiseId) {
        note(&mut self.made, promise, now);
    }

    /// Whether a request that is kept as begun stands on solid ground.
    fn leave(
        &mut self,
        (now, utc): (Instant, Utc),
        (send, kind): (SendId, SendKind),
        promise: PromiseId,
    ) -> Leave {
        let epoch = match self.role {
            Role::Active(epoch) => epoch,
            Role::Standby => Epoch(0),
        };
        let opt_out = self.begun.remove(&send).map(|asked| OptOut {
            asked,
            source: Source::Primary,
            is_out: false,
        });
        let within = self.claims.opt_out_within;
        if opt_out.is_none_or(|word| now.since(word.asked) > within) {
            return Leave::Wait(Lack::OptOut);
        }
        let ground = Ground {
            role: self.role,
            lease: self.lease.map(|lease| Lease { epoch, ..lease }),
            opt_out,
        };
        match kind {
            SendKind::Ring => ground.ring(now, &self.claims),
            SendKind::Text => {
                let made = self.made.get(&promise).copied();
                // Who serves it in another's place has looked up what that one has texted.
                let texter = made.map_or(Texter::Other(Utc::default()), Texter::Me);
                ground.text((now, utc), texter, &self.claims)
            }
        }
    }
}

fn note<K: Ord>(notes: &mut BTreeMap<K, Instant>, key: K, at: Instant) {
    if notes.len() >= NOTES_MAX {
        notes.pop_first();
    }
    notes.insert(key, at);
}

impl Desk {
    /// Looks at what this region may do.
    pub(super) fn look_at_role(&mut self, now: Instant) {
        let nodes = self.shared.nodes.as_ref();
        self.plays(nodes.map_or(REGIONLESS, |nodes| nodes.role(now)));
    }

    /// What this region may do from now on. A standby serves nothing: it gives back its claim, and the active region's nodes follow it.
    fn plays(&mut self, role: Role) {
        let Some(standing) = &mut self.standing else {
            return;
        };
        let was = std::mem::replace(&mut standing.role, role);
        if role == Role::Standby && was != Role::Standby {
            standing.lease = None;
            self.step_down();
        }
    }

    /// It is asked to be kept that this request is about to be made.
    pub(super) fn begins(&mut self, send: SendId) {
        let now = self.shared.clock.now();
        if let Some(standing) = &mut self.standing {
            note(&mut standing.begun, send, now);
        }
    }

    /// Whether a request may be made now, or has to wait for its next turn.
    pub(super) fn may_request(
        &mut self,
        clocks: (Instant, Utc),
        send: SendId,
        kind: SendKind,
    ) -> bool {
        self.look_at_role(clocks.0);
        let promise = self.ledger.promise_of(send).map(|promise| promise.id);
        let (Some(standing), Some(promise)) = (&mut self.standing, promise) else {
            return self.standing.is_none();
        };
        match standing.leave(clocks, (send, kind), promise) {
            Leave::Go => true,
            Leave::Wait(lack) => {
                tracing::debug!(?lack, "a request waits");
                false
            }
            Leave::Never => false,
        }
    }

    /// Asks for the claim, when it is time.
    pub(super) fn claim(&mut self, now: Instant) {
        let (tell, life) = (self.tell.clone(), self.life);
        let is_over = self.is_stopping;
        let Some(standing) = &mut self.standing else {
            return;
        };
        if now < standing.claim_at || is_over || standing.role == Role::Standby {
            return;
        }
        standing.claim_at = now + standing.claim_every();
        let claimed = standing.common.store.claim(standing.name());
        let spawned = self.shared.tasks.clone();
        spawned.spawn("claim", async move {
            let claimed = claimed.await;
            tell.send(Message::Claimed(life, now, claimed)).await.ok(); // The desk may be gone.
        });
    }

    /// What became of the claim that was asked for then.
    pub(super) fn on_claimed(&mut self, asked: Instant, claimed: &Result<Claimed, StoreError>) {
        let now = self.shared.clock.now();
        let Some(standing) = &mut self.standing else {
            return;
        };
        if let Ok(Claimed::Granted { replicas }) = claimed {
            standing.lease = Some(Lease {
                asked,
                epoch: Epoch(0), // That of the role at the request.
                is_replicated: standing.is_alone || *replicas > 0,
                // What others may have requested is looked up by the ledger before it does anything else.
                is_settled: true,
            });
        }
        let is_held = standing.holds(now);
        let is_granted = matches!(claimed, Ok(Claimed::Granted { .. }));
        let is_kept = is_granted && standing.lease.is_some_and(|lease| lease.is_replicated);
        self.shared.keeper.keeps_promises(is_kept);
        if is_held && standing.is_told {
            tracing::info!("promises are made and served again");
        } else if !is_held && !standing.is_told {
            tracing::error!(
                ?claimed,
                "this node has no claim in the shared store: nothing is promised, texts and rings wait"
            );
        }
        standing.is_told = !is_held;
    }
}

impl Standing {
    /// Several times while a request could still be made.
    fn claim_every(&self) -> Duration {
        let spare = self
            .claims
            .lease
            .saturating_sub(self.claims.request_lasts());
        spare / ASKED_TIMES
    }

    fn name(&self) -> Claim {
        let DeskName(me) = self.common.me;
        // The name of the node is for people who look into the store.
        let node: String = self.node.chars().filter(char::is_ascii).take(30).collect();
        Claim {
            id: ClaimId(me),
            owner: format!("{node}/{me:032x}"),
            epoch: 0,
            lease: self.claims.lease,
        }
    }

    /// Others may serve what this desk served, from now on.
    pub(super) fn release(&self) -> Answer<Claimed> {
        self.common.store.release_claim(self.name())
    }
}
