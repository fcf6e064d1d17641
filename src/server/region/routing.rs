//! Where a new call's stream goes: here, or to a node that has more room. Decided in [`crate::core::region::route`]; nobody is asked.

use std::sync::Arc;
use std::time::Duration;

use super::Nodes;
use super::beats::load;
use super::words::{CallerWords, Question};
use crate::carrier::twilio::address::PublicUrl;
use crate::carrier::twilio::webhook::Voice;
use crate::core::front::House;
use crate::core::ids::CallSid;
use crate::core::region::route::{Here, Route, pass_on, route};
use crate::core::region::{Node, Peer};
use crate::server::Shared;
use crate::server::callers::Caller;
use crate::server::front::Front;

/// How long another node may take to hear who is calling: as long as the carrier takes to open a stream there.
const INTRODUCED_WITHIN: Duration = Duration::from_millis(800);

/// Another node that gets a call.
#[derive(Clone, Copy)]
pub(in crate::server) struct Elsewhere<'a> {
    /// Which, in which life.
    pub(in crate::server) peer: Peer,
    /// Where the carrier finds it.
    pub(in crate::server) url: &'a PublicUrl,
}

/// Who gets the stream of a call that asks to be answered; `None`: it is answered here, whatever it gets.
///
/// Only a call that nothing is known of, and that a document of ours connects: any other has its place.
pub(in crate::server) fn elsewhere<'a>(
    shared: &Shared,
    nodes: &'a Nodes,
    front: &Front,
    voice: &Voice,
    house: House,
) -> Option<Elsewhere<'a>> {
    let now = shared.clock.now();
    let is_known = front.memory().endings.known(now, voice.call).is_some();
    if is_known || front.has_foreign_documents() {
        return None;
    }
    let here = Here {
        load: load(shared, now),
        has_menu: house.has_menu,
        places: nodes.places(now),
    };
    let call = (voice.call, voice.progress);
    let routed = route(now, here, &nodes.presence(), nodes.me.region, call);
    match routed {
        Route::Node(peer) | Route::Region(peer) => {
            let url = nodes.peers.url(peer.node)?;
            Some(Elsewhere { peer, url })
        }
        // The front door says the same of a house that is so.
        Route::Here | Route::Busy | Route::Apology | Route::Hangup => None,
    }
}

/// Who would take a call that this node cannot go on with.
#[derive(Clone, Copy)]
pub(in crate::server) enum Successor<'a> {
    /// That is not known here: a balancer may know one.
    Unknown,
    /// Nobody: all other nodes are gone, or full.
    Nobody,
    /// This one, where the carrier finds it.
    At(&'a PublicUrl),
}

/// Who would go on with this call.
pub(in crate::server) fn successor(shared: &Shared, call: CallSid) -> Successor<'_> {
    let Some(nodes) = &shared.nodes else {
        return Successor::Unknown;
    };
    let now = shared.clock.now();
    let found = pass_on(now, &nodes.presence(), nodes.me.region, call);
    let place = found.and_then(|peer| nodes.peers.url(peer.node));
    place.map_or(Successor::Nobody, Successor::At)
}

/// Tells the node that gets a call who is calling: a stream does not say. Beside the document, which does not wait for it.
pub(in crate::server) fn introduce(
    shared: &Arc<Shared>,
    node: Node,
    voice: &Voice,
    caller: &Caller,
) {
    let question = Question::Caller(CallerWords::new(voice.call, caller));
    let asking = Arc::clone(shared);
    shared.tasks.spawn("introduction", async move {
        if let Some(Nodes { peers, .. }) = &asking.nodes {
            // Who has not heard it asks the caller for the number.
            peers.ask(node, &question, INTRODUCED_WITHIN).await.ok();
        }
    });
}
