//! What nodes ask each other, and answer: the whole list, and how it travels.
//!
//! A byte for the version of the form, then who speaks and what (postcard). Nodes of two versions speak with each other during a
//! deploy, so nothing that stands here is ever changed: what is new is added behind the last question and the last answer. A question
//! that a node does not know it answers with [`Answer::NotUnderstood`]. What the words mean is decided in [`crate::core::region`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::call_words::CallWords;
use super::trial::RecordWords;
pub(in crate::server) use super::votes::{PleaWords, VoteWords};
use crate::core::callback::number::Number;
use crate::core::ids::CallSid;
use crate::core::region::presence::{Beat, Load};
use crate::core::region::{Life, Node, Peer, Region};
use crate::server::callers::Caller;
use crate::store::STATE_BYTES_MAX;

/// The version of the form.
const VERSION: u8 = 1;

/// The longest question and the longest answer: a conversation with its frame, as it is kept of a call.
pub(super) const WORDS_BYTES_MAX: usize = STATE_BYTES_MAX + 1024;

/// What a node asks another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) enum Question {
    /// How are you? I am so.
    Beat(BeatWords),
    /// This is so with a provider here.
    Advice(AdviceWords),
    /// A call comes to you: this one is calling.
    Caller(CallerWords),
    /// May our region have your vote?
    Vote(PleaWords),
    /// What do you know of this call, by the carrier's name of it?
    Call(String),
    /// I have a newer stream of this call (the carrier's name, ours, the epoch of its document): do you let go of yours?
    Opened(String, u128, u32),
    /// How did your calls fare?
    Record,
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) enum Answer {
    /// That question is not known here: it is a newer one.
    NotUnderstood,
    /// I am so.
    Beat(BeatWords),
    /// That was heard.
    Heard,
    /// My vote on your region.
    Vote(VoteWords),
    /// I know nothing of it.
    NoCall,
    /// I know this of it.
    Call(Box<CallWords>),
    /// My calls fared so.
    Record(RecordWords),
}

/// How a node is, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct BeatWords {
    count: u64,
    calls: u32,
    calls_max: u32,
    takes_calls: bool,
    has_provider: bool,
    is_whole: bool,
    /// The epoch by which its region is active, as far as it knows.
    pub(in crate::server) active: Option<u64>,
}

impl BeatWords {
    pub(super) const fn of(beat: &Beat, active: Option<u64>) -> Self {
        let Load {
            calls,
            calls_max,
            takes_calls,
            has_provider,
            is_whole,
        } = beat.load;
        Self {
            count: beat.count,
            calls,
            calls_max,
            takes_calls,
            has_provider,
            is_whole,
            active,
        }
    }

    pub(super) const fn by(&self, peer: Peer) -> Beat {
        let load = Load {
            calls: self.calls,
            calls_max: self.calls_max,
            takes_calls: self.takes_calls,
            has_provider: self.has_provider,
            is_whole: self.is_whole,
        };
        Beat {
            peer,
            count: self.count,
            load,
        }
    }
}

/// How a provider is, by its name in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct AdviceWords {
    pub(super) provider: String,
    /// It is out; else it is well again.
    pub(super) is_out: bool,
}

impl AdviceWords {
    pub(super) fn new(provider: &str, is_out: bool) -> Self {
        Self {
            provider: provider.to_owned(),
            is_out,
        }
    }
}

/// Who is calling. It prints as nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct CallerWords {
    call: String,
    number: Option<String>,
    verstat: Option<String>,
}

impl CallerWords {
    pub(super) fn new(call: CallSid, caller: &Caller) -> Self {
        Self {
            call: call.as_str().to_owned(),
            number: caller.number.map(Number::dialled),
            verstat: caller.verstat.as_deref().map(str::to_owned),
        }
    }

    /// `None`: that is no call's name.
    pub(super) fn read(&self) -> Option<(CallSid, Caller)> {
        let caller = Caller::new(self.number.as_deref(), self.verstat.as_deref());
        Some((CallSid::parse(&self.call)?, caller))
    }
}

impl fmt::Debug for CallerWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerWords(_)")
    }
}

/// Who speaks.
#[derive(Serialize, Deserialize)]
struct Speaker {
    region: String,
    node: String,
    life: u64,
}

/// Words that are none, or longer than they may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Garbled;

/// What a node says, as it travels.
pub(super) fn write(me: Peer, words: &impl Serialize) -> Vec<u8> {
    let speaker = Speaker {
        region: me.region.as_str().to_owned(),
        node: me.node.as_str().to_owned(),
        life: me.life.0,
    };
    let bytes = postcard::to_extend(&(speaker, words), vec![VERSION]);
    bytes.expect("a list of bytes takes all that is written")
}

/// Who says something, and what; the words are none where this version does not know them.
pub(super) fn read<T: for<'de> Deserialize<'de>>(
    bytes: &[u8],
) -> Result<(Peer, Option<T>), Garbled> {
    let (version, bytes) = bytes.split_first().ok_or(Garbled)?;
    if *version != VERSION || bytes.len() > WORDS_BYTES_MAX {
        return Err(Garbled);
    }
    let (speaker, words): (Speaker, _) = postcard::take_from_bytes(bytes).map_err(|_| Garbled)?;
    let peer = Peer {
        region: Region::parse(&speaker.region).ok_or(Garbled)?,
        node: Node::parse(&speaker.node).ok_or(Garbled)?,
        life: Life(speaker.life),
    };
    Ok((peer, postcard::from_bytes(words).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Peer {
        Peer {
            region: Region::parse("east").unwrap(),
            node: Node::parse("east-1").unwrap(),
            life: Life(u64::MAX),
        }
    }

    fn beat() -> Beat {
        Beat {
            peer: peer(),
            count: 7,
            load: Load {
                calls: 1,
                calls_max: 2,
                takes_calls: true,
                has_provider: false,
                is_whole: true,
            },
        }
    }

    #[test]
    fn what_was_written_is_read_and_says_who_speaks() {
        let question = Question::Beat(BeatWords::of(&beat(), Some(3)));
        let bytes = write(peer(), &question);
        let (from, read) = read::<Question>(&bytes).unwrap();
        assert_eq!((from, read), (peer(), Some(question)));
        let words = BeatWords::of(&beat(), None);
        assert_eq!(words.by(peer()), beat());
    }

    #[test]
    fn a_question_of_a_newer_version_is_known_for_one_and_nonsense_for_nonsense() {
        // A further question of the list.
        let newer = write(peer(), &(200_u8, "what do you think"));
        let (from, question) = read::<Question>(&newer).unwrap();
        assert_eq!((from, question), (peer(), None));
        for nonsense in [
            &[] as &[u8],
            &[VERSION],
            &[VERSION + 1, 4],
            &[VERSION, 255, 255],
        ] {
            let is_garbled = read::<Question>(nonsense).is_err();
            assert!(is_garbled, "{nonsense:?}");
        }
        let mut long = write(peer(), &newer);
        long.resize(WORDS_BYTES_MAX + 2, 0);
        assert!(read::<Answer>(&long).is_err());
    }
}
