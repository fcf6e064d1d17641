//! Where a call stood in which something was promised: kept beside the promise, whatever becomes of the call, and no longer than it.

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::tables::{CONTEXTS, Reading, Writing};
use crate::core::ids::{CallId, PromiseId};
use crate::core::time::Utc;
use crate::store::{State, StoreError};

#[derive(Serialize, Deserialize)]
struct ContextRow {
    sealed: Vec<u8>,
}

impl Row for ContextRow {
    const NAME: &'static str = "conversation of a promise";
    const VERSION: u8 = 1;
}

/// Where they are sealed for.
const CONTEXT_PLACE: &str = "contexts";

impl Writing<'_> {
    pub(super) fn keep_context(
        &self,
        promise: PromiseId,
        call: CallId,
        now: Utc,
    ) -> Result<bool, StoreError> {
        let id = promise.bits();
        if !self.is_open(id, now)? {
            return Ok(false);
        }
        let Some(state) = self.state_of_call(call, now)? else {
            return Ok(false);
        };
        let sealed = self.seal(CONTEXT_PLACE, id, &state);
        self.put(CONTEXTS, id, &ContextRow { sealed })?;
        Ok(true)
    }

    /// The promise is over: what was said in its call is of no use any more.
    pub(super) fn drop_context(&self, promise: u128) -> Result<(), StoreError> {
        self.remove(CONTEXTS, promise)
    }
}

impl Reading<'_> {
    pub(super) fn context(&self, promise: PromiseId) -> Result<Option<State>, StoreError> {
        let id = promise.bits();
        let row: Option<ContextRow> = self.row(CONTEXTS, id)?;
        row.map(|row| self.open::<ContextRow>(CONTEXT_PLACE, id, &row.sealed))
            .transpose()
    }
}
