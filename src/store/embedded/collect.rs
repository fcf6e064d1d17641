//! Throws away what has expired, a few hundred records at a time.

use std::ops::Bound;

use redb::ReadableTable as _;

use super::tables::{EXPIRY, Kind, Writing};
use crate::core::time::Utc;
use crate::store::{Collected, StoreError};

/// How many records go in one step: a few milliseconds of the writer's time.
const STEP_MAX: usize = 500;

/// When which kind of record expires, and its name.
type Key = (u64, u8, u128);

impl Writing<'_> {
    pub(super) fn collect(&self, now: Utc) -> Result<Collected, StoreError> {
        let (mut removed, mut left_alone) = (0, 0);
        let mut from = Bound::Unbounded;
        let is_done = 'step: loop {
            let expired = self.expired(from, now)?;
            for key in &expired {
                if removed == STEP_MAX {
                    break 'step false;
                }
                if self.drop_expired(*key, now)? {
                    removed += 1;
                } else {
                    left_alone += 1;
                }
                from = Bound::Excluded(*key);
            }
            if expired.len() < STEP_MAX {
                break true;
            }
        };
        Ok(Collected {
            removed,
            left_alone,
            is_done,
        })
    }

    /// The next of what has expired.
    fn expired(&self, from: Bound<Key>, now: Utc) -> Result<Vec<Key>, StoreError> {
        let expiry = self.txn.open_table(EXPIRY)?;
        let until = Bound::Included((now.millis(), u8::MAX, u128::MAX));
        let expired = expiry.range::<Key>((from, until))?.take(STEP_MAX);
        expired.map(|entry| Ok(entry?.0.value())).collect()
    }

    /// `false`: it cannot be read, or is of a kind that this version does not know. It is left alone, for a version that can.
    fn drop_expired(&self, key: Key, now: Utc) -> Result<bool, StoreError> {
        let (_, kind, id) = key;
        let dropped = match Kind::of(kind) {
            Some(Kind::Call) => self.drop_call(id),
            Some(Kind::Ended) => self.drop_ended(id),
            Some(Kind::Token) => self.drop_token(id),
            Some(Kind::Promise) => self.drop_over(id, now),
            None => Err(StoreError::Newer("record")),
        };
        match dropped {
            Ok(()) => {
                self.txn.open_table(EXPIRY)?.remove(key)?;
                Ok(true)
            }
            Err(why) if why.is_of_one_record() => Ok(false),
            Err(why) => Err(why),
        }
    }
}
