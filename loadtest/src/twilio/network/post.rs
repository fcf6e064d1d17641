//! Texts on their way: what is told of them, and what the phone answers.
//!
//! Owns the order of that. How a text fares is drawn in [`delivery`](super::delivery), what a phone writes in
//! [`habits`](super::habits).

use std::{sync::Arc, time::Duration};

use super::{
    delivery::{Fate, Stage},
    habits::chance,
    words::{Keyword, parts},
};
use crate::twilio::{
    account::Account,
    address::Address,
    fetch::{Fetched, Fetcher, Wanted},
    form::Form,
    number::sid,
    rest::{
        Message,
        messages::{Draft, send},
    },
    settings::millis,
    twiml::{Link, Method},
};

/// A text is from this number where a service chose it: one that is never given to anybody.
const SERVICE_NUMBER: &str = "+12025550100";
/// Answers in one document; further ones are not sent.
const ANSWERS_MAX: usize = 10;
/// From the first to the second copy of a text that comes twice.
const COPY_AFTER: Duration = Duration::from_millis(700);
/// Words by which a phone says that it may be called.
const AGREES: [&str; 3] = [YES, "CALL", "AT 5"];
const YES: &str = "YES";

/// A text that was taken in.
#[derive(Debug)]
pub(in crate::twilio) struct Delivering {
    pub(in crate::twilio) message: Message,
    /// Its place among all.
    pub(in crate::twilio) nth: u64,
}

/// Carries a text to its end, and what its phone answers back.
pub(in crate::twilio) async fn deliver(account: Arc<Account>, delivering: Delivering) {
    tokio::join!(
        tell(&account, &delivering),
        arrive(&account, &delivering.message)
    );
}

/// Tells how far it has come, as its callbacks come.
async fn tell(account: &Account, delivering: &Delivering) {
    let Delivering { message, nth } = delivering;
    let Some(address) = message.status_callback.as_deref().and_then(Address::parse) else {
        return;
    };
    let settings = &account.network.settings;
    let mut rng = chance(settings.seed, &message.to, "receipts", *nth);
    let receipts = message
        .way
        .receipts(&settings.receipts, message.created, &mut rng);
    for (at, stage) in receipts {
        account.clock.wait_until(at).await;
        let mut form = Form::new()
            .with("AccountSid", account.sid.clone())
            .with("ApiVersion", "2010-04-01")
            .with("MessageSid", message.sid.clone())
            .with("SmsSid", message.sid.clone())
            .with("MessageStatus", stage.word())
            .with("SmsStatus", stage.word())
            .with("To", message.to.clone())
            .with("From", message.from.clone());
        if let Some(service) = &message.service {
            form.push("MessagingServiceSid", service.clone());
        }
        if let Stage::Undelivered | Stage::Failed = stage
            && let Some(code) = message.way.error(message.way.ends.max(at))
        {
            form.push("ErrorCode", code.to_string());
        }
        let idempotency = format!("{}-{}", message.sid, stage.word());
        // Whoever cannot be told can ask.
        let _fetched = post(account, &address, Method::Post, &form, &idempotency).await;
    }
}

/// The phone gets it, reads it, and answers perhaps.
async fn arrive(account: &Account, message: &Message) {
    if message.way.fate != Fate::Delivered {
        return;
    }
    account.clock.wait_until(message.way.ends).await;
    if message.is_reply {
        return; // Two machines could go on for ever.
    }
    let had = account.network.tally().delivered(&message.to, &message.sid);
    let settings = &account.network.settings;
    let Some(answer) = settings.answer(&message.to, had) else {
        return;
    };
    tokio::time::sleep(answer.after).await;
    let to = if message.from.is_empty() {
        SERVICE_NUMBER
    } else {
        &message.from
    };
    write(account, (&message.to, to), &answer.words, answer.twice).await;
}

/// A phone writes to the number. Returns whether its owner took it well; `false` as well where nobody is told.
pub(super) async fn write(
    account: &Account,
    (from, to): (&str, &str),
    words: &str,
    twice: bool,
) -> bool {
    let Some(Link { url, method }) = account.network.sms() else {
        return false;
    };
    let Some(address) = Address::parse(&url) else {
        return false;
    };
    let now = account.clock.now();
    let keyword = Keyword::of(words);
    match keyword.filter(|_| account.network.settings.carrier_opts_out) {
        Some(Keyword::OptsOut) => account.messages().opt_out(from),
        Some(Keyword::OptsIn) => account.messages().opt_in(from),
        None => {}
    }
    if AGREES.contains(&words.to_ascii_uppercase().as_str()) {
        account.network.tally().agree(from, now);
    }
    let sid = sid(
        "SM",
        &mut chance(account.network.settings.seed, from, words, now.as_secs()),
    );
    let form = Form::new()
        .with("ToCountry", "US")
        .with("MessageSid", sid.clone())
        .with("SmsSid", sid.clone())
        .with("SmsMessageSid", sid.clone())
        .with("AccountSid", account.sid.clone())
        .with("ApiVersion", "2010-04-01")
        .with("From", from)
        .with("To", to)
        .with("Body", words)
        .with("NumMedia", "0")
        .with("NumSegments", parts(words).to_string())
        .with("SmsStatus", "received");
    let mut was_taken = false;
    for copy in 0..=u32::from(twice) {
        if copy > 0 {
            tokio::time::sleep(COPY_AFTER).await;
        }
        let fetched = post(account, &address, method, &form, &sid).await;
        let Ok(page) = fetched.into_page() else {
            continue;
        };
        was_taken = true;
        for body in answers(&page.body) {
            reply(account, (from, to), body);
        }
    }
    if was_taken {
        let at = account.clock.now();
        match keyword {
            Some(Keyword::OptsOut) => account.network.tally().stop(from, Some(at)),
            // The carrier takes a YES for a START as well; whoever said STOP to a machine may not have meant that.
            Some(Keyword::OptsIn) if words != YES => account.network.tally().stop(from, None),
            Some(Keyword::OptsIn) | None => {}
        }
    }
    was_taken
}

/// Sends what a document answers, where its phone still wants any.
fn reply(account: &Account, (phone, number): (&str, &str), body: String) {
    let is_out = account.messages().is_opted_out(phone);
    if is_out || !account.network.has_room() {
        return;
    }
    let draft = Draft {
        to: phone.to_owned(),
        from: number.to_owned(),
        service: None,
        body,
        status_callback: None,
        is_reply: true,
    };
    drop(send(account, draft));
}

/// What the document says with `<Message>`; nothing where it is none.
fn answers(document: &str) -> Vec<String> {
    let Ok(tree) = roxmltree::Document::parse(document) else {
        return Vec::new();
    };
    let is_message = |node: &roxmltree::Node<'_, '_>| node.has_tag_name("Message");
    let words = |node: roxmltree::Node<'_, '_>| {
        let text = node.descendants().filter(roxmltree::Node::is_text);
        let text: String = text.filter_map(|node| node.text()).collect();
        text.trim().to_owned()
    };
    let messages = tree.root_element().children().filter(is_message);
    let texts = messages.map(words).filter(|words| !words.is_empty());
    texts.take(ANSWERS_MAX).collect()
}

async fn post(
    account: &Account,
    address: &Address,
    method: Method,
    form: &Form,
    idempotency: &str,
) -> Fetched {
    let fetcher = Fetcher {
        token: account.token.clone(),
        tls: account.tls.clone(),
        request_max: millis(account.network.twilio.request_max_ms),
        idempotency_on_first: account.network.twilio.idempotency_on_first,
    };
    let wanted = Wanted {
        address,
        method,
        form,
        idempotency,
    };
    fetcher.fetch(wanted).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_answers_is_its_messages_and_nothing_else() {
        let document = "<?xml version=\"1.0\"?><Response><Message> one &amp; two </Message>\
                        <Message><Body>three</Body></Message><Redirect>/x</Redirect><Message/></Response>";
        assert_eq!(answers(document), ["one & two", "three"]);
        assert_eq!(answers("<Response/>"), Vec::<String>::new());
        assert_eq!(answers("no XML"), Vec::<String>::new());
    }
}
