//! What the carrier's words are to the ledger: answers of its REST interface, statuses of texts and rings.

use std::time::Duration;

use crate::carrier::twilio::form::Form;
use crate::carrier::twilio::rest::{
    Call, CallStatus, Code, Message, MessageStatus, NotSent, Page, RestError,
};
use crate::core::callback::input::{
    LookedUp, RingOutcome, RingStatus, TextOutcome, TextRefusal, TextStatus,
};
use crate::core::ids::{CallSid, MessageSid};
use crate::core::time::Utc;

/// How long nothing is asked where nobody says how long.
const REST: Duration = Duration::from_secs(1);

/// Numbers that the carrier does not call: no number, or in none of its networks. What the account may not call (13227, 21215), and what
/// the carrier blocks (21216: for the account lacks a customer profile, as it may be), is not among them: somebody can mend that.
const NOT_CALLED: [u32; 6] = [13_223, 13_224, 13_225, 13_226, 21_214, 21_263];

/// What became of the request of a text.
pub(super) fn text_outcome(answer: &Result<Message, RestError>) -> TextOutcome {
    match answer {
        Ok(message) => TextOutcome::Accepted(message.sid),
        // It would be too long again.
        Err(RestError::NotSent(NotSent::TooLong(_))) => TextOutcome::Refused(TextRefusal::Ours),
        Err(RestError::NotSent(why)) => {
            rest_of(*why).map_or(TextOutcome::NotSent, TextOutcome::Held)
        }
        Err(RestError::Unknown(_)) => TextOutcome::Unknown,
        Err(RestError::Refused(refusal)) if refusal.code == Code::TooManyRequests => {
            TextOutcome::Held(refusal.retry_after.unwrap_or(REST))
        }
        Err(RestError::Refused(refusal)) => TextOutcome::Refused(match refusal.code {
            Code::OptedOut => TextRefusal::OptedOut,
            Code::NotTextable | Code::InvalidTo | Code::Unroutable => TextRefusal::NotTextable,
            Code::TooManyRequests | Code::SenderQueueFull => TextRefusal::Later,
            Code::Unauthorized
            | Code::NotFound
            | Code::InvalidFrom
            | Code::CallNotInProgress
            | Code::CountryNotAllowed
            | Code::SenderUnusable
            | Code::TrialAccount
            | Code::BodyTooLong
            | Code::Other(_) => TextRefusal::Ours,
        }),
    }
}

/// What became of the request of a ring.
pub(super) fn ring_outcome(answer: &Result<Call, RestError>) -> RingOutcome {
    match answer {
        Ok(call) => RingOutcome::Accepted(call.sid),
        Err(RestError::NotSent(why)) => {
            rest_of(*why).map_or(RingOutcome::NotSent, RingOutcome::Held)
        }
        Err(RestError::Unknown(_)) => RingOutcome::Unknown,
        Err(RestError::Refused(refusal)) if refusal.code == Code::TooManyRequests => {
            RingOutcome::Held(refusal.retry_after.unwrap_or(REST))
        }
        Err(RestError::Refused(refusal)) => match refusal.code {
            Code::InvalidTo | Code::Unroutable => RingOutcome::NotRung,
            Code::Other(code) if NOT_CALLED.contains(&code) => RingOutcome::NotRung,
            Code::TooManyRequests
            | Code::SenderQueueFull
            | Code::Unauthorized
            | Code::NotFound
            | Code::InvalidFrom
            | Code::CallNotInProgress
            | Code::CountryNotAllowed
            | Code::SenderUnusable
            | Code::TrialAccount
            | Code::OptedOut
            | Code::NotTextable
            | Code::BodyTooLong
            | Code::Other(_) => RingOutcome::Later,
        },
    }
}

/// Whether our side is at fault that a ring was refused: somebody has to do something about it.
pub(super) const fn is_ring_refused(answer: &Result<Call, RestError>) -> bool {
    match answer {
        Err(RestError::Refused(refusal)) => !matches!(refusal.code, Code::TooManyRequests),
        Ok(_) | Err(RestError::NotSent(_) | RestError::Unknown(_)) => false,
    }
}

/// Which of the texts to a number has this reference.
pub(super) fn find_text(
    answer: Result<Page<Message>, RestError>,
    reference: &str,
) -> LookedUp<(MessageSid, TextStatus)> {
    let page = match answer {
        Ok(page) => page,
        Err(error) => return no_answer(&error),
    };
    let is_it = |message: &&Message| message.is_outbound && message.body.0.contains(reference);
    match page.items.iter().find(is_it) {
        Some(message) => LookedUp::Found((message.sid, status_of(message))),
        // It may be among the older ones.
        None if page.has_more => LookedUp::Unavailable,
        None => LookedUp::NotFound,
    }
}

/// Which of the calls to a number was made since then.
pub(super) fn find_ring(
    answer: Result<Page<Call>, RestError>,
    since: Utc,
    detects_machines: bool,
) -> LookedUp<(CallSid, RingStatus)> {
    let page = match answer {
        Ok(page) => page,
        Err(error) => return no_answer(&error),
    };
    let is_since = |call: &Call| match call.created.as_deref().map(created) {
        Some(Some(at)) => at >= since,
        // What is queued has no date.
        None | Some(None) => true,
    };
    let ours = |call: &&Call| call.is_outbound && is_since(call);
    match page.items.iter().find(ours) {
        Some(call) => found(call, detects_machines),
        // Lists begin with the newest: what is older is not it.
        None => LookedUp::NotFound,
    }
}

fn created(text: &str) -> Option<Utc> {
    crate::carrier::twilio::rest::parse_date(text)
}

/// A call that is known by its name.
pub(super) fn known_ring(
    answer: &Result<Call, RestError>,
    detects_machines: bool,
) -> LookedUp<(CallSid, RingStatus)> {
    match answer {
        Ok(call) => found(call, detects_machines),
        Err(RestError::Refused(refusal)) if refusal.code == Code::NotFound => LookedUp::NotFound,
        Err(error) => no_answer(error),
    }
}

/// A look-up that did not leave says nothing of the carrier.
fn no_answer<T>(error: &RestError) -> LookedUp<T> {
    match error {
        RestError::NotSent(why) => rest_of(*why).map_or(LookedUp::Unavailable, LookedUp::NotAsked),
        RestError::Refused(refusal) if refusal.code == Code::TooManyRequests => {
            LookedUp::NotAsked(refusal.retry_after.unwrap_or(REST))
        }
        RestError::Refused(_) | RestError::Unknown(_) => LookedUp::Unavailable,
    }
}

/// How long whatever held a request back holds the next one back as well; `None`: it says nothing of the next one.
const fn rest_of(why: NotSent) -> Option<Duration> {
    match why {
        NotSent::BreakerOpen(rest) | NotSent::Resting(rest) | NotSent::Throttled(rest) => {
            Some(rest)
        }
        NotSent::Crowded => Some(REST),
        NotSent::Unreachable | NotSent::TooLong(_) => None,
    }
}

fn found(call: &Call, detects_machines: bool) -> LookedUp<(CallSid, RingStatus)> {
    let who = AnsweredBy::parse(call.answered_by.as_deref());
    let status = of_call(call.status, who, detects_machines);
    status.map_or(LookedUp::Unavailable, |status| {
        LookedUp::Found((call.sid, status))
    })
}

fn status_of(message: &Message) -> TextStatus {
    let is_stopped = message.error == Some(Code::OptedOut);
    match of_message(message.status) {
        TextStatus::Failed if is_stopped => TextStatus::OptedOut,
        status @ (TextStatus::Sent
        | TextStatus::Delivered
        | TextStatus::Failed
        | TextStatus::OptedOut) => status,
    }
}

const fn of_message(status: MessageStatus) -> TextStatus {
    match status {
        MessageStatus::Delivered => TextStatus::Delivered,
        MessageStatus::Undelivered | MessageStatus::Failed | MessageStatus::Canceled => {
            TextStatus::Failed
        }
        // A word that is new says at least that the carrier has it.
        MessageStatus::UnderWay
        | MessageStatus::Sent
        | MessageStatus::Inbound
        | MessageStatus::Other => TextStatus::Sent,
    }
}

/// How far a text is, by its status callback.
pub(in crate::server) fn text_status(form: &Form) -> Option<(MessageSid, TextStatus)> {
    let sid = form.get("MessageSid").or(form.get("SmsSid"))?;
    let status = form.get("MessageStatus").or(form.get("SmsStatus"))?;
    let status = of_message(MessageStatus::parse(status));
    let code = form.get("ErrorCode").and_then(|code| code.parse().ok());
    let is_stopped = code.map(Code::of) == Some(Code::OptedOut);
    let status = match status {
        TextStatus::Failed if is_stopped => TextStatus::OptedOut,
        other @ (TextStatus::Sent
        | TextStatus::Delivered
        | TextStatus::Failed
        | TextStatus::OptedOut) => other,
    };
    Some((MessageSid::parse(sid)?, status))
}

/// Who has answered a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum AnsweredBy {
    /// A person, or it could not be found out.
    Person,
    /// A machine.
    Machine,
    /// It is not said: nobody looked, or not yet.
    Nobody,
}

impl AnsweredBy {
    /// Reads the carrier's word.
    fn parse(word: Option<&str>) -> Self {
        match word {
            None => Self::Nobody,
            Some(who) if who.starts_with("machine") || who == "fax" => Self::Machine,
            Some(_) => Self::Person,
        }
    }
}

/// What a webhook says of who has answered.
pub(in crate::server) fn answered_by(form: &Form) -> AnsweredBy {
    AnsweredBy::parse(form.get("AnsweredBy"))
}

/// How a ring goes on, by its status callback.
pub(in crate::server) fn ring_status(
    form: &Form,
    detects_machines: bool,
) -> Option<(CallSid, RingStatus)> {
    let sid = CallSid::parse(form.get("CallSid")?)?;
    let status = CallStatus::parse(form.get("CallStatus")?);
    let status = of_call(status, answered_by(form), detects_machines)?;
    Some((sid, status))
}

/// What a status means. While the carrier looks whether a machine has answered, nobody has. `None`: it has a new word.
const fn of_call(
    status: CallStatus,
    who: AnsweredBy,
    detects_machines: bool,
) -> Option<RingStatus> {
    Some(match (status, who) {
        (CallStatus::InProgress, AnsweredBy::Nobody) if detects_machines => RingStatus::Ringing,
        (CallStatus::InProgress | CallStatus::Completed, AnsweredBy::Machine) => {
            RingStatus::Machine
        }
        (CallStatus::Queued | CallStatus::Initiated | CallStatus::Ringing, _) => {
            RingStatus::Ringing
        }
        (CallStatus::InProgress, AnsweredBy::Person | AnsweredBy::Nobody) => RingStatus::Person,
        (CallStatus::Completed, AnsweredBy::Person | AnsweredBy::Nobody) => RingStatus::Completed,
        (
            CallStatus::Busy | CallStatus::NoAnswer | CallStatus::Canceled | CallStatus::Failed,
            _,
        ) => RingStatus::Nobody,
        (CallStatus::Other, _) => return None,
    })
}

#[cfg(test)]
mod tests;
