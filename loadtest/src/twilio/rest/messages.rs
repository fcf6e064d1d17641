//! `Messages`: texts that are sent, and how far they have come.
//!
//! Owns the account's messages and what is wrong with a request for one. Their way is drawn when they are taken in; who is told of
//! it, and what the phone answers, is in [`network`](crate::twilio::network).

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Reply,
    list::{Item, date, fits, is_dated, page},
};
use crate::twilio::{
    account::Account,
    address::Address,
    form::Form,
    network::{
        Errand,
        delivery::{Stage, Way},
        post::Delivering,
        tally::TextSeen,
        words::parts,
    },
    number::sid,
};

/// Messages that are kept; the oldest is forgotten first.
const MESSAGES_MAX: usize = 50_000;
/// Numbers that want no texts; beyond it the next one is not remembered.
const OPTED_OUT_MAX: usize = 50_000;
const BODY_CHARS_MAX: usize = 1_600;

/// A message. It shows neither its words nor its numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// `SM…`.
    pub sid: String,
    /// To whom.
    pub to: String,
    /// From whom; empty where a service chooses.
    pub from: String,
    /// `MG…`, where one chooses.
    pub service: Option<String>,
    /// Its words.
    pub body: String,
    /// When it was taken in, by the run's clock.
    pub created: Duration,
    /// What becomes of it.
    pub way: Way,
    /// From when on lists show it.
    pub listed: Duration,
    /// It answers one that came in.
    pub is_reply: bool,
    /// Where is told how far it has come.
    pub status_callback: Option<String>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("sid", &self.sid)
            .finish_non_exhaustive()
    }
}

impl Message {
    /// When it was sent, once it was.
    fn sent(&self, now: Duration) -> Option<Duration> {
        match self.way.stage(now) {
            Stage::Queued | Stage::Failed => None,
            Stage::Sent | Stage::Delivered | Stage::Undelivered => Some(self.way.sent),
        }
    }
}

/// All messages of an account, and who wants none.
#[derive(Debug, Default)]
pub struct Messages {
    kept: VecDeque<Message>,
    opted_out: BTreeSet<String>,
    /// How many there were: the next one's place in the order of SIDs.
    count: u64,
}

impl Messages {
    /// Whoever has this number wants no message any more.
    pub fn opt_out(&mut self, number: &str) {
        if self.opted_out.len() < OPTED_OUT_MAX {
            self.opted_out.insert(number.to_owned());
        }
    }

    /// They do again.
    pub fn opt_in(&mut self, number: &str) {
        self.opted_out.remove(number);
    }

    /// Whether they want none.
    pub fn is_opted_out(&self, number: &str) -> bool {
        self.opted_out.contains(number)
    }

    /// All that are kept, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Message> {
        self.kept.iter().rev()
    }

    fn keep(&mut self, message: Message) {
        if self.kept.len() >= MESSAGES_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(message);
    }
}

pub(super) fn one(account: &Account, sid: &str) -> Reply {
    let messages = account.messages();
    let found = messages.newest().find(|message| message.sid == sid);
    found.map_or_else(Reply::not_found, |message| {
        Reply::done(200, message.shown(account))
    })
}

/// Messages, the newest first, by `To`, `From` and `DateSent`. One that is not sent has no date, and is found by none.
pub(super) fn list(account: &Account, query: &Form) -> Reply {
    let now = account.clock.now();
    let messages = account.messages();
    let found = messages.newest().filter(|message| {
        let sent = message.sent(now).map(|at| account.wall(at));
        message.listed <= now
            && fits(query, "To", &message.to)
            && fits(query, "From", &message.from)
            && is_dated(query, "DateSent", sent)
    });
    page(account, "Messages", query, found)
}

/// Takes a message in, if it is one.
pub(super) fn create(account: &Account, form: &Form) -> Reply {
    match wanted(account, form) {
        Ok(draft) => {
            let message = send(account, draft);
            Reply::done(201, (&message).shown(account))
        }
        Err(reply) => {
            // What is refused was asked for all the same: after a STOP that counts.
            let seen = TextSeen {
                at: account.clock.now(),
                sid: String::new(),
                path: path_of(form.get("StatusCallback")),
                accepted: false,
                delivered: false,
            };
            let to = form.get("To").filter(|to| is_number(to));
            if let Some(to) = to.filter(|_| reply.status == 400) {
                account.network.tally().text(to, seen, 0.0);
            }
            reply
        }
    }
}

/// A message before it is taken in.
pub(in crate::twilio) struct Draft {
    pub(in crate::twilio) to: String,
    /// Empty where a service chooses.
    pub(in crate::twilio) from: String,
    pub(in crate::twilio) service: Option<String>,
    pub(in crate::twilio) body: String,
    pub(in crate::twilio) status_callback: Option<String>,
    /// It answers one that came in.
    pub(in crate::twilio) is_reply: bool,
}

fn wanted(account: &Account, form: &Form) -> Result<Draft, Reply> {
    let text = |name| form.get(name).filter(|value| !value.is_empty());
    let refused = |code, message: &str| Err(Reply::error(400, code, message));
    let Some(to) = text("To") else {
        return refused(21_604, "A 'To' phone number is required.");
    };
    let (from, service) = (text("From"), text("MessagingServiceSid"));
    if from.is_none() && service.is_none() {
        return refused(21_603, "A 'From' phone number is required.");
    }
    let Some(body) = text("Body") else {
        return refused(21_602, "Message body is required.");
    };
    if !is_number(to) {
        return refused(21_211, "Invalid 'To' Phone Number");
    }
    if from.is_some_and(|from| !is_sender(from)) {
        return refused(21_212, "Invalid 'From' Phone Number");
    }
    if from == Some(to) {
        return refused(21_266, "'To' and 'From' number cannot be the same");
    }
    if service.is_some_and(|service| !service.starts_with("MG")) {
        return refused(21_701, "The Messaging Service does not exist");
    }
    if body.chars().count() > BODY_CHARS_MAX {
        let message = "The concatenated message body exceeds the 1600 character limit";
        return refused(21_617, message);
    }
    let callback = text("StatusCallback");
    if callback.is_some_and(|url| Address::parse(url).is_none()) {
        return refused(21_609, "The 'StatusCallback' URL is not a valid URL.");
    }
    if let Some(code) = account.refused_number(to, true) {
        return refused(code, "The number cannot be texted");
    }
    if account.messages().opted_out.contains(to) {
        return refused(21_610, "Attempt to send to unsubscribed recipient");
    }
    if !account.network.has_room() {
        return Err(Reply::too_many(Some(1)));
    }
    Ok(Draft {
        to: to.to_owned(),
        from: from.unwrap_or_default().to_owned(),
        service: service.map(str::to_owned),
        body: body.to_owned(),
        status_callback: callback.map(str::to_owned),
        is_reply: false,
    })
}

/// Takes it in, and sends it on its way.
pub(in crate::twilio) fn send(account: &Account, draft: Draft) -> Message {
    let created = account.clock.now();
    let settings = &account.network.settings;
    let cents =
        settings.text_cents * f64::from(u32::try_from(parts(&draft.body)).unwrap_or(u32::MAX));
    let mut messages = account.messages();
    messages.count += 1;
    let nth = messages.count;
    let message = Message {
        sid: sid("SM", &mut fastrand::Rng::with_seed(nth)),
        way: Way::draw(settings, &draft.to, nth, created),
        listed: created + account.list_lag(nth),
        to: draft.to,
        from: draft.from,
        service: draft.service,
        body: draft.body,
        created,
        is_reply: draft.is_reply,
        status_callback: draft.status_callback,
    };
    messages.keep(message.clone());
    drop(messages);
    let mut tally = account.network.tally();
    if message.is_reply {
        tally.answered(&message.to, cents);
    } else {
        let seen = TextSeen {
            at: created,
            sid: message.sid.clone(),
            path: path_of(message.status_callback.as_deref()),
            accepted: true,
            delivered: false,
        };
        tally.text(&message.to, seen, cents);
    }
    drop(tally);
    let delivering = Delivering {
        message: message.clone(),
        nth,
    };
    account.network.push(Errand::Deliver(Box::new(delivering)));
    message
}

/// Digits behind a plus, as many as numbers have.
pub(super) fn is_number(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A number, a short code, or a name.
fn is_sender(from: &str) -> bool {
    is_number(from)
        || (3..=11).contains(&from.len()) && from.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The path that a callback goes to.
pub(super) fn path_of(url: Option<&str>) -> String {
    url.and_then(Address::parse)
        .map(|address| address.path)
        .unwrap_or_default()
}

impl Item for &Message {
    fn sid(&self) -> &str {
        &self.sid
    }

    fn shown(&self, account: &Account) -> Value {
        let now = account.clock.now();
        let stage = self.way.stage(now);
        let created = date(account.wall(self.created));
        let sent = self.sent(now).map(|at| date(account.wall(at)));
        let uri = format!(
            "/2010-04-01/Accounts/{}/Messages/{}.json",
            account.sid, self.sid
        );
        let from = (!self.from.is_empty()).then_some(&self.from);
        let direction = if self.is_reply {
            "outbound-reply"
        } else {
            "outbound-api"
        };
        let error = self.way.error(now);
        // A service takes it in before it has chosen who sends it.
        let status = match stage {
            Stage::Queued if self.service.is_some() => "accepted",
            Stage::Queued | Stage::Sent | Stage::Delivered | Stage::Undelivered | Stage::Failed => {
                stage.word()
            }
        };
        json!({
            "sid": self.sid,
            "account_sid": account.sid,
            "messaging_service_sid": self.service,
            "status": status,
            "direction": direction,
            "from": from,
            "to": self.to,
            "body": self.body,
            "num_segments": parts(&self.body).to_string(),
            "num_media": "0",
            "price": null,
            "price_unit": null,
            "error_code": error,
            "error_message": error.map(|_| "The message was not delivered"),
            "date_created": created,
            "date_sent": sent,
            "date_updated": sent.as_ref().unwrap_or(&created),
            "api_version": "2010-04-01",
            "uri": uri,
            "subresource_uris": {"media": uri.replace(".json", "/Media.json")},
        })
    }
}
