//! What operators may ask about promises: how they stand, one of them, its number; and what they may want done.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::view::{CallbackOrder, CallbacksView, ForgetOrder, NumberView};
use super::{Refused, json};
use crate::core::callback::number::Number;
use crate::core::ids::PromiseId;
use crate::server::Shared;
use crate::server::callbacks::{Callbacks, NoAnswer};

/// How long an operator waits for the ledger; to forget somebody takes a disk as well, and is tried again until it is done.
const PATIENCE: Duration = Duration::from_secs(1);
const FORGET_PATIENCE: Duration = Duration::from_secs(4);

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Response {
    answer(look(&shared, None).await)
}

pub(super) async fn show(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    answer(look_at(&shared, &id).await)
}

pub(super) async fn number(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let found = async {
        let (callbacks, id) = (callbacks(&shared)?, promise(&id)?);
        let number = callbacks.number(id, PATIENCE).await.map_err(no_answer)?;
        let number = number.ok_or_else(no_such_promise)?;
        tracing::warn!(promise = %id, "an operator has seen the number of a promise");
        let number = number.dialled();
        Ok(NumberView { number })
    };
    answer(found.await)
}

pub(super) async fn order(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    answer(obey(&shared, &id, &body).await)
}

pub(super) async fn forget(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    match forget_number(&shared, &body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refused) => refused.into_response(),
    }
}

fn answer(result: Result<impl serde::Serialize, Refused>) -> Response {
    match result {
        Ok(view) => json(&view),
        Err(refused) => refused.into_response(),
    }
}

async fn look_at(shared: &Shared, id: &str) -> Result<CallbacksView, Refused> {
    let view = look(shared, Some(promise(id)?)).await?;
    if view.promises.is_empty() {
        return Err(no_such_promise());
    }
    Ok(view)
}

async fn look(shared: &Shared, id: Option<PromiseId>) -> Result<CallbacksView, Refused> {
    let callbacks = callbacks(shared)?;
    callbacks.look(id, PATIENCE).await.map_err(no_answer)
}

async fn obey(shared: &Shared, id: &str, body: &[u8]) -> Result<CallbacksView, Refused> {
    let CallbackOrder { verb } = serde_json::from_slice(body).map_err(|_| {
        let sentence = "The body must be {\"do\": \"cancel\"} or \"retry\".\n";
        (StatusCode::BAD_REQUEST, sentence.to_owned())
    })?;
    let (callbacks, id) = (callbacks(shared)?, promise(id)?);
    tracing::warn!(promise = %id, order = verb.name(), "operator");
    let is_there = callbacks.order(id, verb, PATIENCE).await;
    if !is_there.map_err(no_answer)? {
        return Err(no_such_promise());
    }
    look(shared, Some(id)).await
}

async fn forget_number(shared: &Shared, body: &[u8]) -> Result<(), Refused> {
    let order: Option<ForgetOrder> = serde_json::from_slice(body).ok();
    let number = order.and_then(|order| Number::parse(&order.number));
    let Some(number) = number else {
        let sentence =
            "There is no such number; allowed: one with its country, as in +14155550100.\n";
        return Err((StatusCode::NOT_FOUND, sentence.to_owned()));
    };
    // Whose it was is forgotten here as well.
    tracing::warn!(order = "forget", "operator");
    shared.callers.forget(number);
    let not_yet = || {
        let sentence = "It is not on disk yet that it is gone; ask again.\n";
        (StatusCode::REQUEST_TIMEOUT, sentence.to_owned())
    };
    if let Some(messages) = &shared.messages {
        let gone = messages.forget(&number.dialled());
        gone.map_err(|_| not_yet())?;
    }
    match &shared.callbacks {
        Some(callbacks) => {
            let gone = callbacks.forget(number, FORGET_PATIENCE).await;
            gone.map_err(|NoAnswer| not_yet())
        }
        None => Ok(()),
    }
}

fn callbacks(shared: &Shared) -> Result<&Callbacks, Refused> {
    shared.callbacks.as_ref().ok_or_else(|| {
        let sentence = "Nobody is rung back here: see [callbacks] of the settings.\n";
        (StatusCode::NOT_FOUND, sentence.to_owned())
    })
}

/// A promise's name, as it is printed or without its first word.
fn promise(text: &str) -> Result<PromiseId, Refused> {
    let digits = text.strip_prefix("promise-").unwrap_or(text);
    let bits = u128::from_str_radix(digits, 16);
    bits.map(PromiseId::from_bits)
        .map_err(|_| no_such_promise())
}

fn no_such_promise() -> Refused {
    let sentence = "There is no such promise that is open.\n";
    (StatusCode::NOT_FOUND, sentence.to_owned())
}

fn no_answer(_: NoAnswer) -> Refused {
    let sentence = "The ledger of promises has too much to do; ask again.\n";
    (StatusCode::REQUEST_TIMEOUT, sentence.to_owned())
}
