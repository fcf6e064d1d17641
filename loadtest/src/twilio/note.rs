//! What happens to a call on its way through documents and streams, as told and as reported.
//!
//! Owns the vocabulary. No caller's number and no word is in it; URLs are without their queries, where tickets are.

use std::time::Duration;

use super::fault::StreamFault;

/// Why a document is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A call has come in.
    Voice,
    /// A document could not be fetched or carried out: the fallback URL.
    Fallback,
    /// This verb is over: its action.
    Action(&'static str),
    /// `<Redirect>`.
    Redirect,
    /// REST took the call elsewhere.
    Update,
    /// What the other one hears first, in `<Dial>`.
    Whisper,
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A document is asked for.
    Asks {
        /// Why.
        why: Why,
        /// Where.
        url: String,
    },
    /// It came, and says this.
    Document {
        /// Its verbs.
        verbs: Vec<&'static str>,
        /// From the question on.
        after: Duration,
    },
    /// No document came, or none that can be carried out.
    Failed {
        /// The carrier's number.
        code: u32,
        /// In words.
        what: String,
    },
    /// The carrier would warn.
    Warns {
        /// Its number.
        code: u32,
        /// In words.
        what: String,
    },
    /// The call is answered: from here on it is paid for.
    Answered,
    /// A verb that takes time has begun.
    Begins {
        /// Which.
        verb: &'static str,
        /// How long it takes, if nothing comes in between.
        takes: Duration,
    },
    /// Keys went to an action.
    Keys {
        /// So many.
        count: usize,
    },
    /// A stream is being opened.
    Opens {
        /// Its SID.
        stream_sid: String,
        /// Where to.
        url: String,
    },
    /// It is open.
    Opened {
        /// Its SID.
        stream_sid: String,
    },
    /// It did not open.
    NotOpened {
        /// Its SID.
        stream_sid: String,
        /// Why.
        fault: StreamFault,
    },
    /// It is over.
    StreamOver {
        /// Its SID.
        stream_sid: String,
        /// How.
        over: StreamOver,
    },
    /// Somebody was dialled, with this result.
    Dialled {
        /// `DialCallStatus`.
        status: &'static str,
    },
    /// REST changed the call.
    Updated,
    /// The call is over.
    Ended(End),
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOver {
    /// The server closed it, with this code.
    Closed(Option<u16>),
    /// It was cut, or its server was silent.
    Lost,
    /// The carrier closed it: the caller hung up, or REST said so.
    ByCarrier,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `<Hangup/>`.
    Hangup,
    /// There was nothing left to do.
    NothingLeft,
    /// `<Reject/>`, before it was answered.
    Rejected {
        /// With the busy tone.
        busy: bool,
    },
    /// The caller hung up.
    CallerHungUp,
    /// REST ended it.
    Completed,
    /// It could not be carried on: the carrier's own apology, and this number in its log.
    Error(u32),
    /// It was as long as a call may be.
    TooLong,
    /// A stream failed or was lost, and the settings say that this ends the call.
    StreamLost,
}

impl End {
    /// Whether the caller lost a call that somebody else should have kept.
    pub fn is_lost(self) -> bool {
        match self {
            Self::Hangup
            | Self::NothingLeft
            | Self::Rejected { .. }
            | Self::CallerHungUp
            | Self::Completed
            | Self::TooLong => false,
            Self::Error(_) | Self::StreamLost => true,
        }
    }
}

impl Note {
    /// In a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Asks { why, url } => format!("Twilio asks {url} ({})", because(*why)),
            Self::Document { verbs, after } => {
                let verbs = if verbs.is_empty() {
                    "nothing to do".to_owned()
                } else {
                    verbs.join(", ")
                };
                format!("a document after {} ms: {verbs}", after.as_millis())
            }
            Self::Failed { code, what } => format!("no document: {code}, {what}"),
            Self::Warns { code, what } => format!("Twilio warns: {code}, {what}"),
            Self::Answered => "the call is answered".into(),
            Self::Begins { verb, takes } => {
                format!("<{verb}> for {:.1} s", takes.as_secs_f64())
            }
            Self::Keys { count } => format!("{count} keys are passed on"),
            Self::Opens { url, .. } => format!("a stream is opened to {url}"),
            Self::Opened { .. } => "the stream is open".into(),
            Self::NotOpened { fault, .. } => {
                format!("the stream does not open: {}, {fault}", fault.code())
            }
            Self::StreamOver { over, .. } => match over {
                StreamOver::Closed(Some(code)) => format!("the server closes the stream ({code})"),
                StreamOver::Closed(None) => "the server closes the stream".into(),
                StreamOver::Lost => "the stream is lost".into(),
                StreamOver::ByCarrier => "Twilio closes the stream".into(),
            },
            Self::Dialled { status } => format!("whoever was dialled: {status}"),
            Self::Updated => "REST changes the call".into(),
            Self::Ended(end) => match end {
                End::Hangup => "Twilio hangs up, as the document says".into(),
                End::NothingLeft => "Twilio hangs up: the document has nothing more".into(),
                End::Rejected { busy: true } => "the call is refused: busy".into(),
                End::Rejected { busy: false } => "the call is refused".into(),
                End::CallerHungUp => "the caller has hung up".into(),
                End::Completed => "REST ends the call".into(),
                End::Error(code) => format!("Twilio apologizes and hangs up: {code}"),
                End::TooLong => "Twilio hangs up: the call is as long as one may be".into(),
                End::StreamLost => "Twilio hangs up: the stream failed".into(),
            },
        }
    }
}

fn because(why: Why) -> String {
    match why {
        Why::Voice => "a call comes in".into(),
        Why::Fallback => "fallback".into(),
        Why::Action(verb) => format!("<{verb}> is over"),
        Why::Redirect => "redirect".into(),
        Why::Update => "REST".into(),
        Why::Whisper => "whisper".into(),
    }
}
