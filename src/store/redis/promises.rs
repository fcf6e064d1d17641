//! Promises, the requests that serve them, and who wants none: as they are asked for, and as they come back.

use super::calls::{CALL_PLACE, seal, unseal};
use super::reply::Fields;
use super::script::{Request, Script};
use crate::core::ids::PromiseId;
use crate::core::time::Utc;
use crate::store::error::StoreError;
use crate::store::records::{CallerHash, check_length};
use crate::store::sealer::Sealer;
use crate::store::{
    Changed, PromiseChange, PromiseRecord, Promised, SendId, SendRecord, SendStep, State,
};

/// How many requests of one promise may be in flight: more are a bug of whoever sends them.
const SENDS_MAX: usize = 16;

/// What they are, for people.
pub(super) const PROMISE: &str = "promise";
pub(super) const SEND: &str = "request to the carrier";
pub(super) const CONTEXT: &str = "conversation of a promise";

/// Where they are sealed for: as in the embedded store.
const PROMISE_PLACE: &str = "promises";
const SEND_PLACE: &str = "sends";

pub(super) fn promise(
    promise: &PromiseRecord,
    now: Utc,
    sealer: &Sealer,
) -> Result<Request, StoreError> {
    check_length(PROMISE, &promise.state)?;
    let id = promise.id.bits();
    Ok(Request::new(Script::Promise)
        .name(id)
        .name(promise.caller.0)
        .number(promise.revision)
        .yes_or_no(promise.is_open)
        .number_or_nothing(promise.due.map(Utc::millis))
        .number(promise.expires.millis())
        .bytes(seal(sealer, PROMISE_PLACE, id, &promise.state))
        .number(now.millis()))
}

pub(super) fn promised(mut fields: Fields) -> Result<Promised, StoreError> {
    match fields.text()?.as_str() {
        "kept" => Ok(Promised::Kept),
        "already" => Ok(Promised::Already(PromiseId::from_bits(fields.name()?))),
        "opted_out" => Ok(Promised::OptedOut),
        _ => Err(StoreError::Damaged(PROMISE)),
    }
}

pub(super) fn change_promise(
    change: &PromiseChange,
    now: Utc,
    sealer: &Sealer,
) -> Result<Request, StoreError> {
    check_length(PROMISE, &change.state)?;
    let id = change.id.bits();
    let request = Request::new(Script::ChangePromise)
        .name(id)
        .number(change.from_revision)
        .number(change.from_revision.saturating_add(1))
        .yes_or_no(change.is_open)
        .number_or_nothing(change.due.map(Utc::millis))
        .number(change.expires.millis())
        .bytes(seal(sealer, PROMISE_PLACE, id, &change.state))
        .number(now.millis());
    let request = match &change.send {
        SendStep::None => request.text("none").text("").text("").text(""),
        SendStep::Begin(send) => {
            check_length(SEND, &send.state)?;
            let body = seal(sealer, SEND_PLACE, send.id.0, &send.state);
            request
                .text("begin")
                .name(send.id.0)
                .number(send.at.millis())
                .bytes(body)
        }
        SendStep::End(send) => request.text("end").name(send.0).text("").text(""),
    };
    Ok(request.count(SENDS_MAX))
}

pub(super) fn changed(mut fields: Fields) -> Result<Changed, StoreError> {
    match fields.text()?.as_str() {
        "kept" => Ok(Changed::Kept),
        "unknown" => Ok(Changed::Unknown),
        "stale" => Ok(Changed::Stale(fields.number()?)),
        "opted_out" => Ok(Changed::OptedOut),
        "already" => Ok(Changed::Already(PromiseId::from_bits(fields.name()?))),
        "full" => Err(StoreError::TooLong("list of requests to the carrier")),
        _ => Err(StoreError::Damaged(PROMISE)),
    }
}

pub(super) fn record(mut fields: Fields, sealer: &Sealer) -> Result<PromiseRecord, StoreError> {
    let id = fields.name()?;
    Ok(PromiseRecord {
        id: PromiseId::from_bits(id),
        caller: CallerHash(fields.name()?),
        revision: fields.number()?,
        is_open: fields.yes_or_no()?,
        due: fields.number_or_nothing()?.map(Utc::from_millis),
        expires: fields.time()?,
        state: unseal(sealer, PROMISE, PROMISE_PLACE, id, &fields.bytes()?)?,
    })
}

pub(super) fn one(
    mut fields: Fields,
    sealer: &Sealer,
) -> Result<Option<PromiseRecord>, StoreError> {
    let found = fields.record()?;
    found.map(|found| record(found, sealer)).transpose()
}

pub(super) fn send(mut fields: Fields, sealer: &Sealer) -> Result<SendRecord, StoreError> {
    let id = fields.name()?;
    Ok(SendRecord {
        id: SendId(id),
        promise: PromiseId::from_bits(fields.name()?),
        at: fields.time()?,
        state: unseal(sealer, SEND, SEND_PLACE, id, &fields.bytes()?)?,
    })
}

/// The conversation beside a promise is a copy of what was sealed for its call.
pub(super) fn context(mut fields: Fields, sealer: &Sealer) -> Result<Option<State>, StoreError> {
    let Some(mut found) = fields.record()? else {
        return Ok(None);
    };
    found.bytes()?; // The version, which the script has looked at.
    let call = found.name()?;
    unseal(sealer, CONTEXT, CALL_PLACE, call, &found.bytes()?).map(Some)
}

pub(super) fn opted_out(mut fields: Fields) -> Result<Option<Utc>, StoreError> {
    if fields.is_empty() {
        return Ok(None);
    }
    fields.time().map(Some)
}
