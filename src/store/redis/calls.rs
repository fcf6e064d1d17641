//! Calls in progress, how calls ended, and used tokens: as they are asked for, and as they come back.

use super::reply::Fields;
use super::script::{Request, Script};
use crate::core::ids::CallId;
use crate::core::time::Utc;
use crate::store::error::StoreError;
use crate::store::records::{NODE_BYTES_MAX, check_length};
use crate::store::sealer::{Place, Sealer};
use crate::store::{CallKey, CallRecord, Checkpointed, EndedCall, KnownCall, State, TokenId};

/// What they are, for people.
pub(super) const CALL: &str = "checkpoint";
const ENDED: &str = "record of a call that ended";

/// Where they are sealed for: as in the embedded store.
pub(super) const CALL_PLACE: &str = "calls";
const ENDED_PLACE: &str = "ended_calls";

pub(super) fn checkpoint(call: &CallRecord, sealer: &Sealer) -> Result<Request, StoreError> {
    check_length(CALL, &call.state)?;
    check_node(&call.node)?;
    let id = call.id.bits();
    Ok(Request::new(Script::Checkpoint)
        .name(id)
        .text(call.sid.as_str())
        .text(&call.node)
        .number(call.epoch)
        .number(call.updated.millis())
        .number(call.expires.millis())
        .bytes(seal(sealer, CALL_PLACE, id, &call.state)))
}

pub(super) fn checkpointed(mut fields: Fields) -> Result<Checkpointed, StoreError> {
    match fields.text()?.as_str() {
        "kept" => Ok(Checkpointed::Kept),
        "ended" => Ok(Checkpointed::Ended),
        "superseded" => Ok(Checkpointed::Superseded(fields.number()?)),
        _ => Err(StoreError::Damaged(CALL)),
    }
}

pub(super) fn end_call(ended: &EndedCall, sealer: &Sealer) -> Result<Request, StoreError> {
    check_length(ENDED, &ended.state)?;
    let id = ended.id.bits();
    Ok(Request::new(Script::EndCall)
        .name(id)
        .text(ended.sid.as_str())
        .number(ended.at.millis())
        .number(ended.expires.millis())
        .bytes(seal(sealer, ENDED_PLACE, id, &ended.state)))
}

pub(super) fn call(key: CallKey, now: Utc) -> Request {
    let request = Request::new(Script::Call);
    let request = match key {
        CallKey::Id(id) => request.text("id").name(id.bits()),
        CallKey::Sid(sid) => request.text("sid").text(sid.as_str()),
    };
    request.number(now.millis())
}

pub(super) fn known_call(
    mut fields: Fields,
    sealer: &Sealer,
) -> Result<Option<KnownCall>, StoreError> {
    if fields.is_empty() {
        return Ok(None);
    }
    let word = fields.text()?;
    let record = fields.record()?.ok_or(StoreError::Damaged(CALL))?;
    match word.as_str() {
        "call" => in_progress(record, sealer)
            .map(KnownCall::InProgress)
            .map(Some),
        "ended" => ended_call(record, sealer).map(KnownCall::Ended).map(Some),
        _ => Err(StoreError::Damaged(CALL)),
    }
}

pub(super) fn in_progress(mut fields: Fields, sealer: &Sealer) -> Result<CallRecord, StoreError> {
    let id = fields.name()?;
    Ok(CallRecord {
        id: CallId::from_bits(id),
        sid: fields.sid()?,
        node: fields.text()?,
        epoch: fields.number()?,
        updated: fields.time()?,
        expires: fields.time()?,
        state: unseal(sealer, CALL, CALL_PLACE, id, &fields.bytes()?)?,
    })
}

fn ended_call(mut fields: Fields, sealer: &Sealer) -> Result<EndedCall, StoreError> {
    let id = fields.name()?;
    Ok(EndedCall {
        id: CallId::from_bits(id),
        sid: fields.sid()?,
        at: fields.time()?,
        expires: fields.time()?,
        state: unseal(sealer, ENDED, ENDED_PLACE, id, &fields.bytes()?)?,
    })
}

pub(super) fn token(token: TokenId, expires: Utc, now: Utc) -> Request {
    Request::new(Script::Token)
        .name(token.0)
        .number(expires.millis())
        .number(now.millis())
}

/// Refuses a name that is too long.
pub(super) fn check_node(node: &str) -> Result<(), StoreError> {
    let fits = node.len() <= NODE_BYTES_MAX;
    fits.then_some(())
        .ok_or(StoreError::TooLong("name of a node"))
}

/// Seals a state for its place.
pub(super) fn seal(sealer: &Sealer, table: &'static str, id: u128, state: &State) -> Vec<u8> {
    sealer.seal(Place { table, id }, &state.0)
}

/// Opens a state that was sealed for its place.
pub(super) fn unseal(
    sealer: &Sealer,
    what: &'static str,
    table: &'static str,
    id: u128,
    body: &[u8],
) -> Result<State, StoreError> {
    let state = sealer.open(Place { table, id }, body);
    state.map(State).map_err(|_| StoreError::Damaged(what))
}
