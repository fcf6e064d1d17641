//! What a node knows of a call, as it is told to another one: the words of the caller among it, for the call to go on with.
//!
//! What is known of the conversation is in the form in which it is kept ([`CallState`]), which has a version of its own: what a
//! newer one has written is known to be there, and not read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::call::checkpoint::Checkpoint;
use crate::core::front::Card;
use crate::core::ids::CallId;
use crate::core::region::resume::{Account, Fate, HomeSays};
use crate::core::region::{Life, Node, Peer, Region, Version};
use crate::server::keeper::{CallState, known_state};
use crate::store::State;

/// What a node knows of a call.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct CallWords {
    id: u128,
    /// Of the newest document that it knows of.
    epoch: u32,
    /// Whose that document's stream is: region, node, life.
    owner: (String, String, u64),
    has_ended: bool,
    /// Whether it goes on with the call itself.
    takes: bool,
    /// The epoch and the number of the checkpoint; `None`: there is none.
    version: Option<(u32, u32)>,
    state: Vec<u8>,
}

impl CallWords {
    pub(in crate::server) fn of(account: Account<Checkpoint>, takes: bool) -> Self {
        let Account {
            card,
            owner,
            fate,
            resumed,
            memory,
        } = account;
        let version = memory.as_ref().map(|memory| memory.version);
        let checkpoint = memory.and_then(|memory| memory.checkpoint);
        let state = CallState {
            checkpoint: checkpoint.unwrap_or_default(),
            resumed,
            fate,
        };
        Self {
            id: card.id.bits(),
            epoch: card.epoch,
            owner: (
                owner.region.as_str().to_owned(),
                owner.node.as_str().to_owned(),
                owner.life.0,
            ),
            has_ended: fate == Fate::Ended,
            takes,
            version: version.map(|version| (version.epoch, version.turn)),
            state: state.write().0,
        }
    }

    /// The same as the answer of `home`; `is_it`: in the life that was asked. Of another life it is what was kept on a disk: not the owner's
    /// own word, for somebody may have gone on since.
    pub(in crate::server) fn read(self, is_it: bool) -> Option<HomeSays<Checkpoint>> {
        let (region, node, life) = self.owner;
        let owner = Peer {
            region: Region::parse(&region)?,
            node: Node::parse(&node)?,
            life: Life(if is_it { life } else { 0 }),
        };
        let version = self.version.map(|(epoch, turn)| Version { epoch, turn });
        let (state, memory) = known_state(version.unwrap_or_default(), &State(self.state));
        let account = Account {
            card: Card {
                id: CallId::from_bits(self.id),
                epoch: self.epoch,
            },
            owner,
            fate: if self.has_ended {
                Fate::Ended
            } else {
                state.fate
            },
            resumed: state.resumed,
            memory: memory.filter(|_| version.is_some()),
        };
        let takes = self.takes && is_it;
        Some(HomeSays::Own { account, takes })
    }
}

/// Without the words.
impl fmt::Debug for CallWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id: _,
            epoch,
            owner,
            has_ended,
            takes,
            version,
            state,
        } = self;
        f.debug_struct("CallWords")
            .field("epoch", epoch)
            .field("owner", owner)
            .field("has_ended", has_ended)
            .field("takes", takes)
            .field("version", version)
            .field("state_bytes", &state.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::call::memory::{Memory, Speaker};
    use crate::core::region::resume::{Remembered, Resumed};
    use crate::core::time::Utc;

    fn account() -> Account<Checkpoint> {
        let mut memory = Memory::default();
        memory.push(Speaker::Caller, "the blue bicycle");
        let checkpoint = Checkpoint {
            memory,
            is_mid_turn: true,
            ..Checkpoint::default()
        };
        Account {
            card: Card {
                id: CallId::from_bits(7),
                epoch: 3,
            },
            owner: Peer {
                region: Region::parse("east").unwrap(),
                node: Node::parse("east-1").unwrap(),
                life: Life(u64::MAX),
            },
            fate: Fate::HandedOver,
            resumed: Resumed::default().again(Utc::from_millis(9)),
            memory: Some(Remembered {
                version: Version { epoch: 3, turn: 4 },
                is_turn_open: true,
                checkpoint: Some(checkpoint),
            }),
        }
    }

    #[test]
    fn what_is_known_of_a_call_arrives_as_it_is() {
        let own = |account, takes| Some(HomeSays::Own { account, takes });
        let words = CallWords::of(account(), true);
        assert!(!format!("{words:?}").contains("bicycle"));
        assert_eq!(words.clone().read(true), own(account(), true));
        // Another life has not got the call, and may know how far it is.
        let mut kept = account();
        kept.owner.life = Life(0);
        assert_eq!(words.read(false), own(kept, false));
        let ended = Account {
            fate: Fate::Ended,
            memory: None,
            ..account()
        };
        let words = CallWords::of(ended.clone(), false);
        assert_eq!(words.read(true), own(ended, false));
    }

    #[test]
    fn a_conversation_of_a_newer_version_is_known_to_be_there() {
        let mut words = CallWords::of(account(), true);
        words.state[0] = u8::MAX;
        let Some(HomeSays::Own { account, .. }) = words.read(true) else {
            panic!("it knows the call");
        };
        assert_eq!(account.memory.unwrap().checkpoint, None);
    }
}
