//! Which region is active, who the other nodes are, and an operator's word on it.

use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::json;
use crate::core::region::Role;
use crate::core::region::presence::Beat;
use crate::core::time::Instant;
use crate::server::Shared;
use crate::server::drain::Stage;
use crate::server::region::Nodes;

/// Where this node stands among the others: the answer to `GET /admin/v1/region`, and to a [`RegionOrder`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionView {
    /// This node.
    pub node: String,
    /// Its region.
    pub region: String,
    /// `active`: its nodes ring; `standby`: they do not; `sole`: there is no other region; `witness`: it only votes; `alone`: it knows of
    /// nobody else.
    pub role: String,
    /// By which epoch it is active; `None`: it is not.
    pub epoch: Option<u64>,
    /// The other nodes, in the order of their names; a witness hears of none.
    pub nodes: Vec<NodeView>,
}

/// How another node stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub node: String,
    /// Its region.
    pub region: String,
    /// How it said that it is, within the last seconds; `None`: it was not heard, or two go by its name.
    pub load: Option<LoadView>,
}

/// How loaded a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadView {
    /// Its calls.
    pub calls: u32,
    /// As many as there may be.
    pub calls_max: u32,
    /// New calls may come.
    pub takes_calls: bool,
    /// Some provider takes new calls there.
    pub has_provider: bool,
}

/// What an operator wants: the body of `POST /admin/v1/region`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum RegionOrder {
    /// This region is to be the active one.
    Promote {
        /// Even if another one is active.
        force: bool,
    },
    /// It is not to be, and not to ask for it by itself.
    Demote {},
}

pub(super) async fn show(State(shared): State<Arc<Shared>>) -> Response {
    json(&view(&shared))
}

pub(super) async fn order(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Ok(order) = serde_json::from_slice::<RegionOrder>(&body) else {
        let sentence =
            "The body must be {\"do\": \"promote\", \"force\": false} or {\"do\": \"demote\"}.\n";
        return (StatusCode::BAD_REQUEST, sentence).into_response();
    };
    let Some(nodes) = &shared.nodes else {
        let sentence = "This node is alone: region.peers names nobody.\n";
        return (StatusCode::CONFLICT, sentence).into_response();
    };
    let now = shared.clock.now();
    let is_draining = shared.tasks.stage() > Stage::Serving;
    let obeyed = match order {
        RegionOrder::Promote { force } => {
            tracing::warn!(force, "operator: promote this region");
            nodes.promote(now, force, is_draining).map(drop)
        }
        RegionOrder::Demote {} => {
            tracing::warn!("operator: demote this region");
            nodes.demote(now, is_draining)
        }
    };
    match obeyed {
        Ok(()) => json(&view(&shared)),
        Err(refused) => (StatusCode::CONFLICT, format!("{refused}\n")).into_response(),
    }
}

fn view(shared: &Shared) -> RegionView {
    let now = shared.clock.now();
    let me = shared.me;
    let nodes = shared.nodes.as_ref();
    let (role, epoch) = nodes.map_or(("alone", None), |nodes| stand(nodes, now));
    RegionView {
        node: me.node.to_string(),
        region: me.region.to_string(),
        role: role.to_owned(),
        epoch,
        nodes: nodes.map(|nodes| others(nodes, now)).unwrap_or_default(),
    }
}

fn stand(nodes: &Nodes, now: Instant) -> (&'static str, Option<u64>) {
    let roles = nodes.roles();
    let epoch = match roles.role(now) {
        Role::Active(epoch) => Some(epoch.0),
        Role::Standby => None,
    };
    (roles.name(now), epoch)
}

fn others(nodes: &Nodes, now: Instant) -> Vec<NodeView> {
    if nodes.is_witness() {
        return Vec::new(); // It hears nothing but pleas.
    }
    let presence = nodes.presence();
    let heard = |node| presence.believed(now).find(|beat| beat.peer.node == node);
    let views = nodes.peers.nodes().map(|(node, region)| NodeView {
        node: node.to_string(),
        region: region.to_string(),
        load: heard(node).map(load),
    });
    views.collect()
}

const fn load(beat: &Beat) -> LoadView {
    LoadView {
        calls: beat.load.calls,
        calls_max: beat.load.calls_max,
        takes_calls: beat.load.takes_calls,
        has_provider: beat.load.has_provider,
    }
}

/// One line for this node, and one for each other.
impl fmt::Display for RegionView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            node,
            region,
            role,
            epoch,
            nodes,
        } = self;
        write!(f, "{node} of {region}: {role}")?;
        if let Some(epoch) = epoch {
            write!(f, " by epoch {epoch}")?;
        }
        for NodeView { node, region, load } in nodes {
            write!(f, "\n{node} of {region}: ")?;
            match load {
                None => f.write_str("not heard of")?,
                Some(load) => {
                    write!(f, "{} of {} calls", load.calls, load.calls_max)?;
                    if !load.takes_calls {
                        f.write_str(", takes none")?;
                    }
                    if !load.has_provider {
                        f.write_str(", no provider")?;
                    }
                }
            }
        }
        Ok(())
    }
}
