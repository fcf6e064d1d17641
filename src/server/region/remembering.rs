//! By which epoch a region was active, in the store that nodes share: where all nodes have begun anew, nobody else remembers it, and what was
//! done by an older epoch must not be taken for what is done by this one.
//!
//! Nobody waits for it: while the store is away, the voters know. What an epoch means is decided in [`crate::core::region`].

use std::sync::Arc;
use std::time::Duration;

use super::Nodes;
use crate::core::region::{Epoch, Region, Role};
use crate::server::Shared;
use crate::server::drain::Stage;
use crate::store::State;
use crate::store::redis::Redis;
use crate::store::shared::{RoleChange, RoleRecord, Shared as _};

/// The name of what is led.
const LEAD: &str = "active";

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Writes down by which epoch our own region is active, and reads what others wrote, until live calls are ended.
pub(in crate::server) async fn keep(shared: Arc<Shared>) {
    let (Some(nodes), Some(store)) = (&shared.nodes, shared.keeper.shared_store()) else {
        return;
    };
    let mut draining = std::pin::pin!(shared.tasks.reached(Stage::Draining));
    loop {
        if nodes.has_roles() {
            look(&shared, nodes, store).await;
        }
        tokio::select! {
            () = &mut draining => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn look(shared: &Shared, nodes: &Nodes, store: &Redis) {
    let Ok(kept) = store.role(LEAD).await else {
        return;
    };
    let highest = kept.as_ref().map_or(Epoch::default(), epoch_of);
    let of = kept.as_ref().and_then(|kept| Region::parse(&kept.owner));
    nodes.roles().outdated(highest, of);
    let Role::Active(epoch) = nodes.role(shared.clock.now()) else {
        return;
    };
    if epoch <= highest {
        return;
    }
    let change = RoleChange {
        from_epoch: kept.map_or(0, |kept| kept.epoch),
        owner: nodes.me.region.as_str().to_owned(),
        state: State(epoch.0.to_be_bytes().to_vec()),
    };
    // Whoever was first, or could not be told: it is looked at again.
    drop(store.change_role(LEAD, change).await);
}

/// What another version has written there says nothing.
fn epoch_of(kept: &RoleRecord) -> Epoch {
    let bytes = kept.state.0.first_chunk();
    bytes.map_or(Epoch::default(), |bytes| Epoch(u64::from_be_bytes(*bytes)))
}
