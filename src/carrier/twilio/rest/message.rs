//! Text messages: make and look them up.

use serde::Deserialize;

use super::Rest;
use super::error::{Code, NotSent, RestError};
use super::form::{Form, Private};
use super::gate::Lane;
use super::list::Page;
use crate::core::ids::MessageSid;

/// The longest text.
const BODY_CHARS_MAX: usize = 1_600;

/// Who a message is from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sender<'a> {
    /// A number.
    Number(&'a str),
    /// A messaging service (`MG…`), which picks a number.
    Service(&'a str),
}

/// A message to be sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NewMessage<'a> {
    /// To whom.
    pub to: &'a str,
    /// From whom.
    pub from: Sender<'a>,
    /// What it says; with a reference by which it is found again if the answer is lost.
    pub body: &'a str,
    /// Where Twilio tells how it goes, with a name of ours in its path.
    pub status_callback: Option<&'a str>,
    /// How long Twilio may try, in seconds, from 1 to 36,000; Twilio's default is the longest.
    pub validity_seconds: Option<u16>,
}

/// A message, as Twilio has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub sid: MessageSid,
    /// How far it is.
    pub status: MessageStatus,
    /// What it says.
    pub body: Private,
    /// Why it was not delivered.
    pub error: Option<Code>,
    /// When it was made, as Twilio writes dates; `None` while it is queued.
    pub created: Option<String>,
    /// Whether it is ours.
    pub is_outbound: bool,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageStatus {
    /// Accepted, scheduled, queued or being sent.
    UnderWay,
    /// The network has it.
    Sent,
    /// The recipient has it, at least in part.
    Delivered,
    /// The recipient does not have it.
    Undelivered,
    /// It was not sent.
    Failed,
    /// It was taken back.
    Canceled,
    /// It is to us.
    Inbound,
    /// Something new.
    Other,
}

impl MessageStatus {
    /// Reads Twilio's word.
    pub fn parse(text: &str) -> Self {
        match text {
            "accepted" | "scheduled" | "queued" | "sending" => Self::UnderWay,
            "sent" => Self::Sent,
            "delivered" | "partially_delivered" | "read" => Self::Delivered,
            "undelivered" => Self::Undelivered,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            "receiving" | "received" => Self::Inbound,
            _ => Self::Other,
        }
    }
}

impl Rest {
    /// Sends a message.
    pub async fn create_message(&self, message: &NewMessage<'_>) -> Result<Message, RestError> {
        if message.body.chars().count() > BODY_CHARS_MAX {
            return Err(NotSent::TooLong("the text").into());
        }
        let validity = message.validity_seconds.map(|seconds| seconds.to_string());
        let (name, from) = match message.from {
            Sender::Number(number) => ("From", number),
            Sender::Service(service) => ("MessagingServiceSid", service),
        };
        let form = Form::new()
            .field("To", message.to)
            .field(name, from)
            .field("Body", message.body)
            .optional("StatusCallback", message.status_callback)
            .optional("ValidityPeriod", validity.as_deref());
        let wire: Wire = self.post(Lane::Text, "Messages.json", form).await?;
        Ok(wire.into())
    }

    /// Looks a message up.
    pub async fn message(&self, sid: MessageSid) -> Result<Message, RestError> {
        let wire: Wire = self.get(&format!("Messages/{sid}.json")).await?;
        Ok(wire.into())
    }

    /// The newest messages to a number; at most `max`, and 1,000. One that was just sent may not be among them yet.
    pub async fn messages_to(&self, to: &str, max: usize) -> Result<Page<Message>, RestError> {
        self.list("Messages", to, max, |list: Wires| Page {
            items: list.messages.into_iter().map(Message::from).collect(),
            has_more: list.next_page_uri.is_some(),
        })
        .await
    }
}

#[derive(Deserialize)]
struct Wires {
    messages: Vec<Wire>,
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(deserialize_with = "sid")]
    sid: MessageSid,
    status: String,
    body: Option<Private>,
    error_code: Option<u32>,
    date_created: Option<String>,
    direction: Option<String>,
}

fn sid<'de, D: serde::Deserializer<'de>>(from: D) -> Result<MessageSid, D::Error> {
    let text = String::deserialize(from)?;
    MessageSid::parse(&text).ok_or_else(|| serde::de::Error::custom("no SID of a message"))
}

impl From<Wire> for Message {
    fn from(wire: Wire) -> Self {
        let direction = wire.direction.unwrap_or_default();
        Self {
            sid: wire.sid,
            status: MessageStatus::parse(&wire.status),
            body: wire.body.unwrap_or_default(),
            error: wire.error_code.map(Code::of),
            created: wire.date_created,
            is_outbound: direction.starts_with("outbound"),
        }
    }
}

/// Without the number.
impl std::fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Number(_) => "Number(_)",
            Self::Service(_) => "Service(_)",
        })
    }
}

/// Without numbers and words.
impl std::fmt::Debug for NewMessage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewMessage({:?})", self.from)
    }
}
