//! What other nodes say of a provider: who hears of an outage needs fewer failures of its own to believe in it.
//!
//! Nobody obeys: the most that all others together can do is lower a threshold, for a while. Each node has one voice a provider,
//! however often it speaks, and one whose warnings were not confirmed of late has none.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::ids::ProviderId;
use crate::core::pool::Warning;
use crate::core::region::Node;
use crate::core::time::Instant;

/// How long a warning counts after it was heard last.
pub const HEEDED_FOR: Duration = Duration::from_secs(30);

/// How many voices are remembered; beyond it further ones are not heard.
pub const VOICES_MAX: usize = 1_024;

/// From so many nodes on the thresholds are at their lowest.
const MANY: usize = 2;

/// Warnings in a row that nothing came of: from so many on a node is not heeded.
const WOLF_CRIES: u8 = 3;

/// How long it is not.
const WOLF_FOR: Duration = Duration::from_mins(10);

/// What others say of providers.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    voices: BTreeMap<(ProviderId, Node), Voice>,
    criers: BTreeMap<Node, Crier>,
}

#[derive(Clone, Copy, Debug)]
struct Voice {
    heard: Instant,
    /// Whether our own experience has agreed since.
    is_confirmed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Crier {
    in_vain: u8,
    last: Instant,
}

impl Advice {
    /// A node says that this provider is out.
    pub fn warn(&mut self, now: Instant, provider: ProviderId, from: Node) {
        self.forget(now);
        let key = (provider, from);
        if let Some(voice) = self.voices.get_mut(&key) {
            voice.heard = now;
        } else if self.voices.len() < VOICES_MAX {
            let voice = Voice {
                heard: now,
                is_confirmed: false,
            };
            self.voices.insert(key, voice);
        }
    }

    /// A node takes its warning back: its breaker closed.
    pub fn reassure(&mut self, now: Instant, provider: ProviderId, from: Node) {
        self.forget(now);
        if let Some(voice) = self.voices.remove(&(provider, from)) {
            self.judge(now, from, voice);
        }
    }

    /// Our own breaker of this provider opened: they were right.
    pub fn confirm(&mut self, now: Instant, provider: ProviderId) {
        self.forget(now);
        for (_, voice) in self
            .voices
            .iter_mut()
            .filter(|((of, _), _)| *of == provider)
        {
            voice.is_confirmed = true;
        }
    }

    /// How much the pool is to be warned of this provider, and until when; `None`: not at all.
    pub fn warning(&mut self, now: Instant, provider: ProviderId) -> Option<(Warning, Instant)> {
        self.forget(now);
        let is_heeded = |((of, node), _): &(&(ProviderId, Node), &Voice)| {
            let crier = self.criers.get(node);
            *of == provider && crier.is_none_or(|crier| crier.in_vain < WOLF_CRIES)
        };
        let heeded = self.voices.iter().filter(is_heeded);
        let (count, last) = heeded.fold((0, now), |(count, last), (_, voice)| {
            (
                count + 1,
                if count == 0 {
                    voice.heard
                } else {
                    last.max(voice.heard)
                },
            )
        });
        let warning = match count {
            0 => return None,
            1..MANY => Warning::One,
            MANY.. => Warning::Many,
        };
        Some((warning, last + HEEDED_FOR))
    }

    fn forget(&mut self, now: Instant) {
        self.criers
            .retain(|_, crier| now.since(crier.last) < WOLF_FOR);
        let is_over = |voice: &Voice| now.since(voice.heard) >= HEEDED_FOR;
        let over: Vec<_> = self
            .voices
            .iter()
            .filter(|(_, voice)| is_over(voice))
            .collect();
        let over: Vec<_> = over
            .into_iter()
            .map(|(key, voice)| (*key, *voice))
            .collect();
        for (key, voice) in over {
            self.voices.remove(&key);
            self.judge(voice.heard + HEEDED_FOR, key.1, voice);
        }
    }

    /// A warning is over: did anything come of it?
    fn judge(&mut self, at: Instant, from: Node, voice: Voice) {
        if voice.is_confirmed {
            self.criers.remove(&from);
        } else if self.criers.contains_key(&from) || self.criers.len() < VOICES_MAX {
            let crier = self.criers.entry(from).or_insert(Crier {
                in_vain: 0,
                last: at,
            });
            crier.in_vain = crier.in_vain.saturating_add(1);
            crier.last = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: ProviderId = ProviderId(0);

    fn at(seconds: u64) -> Instant {
        Instant::from_start(Duration::from_secs(seconds))
    }

    fn node(name: &str) -> Node {
        Node::parse(name).unwrap()
    }

    #[test]
    fn a_node_is_one_voice_however_often_it_speaks_and_its_word_ages() {
        let mut advice = Advice::default();
        assert_eq!(advice.warning(at(0), FIRST), None);
        for second in 0..5 {
            advice.warn(at(second), FIRST, node("a"));
        }
        assert_eq!(advice.warning(at(5), FIRST), Some((Warning::One, at(34))));
        assert_eq!(advice.warning(at(5), ProviderId(1)), None);
        advice.warn(at(6), FIRST, node("b"));
        assert_eq!(advice.warning(at(6), FIRST), Some((Warning::Many, at(36))));
        assert_eq!(advice.warning(at(35), FIRST), Some((Warning::One, at(36))));
        assert_eq!(advice.warning(at(36), FIRST), None);
    }

    #[test]
    fn who_cries_wolf_is_not_heeded_until_it_was_right() {
        let mut advice = Advice::default();
        for turn in 0..3 {
            advice.warn(at(turn), FIRST, node("wolf"));
            assert!(advice.warning(at(turn), FIRST).is_some());
            advice.reassure(at(turn), FIRST, node("wolf"));
        }
        advice.warn(at(3), FIRST, node("wolf"));
        assert_eq!(advice.warning(at(3), FIRST), None);
        advice.confirm(at(4), FIRST);
        advice.reassure(at(5), FIRST, node("wolf"));
        advice.warn(at(6), FIRST, node("wolf"));
        assert!(advice.warning(at(6), FIRST).is_some(), "it was right once");
    }

    #[test]
    fn there_is_room_for_so_many_voices() {
        let mut advice = Advice::default();
        for n in 0..2 * VOICES_MAX {
            advice.warn(at(0), FIRST, node(&format!("n{n}")));
        }
        assert_eq!(advice.voices.len(), VOICES_MAX);
        for second in 0..5 {
            advice.warning(at(second * 31), FIRST);
        }
        assert!(advice.criers.len() <= VOICES_MAX && advice.voices.is_empty());
    }
}
