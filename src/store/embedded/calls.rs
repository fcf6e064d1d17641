//! Calls in progress, and how calls ended.

use redb::ReadableTable as _;
use serde::{Deserialize, Serialize};

use super::row::Row;
use super::tables::{CALL_SIDS, CALLS, ENDED, Kind, Reading, Writing};
use crate::core::front::Card;
use crate::core::ids::{CallId, CallSid};
use crate::core::region::owner::{Entry, Ruling, Tenure, Title};
use crate::core::region::{Life, Node, Peer, Region};
use crate::core::time::Utc;
use crate::store::records::{check_length, is_over};
use crate::store::{CallKey, CallRecord, EndedCall, KnownCall, State, StoreError};

#[derive(Serialize, Deserialize)]
pub(super) struct CallRow {
    sid: String,
    by: OwnerRow,
    turn: u32,
    updated: u64,
    pub(super) expires: u64,
    sealed: Vec<u8>,
}

/// Whose stream it is, and of which document.
#[derive(Serialize, Deserialize)]
struct OwnerRow {
    epoch: u32,
    region: String,
    node: String,
    life: u64,
}

/// The form before: without the checkpoint's number, and without the owner's region and life.
#[derive(Deserialize)]
struct CallRowBefore {
    sid: String,
    node: String,
    epoch: u64,
    updated: u64,
    expires: u64,
    sealed: Vec<u8>,
}

/// Nodes had no region.
const REGION_BEFORE: &str = "main";

impl Row for CallRow {
    const NAME: &'static str = "checkpoint";
    const VERSION: u8 = 2;

    fn read_before(version: u8, fields: &[u8]) -> Option<Self> {
        let (row, rest) = postcard::take_from_bytes::<CallRowBefore>(fields).ok()?;
        let is_whole = version == 1 && rest.is_empty();
        is_whole.then(|| Self {
            sid: row.sid,
            by: OwnerRow {
                epoch: u32::try_from(row.epoch).unwrap_or(u32::MAX),
                region: REGION_BEFORE.to_owned(),
                node: row.node,
                life: 0,
            },
            turn: 0,
            updated: row.updated,
            expires: row.expires,
            sealed: row.sealed,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct EndedRow {
    sid: String,
    at: u64,
    pub(super) expires: u64,
    sealed: Vec<u8>,
    /// `None`: by the carrier's word.
    by: Option<OwnerRow>,
}

/// The form before: nobody says who ended it.
#[derive(Deserialize)]
struct EndedRowBefore {
    sid: String,
    at: u64,
    expires: u64,
    sealed: Vec<u8>,
}

impl Row for EndedRow {
    const NAME: &'static str = "record of a call that ended";
    const VERSION: u8 = 2;

    fn read_before(version: u8, fields: &[u8]) -> Option<Self> {
        let (row, rest) = postcard::take_from_bytes::<EndedRowBefore>(fields).ok()?;
        let is_whole = version == 1 && rest.is_empty();
        is_whole.then_some(Self {
            sid: row.sid,
            at: row.at,
            expires: row.expires,
            sealed: row.sealed,
            by: None,
        })
    }
}

impl OwnerRow {
    fn new(by: Tenure) -> Self {
        let Peer { region, node, life } = by.owner;
        Self {
            epoch: by.card.epoch,
            region: region.as_str().to_owned(),
            node: node.as_str().to_owned(),
            life: life.0,
        }
    }

    fn tenure(&self, id: CallId, of: &'static str) -> Result<Tenure, StoreError> {
        let names = Region::parse(&self.region).zip(Node::parse(&self.node));
        let (region, node) = names.ok_or(StoreError::Damaged(of))?;
        let life = Life(self.life);
        Ok(Tenure {
            card: Card {
                id,
                epoch: self.epoch,
            },
            owner: Peer { region, node, life },
        })
    }
}

impl CallRow {
    /// Whose it is; a row that cannot say so is nobody's.
    fn title(&self, id: CallId) -> Option<Title> {
        let tenure = self.by.tenure(id, Self::NAME).ok()?;
        let turn = self.turn;
        Some(Title::Held { tenure, turn })
    }
}

/// Where they are sealed for.
const CALL_PLACE: &str = "calls";
const ENDED_PLACE: &str = "ended_calls";

impl Writing<'_> {
    pub(super) fn checkpoint(&self, call: &CallRecord) -> Result<Ruling, StoreError> {
        check_length(CallRow::NAME, &call.state)?;
        let id = call.id().bits();
        if let Some(ended) = self.row::<EndedRow>(ENDED, id)? {
            if !is_over(ended.expires, call.updated) {
                return Ok(Ruling::Ended);
            }
            // One name stands in one of the two tables.
            self.expire(Kind::Ended, id, Some(ended.expires), None)?;
            self.drop_ended(id)?;
        }
        let before: Option<CallRow> = self.row(CALLS, id)?;
        let kept = before
            .as_ref()
            .filter(|before| !is_over(before.expires, call.updated));
        let kept = kept.and_then(|kept| kept.title(call.id()));
        let ruling = Title::rule(kept, call.by, Entry::Checkpoint(call.turn));
        if ruling != Ruling::Kept {
            return Ok(ruling);
        }
        let row = CallRow {
            sid: call.sid.as_str().to_owned(),
            by: OwnerRow::new(call.by),
            turn: call.turn,
            updated: call.updated.millis(),
            expires: call.expires.millis(),
            sealed: self.seal(CALL_PLACE, id, &call.state),
        };
        self.name(call.sid, id, before.as_ref().map(|before| &*before.sid))?;
        let expired = before.map(|before| before.expires);
        self.expire(Kind::Call, id, expired, Some(row.expires))?;
        self.put(CALLS, id, &row)?;
        Ok(Ruling::Kept)
    }

    pub(super) fn end_call(&self, ended: &EndedCall) -> Result<Ruling, StoreError> {
        check_length(EndedRow::NAME, &ended.state)?;
        let id = ended.id.bits();
        let before: Option<EndedRow> = self.row(ENDED, id)?;
        if let Some(before) = &before
            && !is_over(before.expires, ended.at)
        {
            return Ok(Ruling::Ended);
        }
        if let Some(call) = self.row::<CallRow>(CALLS, id)? {
            let kept = call.title(ended.id);
            let kept = kept.filter(|_| !is_over(call.expires, ended.at));
            let ruling = ended.by.map(|by| Title::rule(kept, by, Entry::End));
            if let Some(ruling @ (Ruling::Late | Ruling::Ended | Ruling::Superseded(_))) = ruling {
                return Ok(ruling);
            }
            self.expire(Kind::Call, id, Some(call.expires), None)?;
            self.remove(CALLS, id)?;
        }
        let row = EndedRow {
            sid: ended.sid.as_str().to_owned(),
            at: ended.at.millis(),
            expires: ended.expires.millis(),
            sealed: self.seal(ENDED_PLACE, id, &ended.state),
            by: ended.by.map(OwnerRow::new),
        };
        self.name(ended.sid, id, before.as_ref().map(|before| &*before.sid))?;
        let expired = before.map(|before| before.expires);
        self.expire(Kind::Ended, id, expired, Some(row.expires))?;
        self.put(ENDED, id, &row)?;
        Ok(Ruling::Kept)
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

    /// Throws away a call in progress that has expired; its expiry goes with it elsewhere.
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
        let call = row.map(|row| self.in_progress(id, &row)).transpose()?;
        Ok(call.map(KnownCall::InProgress))
    }

    pub(super) fn calls(
        &self,
        after: Option<CallId>,
        max: usize,
        now: Utc,
    ) -> Result<Vec<CallRecord>, StoreError> {
        let after = after.map(CallId::bits);
        let found = self.rows_after(CALLS, after, max, |id, row: CallRow| {
            let is_there = !is_over(row.expires, now);
            is_there
                .then(|| self.in_progress(CallId::from_bits(id), &row))
                .transpose()
        });
        found?.whole()
    }

    fn in_progress(&self, id: CallId, row: &CallRow) -> Result<CallRecord, StoreError> {
        let sid = CallSid::parse(&row.sid).ok_or(StoreError::Damaged(CallRow::NAME))?;
        Ok(CallRecord {
            sid,
            by: row.by.tenure(id, CallRow::NAME)?,
            turn: row.turn,
            updated: Utc::from_millis(row.updated),
            expires: Utc::from_millis(row.expires),
            state: self.open::<CallRow>(CALL_PLACE, id.bits(), &row.sealed)?,
        })
    }

    fn ended(&self, id: CallId, row: &EndedRow) -> Result<EndedCall, StoreError> {
        let sid = CallSid::parse(&row.sid).ok_or(StoreError::Damaged(EndedRow::NAME))?;
        let by = row.by.as_ref();
        let by = by.map(|by| by.tenure(id, EndedRow::NAME));
        Ok(EndedCall {
            id,
            sid,
            by: by.transpose()?,
            at: Utc::from_millis(row.at),
            expires: Utc::from_millis(row.expires),
            state: self.open::<EndedRow>(ENDED_PLACE, id.bits(), &row.sealed)?,
        })
    }
}
