//! Throws away what has expired, a few hundred records at a time.

use redb::ReadableTable as _;

use super::tables::{EXPIRY, Kind, Writing};
use crate::core::time::Utc;
use crate::store::{Collected, StoreError};

/// How many records go in one step: a few milliseconds of the writer's time.
const STEP_MAX: usize = 500;

impl Writing<'_> {
    pub(super) fn collect(&self, now: Utc) -> Result<Collected, StoreError> {
        let mut expired = Vec::new();
        let mut expiry = self.txn.open_table(EXPIRY)?;
        for entry in expiry.range((0, 0, 0)..=(now.millis(), u8::MAX, u128::MAX))? {
            if expired.len() > STEP_MAX {
                break;
            }
            expired.push(entry?.0.value());
        }
        let is_done = expired.len() <= STEP_MAX;
        expired.truncate(STEP_MAX);
        for key in &expired {
            expiry.remove(key)?;
        }
        drop(expiry);
        for &(_, kind, id) in &expired {
            match Kind::of(kind) {
                Some(Kind::Call) => self.drop_call(id)?,
                Some(Kind::Ended) => self.drop_ended(id)?,
                Some(Kind::Token) => self.drop_token(id)?,
                Some(Kind::Promise) => self.drop_promise(id)?,
                None => return Err(StoreError::Newer("record")),
            }
        }
        Ok(Collected {
            removed: expired.len(),
            is_done,
        })
    }
}
