//! Who had a promise that is over: so that a text of theirs finds it, and a call has one promise.

use std::collections::{BTreeMap, VecDeque};

use crate::core::callback::number::{Language, Number};
use crate::core::callback::promise::{End, Promise, Stage};
use crate::core::callback::settings::REMEMBERED_FOR;
use crate::core::ids::CallId;
use crate::core::time::Utc;

/// What is left of a promise.
#[derive(Clone, Debug)]
pub(super) struct Over {
    pub(super) call: CallId,
    pub(super) called: Number,
    pub(super) language: Language,
    pub(super) end: End,
    promised: Utc,
}

/// Ended promises, the newest of each number.
#[derive(Debug)]
pub(super) struct Past {
    max: usize,
    by_number: BTreeMap<Number, Over>,
    by_call: BTreeMap<CallId, Number>,
    order: VecDeque<(Utc, Number, CallId)>,
}

impl Past {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            by_number: BTreeMap::new(),
            by_call: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// A promise is over. Whoever has none open is found by their last.
    pub(super) fn add(&mut self, now: Utc, promise: &Promise) {
        let Stage::Ended(end) = promise.stage else {
            return;
        };
        let newer = |over: &Over| over.promised > promise.promised;
        if !self.by_number.get(&promise.to).is_some_and(newer) {
            let over = Over {
                call: promise.call,
                called: promise.called,
                language: promise.language.clone(),
                end,
                promised: promise.promised,
            };
            self.by_number.insert(promise.to, over);
        }
        self.by_call.insert(promise.call, promise.to);
        self.order.push_back((now, promise.to, promise.call));
        while let Some(&(at, number, call)) = self.order.front()
            && (self.order.len() > self.max || now.since(at) >= REMEMBERED_FOR)
        {
            self.order.pop_front();
            self.by_call.remove(&call);
            if self
                .by_number
                .get(&number)
                .is_some_and(|over| over.call == call)
            {
                self.by_number.remove(&number);
            }
        }
    }

    pub(super) fn of(&self, number: Number) -> Option<&Over> {
        self.by_number.get(&number)
    }

    pub(super) fn had(&self, call: CallId) -> bool {
        self.by_call.contains_key(&call)
    }

    pub(super) fn forget(&mut self, number: Number) {
        self.by_number.remove(&number);
        self.by_call.retain(|_, other| *other != number);
        self.order.retain(|(_, other, _)| *other != number);
    }
}
