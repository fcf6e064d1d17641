//! What a node answers when another one asks. Each question is one arm; what follows from it is decided in [`crate::core::region`].

use std::sync::Arc;

use super::Nodes;
use super::beats;
use super::words::{Answer, Question};
use crate::core::region::Peer;
use crate::server::Shared;

/// The answer to a question of a node that was let in.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    nodes: &Nodes,
    from: Peer,
    question: Question,
) -> Answer {
    match question {
        Question::Beat(words) => {
            let now = shared.clock.now();
            beats::hear(shared, nodes, now, from, words);
            Answer::Beat(beats::beat(shared, nodes, now))
        }
    }
}
