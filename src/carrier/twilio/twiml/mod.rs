//! The documents that we answer Twilio with: the templates of `twiml/`, filled and escaped.
//!
//! It owns which values a document needs and how they are written into XML. It must not decide which document a call gets:
//! [`crate::core::front`] does. Templates are compiled in; a test holds each to exactly the values that its document has.

mod escape;
mod sample;

use std::fmt;

use self::escape::escape;

/// Twilio takes no longer document where one is given by REST, in characters.
pub const DOCUMENT_CHARS_MAX: usize = 4_000;

/// What every document that connects a media stream says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stream<'a> {
    /// Where the media stream goes: `wss://`, with a path and without a query, which Twilio strips.
    pub media: &'a str,
    /// What Twilio asks when the stream has ended, connection overrides included.
    pub action: &'a str,
    /// Where it tells what became of the stream.
    pub stream_status: &'a str,
    /// What proves that the stream belongs to this document.
    pub token: &'a str,
    /// Our number of this call, which names the agent.
    pub to: &'a str,
}

/// Words that Twilio says in a voice of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Words<'a> {
    /// Their language, as `en-US`.
    pub language: &'a str,
    /// The words.
    pub words: &'a str,
}

/// What a document says that connects a caller to a person.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// What Twilio asks when that has ended, or failed.
    pub action: &'a str,
    /// How long it rings, in seconds.
    pub timeout: &'a str,
    /// Where Twilio finds what the person hears first.
    pub whisper: &'a str,
    /// The person's number in E.164, or SIP address with `sip:` before it.
    pub person: &'a str,
}

/// A document with everything that it says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Document<'a> {
    /// The caller speaks with an agent.
    Answer(Stream<'a>),
    /// The caller goes on speaking with the agent, on a new stream.
    Resume {
        /// The new stream.
        stream: Stream<'a>,
        /// What the call is remembered by.
        resume: &'a str,
    },
    /// The same after Twilio has tried in vain for seconds: with a word first.
    Fallback {
        /// The word.
        words: Words<'a>,
        /// The new stream.
        stream: Stream<'a>,
        /// What the call is remembered by.
        resume: &'a str,
    },
    /// Another node is asked the same.
    Redirect {
        /// Where.
        action: &'a str,
    },
    /// The caller is told that nobody can take the call, and it ends.
    Apologize(Words<'a>),
    /// The call is not answered, and costs nothing.
    Busy,
    /// The call ends.
    Hangup,
    /// The caller is connected to a person who has a number.
    Transfer(Transfer<'a>),
    /// The same for one who has a SIP address.
    TransferSip(Transfer<'a>),
    /// What a person hears before the caller is connected.
    Whisper(Words<'a>),
    /// A call that we placed reaches its agent.
    Callback {
        /// The stream.
        stream: Stream<'a>,
        /// What was promised to whom we call.
        promise: &'a str,
    },
    /// The answer to a text message.
    SmsReply {
        /// The words.
        text: &'a str,
    },
}

impl Document<'_> {
    /// The names of all documents: those of their templates.
    pub const NAMES: [&'static str; 12] = [
        "answer",
        "resume",
        "fallback",
        "redirect",
        "apologize",
        "busy",
        "hangup",
        "transfer",
        "transfer_sip",
        "whisper",
        "callback",
        "sms_reply",
    ];

    /// The document of this name with values as one would see them; `None`: there is no such.
    pub fn sample(name: &str) -> Option<Document<'static>> {
        sample::sample(name)
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.parts().0
    }

    /// The document as XML. Whatever the values hold, it is well-formed, and each value is read back as it was given; a
    /// character that no XML can hold is U+FFFD instead.
    pub fn render(&self) -> String {
        let (_, template) = self.parts();
        let values = self.values();
        let mut out = String::with_capacity(template.len() + 512);
        let mut rest = template;
        while let Some((before, name, after)) = placeholder(rest) {
            out.push_str(before);
            let value = values.iter().find(|(known, _)| *known == name);
            let (_, value) =
                value.expect("a test holds each template to the values of its document");
            escape(value, &mut out);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    const fn parts(&self) -> (&'static str, &'static str) {
        match self {
            Self::Answer(_) => ("answer", include_str!("../../../../twiml/answer.xml")),
            Self::Resume { .. } => ("resume", include_str!("../../../../twiml/resume.xml")),
            Self::Fallback { .. } => ("fallback", include_str!("../../../../twiml/fallback.xml")),
            Self::Redirect { .. } => ("redirect", include_str!("../../../../twiml/redirect.xml")),
            Self::Apologize(_) => ("apologize", include_str!("../../../../twiml/apologize.xml")),
            Self::Busy => ("busy", include_str!("../../../../twiml/busy.xml")),
            Self::Hangup => ("hangup", include_str!("../../../../twiml/hangup.xml")),
            Self::Transfer(_) => ("transfer", include_str!("../../../../twiml/transfer.xml")),
            Self::TransferSip(_) => (
                "transfer_sip",
                include_str!("../../../../twiml/transfer_sip.xml"),
            ),
            Self::Whisper(_) => ("whisper", include_str!("../../../../twiml/whisper.xml")),
            Self::Callback { .. } => ("callback", include_str!("../../../../twiml/callback.xml")),
            Self::SmsReply { .. } => ("sms_reply", include_str!("../../../../twiml/sms_reply.xml")),
        }
    }

    fn values(&self) -> Vec<(&'static str, &str)> {
        match *self {
            Self::Busy | Self::Hangup => Vec::new(),
            Self::Answer(stream) => stream.values().to_vec(),
            Self::Resume { stream, resume } => {
                [stream.values().as_slice(), &[("resume", resume)]].concat()
            }
            Self::Fallback {
                words,
                stream,
                resume,
            } => [
                words.values().as_slice(),
                &stream.values(),
                &[("resume", resume)],
            ]
            .concat(),
            Self::Apologize(words) | Self::Whisper(words) => words.values().to_vec(),
            Self::Transfer(transfer) | Self::TransferSip(transfer) => transfer.values().to_vec(),
            Self::Callback { stream, promise } => {
                [stream.values().as_slice(), &[("promise", promise)]].concat()
            }
            Self::Redirect { action } => vec![("action", action)],
            Self::SmsReply { text } => vec![("text", text)],
        }
    }
}

impl<'a> Transfer<'a> {
    const fn values(&self) -> [(&'static str, &'a str); 4] {
        [
            ("action", self.action),
            ("timeout", self.timeout),
            ("whisper", self.whisper),
            ("person", self.person),
        ]
    }
}

impl<'a> Stream<'a> {
    const fn values(&self) -> [(&'static str, &'a str); 5] {
        [
            ("media", self.media),
            ("action", self.action),
            ("stream_status", self.stream_status),
            ("token", self.token),
            ("to", self.to),
        ]
    }
}

impl<'a> Words<'a> {
    const fn values(&self) -> [(&'static str, &'a str); 2] {
        [("language", self.language), ("words", self.words)]
    }
}

/// Without its values: tokens and numbers are among them.
impl fmt::Debug for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.name())
    }
}

/// Without its values, the token among them.
impl fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream(_)")
    }
}

/// Without the person.
impl fmt::Debug for Transfer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transfer(_)")
    }
}

/// Without the words.
impl fmt::Debug for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({})", self.language)
    }
}

/// The first `{{name}}` of a template: what stands before it, its name, what stands behind it.
fn placeholder(template: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = template.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

#[cfg(test)]
mod tests;
