//! The form of a promise in the `state` of its record: a version, then its fields. What is read is checked again, as if a stranger
//! had sent it. The rest of the store does not look into it.

use serde::{Deserialize, Serialize};

use crate::core::callback::hours::{AllowedHours, STRETCHES_MAX, Stretch};
use crate::core::callback::number::{Language, Number};
use crate::core::callback::promise::{
    ACTS_MAX, Act, Consent, End, HEARD_MAX, Promise, SendKind, Source, Stage, Texted, Why,
};
use crate::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use crate::core::time::Utc;

/// The version that is written. A field more is a version more, and this one is still read then.
const VERSION: u8 = 1;

/// Why a promise cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// A newer version of ringback wrote it.
    Newer,
    /// It is none.
    Damaged,
}

/// A promise as bytes.
pub fn encode(promise: &Promise) -> Vec<u8> {
    let form = Form::of(promise);
    postcard::to_extend(&form, vec![VERSION]).expect("a list of bytes takes all that is written")
}

/// The promise in these bytes.
pub fn decode(bytes: &[u8]) -> Result<Promise, RecordFault> {
    match bytes {
        [VERSION, form @ ..] => {
            let form: Form = postcard::from_bytes(form).map_err(|_| RecordFault::Damaged)?;
            form.promise().ok_or(RecordFault::Damaged)
        }
        [version, ..] if *version > VERSION => Err(RecordFault::Newer),
        _ => Err(RecordFault::Damaged),
    }
}

#[derive(Serialize, Deserialize)]
struct Form {
    id: u128,
    call: u128,
    to: u64,
    caller: Option<u64>,
    called: u64,
    language: String,
    source: SourceForm,
    is_consent_given: bool,
    is_confirmed: bool,
    hours: Vec<(u64, u64)>,
    not_before: Option<u64>,
    promised: u64,
    expires: u64,
    stage: StageForm,
    /// Whether it was a ring, and when.
    acts: Vec<(bool, u64)>,
    heard: Vec<String>,
}

#[derive(Serialize, Deserialize)]
enum SourceForm {
    CallerId,
    Doubted,
    KeyedIn,
}

#[derive(Serialize, Deserialize)]
enum StageForm {
    Promised(u8),
    Texting(u8),
    Asked(TextForm),
    Due(TextForm, u64, u8),
    Ringing(TextForm, u8, Option<String>),
    Connected(TextForm, u8, String),
    Done,
    GaveUp(WhyForm),
    OptedOut,
    Expired,
}

#[derive(Serialize, Deserialize)]
enum TextForm {
    Not,
    Unknown,
    Sent(String),
    Delivered(String),
    Failed(String),
}

#[derive(Serialize, Deserialize)]
enum WhyForm {
    Declined,
    Unanswered,
    NoText,
    NotRung,
    Untold,
    Cancelled,
}

impl Form {
    fn of(promise: &Promise) -> Self {
        let stretch = |stretch: &Stretch| (stretch.from.millis(), stretch.until.millis());
        let act = |act: &Act| (act.kind == SendKind::Ring, act.at.millis());
        Self {
            id: promise.id.bits(),
            call: promise.call.bits(),
            to: promise.to.value(),
            caller: promise.caller.map(Number::value),
            called: promise.called.value(),
            language: promise.language.name().to_owned(),
            source: match promise.source {
                Source::CallerId => SourceForm::CallerId,
                Source::Doubted => SourceForm::Doubted,
                Source::KeyedIn => SourceForm::KeyedIn,
            },
            is_consent_given: promise.consent == Consent::Given,
            is_confirmed: promise.is_confirmed,
            hours: promise.hours.stretches().iter().map(stretch).collect(),
            not_before: promise.not_before.map(Utc::millis),
            promised: promise.promised.millis(),
            expires: promise.expires.millis(),
            stage: StageForm::of(&promise.stage),
            acts: promise.acts.iter().map(act).collect(),
            heard: promise
                .heard
                .iter()
                .map(|sid| sid.as_str().to_owned())
                .collect(),
        }
    }

    fn promise(self) -> Option<Promise> {
        let fits = self.hours.len() <= STRETCHES_MAX
            && self.acts.len() <= ACTS_MAX
            && self.heard.len() <= HEARD_MAX;
        if !fits {
            return None;
        }
        let stretch = |(from, until)| Stretch {
            from: Utc::from_millis(from),
            until: Utc::from_millis(until),
        };
        let act = |(is_ring, at)| Act {
            kind: if is_ring {
                SendKind::Ring
            } else {
                SendKind::Text
            },
            at: Utc::from_millis(at),
        };
        let heard = self.heard.iter().map(|sid| MessageSid::parse(sid));
        let caller = match self.caller {
            Some(value) => Some(Number::from_value(value)?),
            None => None,
        };
        Some(Promise {
            id: PromiseId::from_bits(self.id),
            call: CallId::from_bits(self.call),
            to: Number::from_value(self.to)?,
            caller,
            called: Number::from_value(self.called)?,
            language: Language::parse(&self.language)?,
            source: match self.source {
                SourceForm::CallerId => Source::CallerId,
                SourceForm::Doubted => Source::Doubted,
                SourceForm::KeyedIn => Source::KeyedIn,
            },
            consent: if self.is_consent_given {
                Consent::Given
            } else {
                Consent::Implied
            },
            is_confirmed: self.is_confirmed,
            hours: AllowedHours::new(self.hours.into_iter().map(stretch)),
            not_before: self.not_before.map(Utc::from_millis),
            promised: Utc::from_millis(self.promised),
            expires: Utc::from_millis(self.expires),
            stage: self.stage.stage()?,
            acts: self.acts.into_iter().map(act).collect(),
            heard: heard.collect::<Option<_>>()?,
        })
    }
}

impl StageForm {
    fn of(stage: &Stage) -> Self {
        let name = |call: &CallSid| call.as_str().to_owned();
        match stage {
            Stage::Promised { tries } => Self::Promised(*tries),
            Stage::Texting { tries } => Self::Texting(*tries),
            Stage::Asked { text } => Self::Asked(TextForm::of(*text)),
            Stage::Due { text, from, rings } => {
                Self::Due(TextForm::of(*text), from.millis(), *rings)
            }
            Stage::Ringing { text, rings, call } => {
                Self::Ringing(TextForm::of(*text), *rings, call.as_ref().map(name))
            }
            Stage::Connected { text, rings, call } => {
                Self::Connected(TextForm::of(*text), *rings, name(call))
            }
            Stage::Ended(End::Done) => Self::Done,
            Stage::Ended(End::OptedOut) => Self::OptedOut,
            Stage::Ended(End::Expired) => Self::Expired,
            Stage::Ended(End::GaveUp(why)) => Self::GaveUp(match why {
                Why::Declined => WhyForm::Declined,
                Why::Unanswered => WhyForm::Unanswered,
                Why::NoText => WhyForm::NoText,
                Why::NotRung => WhyForm::NotRung,
                Why::Untold => WhyForm::Untold,
                Why::Cancelled => WhyForm::Cancelled,
            }),
        }
    }

    fn stage(self) -> Option<Stage> {
        Some(match self {
            Self::Promised(tries) => Stage::Promised { tries },
            Self::Texting(tries) => Stage::Texting { tries },
            Self::Asked(text) => Stage::Asked {
                text: text.texted()?,
            },
            Self::Due(text, from, rings) => Stage::Due {
                text: text.texted()?,
                from: Utc::from_millis(from),
                rings,
            },
            Self::Ringing(text, rings, call) => Stage::Ringing {
                text: text.texted()?,
                rings,
                call: match call {
                    Some(call) => Some(CallSid::parse(&call)?),
                    None => None,
                },
            },
            Self::Connected(text, rings, call) => Stage::Connected {
                text: text.texted()?,
                rings,
                call: CallSid::parse(&call)?,
            },
            Self::Done => Stage::Ended(End::Done),
            Self::OptedOut => Stage::Ended(End::OptedOut),
            Self::Expired => Stage::Ended(End::Expired),
            Self::GaveUp(why) => Stage::Ended(End::GaveUp(match why {
                WhyForm::Declined => Why::Declined,
                WhyForm::Unanswered => Why::Unanswered,
                WhyForm::NoText => Why::NoText,
                WhyForm::NotRung => Why::NotRung,
                WhyForm::Untold => Why::Untold,
                WhyForm::Cancelled => Why::Cancelled,
            })),
        })
    }
}

impl TextForm {
    fn of(text: Texted) -> Self {
        let name = |sid: MessageSid| sid.as_str().to_owned();
        match text {
            Texted::Not => Self::Not,
            Texted::Unknown => Self::Unknown,
            Texted::Sent(sid) => Self::Sent(name(sid)),
            Texted::Delivered(sid) => Self::Delivered(name(sid)),
            Texted::Failed(sid) => Self::Failed(name(sid)),
        }
    }

    fn texted(self) -> Option<Texted> {
        Some(match self {
            Self::Not => Texted::Not,
            Self::Unknown => Texted::Unknown,
            Self::Sent(sid) => Texted::Sent(MessageSid::parse(&sid)?),
            Self::Delivered(sid) => Texted::Delivered(MessageSid::parse(&sid)?),
            Self::Failed(sid) => Texted::Failed(MessageSid::parse(&sid)?),
        })
    }
}
