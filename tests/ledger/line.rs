//! Nobody is rung while on the line: whose calls with us go on, by the doubles' own account.
//!
//! Whoever asks for it by text is rung at once: they know what they are doing.

use std::collections::BTreeMap;
use std::time::Duration;

use ringback::core::callback::input::InboundText;
use ringback::core::callback::intent::Intent;
use ringback::core::callback::number::Number;

/// The longest call that ends with a promise, from the key on: the last words, and a moment to hang up.
pub(crate) const LAST_WORDS_MAX_MILLIS: u64 = 14_000;

/// By how much two readings of a clock may be apart that is taken to be right.
const CLOCKS_APART: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The last call of each number: when it wanted a promise, and when it ends.
    calls: BTreeMap<Number, (Duration, Duration)>,
    /// When they last asked by text to be rung.
    asked: BTreeMap<Number, Duration>,
}

impl Lines {
    /// A call wants a promise, and goes on for so long.
    pub(crate) fn call(&mut self, now: Duration, number: Number, lasts: Duration) {
        let (_, ends) = self.calls.get(&number).copied().unwrap_or_default();
        self.calls.insert(number, (now, ends.max(now + lasts)));
    }

    /// The process is gone, and all its calls with it.
    pub(crate) fn crash(&mut self, now: Duration) {
        for (_, ends) in self.calls.values_mut() {
            *ends = now.min(*ends);
        }
    }

    pub(crate) fn hear(&mut self, now: Duration, text: &InboundText) {
        match text.intent {
            Intent::Yes | Intent::Call | Intent::At(_) => {
                self.asked.insert(text.from, now);
            }
            Intent::Stop | Intent::Start | Intent::Help | Intent::No | Intent::Free => {}
        }
    }

    /// What is wrong with a ring that begins now, if anything is.
    pub(crate) fn complaint(
        &self,
        now: Duration,
        number: Number,
        ring_after: Duration,
    ) -> Option<&'static str> {
        let (wanted, ends) = self.calls.get(&number).copied()?;
        if self.asked.get(&number).is_some_and(|at| *at >= wanted) {
            return None;
        }
        if now < ends {
            return Some("their call goes on");
        }
        let soon = now + CLOCKS_APART < wanted + ring_after;
        soon.then_some("too soon after a call")
    }
}
