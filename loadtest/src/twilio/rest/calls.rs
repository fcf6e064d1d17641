//! `Calls`: what is shown of a call, and how a live one is changed.

use serde_json::{Value, json};
use tokio::sync::mpsc::error::TrySendError;

use super::{Reply, messages::date};
use crate::twilio::{
    account::{Account, Listed},
    form::Form,
    interpreter::Update,
    number::Status,
    twiml::{Link, Method},
};

/// The longest document that an update may hold.
const TWIML_CHARS_MAX: usize = 4_000;
/// Calls of one page, if it does not ask for fewer.
const PAGE_MAX: usize = 1_000;

pub(super) fn one(account: &Account, sid: &str) -> Reply {
    account.call(sid).map_or_else(Reply::not_found, |call| {
        Reply::done(200, shown(account, &call))
    })
}

/// Calls, the newest first, by `To`, `From` and `Status`.
pub(super) fn list(account: &Account, query: &Form) -> Reply {
    let size = query.get("PageSize").and_then(|size| size.parse().ok());
    let size: usize = size.unwrap_or(50).clamp(1, PAGE_MAX);
    let fits = |wanted: Option<&str>, is: &str| wanted.is_none_or(|wanted| wanted == is);
    let calls: Vec<_> = account
        .listed()
        .iter()
        .filter(|call| {
            fits(query.get("To"), &call.parties.to)
                && fits(query.get("From"), &call.parties.from)
                && fits(query.get("Status"), call.status.word())
        })
        .take(size)
        .map(|call| shown(account, call))
        .collect();
    let body = json!({"calls": calls, "page": 0, "page_size": size, "next_page_uri": null});
    Reply::done(200, body)
}

/// Ends a live call, or gives it another document.
pub(super) fn update(account: &Account, sid: &str, form: &Form) -> Reply {
    let Some(call) = account.call(sid) else {
        return Reply::not_found();
    };
    let update = match wanted(form, call.status) {
        Ok(Some(update)) => update,
        Ok(None) => return Reply::done(200, shown(account, &call)),
        Err(reply) => return reply,
    };
    let sent = call
        .updates
        .as_ref()
        .map(|updates| updates.try_send(update));
    match sent {
        Some(Ok(())) => Reply::done(200, shown(account, &call)),
        Some(Err(TrySendError::Full(_))) => Reply::too_many(),
        Some(Err(TrySendError::Closed(_))) | None => not_live(),
    }
}

/// What an update asks for; `None`: nothing that changes a call.
fn wanted(form: &Form, status: Status) -> Result<Option<Update>, Reply> {
    let (url, twiml) = (form.get("Url"), form.get("Twiml"));
    if url.is_some() && twiml.is_some() {
        return Err(Reply::invalid("Url and Twiml"));
    }
    if status.is_over() {
        return Err(not_live());
    }
    match (form.get("Status"), url, twiml) {
        (Some("completed"), None, None) => Ok(Some(Update::Complete)),
        (Some("canceled"), None, None) if status == Status::Ringing => Ok(Some(Update::Complete)),
        (Some("canceled"), None, None) => Err(not_live()),
        (Some(_), _, _) => Err(Reply::invalid("Status")),
        (None, Some(url), _) => {
            let method = match form.get("Method") {
                Some(method) if method.eq_ignore_ascii_case("get") => Method::Get,
                Some(_) | None => Method::Post,
            };
            let url = url.to_owned();
            Ok(Some(Update::Url(Link { url, method })))
        }
        (None, None, Some(twiml)) if twiml.chars().count() > TWIML_CHARS_MAX => {
            Err(Reply::invalid("Twiml"))
        }
        (None, None, Some(twiml)) => Ok(Some(Update::Twiml(twiml.to_owned()))),
        // A StatusCallback alone is ignored.
        (None, None, None) => Ok(None),
    }
}

fn not_live() -> Reply {
    Reply::error(400, 21_220, "Call is not in-progress. Cannot redirect.")
}

fn shown(account: &Account, call: &Listed) -> Value {
    let parties = &call.parties;
    let uri = format!(
        "/2010-04-01/Accounts/{}/Calls/{}.json",
        account.sid, parties.call_sid
    );
    let began = date(account.wall(call.began));
    let ended = call.ended.map(|at| date(account.wall(at)));
    let lasted = call
        .ended
        .map(|at| at.saturating_sub(call.began).as_secs().to_string());
    json!({
        "sid": parties.call_sid,
        "account_sid": account.sid,
        "parent_call_sid": null,
        "from": parties.from,
        "to": parties.to,
        "status": call.status.word(),
        "direction": "inbound",
        "start_time": began,
        "end_time": ended,
        "duration": lasted,
        "price": null,
        "answered_by": null,
        "api_version": "2010-04-01",
        "date_created": began,
        "date_updated": ended.as_ref().unwrap_or(&began),
        "uri": uri,
        "subresource_uris": {"streams": uri.replace(".json", "/Streams.json")},
    })
}
