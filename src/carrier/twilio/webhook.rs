//! What a webhook asks or tells, in our words.

use std::fmt;

use super::form::Form;
use crate::core::front::{Direction, Failed, Over, Progress};
use crate::core::ids::{AccountSid, CallSid};

/// A parameter is missing, or is not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {0} is missing or malformed")]
pub struct Malformed(pub &'static str);

/// A question about a call, or word of it. Without the numbers of its caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Voice {
    /// Whose call it is.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// How far it has come.
    pub progress: Progress,
    /// Who called whom.
    pub direction: Direction,
    /// Our number of it: the called one, or the one that we called from.
    pub ours: Box<str>,
    /// What is over, where something is.
    pub over: Over,
    /// Why Twilio asks elsewhere, where it does.
    pub failed: Failed,
}

impl Voice {
    /// Reads a question.
    pub fn read(form: &Form) -> Result<Self, Malformed> {
        let text = |name: &'static str| form.get(name).ok_or(Malformed(name));
        let account = AccountSid::parse(text("AccountSid")?).ok_or(Malformed("AccountSid"))?;
        let call = CallSid::parse(text("CallSid")?).ok_or(Malformed("CallSid"))?;
        let direction = match form.get("Direction") {
            Some(direction) if direction.starts_with("outbound") => Direction::Outbound,
            Some(_) | None => Direction::Inbound,
        };
        let ours = match direction {
            Direction::Inbound => form.get("To"),
            Direction::Outbound => form.get("From"),
        };
        Ok(Self {
            account,
            call,
            progress: progress(form.get("CallStatus")),
            direction,
            ours: ours.unwrap_or_default().into(),
            over: over(form.get("DialCallStatus")),
            failed: failed(form.get("ErrorCode")),
        })
    }
}

/// A call whose status is not known has been answered: that promises nothing that does not hold for a call that rings.
fn progress(status: Option<&str>) -> Progress {
    match status.unwrap_or_default() {
        "queued" | "initiated" | "ringing" => Progress::Ringing,
        "completed" | "busy" | "failed" | "no-answer" | "canceled" => Progress::Over,
        _ => Progress::Answered,
    }
}

fn over(dial: Option<&str>) -> Over {
    match dial {
        None => Over::Stream,
        Some("completed" | "answered") => Over::Conversation,
        Some(_) => Over::Dial,
    }
}

/// Twilio's errors from 12000 on are about documents; those below are about getting them.
fn failed(code: Option<&str>) -> Failed {
    let code: Option<u32> = code.and_then(|code| code.parse().ok());
    match code {
        Some(12_000..=15_999) => Failed::Document,
        Some(_) | None => Failed::Fetch,
    }
}

/// Without the number.
impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Voice")
            .field("call", &self.call)
            .field("progress", &self.progress)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// What became of a stream that could not be opened, or broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// The call.
    pub call: CallSid,
    /// Twilio's words for it: letters, digits and spaces, at most 100 of them.
    pub words: String,
}

impl StreamError {
    /// Reads a stream's status; `None`: nothing is wrong.
    pub fn read(form: &Form) -> Result<Option<Self>, Malformed> {
        const WORDS_MAX: usize = 100;
        let call = form.get("CallSid").and_then(CallSid::parse);
        let call = call.ok_or(Malformed("CallSid"))?;
        let event = form.get("StreamEvent").ok_or(Malformed("StreamEvent"))?;
        if event != "stream-error" {
            return Ok(None);
        }
        let words = form.get("StreamError").unwrap_or_default().chars();
        let plain = words.filter(|c| c.is_ascii_alphanumeric() || *c == ' ');
        Ok(Some(Self {
            call,
            words: plain.take(WORDS_MAX).collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(more: &str) -> Form {
        let sids = format!("AccountSid=AC{:032x}&CallSid=CA{:032x}", 1, 2);
        Form::parse(format!("{sids}&{more}").as_bytes()).unwrap()
    }

    #[test]
    fn a_question_is_read() {
        let inbound = "To=%2B1555&From=%2B1666&Direction=inbound&CallStatus=ringing";
        let voice = Voice::read(&form(inbound)).unwrap();
        assert_eq!(&*voice.ours, "+1555");
        assert_eq!(
            (voice.progress, voice.direction),
            (Progress::Ringing, Direction::Inbound)
        );
        assert_eq!((voice.over, voice.failed), (Over::Stream, Failed::Fetch));
        assert!(!format!("{voice:?}").contains("1555"));
        let outbound = "To=%2B1666&From=%2B1555&Direction=outbound-api&CallStatus=in-progress";
        let voice = Voice::read(&form(outbound)).unwrap();
        assert_eq!(
            (&*voice.ours, voice.progress),
            ("+1555", Progress::Answered)
        );
    }

    #[test]
    fn each_status_has_its_meaning() {
        for (more, progress, over, failed) in [
            (
                "CallStatus=completed",
                Progress::Over,
                Over::Stream,
                Failed::Fetch,
            ),
            (
                "CallStatus=canceled",
                Progress::Over,
                Over::Stream,
                Failed::Fetch,
            ),
            (
                "CallStatus=new-one",
                Progress::Answered,
                Over::Stream,
                Failed::Fetch,
            ),
            (
                "DialCallStatus=completed",
                Progress::Answered,
                Over::Conversation,
                Failed::Fetch,
            ),
            (
                "DialCallStatus=no-answer",
                Progress::Answered,
                Over::Dial,
                Failed::Fetch,
            ),
            (
                "ErrorCode=11200",
                Progress::Answered,
                Over::Stream,
                Failed::Fetch,
            ),
            (
                "ErrorCode=12100",
                Progress::Answered,
                Over::Stream,
                Failed::Document,
            ),
            (
                "ErrorCode=x",
                Progress::Answered,
                Over::Stream,
                Failed::Fetch,
            ),
        ] {
            let voice = Voice::read(&form(more)).unwrap();
            assert_eq!(
                (voice.progress, voice.over, voice.failed),
                (progress, over, failed),
                "{more}"
            );
        }
    }

    #[test]
    fn who_lacks_a_sid_is_told_which() {
        for (text, lacks) in [
            ("", "AccountSid"),
            ("AccountSid=AC1", "AccountSid"),
            ("AccountSid=AC00000000000000000000000000000001", "CallSid"),
            (
                "AccountSid=AC00000000000000000000000000000001&CallSid=CA",
                "CallSid",
            ),
        ] {
            let form = Form::parse(text.as_bytes()).unwrap();
            assert_eq!(Voice::read(&form), Err(Malformed(lacks)));
        }
    }

    #[test]
    fn a_streams_error_is_told_in_plain_words() {
        let error = StreamError::read(&form(
            "StreamEvent=stream-error&StreamError=31920%0A-+%22x%22",
        ));
        assert_eq!(error.unwrap().unwrap().words, "31920 x");
        assert_eq!(
            StreamError::read(&form("StreamEvent=stream-stopped")),
            Ok(None)
        );
        assert_eq!(StreamError::read(&form("")), Err(Malformed("StreamEvent")));
    }
}
