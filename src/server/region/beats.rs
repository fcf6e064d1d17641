//! Which nodes there are, and how they are: each says so every second, and hears it of the others.
//!
//! By the store that they share, as long as it answers; from node to node where it is away, or where there is none. What is believed
//! of it, and for how long, is decided in [`crate::core::region::presence`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::Nodes;
use super::words::{self, Answer, BeatWords, Question};
use crate::core::region::presence::{BEAT_EVERY, BELIEVED_FOR, Beat, Load, News};
use crate::core::region::{Epoch, Peer};
use crate::core::time::Instant;
use crate::server::Shared;
use crate::server::clock::draw_seed;
use crate::server::drain::Stage;
use crate::server::menu::has_provider;
use crate::store::State;
use crate::store::redis::Redis;
use crate::store::shared::{Presence as Kept, Shared as _};
use crate::telemetry::Count;

/// How long another node may take to answer a beat: less than the time between two of them.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);

/// How many beats come to one that goes from node to node though the store tells of them: it keeps a connection open, so that a
/// question about a call, which cannot wait, needs one round trip.
const LINES_KEPT_EVERY: u32 = 20;

/// Says how this node is, and hears how the others are, until live calls are ended.
pub(in crate::server) async fn keep(shared: Arc<Shared>) {
    // A witness gets no calls.
    let Some(nodes) = shared.nodes.as_ref().filter(|nodes| !nodes.is_witness()) else {
        return;
    };
    let mut draining = std::pin::pin!(shared.tasks.reached(Stage::Draining));
    let mut due = shared.clock.now();
    for beat in (0..LINES_KEPT_EVERY).cycle() {
        tokio::select! {
            () = &mut draining => return,
            () = turn(&shared, nodes, beat == 0) => {}
        }
        let now = shared.clock.now();
        let is_name_taken = nodes.presence().is_my_name_taken(now);
        due = (due + pause(is_name_taken)).max(now);
        tokio::select! {
            () = &mut draining => return,
            () = tokio::time::sleep_until(shared.clock.timer_at(due)) => {}
        }
    }
}

/// Not in step with others. Two processes of one name write one over the other in the store, and who reads there is to find now the one
/// and now the other: as soon as they know of it, each beats whenever it likes.
fn pause(is_name_taken: bool) -> Duration {
    let spread = if is_name_taken {
        BEAT_EVERY * 9 / 10
    } else {
        BEAT_EVERY / 4
    };
    let millis = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    BEAT_EVERY.saturating_sub(Duration::from_millis(draw_seed() % millis.max(1)))
}

async fn turn(shared: &Shared, nodes: &Nodes, keeps_lines: bool) {
    let is_told = match shared.keeper.shared_store() {
        Some(store) => by_store(shared, nodes, store).await,
        None => false,
    };
    if !is_told || keeps_lines {
        by_peers(shared, nodes).await;
    }
}

/// `false`: the store does not answer, or refuses.
async fn by_store(shared: &Shared, nodes: &Nodes, store: &Redis) -> bool {
    // First what is there: of another process of our name it is what was written over ours.
    let heard = store.presences().await;
    let own = beat(shared, nodes, shared.clock.now());
    let told = store.keep_presence(Kept {
        node: nodes.me.node.as_str().to_owned(),
        state: State(words::write(nodes.me, &own)),
        life: BELIEVED_FOR,
    });
    let is_well = told.await.is_ok() && heard.is_ok();
    let now = shared.clock.now();
    for kept in heard.unwrap_or_default() {
        // What another version, or somebody else, has kept there is no beat.
        if let Ok((from, Some(words))) = words::read(&kept.state.0) {
            hear(shared, nodes, now, from, words);
        }
    }
    is_well
}

async fn by_peers(shared: &Shared, nodes: &Nodes) {
    let question = Question::Beat(beat(shared, nodes, shared.clock.now()));
    let asked = nodes.peers.nodes().map(async |(node, _)| {
        let heard = nodes.peers.ask(node, &question, ANSWER_WITHIN).await;
        if let Ok(heard) = heard
            && let Answer::Beat(words) = heard.answer
        {
            hear(shared, nodes, shared.clock.now(), heard.from, words);
        }
    });
    join_all(asked).await;
}

/// How this node is.
pub(super) fn beat(shared: &Shared, nodes: &Nodes, now: Instant) -> BeatWords {
    let beat = Beat {
        peer: nodes.me,
        count: nodes.next_beat(),
        load: load(shared, now),
    };
    BeatWords::of(&beat, nodes.roles().told(now))
}

/// How loaded this node is, and what it may be given.
pub(in crate::server) fn load(shared: &Shared, now: Instant) -> Load {
    let is_serving = shared.tasks.stage() == Stage::Serving;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Load {
        calls: number(shared.calls.sockets()),
        calls_max: number(shared.calls.sockets_max()),
        takes_calls: is_serving
            && shared.overload.stage().allows_calls()
            && shared.calls.has_room(),
        has_provider: has_provider(shared, now),
        is_whole: shared.missing(now).is_none(),
    }
}

/// Another node says how it is, or somebody by our own name.
pub(super) fn hear(shared: &Shared, nodes: &Nodes, now: Instant, from: Peer, words: BeatWords) {
    let is_ours = from.node == nodes.me.node || nodes.peers.is_node(from);
    if !is_ours {
        return; // Of another deployment, or not in our list yet: nothing is given to it.
    }
    let beat = words.by(from);
    let (is_new, news) = {
        let mut presence = nodes.presence();
        (presence.is_new(&beat), presence.hear(now, beat))
    };
    if let Some(epoch) = words
        .active
        .filter(|_| is_new && from.node != nodes.me.node)
    {
        nodes.roles().heard_active(now, from.region, Epoch(epoch));
    }
    match news {
        News::None => {}
        News::NameTwice(node) => {
            let so_far = shared.telemetry.count(Count::NodesNamedTwice);
            if so_far.is_power_of_two() {
                tracing::error!(%node, so_far, "two processes go by one name: give each its own public.node");
            }
        }
        // There are no more peers than are remembered.
        News::Crowded => tracing::debug!(node = %from.node, "a node is not remembered"),
    }
}
