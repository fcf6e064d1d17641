//! Promises with what they are found by, the requests that serve them, and who wants none.

use redb::ReadableTable as _;
use serde::{Deserialize, Serialize};

use super::row::Row;
use super::tables::{
    DUE, Kind, OF_CALLER, OF_PROMISE, OPEN, OPTED_OUT, PROMISES, Reading, SENDS, Writing,
};
use crate::core::ids::PromiseId;
use crate::core::time::Utc;
use crate::store::records::{check_length, gives_way, is_over};
use crate::store::{
    CallerHash, Changed, Found, LOOK_UP_MAX, PromiseChange, PromiseRecord, Promised, SendId,
    SendRecord, SendStep, StoreError,
};

/// How many requests of one promise may be in flight: more are a bug of whoever sends them.
const SENDS_MAX: usize = 16;

#[derive(Serialize, Deserialize)]
pub(super) struct PromiseRow {
    caller: u128,
    revision: u64,
    is_open: bool,
    due: Option<u64>,
    expires: u64,
    sealed: Vec<u8>,
}

impl Row for PromiseRow {
    const NAME: &'static str = "promise";
    const VERSION: u8 = 1;
}

impl PromiseRow {
    /// Whether it has expired. What is open has not: a clock may be wrong, and whoever serves it ends it.
    const fn is_over(&self, now: Utc) -> bool {
        !self.is_open && is_over(self.expires, now)
    }

    /// When it expires.
    fn ends(&self) -> Option<u64> {
        (!self.is_open).then_some(self.expires)
    }
}

#[derive(Serialize, Deserialize)]
struct SendRow {
    promise: u128,
    at: u64,
    sealed: Vec<u8>,
}

impl Row for SendRow {
    const NAME: &'static str = "request to the carrier";
    const VERSION: u8 = 1;
}

/// Where they are sealed for.
const PROMISE_PLACE: &str = "promises";
const SEND_PLACE: &str = "sends";

impl Writing<'_> {
    pub(super) fn promise(
        &self,
        promise: &PromiseRecord,
        now: Utc,
    ) -> Result<Promised, StoreError> {
        check_length(PromiseRow::NAME, &promise.state)?;
        let id = promise.id.bits();
        if self.is_opted_out(promise.caller.0)? {
            return Ok(Promised::OptedOut);
        }
        if let Some(other) = self.other_open(promise.caller.0, id, now)? {
            return Ok(Promised::Already(PromiseId::from_bits(other)));
        }
        // The same name twice is the same promise, which has been closed since.
        if self.promise_row(id, now)?.is_some() {
            return Ok(Promised::Already(promise.id));
        }
        let row = PromiseRow {
            caller: promise.caller.0,
            revision: promise.revision,
            is_open: promise.is_open,
            due: promise.due.map(Utc::millis),
            expires: promise.expires.millis(),
            sealed: self.seal(PROMISE_PLACE, id, &promise.state),
        };
        self.put_promise(id, None, &row)?;
        Ok(Promised::Kept)
    }

    pub(super) fn change_promise(
        &self,
        change: &PromiseChange,
        now: Utc,
    ) -> Result<Changed, StoreError> {
        check_length(PromiseRow::NAME, &change.state)?;
        let id = change.id.bits();
        let Some(before) = self.promise_row(id, now)? else {
            return Ok(Changed::Unknown);
        };
        if before.revision != change.from_revision {
            return Ok(Changed::Stale(before.revision));
        }
        let sends = matches!(change.send, SendStep::Begin(_));
        if sends && self.is_opted_out(before.caller)? {
            return Ok(Changed::OptedOut);
        }
        if change.is_open
            && let Some(other) = self.other_open(before.caller, id, now)?
        {
            return Ok(Changed::Already(PromiseId::from_bits(other)));
        }
        match &change.send {
            SendStep::None => {}
            SendStep::Begin(send) => self.begin_send(id, send)?,
            SendStep::End(send) => self.end_send(send.0)?,
        }
        let row = PromiseRow {
            caller: before.caller,
            revision: before.revision.saturating_add(1),
            is_open: change.is_open,
            due: change.due.map(Utc::millis),
            expires: change.expires.millis(),
            sealed: self.seal(PROMISE_PLACE, id, &change.state),
        };
        if !row.is_open {
            self.drop_context(id)?;
        }
        self.put_promise(id, Some(&before), &row)?;
        Ok(Changed::Kept)
    }

    /// Writes a promise and all that it is found by.
    fn put_promise(
        &self,
        id: u128,
        before: Option<&PromiseRow>,
        row: &PromiseRow,
    ) -> Result<(), StoreError> {
        let mut due = self.txn.open_table(DUE)?;
        if let Some(at) = before.and_then(|before| before.due) {
            due.remove((at, id))?;
        }
        if let Some(at) = row.due.filter(|_| row.is_open) {
            due.insert((at, id), ())?;
        }
        let mut open = self.txn.open_table(OPEN)?;
        if row.is_open {
            open.insert(row.caller, id)?;
        } else if before.is_some_and(|before| before.is_open) {
            open.remove(row.caller)?;
        }
        let mut of_caller = self.txn.open_table(OF_CALLER)?;
        of_caller.insert((row.caller, id), ())?;
        let expired = before.and_then(PromiseRow::ends);
        self.expire(Kind::Promise, id, expired, row.ends())?;
        self.put(PROMISES, id, row)
    }

    /// Throws away a promise, all that it is found by, and its requests.
    pub(super) fn drop_promise(&self, id: u128) -> Result<(), StoreError> {
        let Some(row) = self.row::<PromiseRow>(PROMISES, id)? else {
            return Ok(());
        };
        if let Some(at) = row.due {
            self.txn.open_table(DUE)?.remove((at, id))?;
        }
        if row.is_open {
            self.txn.open_table(OPEN)?.remove(row.caller)?;
        }
        self.txn.open_table(OF_CALLER)?.remove((row.caller, id))?;
        for send in self.sends_of(id)? {
            // As it is: it need not be readable to be thrown away.
            self.remove(SENDS, send)?;
            self.txn.open_table(OF_PROMISE)?.remove((id, send))?;
        }
        self.drop_context(id)?;
        self.expire(Kind::Promise, id, row.ends(), None)?;
        self.remove(PROMISES, id)
    }

    /// Throws away a promise that has expired; one that was opened or is kept longer since stays.
    pub(super) fn drop_over(&self, id: u128, now: Utc) -> Result<(), StoreError> {
        match self.row::<PromiseRow>(PROMISES, id)? {
            Some(row) if row.is_over(now) => self.drop_promise(id),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn forget(&self, caller: CallerHash) -> Result<usize, StoreError> {
        let of_caller = self.txn.open_table(OF_CALLER)?;
        let mut ids = Vec::new();
        for entry in of_caller.range((caller.0, 0)..=(caller.0, u128::MAX))? {
            if ids.len() == LOOK_UP_MAX {
                break;
            }
            ids.push(entry?.0.value().1);
        }
        drop(of_caller);
        for id in &ids {
            self.drop_promise(*id)?;
        }
        Ok(ids.len())
    }

    pub(super) fn set_opted_out(
        &self,
        caller: CallerHash,
        at: Option<Utc>,
    ) -> Result<(), StoreError> {
        let mut opted_out = self.txn.open_table(OPTED_OUT)?;
        match at {
            Some(at) => opted_out.insert(caller.0, at.millis())?,
            None => opted_out.remove(caller.0)?,
        };
        Ok(())
    }

    fn begin_send(&self, promise: u128, send: &SendRecord) -> Result<(), StoreError> {
        check_length(SendRow::NAME, &send.state)?;
        if self.sends_of(promise)?.len() >= SENDS_MAX {
            return Err(StoreError::TooLong("list of requests to the carrier"));
        }
        let row = SendRow {
            promise,
            at: send.at.millis(),
            sealed: self.seal(SEND_PLACE, send.id.0, &send.state),
        };
        let mut of_promise = self.txn.open_table(OF_PROMISE)?;
        of_promise.insert((promise, send.id.0), ())?;
        self.put(SENDS, send.id.0, &row)
    }

    fn end_send(&self, id: u128) -> Result<(), StoreError> {
        if let Some(row) = self.row::<SendRow>(SENDS, id)? {
            self.remove(SENDS, id)?;
            let mut of_promise = self.txn.open_table(OF_PROMISE)?;
            of_promise.remove((row.promise, id))?;
        }
        Ok(())
    }

    fn sends_of(&self, promise: u128) -> Result<Vec<u128>, StoreError> {
        let of_promise = self.txn.open_table(OF_PROMISE)?;
        let range = of_promise.range((promise, 0)..=(promise, u128::MAX))?;
        range.map(|entry| Ok(entry?.0.value().1)).collect()
    }

    /// A promise; one that has expired is thrown away first.
    fn promise_row(&self, id: u128, now: Utc) -> Result<Option<PromiseRow>, StoreError> {
        let row: Option<PromiseRow> = self.row(PROMISES, id)?;
        if row.as_ref().is_some_and(|row| row.is_over(now)) {
            self.drop_promise(id)?;
            return Ok(None);
        }
        Ok(row)
    }

    /// Whether there is such a promise, and something is still to happen.
    pub(super) fn is_open(&self, id: u128, now: Utc) -> Result<bool, StoreError> {
        Ok(self.promise_row(id, now)?.is_some_and(|row| row.is_open))
    }

    /// The open promise of a caller, if it is another than this. One that everybody has left open gives way.
    fn other_open(&self, caller: u128, this: u128, now: Utc) -> Result<Option<u128>, StoreError> {
        let open = self.txn.open_table(OPEN)?;
        let other = open.get(caller)?.map(|id| id.value());
        drop(open);
        let Some(id) = other.filter(|other| *other != this) else {
            return Ok(None);
        };
        match self.row::<PromiseRow>(PROMISES, id)? {
            Some(row) if !gives_way(row.expires, now) => Ok(Some(id)),
            Some(_) | None => self.drop_promise(id).map(|()| None),
        }
    }

    fn is_opted_out(&self, caller: u128) -> Result<bool, StoreError> {
        let opted_out = self.txn.open_table(OPTED_OUT)?;
        Ok(opted_out.get(caller)?.is_some())
    }
}

impl Reading<'_> {
    pub(super) fn promise_by_id(
        &self,
        id: PromiseId,
        now: Utc,
    ) -> Result<Option<PromiseRecord>, StoreError> {
        let row: Option<PromiseRow> = self.row(PROMISES, id.bits())?;
        let row = row.filter(|row| !row.is_over(now));
        row.map(|row| self.promise(id.bits(), &row)).transpose()
    }

    pub(super) fn open_promise(
        &self,
        caller: CallerHash,
        now: Utc,
    ) -> Result<Option<PromiseRecord>, StoreError> {
        let open = self.txn.open_table(OPEN)?;
        match open.get(caller.0)? {
            Some(id) => self.promise_by_id(PromiseId::from_bits(id.value()), now),
            None => Ok(None),
        }
    }

    pub(super) fn promises(
        &self,
        after: Option<PromiseId>,
        max: usize,
        now: Utc,
    ) -> Result<Found<PromiseRecord>, StoreError> {
        let after = after.map(PromiseId::bits);
        self.rows_after(PROMISES, after, max, |id, row: PromiseRow| {
            let is_there = !row.is_over(now);
            is_there.then(|| self.promise(id, &row)).transpose()
        })
    }

    pub(super) fn due(&self, max: usize, now: Utc) -> Result<Vec<PromiseRecord>, StoreError> {
        let mut found = Vec::new();
        let due = self.txn.open_table(DUE)?;
        for entry in due.range((0, 0)..=(now.millis(), u128::MAX))? {
            if found.len() >= max.min(LOOK_UP_MAX) {
                break;
            }
            let (_, id) = entry?.0.value();
            found.extend(self.promise_by_id(PromiseId::from_bits(id), now)?);
        }
        Ok(found)
    }

    pub(super) fn sends(
        &self,
        after: Option<SendId>,
        max: usize,
    ) -> Result<Vec<SendRecord>, StoreError> {
        let after = after.map(|after| after.0);
        let found = self.rows_after(SENDS, after, max, |id, row: SendRow| {
            Ok(Some(SendRecord {
                id: SendId(id),
                promise: PromiseId::from_bits(row.promise),
                at: Utc::from_millis(row.at),
                state: self.open::<SendRow>(SEND_PLACE, id, &row.sealed)?,
            }))
        });
        found?.whole()
    }

    pub(super) fn opted_out(&self, caller: CallerHash) -> Result<Option<Utc>, StoreError> {
        let opted_out = self.txn.open_table(OPTED_OUT)?;
        let at = opted_out.get(caller.0)?;
        Ok(at.map(|at| Utc::from_millis(at.value())))
    }

    fn promise(&self, id: u128, row: &PromiseRow) -> Result<PromiseRecord, StoreError> {
        Ok(PromiseRecord {
            id: PromiseId::from_bits(id),
            caller: CallerHash(row.caller),
            revision: row.revision,
            is_open: row.is_open,
            due: row.due.map(Utc::from_millis),
            expires: Utc::from_millis(row.expires),
            state: self.open::<PromiseRow>(PROMISE_PLACE, id, &row.sealed)?,
        })
    }
}
