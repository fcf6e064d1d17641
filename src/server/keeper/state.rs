//! How a call in progress is written down: a byte for the version of the form, then the fields (postcard).

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::core::call::checkpoint::{CallBack, Checkpoint};
use crate::core::call::memory::{Memory, Speaker};
use crate::core::front::RESUMES_MAX;
use crate::core::region::resume::{Fate, Resumed};
use crate::core::time::Utc;
use crate::store::State;

/// The version of the form. A change of the fields needs a new number, and a way to read the old one.
const VERSION: u8 = 3;

/// The version before: without the fate, which stands last.
const VERSION_BEFORE: u8 = 2;

/// The one before that: without `call_back` as well.
const VERSION_BEFORE_THAT: u8 = 1;

/// How much of turns without a transcript is written: the last five seconds of them. Together with the 16 KiB of words that a memory
/// holds and the frame around its 256 turns it fits into what the store takes.
const AUDIO_BYTES_MAX: usize = 40_000;

/// What is written of a call in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct CallState {
    /// Where its next stream goes on.
    pub(in crate::server) checkpoint: Checkpoint,
    /// When it was last put together again: a call that brings the process down must not do so for ever.
    pub(in crate::server) resumed: Resumed,
    /// What is to become of it: never that it has ended, which is a record of its own.
    pub(in crate::server) fate: Fate,
}

/// A call of which nothing is known but that it is there.
impl Default for CallState {
    fn default() -> Self {
        Self {
            checkpoint: Checkpoint::default(),
            resumed: Resumed::default(),
            fate: Fate::GoesOn,
        }
    }
}

/// Why a state cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It was written by a newer version.
    Newer,
    /// It is none, or torn.
    Damaged,
}

#[derive(Serialize, Deserialize)]
struct Form {
    is_mid_turn: bool,
    waited_ms: u32,
    streams_before: u16,
    resumed: Vec<u64>,
    turns: Vec<Turn>,
}

/// What is to become of the call; behind all else.
#[derive(Serialize, Deserialize)]
enum Becomes {
    GoesOn,
    HandedOver,
    Person,
}

/// How far a call back is; behind the form.
#[derive(Serialize, Deserialize)]
enum Wanted {
    Open,
    Asked,
    Promised,
    Texted,
}

#[derive(Serialize, Deserialize)]
struct Turn {
    is_callers: bool,
    text: String,
    audio: Vec<u8>,
}

impl CallState {
    pub(in crate::server) fn write(&self) -> State {
        let Checkpoint {
            memory,
            is_mid_turn,
            waited,
            streams_before,
            call_back,
        } = &self.checkpoint;
        let mut audio_left = AUDIO_BYTES_MAX;
        // The last words first: they matter most.
        let mut turns: Vec<Turn> = memory
            .turns()
            .rev()
            .map(|turn| {
                let skipped = turn.audio.len().saturating_sub(audio_left);
                let audio = turn.audio.get(skipped..).unwrap_or_default().to_vec();
                audio_left -= audio.len();
                Turn {
                    is_callers: turn.speaker == Speaker::Caller,
                    text: turn.text.clone(),
                    audio,
                }
            })
            .collect();
        turns.reverse();
        turns.retain(|turn| !turn.text.is_empty() || !turn.audio.is_empty());
        let form = Form {
            is_mid_turn: *is_mid_turn,
            waited_ms: u32::try_from(waited.as_millis()).unwrap_or(u32::MAX),
            streams_before: *streams_before,
            resumed: self
                .resumed
                .0
                .iter()
                .flatten()
                .map(|at| at.millis())
                .collect(),
            turns,
        };
        let wanted = match call_back {
            CallBack::Open => Wanted::Open,
            CallBack::Asked => Wanted::Asked,
            CallBack::Promised => Wanted::Promised,
            CallBack::Texted => Wanted::Texted,
        };
        let becomes = match self.fate {
            Fate::HandedOver => Becomes::HandedOver,
            Fate::Person => Becomes::Person,
            Fate::GoesOn | Fate::Ended => Becomes::GoesOn,
        };
        let bytes = postcard::to_extend(&(form, wanted, becomes), vec![VERSION]);
        State(bytes.expect("plain fields in memory can always be written"))
    }

    pub(super) fn read(state: &State) -> Result<Self, Unreadable> {
        let (version, fields) = state.0.split_first().ok_or(Unreadable::Damaged)?;
        let goes_on = Becomes::GoesOn;
        let (form, wanted, becomes): (Form, Wanted, Becomes) = match *version {
            VERSION => postcard::from_bytes(fields),
            VERSION_BEFORE => {
                postcard::from_bytes(fields).map(|(form, wanted)| (form, wanted, goes_on))
            }
            VERSION_BEFORE_THAT => {
                postcard::from_bytes(fields).map(|form| (form, Wanted::Open, goes_on))
            }
            0 => return Err(Unreadable::Damaged),
            _ => return Err(Unreadable::Newer),
        }
        .map_err(|_| Unreadable::Damaged)?;
        let mut memory = Memory::default();
        for turn in form.turns {
            match (turn.is_callers, turn.text.is_empty()) {
                (true, true) => memory.push_audio(Bytes::from(turn.audio)),
                (true, false) => memory.push(Speaker::Caller, &turn.text),
                (false, _) => memory.push(Speaker::Agent, &turn.text),
            }
        }
        let mut resumed = Resumed::default();
        let times = form.resumed.into_iter().take(RESUMES_MAX);
        for (place, at) in resumed.0.iter_mut().zip(times) {
            *place = Some(Utc::from_millis(at));
        }
        Ok(Self {
            checkpoint: Checkpoint {
                memory,
                is_mid_turn: form.is_mid_turn,
                waited: Duration::from_millis(form.waited_ms.into()),
                streams_before: form.streams_before,
                call_back: match wanted {
                    Wanted::Open => CallBack::Open,
                    Wanted::Asked => CallBack::Asked,
                    Wanted::Promised => CallBack::Promised,
                    Wanted::Texted => CallBack::Texted,
                },
            },
            resumed,
            fate: match becomes {
                Becomes::GoesOn => Fate::GoesOn,
                Becomes::HandedOver => Fate::HandedOver,
                Becomes::Person => Fate::Person,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::STATE_BYTES_MAX;

    fn state(memory: Memory) -> CallState {
        CallState {
            checkpoint: Checkpoint {
                memory,
                is_mid_turn: true,
                waited: Duration::from_millis(700),
                streams_before: 1,
                call_back: CallBack::Asked,
            },
            resumed: Resumed([7, 5].map(|at| Some(Utc::from_millis(at)))),
            fate: Fate::HandedOver,
        }
    }

    #[test]
    fn a_call_is_read_back_as_it_was_written() {
        let mut memory = Memory::default();
        memory.push(Speaker::Agent, "Grüß Gott!");
        memory.push(Speaker::Caller, "Hello?");
        memory.push_audio(Bytes::from_static(&[1; 160]));
        let state = state(memory);
        assert_eq!(CallState::read(&state.write()), Ok(state));
        let empty = CallState::default();
        assert_eq!(CallState::read(&empty.write()), Ok(empty));
    }

    #[test]
    fn what_the_versions_before_wrote_is_read() {
        let mut memory = Memory::default();
        memory.push(Speaker::Caller, "Hello?");
        let mut state = state(memory);
        let mut written = state.write();
        written.0[0] = VERSION_BEFORE;
        written.0.pop();
        state.fate = Fate::GoesOn;
        assert_eq!(CallState::read(&written), Ok(state.clone()));
        written.0[0] = VERSION_BEFORE_THAT;
        written.0.pop();
        state.checkpoint.call_back = CallBack::Open;
        assert_eq!(CallState::read(&written), Ok(state));
    }

    #[test]
    fn the_longest_call_fits_and_its_last_words_are_kept() {
        let mut memory = Memory::default();
        for _ in 0..300 {
            memory.push(Speaker::Agent, &"ä".repeat(30));
        }
        let mut audio = vec![1; 240_000];
        audio.extend_from_slice(&[2; 160]);
        memory.push_audio(Bytes::from(audio));
        let written = state(memory).write();
        assert!(written.0.len() <= STATE_BYTES_MAX, "{}", written.0.len());
        let read = CallState::read(&written).unwrap();
        let last = read.checkpoint.memory.turns().last().unwrap();
        assert_eq!(last.audio.len(), AUDIO_BYTES_MAX);
        assert!(last.audio.ends_with(&[2; 160]));
    }

    #[test]
    fn what_is_newer_or_torn_is_not_read() {
        let mut memory = Memory::default();
        memory.push(Speaker::Caller, "Hello?");
        let written = state(memory).write();
        let mut newer = written.clone();
        newer.0[0] += 1;
        assert_eq!(CallState::read(&newer), Err(Unreadable::Newer));
        for length in 0..written.0.len() {
            let torn = State(written.0[..length].to_vec());
            assert_eq!(CallState::read(&torn), Err(Unreadable::Damaged), "{length}");
        }
    }
}
