//! `Calls`: what is shown of a call, how one is made, and how a live one is changed.
//!
//! Owns what is wrong with such requests. A call that is made rings in [`network`](crate::twilio::network).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::error::TrySendError;

use super::{
    Reply,
    list::{Item, date, fits, is_dated, page},
    messages::{is_number, path_of},
};
use crate::twilio::{
    account::{Account, Listed},
    address::Address,
    form::Form,
    interpreter::Update,
    network::{
        Errand,
        ringing::{Detection, Placed},
        tally::RingSeen,
    },
    number::{Direction, Parties, Status},
    twiml::{Link, Method},
};

/// The longest document that a request may hold.
const TWIML_CHARS_MAX: usize = 4_000;
/// It rings for so long, if nobody says how long.
const TIMEOUT_SECONDS: u64 = 60;
const TIMEOUT_SECONDS_MAX: u64 = 600;
/// Status callbacks that there are.
const EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];

pub(super) fn one(account: &Account, sid: &str) -> Reply {
    account.call(sid).map_or_else(Reply::not_found, |call| {
        Reply::done(200, call.shown(account))
    })
}

/// Calls, the newest first, by `To`, `From`, `Status` and `StartTime`. One that waits to be made has no date, and is found by none.
pub(super) fn list(account: &Account, query: &Form) -> Reply {
    let now = account.clock.now();
    let listed = account.listed();
    let found = listed.into_iter().filter(|call| {
        let started = call.started().map(|at| account.wall(at));
        call.seen <= now
            && fits(query, "To", &call.parties.to)
            && fits(query, "From", &call.parties.from)
            && fits(query, "Status", call.status.word())
            && is_dated(query, "StartTime", started)
    });
    page(account, "Calls", query, found)
}

/// Takes a call in that is to be made, if it is one.
pub(super) fn create(account: &Account, form: &Form) -> Reply {
    let wanted = match Wanted::read(account, form) {
        Ok(wanted) => wanted,
        Err(reply) => return reply,
    };
    let nth = account.next_placed();
    let mut rng = fastrand::Rng::with_seed(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut parties = Parties::draw(&account.sid, &wanted.from, &wanted.to, &mut rng);
    parties.direction = Direction::OutboundApi;
    let updates = account.place(&parties, nth);
    let Some(call) = account.call(&parties.call_sid) else {
        return Reply::too_many(Some(1));
    };
    let at = account.clock.now();
    let seen = RingSeen {
        at,
        sid: parties.call_sid.clone(),
        path: path_of(wanted.status.as_ref().map(|link| link.url.as_str())),
        in_hours: account.network.may_ring(&parties.to, account.wall(at)),
        rang: false,
        connected: false,
        ended: None,
    };
    let before = account.network.tally().ring(&parties.to, seen);
    let placed = Placed {
        parties,
        nth,
        before,
        updates,
        wanted,
    };
    account.network.push(Errand::Ring(Box::new(placed)));
    Reply::done(201, call.shown(account))
}

/// A call that is to be made.
pub(in crate::twilio) struct Wanted {
    to: String,
    from: String,
    /// Its document is there, or here.
    pub(in crate::twilio) url: Option<Link>,
    pub(in crate::twilio) twiml: Option<String>,
    pub(in crate::twilio) fallback: Option<Link>,
    pub(in crate::twilio) status: Option<Link>,
    pub(in crate::twilio) events: Vec<&'static str>,
    pub(in crate::twilio) timeout: Duration,
    pub(in crate::twilio) time_limit: Option<Duration>,
    pub(in crate::twilio) detection: Option<Detection>,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wanted({:?}, {:?})", self.events, self.detection)
    }
}

impl Wanted {
    fn read(account: &Account, form: &Form) -> Result<Self, Reply> {
        let text = |name| form.get(name).filter(|value| !value.is_empty());
        let refused = |code, message: &str| Err(Reply::error(400, code, message));
        let (Some(to), Some(from)) = (text("To"), text("From")) else {
            let is_to = text("To").is_none();
            return refused(
                if is_to { 21_201 } else { 21_213 },
                "'To' and 'From' are required",
            );
        };
        if !is_number(to) {
            return refused(21_211, "Invalid 'To' Phone Number");
        }
        if !is_number(from) {
            return refused(21_212, "Invalid 'From' Phone Number");
        }
        if let Some(code) = account.refused_number(to, false) {
            return refused(code, "The number cannot be called");
        }
        let url = link(form, "Url", "Method")?;
        // A document beside a URL is ignored.
        let twiml = text("Twiml").filter(|_| url.is_none()).map(str::to_owned);
        if url.is_none() && twiml.is_none() {
            return refused(21_205, "Url parameter is required.");
        }
        if twiml
            .as_ref()
            .is_some_and(|twiml| twiml.chars().count() > TWIML_CHARS_MAX)
        {
            return Err(Reply::invalid("Twiml"));
        }
        if !account.network.has_room() {
            return Err(Reply::too_many(Some(1)));
        }
        let timeout = seconds(form, "Timeout", TIMEOUT_SECONDS_MAX)?;
        Ok(Self {
            to: to.to_owned(),
            from: from.to_owned(),
            url,
            twiml,
            fallback: link(form, "FallbackUrl", "FallbackMethod")?,
            status: link(form, "StatusCallback", "StatusCallbackMethod")?,
            events: events(form)?,
            timeout: timeout.unwrap_or(Duration::from_secs(TIMEOUT_SECONDS)),
            time_limit: seconds(form, "TimeLimit", 14_400)?,
            detection: detection(form)?,
        })
    }
}

/// A URL, and how to ask it.
fn link(form: &Form, name: &str, method: &str) -> Result<Option<Link>, Reply> {
    let Some(url) = form.get(name).filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let is_http = |address: &Address| matches!(address.scheme.as_str(), "http" | "https");
    if !Address::parse(url).as_ref().is_some_and(is_http) {
        return Err(Reply::error(400, 21_205, "The URL is not a valid URL."));
    }
    let url = url.to_owned();
    let method = method_of(form.get(method));
    Ok(Some(Link { url, method }))
}

fn method_of(word: Option<&str>) -> Method {
    match word {
        Some(word) if word.eq_ignore_ascii_case("get") => Method::Get,
        Some(_) | None => Method::Post,
    }
}

fn seconds(form: &Form, name: &str, most: u64) -> Result<Option<Duration>, Reply> {
    let Some(text) = form.get(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(seconds) if (1..=most).contains(&seconds) => Ok(Some(Duration::from_secs(seconds))),
        Ok(_) | Err(_) => Err(Reply::invalid(name)),
    }
}

/// Which status callbacks are wanted: without a word, the last.
fn events(form: &Form) -> Result<Vec<&'static str>, Reply> {
    let wanted = form
        .pairs()
        .filter(|(name, _)| *name == "StatusCallbackEvent");
    let mut events = Vec::new();
    for word in wanted.flat_map(|(_, words)| words.split(' ')) {
        let Some(event) = EVENTS.into_iter().find(|event| *event == word) else {
            return Err(Reply::error(400, 21_626, "Invalid StatusCallbackEvent"));
        };
        if !events.contains(&event) {
            events.push(event);
        }
    }
    if events.is_empty() {
        events.push("completed");
    }
    Ok(events)
}

fn detection(form: &Form) -> Result<Option<Detection>, Reply> {
    let to_the_end = match form.get("MachineDetection") {
        None | Some("") => return Ok(None),
        Some("Enable") => false,
        Some("DetectMessageEnd") => true,
        Some(_) => return Err(Reply::invalid("MachineDetection")),
    };
    let beside = form
        .get("AsyncAmd")
        .is_some_and(|word| word.eq_ignore_ascii_case("true"));
    Ok(Some(Detection {
        to_the_end,
        beside,
        callback: link(
            form,
            "AsyncAmdStatusCallback",
            "AsyncAmdStatusCallbackMethod",
        )?,
    }))
}

/// Ends a live call, or gives it another document.
pub(super) fn update(account: &Account, sid: &str, form: &Form) -> Reply {
    let Some(call) = account.call(sid) else {
        return Reply::not_found();
    };
    let update = match wanted(form, call.status) {
        Ok(Some(update)) => update,
        Ok(None) => return Reply::done(200, call.shown(account)),
        Err(reply) => return reply,
    };
    let sent = call
        .updates
        .as_ref()
        .map(|updates| updates.try_send(update));
    match sent {
        Some(Ok(())) => Reply::done(200, call.shown(account)),
        Some(Err(TrySendError::Full(_))) => Reply::too_many(Some(1)),
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
        (Some("canceled"), None, None) if status != Status::InProgress => {
            Ok(Some(Update::Complete))
        }
        (Some("canceled"), None, None) => Err(not_live()),
        (Some(_), _, _) => Err(Reply::invalid("Status")),
        (None, Some(url), _) => {
            let method = method_of(form.get("Method"));
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

impl Item for Listed {
    fn sid(&self) -> &str {
        &self.parties.call_sid
    }

    fn shown(&self, account: &Account) -> Value {
        let parties = &self.parties;
        let uri = format!(
            "/2010-04-01/Accounts/{}/Calls/{}.json",
            account.sid, parties.call_sid
        );
        let began = self.started().map(|at| date(account.wall(at)));
        let ended = self.ended.map(|at| date(account.wall(at)));
        // A call is as long as it was paid for.
        let since = if self.is_outbound() {
            self.answered
        } else {
            Some(self.began)
        };
        let lasted = self.ended.map(|ended| {
            let since = since.unwrap_or(ended);
            ended.saturating_sub(since).as_secs().to_string()
        });
        json!({
            "sid": parties.call_sid,
            "account_sid": account.sid,
            "parent_call_sid": null,
            "from": parties.from,
            "to": parties.to,
            "status": self.status.word(),
            "direction": parties.direction.word(),
            "start_time": began,
            "end_time": ended,
            "duration": lasted,
            "price": null,
            "answered_by": parties.answered_by,
            "api_version": "2010-04-01",
            "date_created": began,
            "date_updated": ended.as_ref().or(began.as_ref()),
            "uri": uri,
            "subresource_uris": {"streams": uri.replace(".json", "/Streams.json")},
        })
    }
}
