//! Texts that come in: each is taken once, however often it comes, and answered when what it changes is kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::core::callback::effect::{Answer, Cannot, Effect, Effects, Reply};
use crate::core::callback::entry::Waiting;
use crate::core::callback::errands::Errand;
use crate::core::callback::hours::AllowedHours;
use crate::core::callback::input::InboundText;
use crate::core::callback::intent::Intent;
use crate::core::callback::ledger::{At, CallbackLedger, later};
use crate::core::callback::number::Number;
use crate::core::callback::past::Over;
use crate::core::callback::promise::{Consent, End, Promise, Source, Stage, Texted, Why};
use crate::core::ids::{MessageSid, PromiseId};
use crate::core::time::{Instant, Utc};

/// Texts that are remembered, so that one that comes again changes nothing; beyond it the oldest is forgotten.
const TEXTS_MAX: usize = 16_384;

/// How far ahead a caller may ask to be rung.
const AHEAD_MAX: Duration = Duration::from_hours(24 * 7);

/// How long a promise stays open behind the time that the caller asked for.
const OPEN_BEHIND: Duration = Duration::from_hours(12);

/// The texts that came in, and how they were answered.
#[derive(Debug, Default)]
pub(super) struct Texts {
    seen: BTreeMap<MessageSid, Taken>,
    order: VecDeque<MessageSid>,
    /// Texts that wait for an errand, and until when their webhooks do.
    waiting: VecDeque<(Instant, MessageSid)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// What it changes is not kept yet.
    Pending,
    /// So.
    Answered(Answer),
}

impl Texts {
    /// Texts from before the restart: they have done what they do.
    pub(super) fn remember(&mut self, heard: &[MessageSid]) {
        for message in heard {
            self.note(*message, Taken::Answered(Answer::Nothing));
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(by, _)| *by)
    }

    fn note(&mut self, message: MessageSid, taken: Taken) {
        if self.seen.insert(message, taken).is_none() {
            self.order.push_back(message);
        }
        while self.order.len() > TEXTS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
    }

    fn answer(&mut self, message: MessageSid, answer: Answer, effects: &mut Effects) {
        self.note(message, Taken::Answered(answer));
        effects.push(Effect::Answer(message, answer));
    }

    /// What it changes is kept: whoever still waits, or asks again, is answered.
    pub(super) fn settle(
        &mut self,
        message: MessageSid,
        reply: Option<Reply>,
        effects: &mut Effects,
    ) {
        self.waiting.retain(|(_, other)| *other != message);
        self.answer(
            message,
            reply.map_or(Answer::Nothing, Answer::Reply),
            effects,
        );
    }

    /// It has changed nothing, and is taken as new when it comes again.
    pub(super) fn refuse(&mut self, message: MessageSid, effects: &mut Effects) {
        self.seen.remove(&message);
        self.order.retain(|other| *other != message);
        effects.push(Effect::Answer(message, Answer::Again));
    }
}

impl CallbackLedger {
    pub(super) fn on_text(&mut self, at: At, text: InboundText, effects: &mut Effects) {
        let message = text.message;
        match self.inbox.seen.get(&message) {
            Some(Taken::Pending) => effects.push(Effect::Answer(message, Answer::Again)),
            Some(Taken::Answered(answer)) => effects.push(Effect::Answer(message, *answer)),
            None if !self.is_ready => effects.push(Effect::Answer(message, Answer::Again)),
            None => self.on_new_text(at, text, effects),
        }
    }

    fn on_new_text(&mut self, at: At, text: InboundText, effects: &mut Effects) {
        let open = self.by_number.get(&text.from).copied();
        match text.intent {
            Intent::Stop => {
                let stop = Errand::OptOut(text.from, Some(at.utc));
                if let Some(id) = open {
                    self.end(id, End::OptedOut, effects);
                }
                self.run_text_errand(at, stop, text.message, effects);
            }
            Intent::Start => {
                let start = Errand::OptOut(text.from, None);
                self.run_text_errand(at, start, text.message, effects);
            }
            Intent::Help => self.reply(at, text.from, text.message, Reply::Help, effects),
            Intent::Call | Intent::Yes | Intent::No | Intent::At(_) | Intent::Free => match open {
                Some(id) => self.on_answer(at, id, &text, effects),
                None => self.on_answer_too_late(at, text, effects),
            },
        }
    }

    fn run_text_errand(
        &mut self,
        at: At,
        errand: Errand,
        message: MessageSid,
        effects: &mut Effects,
    ) {
        if self.run_errand(errand, Some(message), effects).is_none() {
            self.inbox.refuse(message, effects);
            return;
        }
        self.inbox.note(message, Taken::Pending);
        let by = at.now + self.settings.answer_within;
        self.inbox.waiting.push_back((by, message));
    }

    /// Webhooks that have waited long enough for an errand: the carrier asks again, and hears how it went.
    pub(super) fn answer_late(&mut self, at: At, effects: &mut Effects) {
        while let Some(&(by, message)) = self.inbox.waiting.front()
            && by <= at.now
        {
            self.inbox.waiting.pop_front();
            effects.push(Effect::Answer(message, Answer::Again));
        }
    }

    /// Somebody who has an open promise answers.
    fn on_answer(&mut self, at: At, id: PromiseId, text: &InboundText, effects: &mut Effects) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let stage = entry.promise.stage;
        if !stage.is_open() {
            self.inbox.refuse(text.message, effects);
            return;
        }
        if matches!(stage, Stage::Connected { .. }) {
            // They are speaking with us: nothing that is asked for now is about this promise any more.
            self.reply(at, text.from, text.message, Reply::Help, effects);
            return;
        }
        let reply = match text.intent {
            Intent::Yes | Intent::Call => Reply::Soon,
            Intent::No => Reply::Declined,
            Intent::At(wish) => match first_from(wish, at.utc, text) {
                Some(first) => Reply::At(first),
                None => Reply::NotThen,
            },
            Intent::Free | Intent::Stop | Intent::Start | Intent::Help => Reply::Unclear,
        };
        if reply == Reply::Unclear || reply == Reply::NotThen {
            self.reply(at, text.from, text.message, reply, effects);
            return;
        }
        if entry.promise.hears(text.message) {
            self.inbox.note(text.message, Taken::Pending);
            if reply == Reply::Declined {
                self.end(id, End::GaveUp(Why::Declined), effects);
            } else {
                self.confirm(at, id, text, reply, effects);
            }
        }
        let (message, by) = (text.message, Some(at.now + self.settings.answer_within));
        let waiting = Waiting::Text { message, by, reply };
        if self.wait(id, waiting).is_none() {
            effects.push(Effect::Answer(message, Answer::Again));
        }
    }

    /// They want to be rung: so it was they who asked for it.
    fn confirm(
        &mut self,
        at: At,
        id: PromiseId,
        text: &InboundText,
        reply: Reply,
        effects: &mut Effects,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        // Whoever asks for it may be rung in the middle of a call.
        entry.on_line_until = at.now;
        let promise = &mut entry.promise;
        promise.is_confirmed = true;
        let horizon = |hours: &AllowedHours| hours.stretches().last().map(|last| last.until);
        if horizon(&text.hours) > horizon(&promise.hours) {
            promise.hours = text.hours.clone();
        }
        match (text.intent, reply) {
            (Intent::Call, _) => promise.not_before = None,
            (_, Reply::At(first)) => promise.not_before = Some(first),
            (
                Intent::Stop
                | Intent::Start
                | Intent::Help
                | Intent::Yes
                | Intent::No
                | Intent::At(_)
                | Intent::Free,
                _,
            ) => {}
        }
        let (stage, first) = (promise.stage, promise.not_before);
        if let Some(first) = first {
            self.prolong(id, later(first, OPEN_BEHIND));
        }
        match stage {
            Stage::Asked { text } => self.due(id, text, at.utc, 0, effects),
            Stage::Due { text, rings, .. } => self.due(id, text, at.utc, rings, effects),
            Stage::Promised { .. }
            | Stage::Texting { .. }
            | Stage::Ringing { .. }
            | Stage::Connected { .. }
            | Stage::Ended(_) => self.save(id, effects),
        }
    }

    /// Somebody without an open promise answers: one who had one may have another.
    fn on_answer_too_late(&mut self, at: At, text: InboundText, effects: &mut Effects) {
        let (from, message) = (text.from, text.message);
        let over = self
            .past
            .of(from)
            .filter(|over| over.end != End::OptedOut)
            .cloned();
        let not_before = match text.intent {
            Intent::Call => Ok(None),
            Intent::At(wish) => first_from(wish, at.utc, &text)
                .map(Some)
                .ok_or(Reply::NotThen),
            Intent::Yes
            | Intent::No
            | Intent::Free
            | Intent::Stop
            | Intent::Start
            | Intent::Help => Err(Reply::CallUs),
        };
        match (over, not_before) {
            (Some(over), Ok(not_before)) => self.promise_again(at, text, over, not_before, effects),
            (Some(_), Err(reply)) => self.reply(at, from, message, reply, effects),
            (None, Ok(_) | Err(_)) => self.reply(at, from, message, Reply::CallUs, effects),
        }
    }

    fn promise_again(
        &mut self,
        at: At,
        text: InboundText,
        over: Over,
        not_before: Option<Utc>,
        effects: &mut Effects,
    ) {
        let (from, message) = (text.from, text.message);
        let is_stopping = self.errands.is_stopping(from);
        let room = self.check_room(at, from, Some(from), false);
        let has_hours = text.hours.next(at.utc).is_some();
        let may = self.settings.destinations.allow(from, over.called) && self.clock.is_sane();
        if is_stopping || room.is_err() || !has_hours || !may {
            if let Err(Cannot::Capped(cap)) = room {
                effects.observe(super::effect::Seen::Capped(cap));
            }
            self.reply(at, from, message, Reply::CallUs, effects);
            return;
        }
        let expires = later(at.utc, self.settings.expires_after);
        let promise = Promise {
            id: text.promise,
            call: over.call,
            to: from,
            caller: Some(from),
            called: over.called,
            language: over.language,
            source: Source::CallerId,
            consent: Consent::Given,
            is_confirmed: true,
            hours: text.hours,
            not_before,
            promised: at.utc,
            expires: not_before.map_or(expires, |first| expires.max(later(first, OPEN_BEHIND))),
            stage: Stage::Due {
                text: Texted::Not,
                from: at.utc,
                rings: 0,
            },
            acts: Vec::new(),
            heard: vec![message],
        };
        let reply = not_before.map_or(Reply::Soon, Reply::At);
        self.inbox.note(message, Taken::Pending);
        let id = self.promise(at, promise, effects);
        let by = Some(at.now + self.settings.answer_within);
        let waiting = Waiting::Text { message, by, reply };
        self.wait(id, waiting)
            .expect("a new promise has nobody waiting");
    }

    /// Writes back, unless that number has had enough answers.
    pub(super) fn reply(
        &mut self,
        at: At,
        to: Number,
        message: MessageSid,
        reply: Reply,
        effects: &mut Effects,
    ) {
        let reply = self.caps.answers(at.utc, to).then_some(reply);
        self.inbox.settle(message, reply, effects);
    }
}

/// The first moment at which we ring from the one that was asked for; `None`: it is past, too far ahead, or there is none soon.
fn first_from(wish: Utc, now: Utc, text: &InboundText) -> Option<Utc> {
    let first = text.hours.next(wish)?;
    let is_ahead = wish >= now && wish.since(now) <= AHEAD_MAX;
    (is_ahead && first.since(wish) <= OPEN_BEHIND).then_some(first)
}
