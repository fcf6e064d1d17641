//! What is said to the caller without a model: cached audio, at hand before it is needed.

use std::fmt;

use bytes::Bytes;

use crate::core::call::tone;

/// Something that is said without a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// The first words of the call.
    Greeting,
    /// "One moment."
    OneMoment,
    /// "I'm still here."
    StillHere,
    /// An apology that offers a call back (1), a person (2) and, for who stays on, a message.
    Apology,
    /// An apology and a goodbye.
    ApologyOnly,
    /// "All lines are busy", and a call back (1).
    Busy,
    /// A text was sent, a call back is promised, goodbye.
    Promised,
    /// That was promised before; goodbye.
    AlreadyPromised,
    /// A text was sent, goodbye: nobody rings before it is answered with YES, and no word of this says so.
    TextSent,
    /// Asks for the number that is to be called.
    AskNumber,
    /// "The number is".
    ConfirmNumber,
    /// "Zero."
    Digit0,
    /// "One."
    Digit1,
    /// "Two."
    Digit2,
    /// "Three."
    Digit3,
    /// "Four."
    Digit4,
    /// "Five."
    Digit5,
    /// "Six."
    Digit6,
    /// "Seven."
    Digit7,
    /// "Eight."
    Digit8,
    /// "Nine."
    Digit9,
    /// "1 if that is right, 2 to enter it again."
    ConfirmKeys,
    /// "That is not one of the choices."
    InvalidKey,
    /// "I am connecting you to a person."
    Transferring,
    /// "Nobody is available."
    TransferFailed,
    /// Asks for a message after the tone.
    LeaveMessage,
    /// The tone: it is no recording.
    Tone,
    /// The message is kept; goodbye.
    MessageSaved,
    /// Goodbye.
    Goodbye,
    /// "We were cut off; please go on."
    Resume,
    /// The first words of a call back.
    RingBack,
}

impl Prompt {
    /// All of them, in their order.
    pub const ALL: [Self; 31] = [
        Self::Greeting,
        Self::OneMoment,
        Self::StillHere,
        Self::Apology,
        Self::ApologyOnly,
        Self::Busy,
        Self::Promised,
        Self::AlreadyPromised,
        Self::TextSent,
        Self::AskNumber,
        Self::ConfirmNumber,
        Self::Digit0,
        Self::Digit1,
        Self::Digit2,
        Self::Digit3,
        Self::Digit4,
        Self::Digit5,
        Self::Digit6,
        Self::Digit7,
        Self::Digit8,
        Self::Digit9,
        Self::ConfirmKeys,
        Self::InvalidKey,
        Self::Transferring,
        Self::TransferFailed,
        Self::LeaveMessage,
        Self::Tone,
        Self::MessageSaved,
        Self::Goodbye,
        Self::Resume,
        Self::RingBack,
    ];

    /// Its name in files, logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::OneMoment => "one_moment",
            Self::StillHere => "still_here",
            Self::Apology => "apology",
            Self::ApologyOnly => "apology_only",
            Self::Busy => "busy",
            Self::Promised => "promised",
            Self::AlreadyPromised => "already_promised",
            Self::TextSent => "text_sent",
            Self::AskNumber => "ask_number",
            Self::ConfirmNumber => "confirm_number",
            Self::Digit0 => "digit_0",
            Self::Digit1 => "digit_1",
            Self::Digit2 => "digit_2",
            Self::Digit3 => "digit_3",
            Self::Digit4 => "digit_4",
            Self::Digit5 => "digit_5",
            Self::Digit6 => "digit_6",
            Self::Digit7 => "digit_7",
            Self::Digit8 => "digit_8",
            Self::Digit9 => "digit_9",
            Self::ConfirmKeys => "confirm_keys",
            Self::InvalidKey => "invalid_key",
            Self::Transferring => "transferring",
            Self::TransferFailed => "transfer_failed",
            Self::LeaveMessage => "leave_message",
            Self::Tone => "tone",
            Self::MessageSaved => "message_saved",
            Self::Goodbye => "goodbye",
            Self::Resume => "resume",
            Self::RingBack => "ring_back",
        }
    }

    /// The word for a digit; `None` for what is none.
    pub const fn digit(digit: char) -> Option<Self> {
        Some(match digit {
            '0' => Self::Digit0,
            '1' => Self::Digit1,
            '2' => Self::Digit2,
            '3' => Self::Digit3,
            '4' => Self::Digit4,
            '5' => Self::Digit5,
            '6' => Self::Digit6,
            '7' => Self::Digit7,
            '8' => Self::Digit8,
            '9' => Self::Digit9,
            _ => return None,
        })
    }
}

/// The prompts of a call, in the caller's language where there are such: raw µ-law. An empty one is not played.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    /// See [`Prompt::Greeting`].
    pub greeting: Greeting,
    /// The recordings in the order of [`Prompt::ALL`]; none of them: nothing is said.
    recordings: Vec<Bytes>,
}

/// Who speaks first.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Greeting {
    /// The caller does.
    None,
    /// The model does, as soon as it is there.
    #[default]
    Spoken,
    /// These words are played at once, and the model is told that it said them.
    Cached {
        /// The words as audio.
        audio: Bytes,
        /// The words.
        text: Box<str>,
    },
}

impl Prompts {
    /// A greeting, and `recording` of every other prompt; it is not asked for the greeting and the tone.
    pub fn new(greeting: Greeting, recording: impl Fn(Prompt) -> Bytes) -> Self {
        let recordings = Prompt::ALL.into_iter().map(|prompt| {
            if prompt == Prompt::Greeting {
                Bytes::new()
            } else if prompt == Prompt::Tone {
                tone::audio()
            } else {
                recording(prompt)
            }
        });
        Self {
            greeting,
            recordings: recordings.collect(),
        }
    }

    /// The audio of a prompt.
    pub fn audio(&self, prompt: Prompt) -> Bytes {
        if prompt == Prompt::Greeting {
            return match &self.greeting {
                Greeting::Cached { audio, .. } => audio.clone(),
                Greeting::None | Greeting::Spoken => Bytes::new(),
            };
        }
        let place = prompt as usize;
        self.recordings.get(place).cloned().unwrap_or_default()
    }
}

/// Without the audio.
impl fmt::Debug for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            greeting,
            recordings,
        } = self;
        let bytes: Vec<_> = recordings.iter().map(Bytes::len).collect();
        f.debug_struct("Prompts")
            .field("greeting", greeting)
            .field("recordings", &bytes)
            .finish()
    }
}

/// Without the audio and the words.
impl fmt::Debug for Greeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Spoken => f.write_str("Spoken"),
            Self::Cached { audio, .. } => write!(f, "Cached({} bytes)", audio.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prompt_is_found_in_its_own_place() {
        let name = |prompt: Prompt| Bytes::from_static(prompt.name().as_bytes());
        let prompts = Prompts::new(Greeting::None, name);
        for (place, prompt) in Prompt::ALL.into_iter().enumerate() {
            assert_eq!(prompt as usize, place, "{prompt:?}");
            if ![Prompt::Greeting, Prompt::Tone].contains(&prompt) {
                assert_eq!(prompts.audio(prompt), prompt.name());
            }
        }
        assert!(prompts.audio(Prompt::Greeting).is_empty());
        assert_eq!(prompts.audio(Prompt::Tone), tone::audio());
        if let Some(after_the_last) = prompts.recordings.get(Prompt::ALL.len()) {
            panic!("{} bytes of no prompt", after_the_last.len());
        }
    }
}
