//! What the carrier's words are to the ledger: answers of its REST interface, statuses of texts and rings.

use crate::carrier::twilio::form::Form;
use crate::carrier::twilio::rest::{
    Call, CallStatus, Code, Message, MessageStatus, NotSent, Page, RestError,
};
use crate::core::callback::input::{
    LookedUp, RingOutcome, RingStatus, TextOutcome, TextRefusal, TextStatus,
};
use crate::core::ids::{CallSid, MessageSid};
use crate::core::time::Utc;

/// Numbers that the carrier does not call: no number, in none of its networks, or blocked by it.
const NOT_CALLED: [u32; 8] = [
    13_223, 13_224, 13_225, 13_226, 13_227, 21_214, 21_216, 21_263,
];

/// What became of the request of a text.
pub(super) fn text_outcome(answer: &Result<Message, RestError>) -> TextOutcome {
    match answer {
        Ok(message) => TextOutcome::Accepted(message.sid),
        // It would be too long again.
        Err(RestError::NotSent(NotSent::TooLong(_))) => TextOutcome::Refused(TextRefusal::Ours),
        Err(RestError::NotSent(_)) => TextOutcome::NotSent,
        Err(RestError::Unknown(_)) => TextOutcome::Unknown,
        Err(RestError::Refused(refusal)) => TextOutcome::Refused(match refusal.code {
            Code::OptedOut => TextRefusal::OptedOut,
            Code::NotTextable | Code::InvalidTo | Code::CountryNotAllowed | Code::Unroutable => {
                TextRefusal::NotTextable
            }
            Code::TooManyRequests | Code::SenderQueueFull => TextRefusal::Later,
            Code::Unauthorized
            | Code::NotFound
            | Code::InvalidFrom
            | Code::CallNotInProgress
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
        Err(RestError::NotSent(_)) => RingOutcome::NotSent,
        Err(RestError::Unknown(_)) => RingOutcome::Unknown,
        Err(RestError::Refused(refusal)) => match refusal.code {
            Code::InvalidTo | Code::CountryNotAllowed | Code::Unroutable => RingOutcome::NotRung,
            Code::Other(code) if NOT_CALLED.contains(&code) => RingOutcome::NotRung,
            Code::TooManyRequests
            | Code::SenderQueueFull
            | Code::Unauthorized
            | Code::NotFound
            | Code::InvalidFrom
            | Code::CallNotInProgress
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
    let Ok(page) = answer else {
        return LookedUp::Unavailable;
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
) -> LookedUp<(CallSid, RingStatus)> {
    let Ok(page) = answer else {
        return LookedUp::Unavailable;
    };
    let is_since = |call: &Call| match call.created.as_deref().map(created) {
        Some(Some(at)) => at >= since,
        // What is queued has no date.
        None | Some(None) => true,
    };
    let ours = |call: &&Call| call.is_outbound && is_since(call);
    match page.items.iter().find(ours) {
        Some(call) => found(call),
        // Lists begin with the newest: what is older is not it.
        None => LookedUp::NotFound,
    }
}

fn created(text: &str) -> Option<Utc> {
    crate::carrier::twilio::rest::parse_date(text)
}

/// A call that is known by its name.
pub(super) fn known_ring(answer: &Result<Call, RestError>) -> LookedUp<(CallSid, RingStatus)> {
    match answer {
        Ok(call) => found(call),
        Err(RestError::Refused(refusal)) if refusal.code == Code::NotFound => LookedUp::NotFound,
        Err(_) => LookedUp::Unavailable,
    }
}

fn found(call: &Call) -> LookedUp<(CallSid, RingStatus)> {
    let status = of_call(call.status, AnsweredBy::Nobody);
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

/// What a webhook says of who has answered.
pub(in crate::server) fn answered_by(form: &Form) -> AnsweredBy {
    match form.get("AnsweredBy") {
        None => AnsweredBy::Nobody,
        Some(who) if who.starts_with("machine") || who == "fax" => AnsweredBy::Machine,
        Some(_) => AnsweredBy::Person,
    }
}

/// How a ring goes on, by its status callback. While the carrier looks whether a machine has answered, nobody has.
pub(in crate::server) fn ring_status(
    form: &Form,
    detects_machines: bool,
) -> Option<(CallSid, RingStatus)> {
    let sid = CallSid::parse(form.get("CallSid")?)?;
    let status = CallStatus::parse(form.get("CallStatus")?);
    let who = answered_by(form);
    let is_looking = status == CallStatus::InProgress && who == AnsweredBy::Nobody;
    let status = if is_looking && detects_machines {
        RingStatus::Ringing
    } else {
        of_call(status, who)?
    };
    Some((sid, status))
}

/// `None`: the carrier has a new word.
const fn of_call(status: CallStatus, who: AnsweredBy) -> Option<RingStatus> {
    Some(match (status, who) {
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
