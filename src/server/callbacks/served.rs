//! Who serves a promise, as it is kept beside it in the store that nodes share: a version, the desk, the promise.
//!
//! A desk is one life of the task that owns a ledger, by a name that is drawn anew for each: whoever serves a promise writes its
//! name with every change, so that a change tells the one before that it serves it no more.

use crate::core::callback::promise::Promise;
use crate::store::State;
use crate::store::promise_form::{self, RecordFault};

/// The version that is written.
const VERSION: u8 = 1;

/// One life of a desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeskName(pub(super) u128);

impl DeskName {
    /// Of what nobody serves yet, or any more.
    pub(super) const NOBODY: Self = Self(0);
}

/// A promise as its desk keeps it.
pub(super) fn encode(desk: DeskName, promise: &Promise) -> State {
    let mut bytes = vec![VERSION];
    bytes.extend(desk.0.to_le_bytes());
    bytes.extend(promise_form::encode(promise));
    State(bytes)
}

/// Who serves what is kept here.
pub(super) fn desk_of(state: &State) -> Result<DeskName, RecordFault> {
    split(state).map(|(desk, _)| desk)
}

/// Who serves what.
pub(super) fn decode(state: &State) -> Result<(DeskName, Promise), RecordFault> {
    let (desk, promise) = split(state)?;
    Ok((desk, promise_form::decode(promise)?))
}

fn split(state: &State) -> Result<(DeskName, &[u8]), RecordFault> {
    let (version, rest) = state.0.split_first().ok_or(RecordFault::Damaged)?;
    if *version > VERSION {
        return Err(RecordFault::Newer);
    }
    let (desk, promise) = rest.split_first_chunk().ok_or(RecordFault::Damaged)?;
    Ok((DeskName(u128::from_le_bytes(*desk)), promise))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_or_of_a_newer_version_is_not_read() {
        // The form of the promise is known, and it is none.
        let whole = [&[VERSION][..], &7_u128.to_le_bytes(), b"\x01?"].concat();
        assert_eq!(desk_of(&State(whole.clone())), Ok(DeskName(7)));
        for length in 0..17 {
            let cut = State(whole[..length].to_vec());
            assert_eq!(desk_of(&cut), Err(RecordFault::Damaged), "{length}");
        }
        let newer = State([&[VERSION + 1], &whole[1..]].concat());
        assert_eq!(desk_of(&newer), Err(RecordFault::Newer));
        assert_eq!(decode(&State(whole)), Err(RecordFault::Damaged));
    }
}
