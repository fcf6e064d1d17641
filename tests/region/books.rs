//! The checkers: what must hold in every life, judged by what the doubles see and not by what a node says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ringback::core::front::RESUMES_WITHIN;
use ringback::core::ids::{CallSid, PromiseId};
use ringback::core::region::{Epoch, Node as Name, Region};

use crate::carrier::{Call, Opening, Ring, RingState};
use crate::store::{Data, Stage};
use crate::world::{CLAIMS, Purpose, ROLES};

/// How long before the loss of a stream everything must have been well for its memory to be whole.
const WELL_BEFORE: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(crate) struct Books {
    /// What was broken, and how.
    pub(crate) findings: Vec<(&'static str, String)>,
    pub(crate) counts: BTreeMap<String, u64>,
    memories: BTreeMap<CallSid, Memories>,
    words: u32,
    wished: BTreeMap<PromiseId, usize>,
    promised: BTreeSet<PromiseId>,
    stopped: BTreeMap<usize, Duration>,
    /// Harms at the store or between the regions that are at work, and when the last one ended.
    unwell: u32,
    unwell_until: Duration,
    doubled_until: Duration,
    /// Names of nodes that were found to be those of two.
    pub(crate) noticed: BTreeSet<Name>,
    /// Nodes that an operator made active, and since when they have not needed that word any more.
    decreed: BTreeMap<Name, Duration>,
    rung_by: Option<(Epoch, Region)>,
}

#[derive(Debug, Default)]
struct Memories {
    /// What each stream of the call has remembered, after each turn.
    states: Vec<(u32, Vec<u32>)>,
    last_turn: Duration,
    is_excused: bool,
}

impl Books {
    pub(crate) fn find(&mut self, checker: &'static str, what: String) {
        self.findings.push((checker, what));
    }

    pub(crate) fn must(
        &mut self,
        holds: bool,
        checker: &'static str,
        what: impl FnOnce() -> String,
    ) {
        if !holds {
            self.find(checker, what());
        }
    }

    pub(crate) fn count(&mut self, what: &str) {
        if let Some(count) = self.counts.get_mut(what) {
            *count += 1;
        } else {
            self.counts.insert(what.to_owned(), 1);
        }
    }

    pub(crate) fn asked_store(&mut self, purpose: Purpose) {
        self.count(match purpose {
            Purpose::Checkpoint(..) | Purpose::Parting(..) => "store: checkpoints",
            Purpose::Resume(_) => "store: look-ups of calls",
            Purpose::Promise(_) | Purpose::Duty(_) | Purpose::Begin(_) => "store: promises",
            Purpose::Rows => "store: lists of promises",
            Purpose::Stop(_) => "store: opt-outs",
        });
    }

    pub(crate) fn ails(&mut self, now: Duration, begins: bool) {
        self.unwell = if begins {
            self.unwell + 1
        } else {
            self.unwell - 1
        };
        self.unwell_until = now;
    }

    /// Whether the store and the other region were there all the time since then.
    fn was_well_since(&self, then: Duration) -> bool {
        self.unwell == 0 && self.unwell_until + WELL_BEFORE <= then
    }

    pub(crate) fn is_doubled(&mut self, until: Duration) {
        self.doubled_until = self.doubled_until.max(until);
    }

    pub(crate) fn was_doubled_lately(&self, now: Duration) -> bool {
        now < self.doubled_until
    }

    // Calls.

    pub(crate) fn next_word(&mut self) -> u32 {
        self.words += 1;
        self.words
    }

    pub(crate) fn opened(&mut self, call: CallSid, stream: u32, opening: &Opening) {
        self.count(if opening.is_fresh {
            "streams of new calls"
        } else {
            "streams that go on"
        });
        self.memories.entry(call).or_default();
        self.must(stream < 40, "every call ends", || {
            format!("{call} has its stream {stream}")
        });
    }

    /// What a stream remembers now.
    pub(crate) fn remembers(
        &mut self,
        now: Duration,
        call: CallSid,
        stream: u32,
        words: &[u32],
        is_turn: bool,
    ) {
        let memories = self.memories.entry(call).or_default();
        memories.states.push((stream, words.to_vec()));
        if is_turn {
            memories.last_turn = now;
        }
        memories.is_excused = false;
    }

    /// The next checkpoint is of a form that somebody could not read.
    pub(crate) fn excuse(&mut self, call: CallSid) {
        self.memories.entry(call).or_default().is_excused = true;
    }

    /// A stream goes on with a call.
    pub(crate) fn goes_on(
        &mut self,
        now: Duration,
        (call, said_goodbye): (CallSid, bool),
        stream: u32,
        words: &[u32],
    ) {
        let Some(memories) = self.memories.get(&call) else {
            return;
        };
        let was_well = self.was_well_since(memories.last_turn);
        let older = memories.states.iter().filter(|(of, _)| *of < stream);
        let older: Vec<&[u32]> = older.map(|(_, words)| words.as_slice()).collect();
        let is_one = words.is_empty() || older.contains(&words);
        let newest = older.last().copied().unwrap_or_default();
        let before = newest.split_last().map(|(_, before)| before);
        let is_kept = words == newest || Some(words) == before;
        let is_excused = memories.is_excused || !was_well;
        let is_behind = said_goodbye && was_well;
        let told = format!("{call} at {now:?}: {words:?} of {newest:?}");
        self.count(if is_excused {
            "memories, the store unwell"
        } else {
            "memories, all well"
        });
        self.must(!is_behind, "every call ends", || {
            format!("{call} goes on behind its goodbye")
        });
        self.must(is_one, "conversation kept", || told.clone());
        self.must(is_kept || is_excused, "conversation kept", || told);
    }

    pub(crate) fn is_hung_up(&mut self, call: &Call) {
        self.must(call.said_goodbye, "every call ends", || {
            format!("{} was hung up on", call.sid)
        });
    }

    pub(crate) fn apologizes(&mut self, now: Duration, skew: u64, call: &Call, no_model: bool) {
        self.count("apologies");
        let within = RESUMES_WITHIN + Duration::from_millis(skew) + Duration::from_secs(4);
        let is_late = |at: &&Duration| now.saturating_sub(**at) < within;
        let crashes = call.crashes.iter().filter(is_late);
        // A stream that was handed over looks like a crash to whoever can ask neither the store nor the node that did so.
        let handed_over = call.handed_over.iter().filter(is_late);
        let untold = handed_over.filter(|at| !self.was_well_since(**at));
        let lost = crashes.count() + untold.count();
        // Who has said goodbye, and whose end nobody could be asked for, loses nothing.
        let is_left = call.said_goodbye || (no_model && !call.is_answered);
        let has_reason = lost > 2 || is_left;
        self.must(has_reason, "every call ends", || {
            format!("{} had an apology", call.sid)
        });
    }

    // Promises.

    pub(crate) fn has_promises(&self) -> bool {
        !self.wished.is_empty()
    }

    pub(crate) fn is_wished(&mut self, id: PromiseId, caller: usize) {
        self.count("promises wished for");
        self.wished.insert(id, caller);
    }

    pub(crate) fn is_promised(&mut self, id: PromiseId) {
        self.count("promises told");
        self.promised.insert(id);
    }

    pub(crate) fn stop_is_kept(&mut self, now: Duration, caller: usize) {
        self.count("stops kept");
        self.stopped.entry(caller).or_insert(now);
    }

    /// Somebody is texted or rung.
    pub(crate) fn is_contacted(&mut self, now: Duration, caller: usize, what: &str) {
        let within = if what == "a ring" {
            CLAIMS.opt_out_within
        } else {
            Duration::MAX
        };
        let is_late = self
            .stopped
            .get(&caller)
            .is_some_and(|at| now > at.saturating_add(within));
        self.must(!is_late, "STOP is final", || what.to_owned());
    }

    /// A ring is taken on.
    pub(crate) fn is_rung(
        &mut self,
        now: Duration,
        rings: &[Ring],
        promise: PromiseId,
        number: u8,
        caller: usize,
    ) {
        self.is_contacted(now, caller, "a ring");
        for ring in rings.iter().filter(|ring| ring.promise == promise) {
            let what = match ring.state {
                RingState::Ringing => "rung while it rings",
                RingState::Person => "rung though somebody had answered",
                RingState::Nobody if ring.number == number => "the same ring twice",
                RingState::Nobody => continue,
            };
            self.find("no double ring", what.to_owned());
        }
    }

    /// An operator makes a node active: by that word it may be so alone.
    pub(crate) fn decreed(&mut self, now: Duration, node: Name) {
        self.decreed.insert(node, now);
    }

    /// A node is active with or without a majority in its reach, or a standby. A word ends with the emergency: who has reached a majority
    /// for long enough rests on that, and the other side has given way.
    pub(crate) fn needs_a_word(&mut self, now: Duration, node: Name, needs_it: bool) {
        let Some(since) = self.decreed.get_mut(&node) else {
            return;
        };
        if needs_it {
            *since = now;
        } else if now.saturating_sub(*since) > ROLES.lease + Duration::from_secs(5) {
            self.decreed.remove(&node);
            self.count("a word had done its work");
        }
    }

    /// A node acts as active, having reached no majority for so long.
    pub(crate) fn is_active(&mut self, node: Name, alone: Duration, who: impl FnOnce() -> String) {
        if !self.decreed.contains_key(&node) {
            let is_alone = alone > ROLES.lease + Duration::from_secs(2);
            self.must(!is_alone, "the minority never rings", || {
                format!("{}, alone for {alone:?}", who())
            });
        }
    }

    /// A node of this region rings, by this epoch, having reached no majority for so long.
    pub(crate) fn rings_by(&mut self, node: Name, epoch: Epoch, region: Region, alone: Duration) {
        self.is_active(node, alone, || format!("{node} rings"));
        if !self.decreed.is_empty() {
            return;
        }
        let is_older = self
            .rung_by
            .is_some_and(|(by, of)| by > epoch && of != region);
        self.must(!is_older, "the minority never rings", || {
            format!("{epoch} after a newer one")
        });
        self.rung_by = Some((epoch, region));
    }

    pub(crate) fn promises_have_ended(&mut self, data: &Data) {
        for id in std::mem::take(&mut self.promised) {
            let stage = data.promises.get(&id).map(|row| row.stage);
            self.must(
                stage == Some(Stage::Ended),
                "every promise reaches an end",
                || format!("{id}: {stage:?}"),
            );
        }
    }
}
