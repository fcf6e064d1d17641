//! What the stores know of a call, as [`crate::core::region::resume`] weighs it.

use super::{CallState, Keeper, Unreadable};
use crate::core::call::checkpoint::Checkpoint;
use crate::core::front::Card;
use crate::core::ids::CallSid;
use crate::core::region::resume::{Account, Fate, Remembered, Resumed, StoreSays};
use crate::core::region::{Peer, Version};
use crate::store::{CallRecord, EndedCall, KnownCall, State, StoreError};

impl Keeper {
    /// What the file beside the process knows of a call; nothing as well where it does not say so in time.
    pub(in crate::server) async fn account_here(
        &self,
        sid: CallSid,
    ) -> Option<Account<Checkpoint>> {
        let known = self.look_up_here(sid).await?;
        Some(account(known, self.me))
    }

    /// What nodes share knows of a call, within 300 ms.
    ///
    /// One address is asked, or the primary that the Sentinels name, and a replica that they know where that is away or takes its time.
    /// Where neither answers the call's home has the word.
    pub(in crate::server) async fn account_shared(&self, sid: CallSid) -> StoreSays<Checkpoint> {
        let Some(shared) = &self.shared else {
            return StoreSays::Away;
        };
        match shared.look_up(sid).await {
            Ok(Some(known)) => StoreSays::Call(account(known, self.me)),
            // What a newer version has written as a whole says nothing to us.
            Ok(None) | Err(StoreError::Newer(_)) => StoreSays::Nothing,
            Err(_) => StoreSays::Away,
        }
    }

    /// Whether nodes share anything.
    pub(in crate::server) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }
}

fn account(known: KnownCall, me: Peer) -> Account<Checkpoint> {
    match known {
        KnownCall::InProgress(call) => in_progress(&call),
        KnownCall::Ended(EndedCall { id, by, .. }) => Account {
            // The carrier knows of no later document.
            card: by.map_or(
                Card {
                    id,
                    epoch: u32::MAX,
                },
                |by| by.card,
            ),
            owner: by.map_or(me, |by| by.owner),
            fate: Fate::Ended,
            resumed: Resumed::default(),
            memory: None,
        },
    }
}

fn in_progress(call: &CallRecord) -> Account<Checkpoint> {
    let CallRecord { by, turn, .. } = *call;
    let version = Version {
        epoch: by.card.epoch,
        turn,
    };
    let (state, memory) = known_state(version, &call.state);
    Account {
        card: by.card,
        owner: by.owner,
        fate: state.fate,
        resumed: state.resumed,
        memory,
    }
}

/// What a state says of a call, and its checkpoint, which is taken out of it.
pub(in crate::server) fn known_state(
    version: Version,
    state: &State,
) -> (CallState, Option<Remembered<Checkpoint>>) {
    match CallState::read(state) {
        Ok(mut state) => {
            let checkpoint = std::mem::take(&mut state.checkpoint);
            (state, Some(remembered(version, checkpoint)))
        }
        Err(Unreadable::Newer) => {
            let newer = Remembered {
                version,
                is_turn_open: true,
                checkpoint: None,
            };
            (CallState::default(), Some(newer))
        }
        Err(Unreadable::Damaged) => (CallState::default(), None),
    }
}

/// A checkpoint that can be read.
pub(in crate::server) const fn remembered(
    version: Version,
    checkpoint: Checkpoint,
) -> Remembered<Checkpoint> {
    Remembered {
        version,
        is_turn_open: checkpoint.is_mid_turn,
        checkpoint: Some(checkpoint),
    }
}
