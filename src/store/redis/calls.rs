//! Calls in progress, how calls ended, and used tokens: as they are asked for, and as they come back.

use super::reply::Fields;
use super::script::{Request, Script};
use crate::core::front::Card;
use crate::core::ids::CallId;
use crate::core::region::owner::{Ruling, Tenure};
use crate::core::region::{Life, Node, Peer, Region};
use crate::core::time::Utc;
use crate::store::error::StoreError;
use crate::store::records::{NODE_BYTES_MAX, check_length};
use crate::store::sealer::{Place, Sealer};
use crate::store::{CallKey, CallRecord, EndedCall, KnownCall, State, TokenId};

/// What they are, for people.
pub(super) const CALL: &str = "checkpoint";
const ENDED: &str = "record of a call that ended";

/// Where they are sealed for: as in the embedded store.
pub(super) const CALL_PLACE: &str = "calls";
const ENDED_PLACE: &str = "ended_calls";

pub(super) fn checkpoint(call: &CallRecord, sealer: &Sealer) -> Result<Request, StoreError> {
    check_length(CALL, &call.state)?;
    let id = call.id().bits();
    Ok(Request::new(Script::Checkpoint)
        .name(id)
        .text(call.sid.as_str())
        .number(call.by.card.epoch.into())
        .text(&owner(call.by.owner))
        .number(call.turn.into())
        .number(call.updated.millis())
        .number(call.expires.millis())
        .bytes(seal(sealer, CALL_PLACE, id, &call.state)))
}

/// What became of a checkpoint, or of an end.
pub(super) fn ruling(mut fields: Fields) -> Result<Ruling, StoreError> {
    match fields.text()?.as_str() {
        "kept" => Ok(Ruling::Kept),
        "late" => Ok(Ruling::Late),
        "ended" => Ok(Ruling::Ended),
        "superseded" => Ok(Ruling::Superseded(epoch(fields.number()?))),
        _ => Err(StoreError::Damaged(CALL)),
    }
}

/// How an owner is written: its region, node and life.
fn owner(owner: Peer) -> String {
    let Peer { region, node, life } = owner;
    format!("{region} {node} {:016x}", life.0)
}

fn read_owner(text: &str) -> Option<Peer> {
    let mut names = text.split(' ');
    let owner = Peer {
        region: Region::parse(names.next()?)?,
        node: Node::parse(names.next()?)?,
        life: Life(u64::from_str_radix(names.next()?, 16).ok()?),
    };
    names.next().is_none().then_some(owner)
}

/// Nobody counts beyond it.
fn epoch(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(super) fn end_call(ended: &EndedCall, sealer: &Sealer) -> Result<Request, StoreError> {
    check_length(ENDED, &ended.state)?;
    let id = ended.id.bits();
    Ok(Request::new(Script::EndCall)
        .name(id)
        .text(ended.sid.as_str())
        .number_or_nothing(ended.by.map(|by| by.card.epoch.into()))
        .text(&ended.by.map(|by| owner(by.owner)).unwrap_or_default())
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
    let sid = fields.sid()?;
    let by = tenure(&mut fields, id)?.ok_or(StoreError::Damaged(CALL))?;
    Ok(CallRecord {
        sid,
        by,
        turn: u32::try_from(fields.number()?).map_err(|_| StoreError::Damaged(CALL))?,
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
        by: tenure(&mut fields, id)?,
        at: fields.time()?,
        expires: fields.time()?,
        state: unseal(sealer, ENDED, ENDED_PLACE, id, &fields.bytes()?)?,
    })
}

/// Whose a call is, or was; `None`: nobody is said.
fn tenure(fields: &mut Fields, id: u128) -> Result<Option<Tenure>, StoreError> {
    let (of, owner) = (fields.number_or_nothing()?, fields.text()?);
    let Some(of) = of else { return Ok(None) };
    let owner = read_owner(&owner).ok_or(StoreError::Damaged(CALL))?;
    let card = Card {
        id: CallId::from_bits(id),
        epoch: epoch(of),
    };
    Ok(Some(Tenure { card, owner }))
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
