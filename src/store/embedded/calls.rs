//! Calls in progress, and how calls ended.

use redb::ReadableTable as _;
use serde::{Deserialize, Serialize};

use super::row::Row;
use super::tables::{CALL_SIDS, CALLS, ENDED, Kind, Reading, Writing};
use crate::core::ids::{CallId, CallSid};
use crate::core::time::Utc;
use crate::store::records::{check_length, is_over};
use crate::store::{
    CallKey, CallRecord, Checkpointed, EndedCall, KnownCall, NODE_BYTES_MAX, State, StoreError,
};

#[derive(Serialize, Deserialize)]
pub(super) struct CallRow {
    sid: String,
    node: String,
    epoch: u64,
    updated: u64,
    pub(super) expires: u64,
    sealed: Vec<u8>,
}

impl Row for CallRow {
    const NAME: &'static str = "checkpoint";
    const VERSION: u8 = 1;
}

#[derive(Serialize, Deserialize)]
pub(super) struct EndedRow {
    sid: String,
    at: u64,
    pub(super) expires: u64,
    sealed: Vec<u8>,
}

impl Row for EndedRow {
    const NAME: &'static str = "record of a call that ended";
    const VERSION: u8 = 1;
}

/// Where they are sealed for.
const CALL_PLACE: &str = "calls";
const ENDED_PLACE: &str = "ended_calls";

impl Writing<'_> {
    pub(super) fn checkpoint(&self, call: &CallRecord) -> Result<Checkpointed, StoreError> {
        check_length(CallRow::NAME, &call.state)?;
        if call.node.len() > NODE_BYTES_MAX {
            return Err(StoreError::TooLong("name of a node"));
        }
        let id = call.id.bits();
        if let Some(ended) = self.row::<EndedRow>(ENDED, id)? {
            if !is_over(ended.expires, call.updated) {
                return Ok(Checkpointed::Ended);
            }
            // One name stands in one of the two tables.
            self.expire(Kind::Ended, id, Some(ended.expires), None)?;
            self.drop_ended(id)?;
        }
        let before: Option<CallRow> = self.row(CALLS, id)?;
        if let Some(before) = &before
            && !is_over(before.expires, call.updated)
            && (call.epoch < before.epoch
                || (call.epoch == before.epoch && call.node != before.node))
        {
            return Ok(Checkpointed::Superseded(before.epoch));
        }
        let row = CallRow {
            sid: call.sid.as_str().to_owned(),
            node: call.node.clone(),
            epoch: call.epoch,
            updated: call.updated.millis(),
            expires: call.expires.millis(),
            sealed: self.seal(CALL_PLACE, id, &call.state),
        };
        self.name(call.sid, id, before.as_ref().map(|before| &*before.sid))?;
        let expired = before.map(|before| before.expires);
        self.expire(Kind::Call, id, expired, Some(row.expires))?;
        self.put(CALLS, id, &row)?;
        Ok(Checkpointed::Kept)
    }

    pub(super) fn end_call(&self, ended: &EndedCall) -> Result<bool, StoreError> {
        check_length(EndedRow::NAME, &ended.state)?;
        let id = ended.id.bits();
        let before: Option<EndedRow> = self.row(ENDED, id)?;
        if let Some(before) = &before
            && !is_over(before.expires, ended.at)
        {
            return Ok(false);
        }
        if let Some(call) = self.row::<CallRow>(CALLS, id)? {
            self.expire(Kind::Call, id, Some(call.expires), None)?;
            self.remove(CALLS, id)?;
        }
        let row = EndedRow {
            sid: ended.sid.as_str().to_owned(),
            at: ended.at.millis(),
            expires: ended.expires.millis(),
            sealed: self.seal(ENDED_PLACE, id, &ended.state),
        };
        self.name(ended.sid, id, before.as_ref().map(|before| &*before.sid))?;
        let expired = before.map(|before| before.expires);
        self.expire(Kind::Ended, id, expired, Some(row.expires))?;
        self.put(ENDED, id, &row)?;
        Ok(true)
    }

    /// How far a call in progress is.
    pub(super) fn state_of_call(
        &self,
        call: CallId,
        now: Utc,
    ) -> Result<Option<State>, StoreError> {
        let id = call.bits();
        let row: Option<CallRow> = self.row(CALLS, id)?;
        let row = row.filter(|row| !is_over(row.expires, now));
        row.map(|row| self.open::<CallRow>(CALL_PLACE, id, &row.sealed))
            .transpose()
    }

    /// Throws away a call in progress that has expired. Its expiry is gone already.
    pub(super) fn drop_call(&self, id: u128) -> Result<(), StoreError> {
        if let Some(row) = self.row::<CallRow>(CALLS, id)? {
            self.remove(CALLS, id)?;
            self.unname(&row.sid, id)?;
        }
        Ok(())
    }

    /// As [`drop_call`](Self::drop_call), for the other table.
    pub(super) fn drop_ended(&self, id: u128) -> Result<(), StoreError> {
        if let Some(row) = self.row::<EndedRow>(ENDED, id)? {
            self.remove(ENDED, id)?;
            self.unname(&row.sid, id)?;
        }
        Ok(())
    }

    /// The carrier's name leads to this call from now on.
    fn name(&self, sid: CallSid, id: u128, before: Option<&str>) -> Result<(), StoreError> {
        let mut sids = self.txn.open_table(CALL_SIDS)?;
        sids.insert(sid.as_str(), id)?;
        drop(sids);
        match before {
            Some(before) if before != sid.as_str() => self.unname(before, id),
            Some(_) | None => Ok(()),
        }
    }

    /// The carrier's name leads nowhere, unless it leads to another call by now.
    fn unname(&self, sid: &str, id: u128) -> Result<(), StoreError> {
        let mut sids = self.txn.open_table(CALL_SIDS)?;
        let is_ours = sids.get(sid)?.is_some_and(|found| found.value() == id);
        if is_ours {
            sids.remove(sid)?;
        }
        Ok(())
    }
}

impl Reading<'_> {
    pub(super) fn call(&self, key: CallKey, now: Utc) -> Result<Option<KnownCall>, StoreError> {
        let id = match key {
            CallKey::Id(id) => id,
            CallKey::Sid(sid) => {
                let sids = self.txn.open_table(CALL_SIDS)?;
                let Some(id) = sids.get(sid.as_str())? else {
                    return Ok(None);
                };
                CallId::from_bits(id.value())
            }
        };
        let ended: Option<EndedRow> = self.row(ENDED, id.bits())?;
        if let Some(row) = ended.filter(|row| !is_over(row.expires, now)) {
            return self.ended(id, &row).map(KnownCall::Ended).map(Some);
        }
        let row: Option<CallRow> = self.row(CALLS, id.bits())?;
        let row = row.filter(|row| !is_over(row.expires, now));
        let call = row.map(|row| self.in_progress(id, row)).transpose()?;
        Ok(call.map(KnownCall::InProgress))
    }

    pub(super) fn calls(
        &self,
        after: Option<CallId>,
        max: usize,
        now: Utc,
    ) -> Result<Vec<CallRecord>, StoreError> {
        self.rows_after(CALLS, after.map(CallId::bits), max, |id, row: CallRow| {
            let is_there = !is_over(row.expires, now);
            is_there
                .then(|| self.in_progress(CallId::from_bits(id), row))
                .transpose()
        })
    }

    fn in_progress(&self, id: CallId, row: CallRow) -> Result<CallRecord, StoreError> {
        let sid = CallSid::parse(&row.sid).ok_or(StoreError::Damaged(CallRow::NAME))?;
        Ok(CallRecord {
            id,
            sid,
            node: row.node,
            epoch: row.epoch,
            updated: Utc::from_millis(row.updated),
            expires: Utc::from_millis(row.expires),
            state: self.open::<CallRow>(CALL_PLACE, id.bits(), &row.sealed)?,
        })
    }

    fn ended(&self, id: CallId, row: &EndedRow) -> Result<EndedCall, StoreError> {
        let sid = CallSid::parse(&row.sid).ok_or(StoreError::Damaged(EndedRow::NAME))?;
        Ok(EndedCall {
            id,
            sid,
            at: Utc::from_millis(row.at),
            expires: Utc::from_millis(row.expires),
            state: self.open::<EndedRow>(ENDED_PLACE, id.bits(), &row.sealed)?,
        })
    }
}
