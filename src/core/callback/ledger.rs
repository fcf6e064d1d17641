//! [`CallbackLedger`]: what goes in, what time does, and which promises stand in which line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::callback::answering::Texts;
use crate::core::callback::caps::Caps;
use crate::core::callback::clock::{ClockNews, WallClock};
use crate::core::callback::effect::{Effect, Effects, Seen, WriteId};
use crate::core::callback::entry::{Entry, Queued, Turn, Waiting};
use crate::core::callback::errands::Errands;
use crate::core::callback::input::{Input, Models};
use crate::core::callback::number::{Language, Number, Prefix};
use crate::core::callback::past::Past;
use crate::core::callback::promise::{End, Promise, SendId, Stage};
use crate::core::callback::settings::{RINGS_MAX, Settings};
use crate::core::ids::PromiseId;
use crate::core::time::{Instant, Utc};

/// Who was promised what, and what is to be done about it.
///
/// It is told everything by [`handle`](Self::handle), at once and in order, and answers with effects. Nothing is requested of the
/// carrier that was not kept before; nobody is told what is not kept. What is not kept is gone with the process: after a restart
/// it is given the kept promises, then [`Input::Ready`].
#[derive(Debug)]
pub struct CallbackLedger {
    pub(super) settings: Settings,
    pub(super) clock: WallClock,
    pub(super) is_ready: bool,
    /// Open promises, and ended ones until that is kept.
    pub(super) entries: BTreeMap<PromiseId, Entry>,
    pub(super) by_number: BTreeMap<Number, PromiseId>,
    pub(super) by_write: BTreeMap<WriteId, PromiseId>,
    pub(super) by_send: BTreeMap<SendId, PromiseId>,
    pub(super) past: Past,
    pub(super) caps: Caps,
    pub(super) errands: Errands,
    pub(super) inbox: Texts,
    /// Texts that wait: since when they may be requested, and their place.
    texts: BTreeSet<(Instant, u64, PromiseId)>,
    texts_waiting: BTreeMap<Prefix, u32>,
    rings: BTreeSet<(Utc, u64, PromiseId)>,
    /// Those whose time has come.
    ready: BTreeSet<(Turn, u64, PromiseId)>,
    /// When something is to be looked at again. What has changed since is looked at in vain.
    pub(super) alarms: BTreeSet<(Instant, PromiseId)>,
    ends: BTreeSet<(Utc, PromiseId)>,
    pub(super) models: Models,
    /// Who is being rung.
    pub(super) ringing: BTreeSet<PromiseId>,
    pub(super) text_free_at: Instant,
    pub(super) ring_free_at: Instant,
    /// What was restored, until all of it is there.
    pub(super) restored: Vec<(Promise, u64)>,
    places: u64,
    writes: u64,
    /// The clocks at the last input.
    read: (Instant, Utc),
}

/// A ring that goes on is not ended by its promise's time: that is looked at again so much later.
const GRACE: Duration = Duration::from_mins(2);

impl CallbackLedger {
    /// A ledger without promises, which gives none before [`Input::Ready`].
    pub fn new(settings: Settings) -> Self {
        Self {
            clock: WallClock::new(),
            is_ready: false,
            entries: BTreeMap::new(),
            by_number: BTreeMap::new(),
            by_write: BTreeMap::new(),
            by_send: BTreeMap::new(),
            past: Past::new(settings.past_max),
            caps: Caps::new(settings.caps),
            errands: Errands::default(),
            inbox: Texts::default(),
            texts: BTreeSet::new(),
            texts_waiting: BTreeMap::new(),
            rings: BTreeSet::new(),
            ready: BTreeSet::new(),
            alarms: BTreeSet::new(),
            ends: BTreeSet::new(),
            models: Models::Out,
            ringing: BTreeSet::new(),
            text_free_at: Instant::ZERO,
            ring_free_at: Instant::ZERO,
            restored: Vec::new(),
            places: 0,
            writes: 0,
            read: (Instant::ZERO, Utc::default()),
            settings,
        }
    }

    /// Tells the ledger something at `now`, when the wall clock says `utc`.
    pub fn handle(&mut self, now: Instant, utc: Utc, input: Input, effects: &mut Effects) {
        self.read = (now, utc);
        if self.clock.reads(now, utc) == ClockNews::Stepped {
            effects.observe(Seen::ClockUnsure);
        }
        let at = At { now, utc };
        match input {
            Input::Tick => {}
            Input::Restored(promise, revision) => {
                self.restore(at, *promise, revision, effects);
            }
            Input::LetGo(id, revision) => {
                if self.revision_of(id).is_some_and(|own| own < revision) {
                    self.let_go(id, effects);
                }
            }
            Input::Sighted(promise, revision) => self.on_sighted(at, &promise, revision),
            Input::LookedThrough(there) => self.on_looked_through(at, &there, effects),
            Input::Ready => self.on_ready(at, effects),
            Input::Wanted(wanted) => self.on_wanted(at, *wanted, effects),
            Input::Stored(write, stored) => self.on_stored(at, write, stored, effects),
            Input::Texted(send, outcome) => self.on_texted(at, send, outcome, effects),
            Input::TextLookedUp(send, found) => self.on_text_looked_up(at, send, found, effects),
            Input::TextStatus(send, message, status) => {
                self.on_text_status(at, send, message, status, effects);
            }
            Input::Text(text) => self.on_text(at, *text, effects),
            Input::Rung(send, outcome) => self.on_rung(at, send, outcome, effects),
            Input::RingLookedUp(send, found) => self.on_ring_looked_up(at, send, found, effects),
            Input::RingStatus(send, call, status) => {
                self.on_ring_status(at, send, call, status, effects);
            }
            Input::Models(models) => self.models = models,
            Input::Checked(theirs) => {
                if self.clock.compare(now, utc, theirs) {
                    effects.observe(Seen::ClockSane);
                    self.look_all_sooner(at);
                }
            }
            Input::Cancel(id) => self.on_cancel(id, effects),
            Input::Retry(id) => self.on_retry(at, id, effects),
            Input::Forget(number) => self.on_forget(at, number, effects),
        }
        self.on_time(at, effects);
    }

    /// When the ledger next wants an input, [`Input::Tick`] if there is no other; `None`: never.
    pub fn deadline(&self) -> Option<Instant> {
        let (now, utc) = self.read;
        let at = |due: Utc| now + due.since(utc);
        let always = [
            self.clock.deadline(),
            self.alarms.first().map(|(at, _)| *at),
            self.errands.deadline(),
            self.inbox.deadline(),
        ];
        let mut in_time = [None; 3];
        if self.clock.is_sane() && self.is_ready {
            let text = self
                .texts
                .first()
                .map(|(at, ..)| (*at).max(self.text_free_at));
            let due = self.rings.first().map(|(due, ..)| at(*due));
            let ready = self.ready.first().map(|_| now);
            let ring = ready.or(due).map(|due| due.max(self.ring_free_at));
            let end = self.ends.first().map(|(due, _)| at(*due));
            let may_ring = matches!(self.models, Models::Back { ringing_max, .. } if self.ringing.len() < ringing_max);
            in_time = [text, ring.filter(|_| may_ring), end];
        }
        always.into_iter().chain(in_time).flatten().min()
    }

    /// How many promises are open, or ended and that not kept yet.
    pub fn open(&self) -> usize {
        self.entries.len()
    }

    /// The promises in memory, in the order of their names: for operators.
    pub fn promises(&self) -> impl Iterator<Item = &Promise> {
        self.entries.values().map(|entry| &entry.promise)
    }

    /// The open promise to a number.
    pub fn promise_to(&self, number: Number) -> Option<&Promise> {
        let id = self.by_number.get(&number)?;
        self.entries.get(id).map(|entry| &entry.promise)
    }

    /// The open promise that a request serves.
    pub fn promise_of(&self, send: SendId) -> Option<&Promise> {
        let id = self.by_send.get(&send)?;
        self.entries.get(id).map(|entry| &entry.promise)
    }

    /// What the store has of an open promise, as far as is known here.
    pub fn revision_of(&self, id: PromiseId) -> Option<u64> {
        self.entries.get(&id).map(|entry| entry.revision)
    }

    /// Whether nothing is to be learnt from this revision of a promise: it is served here, or was [sighted](Input::Sighted).
    pub fn knows(&self, id: PromiseId, revision: u64) -> bool {
        self.entries.contains_key(&id) || self.caps.knows(id, revision)
    }

    /// What is spoken by whoever has a promise, or had one of late.
    pub fn language_of(&self, number: Number) -> Option<&Language> {
        let open = self.promise_to(number).map(|promise| &promise.language);
        open.or_else(|| self.past.of(number).map(|over| &over.language))
    }

    /// Whether it is known what time it is.
    pub const fn is_clock_sane(&self) -> bool {
        self.clock.is_sane()
    }

    fn on_time(&mut self, at: At, effects: &mut Effects) {
        if self.clock.asks(at.now) {
            effects.push(Effect::CheckTime);
        }
        while let Some(&(due, id)) = self.alarms.first()
            && due <= at.now
        {
            self.alarms.pop_first();
            self.on_alarm(at, id, effects);
        }
        self.errands_again(at, effects);
        self.answer_late(at, effects);
        if !self.clock.is_sane() || !self.is_ready {
            return;
        }
        while let Some(&(due, id)) = self.ends.first()
            && due <= at.utc
        {
            self.ends.pop_first();
            self.on_expiry(at, id, effects);
        }
        while let Some(id) = self.next_text(at) {
            self.start_text(at, id, effects);
        }
        while let Some(id) = self.next_ring(at) {
            self.start_ring(at, id, effects);
        }
    }

    fn on_alarm(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        self.tell_late(at, id, effects);
        self.write_again(at, id, effects);
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        if entry.step.alarm().is_some_and(|due| due <= at.now) {
            match entry.promise.stage {
                Stage::Texting { .. } => self.on_text_alarm(at, id, effects),
                Stage::Ringing { .. } | Stage::Connected { .. } => {
                    self.on_ring_alarm(at, id, effects);
                }
                Stage::Promised { .. }
                | Stage::Asked { .. }
                | Stage::Due { .. }
                | Stage::Ended(_) => {}
            }
        }
    }

    fn on_expiry(&mut self, at: At, id: PromiseId, effects: &mut Effects) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        if entry.promise.expires > at.utc {
            return; // It was prolonged while its ring was waited for.
        }
        match entry.promise.stage {
            Stage::Ended(_) => {}
            Stage::Connected { .. } => self.end(id, End::Done, effects),
            Stage::Ringing { .. } if self.ringing.contains(&id) => {
                self.ends.insert((later(at.utc, GRACE), id));
            }
            Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Asked { .. }
            | Stage::Due { .. }
            | Stage::Ringing { .. } => self.end(id, End::Expired, effects),
        }
    }

    /// A promise stands in the ledger from now on.
    pub(super) fn enter(&mut self, promise: Promise, text_at: Instant) {
        let id = promise.id;
        self.places += 1;
        self.caps.reserve(self.settings.promise_cents());
        self.by_number.insert(promise.to, id);
        self.by_send.insert(SendId::text(id), id);
        for number in 1..=RINGS_MAX {
            self.by_send.insert(SendId::ring(id, number), id);
        }
        self.ends.insert((promise.expires, id));
        self.entries
            .insert(id, Entry::new(promise, self.places, text_at));
    }

    /// A promise is over, and that is kept: what is left of it is who it was for.
    pub(super) fn leave(&mut self, utc: Utc, id: PromiseId) {
        if let Some(promise) = self.strike(id) {
            self.past.add(utc, &promise);
        }
    }

    /// A promise stands in the ledger no more.
    pub(super) fn strike(&mut self, id: PromiseId) -> Option<Promise> {
        self.stand(id, Queued::No);
        self.ringing.remove(&id);
        let promise = self.entries.remove(&id)?.promise;
        self.caps.release(self.settings.promise_cents());
        if self.by_number.get(&promise.to) == Some(&id) {
            self.by_number.remove(&promise.to);
        }
        self.by_send.remove(&SendId::text(id));
        for number in 1..=RINGS_MAX {
            self.by_send.remove(&SendId::ring(id, number));
        }
        self.ends.remove(&(promise.expires, id));
        Some(promise)
    }

    /// The promise ends later than it would have.
    pub(super) fn prolong(&mut self, id: PromiseId, until: Utc) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.promise.expires < until
        {
            self.ends.remove(&(entry.promise.expires, id));
            entry.promise.expires = until;
            self.ends.insert((until, id));
        }
    }

    /// Puts a promise into a line, or out of all.
    pub(super) fn stand(&mut self, id: PromiseId, queued: Queued) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let prefix = self.caps.prefix(entry.promise.to);
        match entry.queued {
            Queued::No => {}
            Queued::Text(at) => {
                self.texts.remove(&(at, entry.place, id));
                if let Some(waiting) = self.texts_waiting.get_mut(&prefix) {
                    *waiting = waiting.saturating_sub(1);
                    if *waiting == 0 {
                        self.texts_waiting.remove(&prefix);
                    }
                }
            }
            Queued::Ring(at) => {
                self.rings.remove(&(at, entry.place, id));
            }
            Queued::Ready(turn) => {
                self.ready.remove(&(turn, entry.place, id));
            }
        }
        match queued {
            Queued::No => {}
            Queued::Text(at) => {
                self.texts.insert((at, entry.place, id));
                *self.texts_waiting.entry(prefix).or_default() += 1;
            }
            Queued::Ring(at) => {
                self.rings.insert((at, entry.place, id));
            }
            Queued::Ready(turn) => {
                self.ready.insert((turn, entry.place, id));
            }
        }
        entry.queued = queued;
    }

    /// How many texts wait, and how many of them for numbers that begin like this one.
    pub(super) fn waiting(&self, number: Number) -> (usize, u32) {
        let prefix = self.caps.prefix(number);
        let alike = self.texts_waiting.get(&prefix).copied().unwrap_or(0);
        (self.texts.len(), alike)
    }

    /// The name of a write of a promise; it is answered in any case, and forgotten then.
    pub(super) fn name_write(&mut self, id: PromiseId) -> WriteId {
        let write = self.name_errand();
        self.by_write.insert(write, id);
        write
    }

    pub(super) fn name_errand(&mut self) -> WriteId {
        self.writes += 1;
        WriteId(self.writes)
    }

    /// Something is to be done about a promise then.
    pub(super) fn alarm(&mut self, at: Instant, id: PromiseId) {
        self.alarms.insert((at, id));
    }

    /// Who waits for a promise to be kept; `None`: too many do.
    pub(super) fn wait(&mut self, id: PromiseId, waiting: Waiting) -> Option<()> {
        let entry = self.entries.get_mut(&id)?;
        if entry.waits.len() >= super::entry::WAITS_MAX {
            return None;
        }
        entry.waits.push(waiting);
        if let Some(by) = waiting.by() {
            self.alarm(by, id);
        }
        Some(())
    }

    /// Whether all that is kept is here.
    pub const fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether somebody would be rung now if models were known to be back.
    pub fn is_ring_due(&self, utc: Utc) -> bool {
        !self.ready.is_empty() || self.rings.first().is_some_and(|&(due, ..)| due <= utc)
    }

    fn next_text(&self, at: At) -> Option<PromiseId> {
        let &(due, _, id) = self.texts.first()?;
        (due <= at.now && self.text_free_at <= at.now).then_some(id)
    }

    fn next_ring(&mut self, at: At) -> Option<PromiseId> {
        let Models::Back { ringing_max, .. } = self.models else {
            return None;
        };
        while let Some(&(due, _, id)) = self.rings.first()
            && due <= at.utc
        {
            let entry = self.entries.get(&id);
            let turn = entry.map(|entry| Turn::of(&entry.promise));
            self.rings.pop_first();
            self.stand(id, turn.map_or(Queued::No, Queued::Ready));
        }
        let is_free = self.ring_free_at <= at.now && self.ringing.len() < ringing_max;
        let &(_, _, id) = self.ready.first().filter(|_| is_free)?;
        Some(id)
    }
}

/// Both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) now: Instant,
    pub(super) utc: Utc,
}

/// So much later.
pub(super) fn later(utc: Utc, by: Duration) -> Utc {
    let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Utc::from_millis(utc.millis().saturating_add(millis))
}

/// So much earlier.
pub(super) fn earlier(utc: Utc, by: Duration) -> Utc {
    let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Utc::from_millis(utc.millis().saturating_sub(millis))
}
