//! Calls: make, change, end and look them up.

use serde::Deserialize;

use super::Rest;
use super::error::{NotSent, RestError};
use super::form::Form;
use super::gate::Lane;
use super::list::Page;
use crate::core::ids::CallSid;

/// The longest document that a request takes.
const TWIML_CHARS_MAX: usize = 4_000;

/// How a call is answered: by a document here, or by one that Twilio is to fetch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// This document.
    Twiml(&'a str),
    /// What is there.
    Url(&'a str),
}

/// What becomes of a call that there is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CallChange<'a> {
    /// It is hung up. Harmless to repeat.
    Complete,
    /// It is given up, unless it was answered. Harmless to repeat.
    Cancel,
    /// It goes on with this; a stream of it ends.
    Go(Answer<'a>),
}

/// A call to be made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NewCall<'a> {
    /// Whom to ring.
    pub to: &'a str,
    /// Which number they see.
    pub from: &'a str,
    /// What they hear.
    pub answer: Answer<'a>,
    /// What they hear where that cannot be had, and where Twilio asks if a later document of the call cannot; `None`: Twilio says that
    /// something is wrong, and hangs up.
    pub fallback: Option<&'a str>,
    /// Where Twilio tells how it goes. Put a name of ours in its path: it is how a call whose request was lost is known.
    pub status_callback: Option<&'a str>,
    /// How long it rings, in seconds; Twilio's default is 60.
    pub ring_seconds: Option<u16>,
    /// How long it may go on once it was answered, in seconds; Twilio's default is four hours.
    pub talk_seconds: Option<u32>,
    /// Whether Twilio is to find out if a machine answers.
    pub machine_detection: MachineDetection,
}

/// Whether Twilio is to find out if a machine answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MachineDetection {
    /// No.
    #[default]
    Off,
    /// Before the call goes on.
    First,
    /// While it goes on.
    Beside,
}

/// A call, as Twilio has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub sid: CallSid,
    /// How far it is.
    pub status: CallStatus,
    /// When it was made, as Twilio writes dates; `None` while it is queued.
    pub created: Option<String>,
    /// Whether we have made it.
    pub is_outbound: bool,
    /// Twilio's word for who has answered it, once it has found that out.
    pub answered_by: Option<String>,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// It waits to be made.
    Queued,
    /// It is being made.
    Initiated,
    /// It rings.
    Ringing,
    /// It was answered.
    InProgress,
    /// It is over, after it was answered.
    Completed,
    /// Nobody was free to answer.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// It was given up.
    Canceled,
    /// It could not be made.
    Failed,
    /// Something new.
    Other,
}

impl CallStatus {
    /// Reads Twilio's word.
    pub fn parse(text: &str) -> Self {
        match text {
            "queued" => Self::Queued,
            "initiated" => Self::Initiated,
            "ringing" => Self::Ringing,
            "in-progress" => Self::InProgress,
            "completed" => Self::Completed,
            "busy" => Self::Busy,
            "no-answer" => Self::NoAnswer,
            "canceled" => Self::Canceled,
            "failed" => Self::Failed,
            _ => Self::Other,
        }
    }
}

impl Rest {
    /// Makes a call.
    pub async fn create_call(&self, call: &NewCall<'_>) -> Result<Call, RestError> {
        let (name, value) = call.answer.field()?;
        let seconds = call.ring_seconds.map(|seconds| seconds.to_string());
        let talk = call.talk_seconds.map(|seconds| seconds.to_string());
        let mut form = Form::new()
            .field("To", call.to)
            .field("From", call.from)
            .field(name, value);
        if let Some(url) = call.fallback {
            form = form
                .field("FallbackUrl", url)
                .field("FallbackMethod", "POST");
        }
        form = form
            .optional("Timeout", seconds.as_deref())
            .optional("TimeLimit", talk.as_deref());
        if let Some(url) = call.status_callback {
            form = form.field("StatusCallback", url);
            for event in ["initiated", "ringing", "answered", "completed"] {
                form = form.field("StatusCallbackEvent", event);
            }
        }
        form = match call.machine_detection {
            MachineDetection::Off => form,
            MachineDetection::First => form.field("MachineDetection", "Enable"),
            MachineDetection::Beside => form
                .field("MachineDetection", "Enable")
                .field("AsyncAmd", "true"),
        };
        let wire: Wire = self.post(Lane::Ring, "Calls.json", form).await?;
        Ok(wire.into())
    }

    /// Changes a call. One that is over is refused ([`Advice::Over`](super::Advice::Over)).
    pub async fn change_call(&self, sid: CallSid, to: CallChange<'_>) -> Result<Call, RestError> {
        let (name, value) = match to {
            CallChange::Complete => ("Status", "completed"),
            CallChange::Cancel => ("Status", "canceled"),
            CallChange::Go(answer) => answer.field()?,
        };
        let form = Form::new().field(name, value);
        let path = format!("Calls/{sid}.json");
        let wire: Wire = self.post(Lane::Control, &path, form).await?;
        Ok(wire.into())
    }

    /// Looks a call up.
    pub async fn call(&self, sid: CallSid) -> Result<Call, RestError> {
        let wire: Wire = self.get(&format!("Calls/{sid}.json")).await?;
        Ok(wire.into())
    }

    /// The newest calls to a number, both ways; at most `max`, and 1,000. A call that was just made may not be among them yet.
    pub async fn calls_to(&self, to: &str, max: usize) -> Result<Page<Call>, RestError> {
        self.list("Calls", to, max, |list: Wires| Page {
            items: list.calls.into_iter().map(Call::from).collect(),
            has_more: list.next_page_uri.is_some(),
        })
        .await
    }
}

impl<'a> Answer<'a> {
    fn field(self) -> Result<(&'static str, &'a str), NotSent> {
        match self {
            Self::Twiml(text) if text.chars().count() > TWIML_CHARS_MAX => {
                Err(NotSent::TooLong("the document"))
            }
            Self::Twiml(text) => Ok(("Twiml", text)),
            Self::Url(url) => Ok(("Url", url)),
        }
    }
}

#[derive(Deserialize)]
struct Wires {
    calls: Vec<Wire>,
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(deserialize_with = "sid")]
    sid: CallSid,
    status: String,
    date_created: Option<String>,
    direction: Option<String>,
    answered_by: Option<String>,
}

fn sid<'de, D: serde::Deserializer<'de>>(from: D) -> Result<CallSid, D::Error> {
    let text = String::deserialize(from)?;
    CallSid::parse(&text).ok_or_else(|| serde::de::Error::custom("no SID of a call"))
}

impl From<Wire> for Call {
    fn from(wire: Wire) -> Self {
        let direction = wire.direction.unwrap_or_default();
        Self {
            sid: wire.sid,
            status: CallStatus::parse(&wire.status),
            created: wire.date_created,
            is_outbound: direction.starts_with("outbound"),
            answered_by: wire.answered_by.filter(|who| !who.is_empty()),
        }
    }
}

/// Without what it is: a document or an address may hold a token.
impl std::fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Twiml(_) => "Twiml(_)",
            Self::Url(_) => "Url(_)",
        })
    }
}

impl std::fmt::Debug for CallChange<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Complete => f.write_str("Complete"),
            Self::Cancel => f.write_str("Cancel"),
            Self::Go(answer) => write!(f, "Go({answer:?})"),
        }
    }
}

/// Without numbers and addresses.
impl std::fmt::Debug for NewCall<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewCall({:?})", self.answer)
    }
}
