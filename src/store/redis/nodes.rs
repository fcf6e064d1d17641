//! Redis as what all nodes share: who is there, claims, roles.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::calls::{check_node, seal, unseal};
use super::reply::Fields;
use super::script::{Request, Script};
use super::{LaneName, Redis, Way, calls, promises};
use crate::core::time::Utc;
use crate::store::error::StoreError;
use crate::store::records::{CallerHash, check_length};
use crate::store::sealer::Sealer;
use crate::store::shared::{
    ADVICE_BYTES_MAX, Claim, ClaimId, Claimed, Holder, NODES_MAX, Presence, RoleChange,
    RoleChanged, RoleRecord, Shared,
};
use crate::store::{Answer, CallKey, KnownCall, State};

/// What they are, for people.
const PRESENCE: &str = "presence of a node";
const CLAIM: &str = "claim";
const ROLE: &str = "role of a region";

/// Where they are sealed for.
const PRESENCE_PLACE: &str = "nodes";
const ROLE_PLACE: &str = "roles";
pub(super) const ADVICE_PLACE: &str = "advice";

impl Redis {
    /// What a replica knows of a call, where Sentinels say where there is one: true, and at worst not the newest. For whoever cannot wait
    /// until there is a primary again.
    pub fn call_at_replica(&self, key: CallKey, now: Utc) -> Answer<Option<KnownCall>> {
        self.asker.ask(
            LaneName::Replica,
            Way::LOOK_UP,
            calls::CALL,
            move |_| Ok(calls::call(key, now)),
            calls::known_call,
        )
    }

    /// A look-up of something small.
    pub(super) fn look_up<T: Send + 'static>(
        &self,
        kind: &'static str,
        request: Request,
        read: impl FnOnce(Fields, &Sealer) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        let build = move |_: &Sealer| Ok(request);
        self.asker
            .ask(LaneName::Reads, Way::LOOK_UP, kind, build, read)
    }

    fn claim_step(&self, step: &'static str, claim: Claim) -> Answer<Claimed> {
        self.asker.ask_counted(
            LaneName::Writes,
            Way::COUNTED,
            CLAIM,
            move |_| {
                check_node(&claim.owner)?;
                Ok(Request::new(Script::Claim)
                    .text(step)
                    .name(claim.id.0)
                    .text(&claim.owner)
                    .number(claim.epoch)
                    .number(millis(claim.lease)))
            },
            |mut fields, _, replicas| match fields.text()?.as_str() {
                "granted" => Ok(Claimed::Granted { replicas }),
                "held" => holder(&mut fields).map(Claimed::Held),
                "fenced" => holder(&mut fields).map(|by| Claimed::Fenced { epoch: by.epoch }),
                "free" | "released" => Ok(Claimed::Free),
                _ => Err(StoreError::Damaged(CLAIM)),
            },
        )
    }
}

impl Shared for Redis {
    fn keep_presence(&self, presence: Presence) -> Answer<()> {
        self.asker.ask(
            LaneName::Writes,
            Way::WRITE,
            PRESENCE,
            move |sealer| {
                check_node(&presence.node)?;
                check_length(PRESENCE, &presence.state)?;
                let place = sealer.name(&presence.node);
                Ok(Request::new(Script::KeepPresence)
                    .text(&presence.node)
                    .bytes(seal(sealer, PRESENCE_PLACE, place, &presence.state))
                    .number(millis(presence.life).max(1))
                    .count(NODES_MAX))
            },
            |mut fields, _| match fields.text()?.as_str() {
                "kept" => Ok(()),
                _ => Err(StoreError::TooLong("list of nodes")),
            },
        )
    }

    fn presences(&self) -> Answer<Vec<Presence>> {
        let request = Request::new(Script::Presences);
        self.look_up(PRESENCE, request, |mut fields, sealer| {
            let mut found = Vec::new();
            while let Some(mut presence) = fields.record()? {
                let node = presence.text()?;
                let (place, sealed) = (sealer.name(&node), presence.bytes()?);
                found.push(Presence {
                    state: unseal(sealer, PRESENCE, PRESENCE_PLACE, place, &sealed)?,
                    node,
                    life: Duration::from_millis(presence.number()?),
                });
            }
            Ok(found)
        })
    }

    fn advise(&self, advice: State) -> Answer<usize> {
        self.asker.ask(
            LaneName::Writes,
            Way::WRITE,
            "advice",
            move |sealer| {
                if advice.0.len() > ADVICE_BYTES_MAX {
                    return Err(StoreError::TooLong("advice"));
                }
                let sealed = seal(sealer, ADVICE_PLACE, 0, &advice);
                Ok(Request::new(Script::Advise).bytes(sealed))
            },
            |mut fields, _| fields.count(),
        )
    }

    fn advice(&self) -> BoxStream<'static, State> {
        let known = &self.asker.known;
        let receiver = known.advice.subscribe();
        known.is_listening.store(true, Ordering::SeqCst);
        known.listen.notify_one();
        let running = self.running.clone();
        unfold(
            (receiver, running),
            |(mut receiver, mut running)| async move {
                let advice = next(&mut receiver, &mut running).await?;
                Some((advice, (receiver, running)))
            },
        )
        .boxed()
    }

    fn claim(&self, claim: Claim) -> Answer<Claimed> {
        self.claim_step("claim", claim)
    }

    fn renew_claim(&self, claim: Claim) -> Answer<Claimed> {
        self.claim_step("renew", claim)
    }

    fn release_claim(&self, claim: Claim) -> Answer<Claimed> {
        self.claim_step("release", claim)
    }

    fn claim_holder(&self, id: ClaimId) -> Answer<Option<Holder>> {
        let request = Request::new(Script::Claim).text("see").name(id.0);
        let request = request.text("").number(0).number(0);
        self.look_up(CLAIM, request, |mut fields, _| {
            match fields.text()?.as_str() {
                "held" => holder(&mut fields).map(Some),
                _ => Ok(None),
            }
        })
    }

    fn role(&self, name: &str) -> Answer<Option<RoleRecord>> {
        if let Err(error) = check_node(name) {
            return Box::pin(std::future::ready(Err(error)));
        }
        let name = name.to_owned();
        let request = Request::new(Script::Role).text(&name);
        self.look_up(ROLE, request, move |mut fields, sealer| {
            let Some(mut role) = fields.record()? else {
                return Ok(None);
            };
            role.bytes()?; // The version, which the script has looked at.
            Ok(Some(RoleRecord {
                epoch: role.number()?,
                owner: role.text()?,
                state: unseal(sealer, ROLE, ROLE_PLACE, sealer.name(&name), &role.bytes()?)?,
            }))
        })
    }

    fn change_role(&self, name: &str, change: RoleChange) -> Answer<RoleChanged> {
        let name = name.to_owned();
        self.asker.ask_counted(
            LaneName::Writes,
            Way::COUNTED,
            ROLE,
            move |sealer| {
                check_node(&name)?;
                check_node(&change.owner)?;
                check_length(ROLE, &change.state)?;
                let place = sealer.name(&name);
                Ok(Request::new(Script::ChangeRole)
                    .text(&name)
                    .number(change.from_epoch)
                    .number(change.from_epoch.saturating_add(1))
                    .text(&change.owner)
                    .bytes(seal(sealer, ROLE_PLACE, place, &change.state)))
            },
            |mut fields, _, replicas| match fields.text()?.as_str() {
                "changed" => Ok(RoleChanged::Kept {
                    epoch: fields.number()?,
                    replicas,
                }),
                "stale" => Ok(RoleChanged::Stale(fields.number()?)),
                _ => Err(StoreError::Damaged(ROLE)),
            },
        )
    }

    fn opted_out_surely(&self, caller: CallerHash) -> Answer<Option<Utc>> {
        let request = Request::new(Script::OptedOutSurely).name(caller.0);
        self.asker.ask(
            LaneName::Writes,
            Way::SURE_IF_AWAITED,
            "opt-out",
            move |_| Ok(request),
            |fields, _| promises::opted_out(fields),
        )
    }
}

/// What is told next; `None`: the store is closed.
async fn next(
    advice: &mut broadcast::Receiver<State>,
    running: &mut watch::Receiver<()>,
) -> Option<State> {
    loop {
        let told = pin!(advice.recv());
        match select(told, pin!(running.changed())).await {
            Either::Left((Ok(advice), _)) => return Some(advice),
            // The oldest were dropped: what is left is newer.
            Either::Left((Err(RecvError::Lagged(_)), _)) => {}
            Either::Left((Err(RecvError::Closed), _)) | Either::Right(_) => return None,
        }
    }
}

fn holder(fields: &mut Fields) -> Result<Holder, StoreError> {
    Ok(Holder {
        owner: fields.text()?,
        epoch: fields.number()?,
        left: Duration::from_millis(fields.number()?),
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
