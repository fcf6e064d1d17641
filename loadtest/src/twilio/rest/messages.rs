//! `Messages`: texts that are sent, and how far they have come.
//!
//! Owns the account's messages. They go through their statuses as time passes; who is told of it is in [`super::serve`].

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::Reply;
use crate::twilio::{account::Account, form::Form, number::sid};

/// Messages that are kept; the oldest is forgotten first.
const MESSAGES_MAX: usize = 10_000;
const BODY_CHARS_MAX: usize = 1_600;
/// From `queued` to `sent`, and from there to `delivered`.
pub(super) const STAGE: Duration = Duration::from_millis(200);

/// A message. It shows neither its words nor its numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// `SM…`.
    pub sid: String,
    /// To whom.
    pub to: String,
    /// From whom; empty where a service chooses.
    pub from: String,
    /// Its words.
    pub body: String,
    /// When it was taken in, by the run's clock.
    pub created: Duration,
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
    /// Its status at this time.
    pub fn status(&self, now: Duration) -> &'static str {
        let age = now.saturating_sub(self.created);
        if age < STAGE {
            "queued"
        } else if age < STAGE * 2 {
            "sent"
        } else {
            "delivered"
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
        if self.opted_out.len() < MESSAGES_MAX {
            self.opted_out.insert(number.to_owned());
        }
    }

    /// All that are kept, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Message> {
        self.kept.iter().rev()
    }
}

pub(super) fn one(account: &Account, sid: &str) -> Reply {
    let messages = account.messages();
    let found = messages.newest().find(|message| message.sid == sid);
    found.map_or_else(Reply::not_found, |message| {
        Reply::done(200, shown(account, message))
    })
}

/// Messages, the newest first, by `To` and `From`. One that is not sent has no date, and is not found by `DateSent`.
pub(super) fn list(account: &Account, query: &Form) -> Reply {
    let now = account.clock.now();
    let by_date = query.pairs().any(|(name, _)| name.starts_with("DateSent"));
    let fits = |wanted: Option<&str>, is: &str| wanted.is_none_or(|wanted| wanted == is);
    let messages = account.messages();
    let found: Vec<_> = messages
        .newest()
        .filter(|message| {
            fits(query.get("To"), &message.to)
                && fits(query.get("From"), &message.from)
                && !(by_date && message.status(now) == "queued")
        })
        .take(1_000)
        .map(|message| shown(account, message))
        .collect();
    Reply::done(
        200,
        json!({"messages": found, "page": 0, "next_page_uri": null}),
    )
}

/// Takes a message in.
pub(super) fn create(account: &Account, form: &Form) -> Reply {
    let text = |name| form.get(name).filter(|value| !value.is_empty());
    let Some(to) = text("To") else {
        return Reply::error(400, 21_604, "A 'To' phone number is required.");
    };
    let Some(from) = text("From").or(text("MessagingServiceSid").map(|_| "")) else {
        return Reply::error(400, 21_603, "A 'From' phone number is required.");
    };
    let Some(body) = text("Body") else {
        return Reply::error(400, 21_602, "Message body is required.");
    };
    let digits = to.strip_prefix('+').unwrap_or_default();
    if !(7..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Reply::error(400, 21_211, "Invalid 'To' Phone Number");
    }
    if body.chars().count() > BODY_CHARS_MAX {
        return Reply::error(
            400,
            21_617,
            "The concatenated message body exceeds the 1600 character limit",
        );
    }
    let mut messages = account.messages();
    if messages.opted_out.contains(to) {
        return Reply::error(400, 21_610, "Attempt to send to unsubscribed recipient");
    }
    messages.count += 1;
    let message = Message {
        sid: sid("SM", &mut fastrand::Rng::with_seed(messages.count)),
        to: to.to_owned(),
        from: from.to_owned(),
        body: body.to_owned(),
        created: account.clock.now(),
        status_callback: text("StatusCallback").map(str::to_owned),
    };
    let reply = Reply::done(201, shown(account, &message));
    if messages.kept.len() >= MESSAGES_MAX {
        messages.kept.pop_front();
    }
    messages.kept.push_back(message);
    reply
}

fn shown(account: &Account, message: &Message) -> Value {
    let status = message.status(account.clock.now());
    let created = date(account.wall(message.created));
    let sent = (status != "queued").then(|| date(account.wall(message.created + STAGE)));
    let uri = format!(
        "/2010-04-01/Accounts/{}/Messages/{}.json",
        account.sid, message.sid
    );
    let from = (!message.from.is_empty()).then_some(&message.from);
    json!({
        "sid": message.sid,
        "account_sid": account.sid,
        "messaging_service_sid": null,
        "status": status,
        "direction": "outbound-api",
        "from": from,
        "to": message.to,
        "body": message.body,
        "num_segments": message.body.chars().count().div_ceil(160).max(1).to_string(),
        "num_media": "0",
        "price": null,
        "price_unit": null,
        "error_code": null,
        "error_message": null,
        "date_created": created,
        "date_sent": sent,
        "date_updated": sent.as_ref().unwrap_or(&created),
        "api_version": "2010-04-01",
        "uri": uri,
    })
}

/// As the carrier writes dates.
pub(super) fn date(at: SystemTime) -> String {
    httpdate::fmt_http_date(at).replace("GMT", "+0000")
}
