//! The tables of the file, and the two kinds of transaction on them.

use redb::{ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::row::Row;
use crate::core::time::Utc;
use crate::store::error::StoreError;
use crate::store::sealer::{Place, Sealer};
use crate::store::{Found, LOOK_UP_MAX, State};

pub(super) type Rows = TableDefinition<'static, u128, &'static [u8]>;

/// What the file is: its form and the fingerprint of its key.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("ringback");
/// Calls in progress, by our name.
pub(super) const CALLS: Rows = TableDefinition::new("calls");
/// Calls that ended, by our name.
pub(super) const ENDED: Rows = TableDefinition::new("ended_calls");
/// Our name of a call, by the carrier's; for both tables.
pub(super) const CALL_SIDS: TableDefinition<'_, &str, u128> = TableDefinition::new("call_sids");
/// Until when a used token could be used again, were it not here.
pub(super) const TOKENS: TableDefinition<'_, u128, u64> = TableDefinition::new("used_tokens");
/// Promises, by name.
pub(super) const PROMISES: Rows = TableDefinition::new("promises");
/// Where the calls stood that promises were made in, by the promise's name.
pub(super) const CONTEXTS: Rows = TableDefinition::new("contexts");
/// The open promise of a caller.
pub(super) const OPEN: TableDefinition<'_, u128, u128> = TableDefinition::new("open_promises");
/// All promises of a caller.
pub(super) const OF_CALLER: TableDefinition<'_, (u128, u128), ()> =
    TableDefinition::new("promises_of_callers");
/// When which promise is due.
pub(super) const DUE: TableDefinition<'_, (u64, u128), ()> = TableDefinition::new("due_promises");
/// Requests to the carrier that are in flight, by name.
pub(super) const SENDS: Rows = TableDefinition::new("sends");
/// The requests of a promise.
pub(super) const OF_PROMISE: TableDefinition<'_, (u128, u128), ()> =
    TableDefinition::new("sends_of_promises");
/// Since when a caller wants nothing of us.
pub(super) const OPTED_OUT: TableDefinition<'_, u128, u64> = TableDefinition::new("opted_out");
/// When which record of which [`Kind`] expires.
pub(super) const EXPIRY: TableDefinition<'_, (u64, u8, u128), ()> = TableDefinition::new("expiry");

/// What expires. The numbers are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Call = 1,
    Ended = 2,
    Token = 3,
    Promise = 4,
}

impl Kind {
    pub(super) fn of(number: u8) -> Option<Self> {
        [Self::Call, Self::Ended, Self::Token, Self::Promise]
            .into_iter()
            .find(|kind| *kind as u8 == number)
    }
}

/// Makes the tables, so that a reader finds them.
pub(super) fn make_all(txn: &WriteTransaction) -> Result<(), StoreError> {
    for rows in [CALLS, ENDED, PROMISES, CONTEXTS, SENDS] {
        txn.open_table(rows)?;
    }
    for pairs in [OF_CALLER, OF_PROMISE] {
        txn.open_table(pairs)?;
    }
    for times in [TOKENS, OPTED_OUT] {
        txn.open_table(times)?;
    }
    txn.open_table(META)?;
    txn.open_table(CALL_SIDS)?;
    txn.open_table(OPEN)?;
    txn.open_table(DUE)?;
    txn.open_table(EXPIRY)?;
    Ok(())
}

/// A transaction that changes something.
pub(super) struct Writing<'a> {
    pub(super) txn: &'a WriteTransaction,
    pub(super) sealer: &'a Sealer,
}

/// A transaction that sees the file as it was at one moment.
pub(super) struct Reading<'a> {
    pub(super) txn: &'a ReadTransaction,
    pub(super) sealer: &'a Sealer,
}

impl Writing<'_> {
    /// Writes when this was, over when it was last.
    pub(super) fn prove(&self, now: Utc) -> Result<(), StoreError> {
        let mut meta = self.txn.open_table(META)?;
        meta.insert("proved", now.millis().to_be_bytes().as_slice())?;
        Ok(())
    }

    /// What stands there.
    pub(super) fn row<R: Row>(&self, table: Rows, id: u128) -> Result<Option<R>, StoreError> {
        row(&self.txn.open_table(table)?, id)
    }

    pub(super) fn put<R: Row>(&self, table: Rows, id: u128, row: &R) -> Result<(), StoreError> {
        let mut rows = self.txn.open_table(table)?;
        rows.insert(id, row.to_bytes().as_slice())?;
        Ok(())
    }

    pub(super) fn remove(&self, table: Rows, id: u128) -> Result<(), StoreError> {
        self.txn.open_table(table)?.remove(id)?;
        Ok(())
    }

    /// Moves the expiry of a record; `None`: there was, or is to be, none.
    pub(super) fn expire(
        &self,
        kind: Kind,
        id: u128,
        before: Option<u64>,
        now: Option<u64>,
    ) -> Result<(), StoreError> {
        if before == now {
            return Ok(());
        }
        let mut expiry = self.txn.open_table(EXPIRY)?;
        if let Some(at) = before {
            expiry.remove((at, kind as u8, id))?;
        }
        if let Some(at) = now {
            expiry.insert((at, kind as u8, id), ())?;
        }
        Ok(())
    }

    /// Opens a state that was sealed for its place.
    pub(super) fn open<R: Row>(
        &self,
        table: &'static str,
        id: u128,
        sealed: &[u8],
    ) -> Result<State, StoreError> {
        unseal::<R>(self.sealer, Place { table, id }, sealed)
    }

    /// Seals a state for its place.
    pub(super) fn seal(&self, table: &'static str, id: u128, state: &State) -> Vec<u8> {
        self.sealer.seal(Place { table, id }, &state.0)
    }
}

impl Reading<'_> {
    /// What stands there.
    pub(super) fn row<R: Row>(&self, table: Rows, id: u128) -> Result<Option<R>, StoreError> {
        row(&self.txn.open_table(table)?, id)
    }

    /// The rows after `after`, in order, as far as `keep` makes something of them; at most `max`, and [`LOOK_UP_MAX`]. Those that cannot
    /// be read are passed over.
    pub(super) fn rows_after<R: Row, T>(
        &self,
        table: Rows,
        after: Option<u128>,
        max: usize,
        mut keep: impl FnMut(u128, R) -> Result<Option<T>, StoreError>,
    ) -> Result<Found<T>, StoreError> {
        let mut found = Found::nothing();
        let rows = self.txn.open_table(table)?;
        let Some(first) = after.map_or(Some(0), |after| after.checked_add(1)) else {
            return Ok(found);
        };
        for entry in rows.range(first..)? {
            if found.records.len() >= max.min(LOOK_UP_MAX) {
                break;
            }
            let (id, bytes) = entry?;
            let row = R::from_bytes(bytes.value());
            found.add(row.and_then(|row| keep(id.value(), row)))?;
        }
        Ok(found)
    }

    /// Opens a state that was sealed for its place.
    pub(super) fn open<R: Row>(
        &self,
        table: &'static str,
        id: u128,
        sealed: &[u8],
    ) -> Result<State, StoreError> {
        unseal::<R>(self.sealer, Place { table, id }, sealed)
    }
}

fn unseal<R: Row>(by: &Sealer, place: Place, sealed: &[u8]) -> Result<State, StoreError> {
    let state = by.open(place, sealed);
    state.map(State).map_err(|_| StoreError::Damaged(R::NAME))
}

fn row<R: Row>(
    rows: &impl ReadableTable<u128, &'static [u8]>,
    id: u128,
) -> Result<Option<R>, StoreError> {
    let found = rows.get(id)?;
    found.map(|bytes| R::from_bytes(bytes.value())).transpose()
}
