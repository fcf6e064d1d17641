//! What a node answers when another one asks. Each question is one arm; what follows from it is decided in [`crate::core::region`].

use std::sync::Arc;

use super::Nodes;
use super::words::{Answer, Question};
use super::{advice, beats, roles};
use crate::core::front::Card;
use crate::core::ids::{CallId, CallSid};
use crate::core::region::Peer;
use crate::core::region::owner::Tenure;
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
        Question::Call(call) => match CallSid::parse(&call).and_then(|call| shared.tell(call)) {
            Some(words) => Answer::Call(Box::new(words)),
            None => Answer::NoCall,
        },
        Question::Opened(call, id, epoch) => {
            if let Some(call) = CallSid::parse(&call) {
                let id = CallId::from_bits(id);
                let card = Card { id, epoch };
                shared.hear_opened(call, Tenure { card, owner: from });
            }
            Answer::Heard
        }
        Question::Advice(words) => {
            advice::hear(shared, nodes, shared.clock.now(), from, &words);
            Answer::Heard
        }
        Question::Record => Answer::Record(nodes.own_record(shared)),
        Question::Vote(words) => roles::answer(shared, nodes, from, &words),
        Question::Caller(words) => {
            if let Some((call, caller)) = words.read() {
                shared.callers.introduce(shared.clock.now(), call, caller);
            }
            Answer::Heard
        }
    }
}
