//! Which promises this desk serves, where nodes share them: those that it made, those of desks that are gone, and those that
//! somebody asks for here.
//!
//! It owns the look through the shared store, a few pages at a time, and the change that makes a promise this desk's. Whoever
//! changed it last serves it: another desk finds that out by its next change, or by its next look, and lets go. What it may have
//! requested meanwhile is noted there and looked up by the ledger, as after a restart. What others serve is handed on to be counted
//! ([`super::sighting`]). It must not decide what is done about a promise.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::Message;
use super::archive::{Common, change_of, unread};
use super::desk::Desk;
use super::served::{self, DeskName};
use super::sighting::There;
use crate::core::callback::effect::SendNote;
use crate::core::callback::input::{Input, Wanted};
use crate::core::callback::intent::Intent;
use crate::core::callback::number::Number;
use crate::core::callback::promise::{Promise, SendId, SendKind};
use crate::core::ids::PromiseId;
use crate::core::time::{Instant, Utc};
use crate::server::clock::Clock;
use crate::store::shared::{ClaimId, Shared as _};
use crate::store::{Changed, PromiseRecord, Store as _, StoreError};
use crate::telemetry::Count;

/// How often is looked, and after how long again where nothing comes of it.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// How many promises a page has, and how many pages one look: the rest is looked at in the next one.
const PAGE: usize = 64;
const PAGES_MAX: usize = 16;

/// How many promises are being taken over at once: beyond it those of other desks wait for a later look, and who asks for one here is
/// told that it cannot be had.
const TAKING_MAX: usize = 1_024;

/// How often a promise that changes under our hands is asked for anew.
const TRIES: usize = 3;

/// How far the look through the shared store is.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// When the next part is looked at; `None`: what is kept was not read yet.
    pub(super) at: Option<Instant>,
    after: Option<PromiseId>,
    pub(super) there: There,
    taking: usize,
}

/// A part of what stands in the shared store.
#[derive(Debug, Default)]
pub(super) struct Swept {
    there: Vec<PromiseId>,
    sighted: Vec<Sighted>,
    /// Where the next part begins.
    after: Option<PromiseId>,
    /// Whether nothing stands behind this part.
    is_last: bool,
}

/// A promise that stands there and can be read.
#[derive(Debug)]
struct Sighted {
    record: PromiseRecord,
    is_mine: bool,
    /// To be served by whoever takes it.
    is_free: bool,
}

/// What became of serving a promise in place of another desk.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is this desk's, by this revision.
    Mine(Box<Promise>, u64),
    /// There is no such open promise.
    Nothing,
    /// The shared store does not say, or somebody else was first.
    Failed,
}

/// Which promise is sought.
#[derive(Clone, Copy, Debug)]
enum Sought {
    Id(PromiseId),
    /// The open one to this number.
    To(Number),
    /// The one that this request serves.
    Of(SendId, SendKind),
}

impl Desk {
    /// Gives the claim back: others serve from now on what this desk served.
    pub(super) fn step_down(&mut self) {
        if let Some(standing) = &self.standing {
            let released = standing.release();
            self.shared.tasks.spawn("claim", async move {
                if let Err(error) = released.await {
                    tracing::debug!(%error, "the claim of this node ends by itself");
                }
            });
        }
    }

    /// Looks at the next part of what stands in the shared store, when it is time.
    pub(super) fn sweep(&mut self, now: Instant) {
        let Some(standing) = &self.standing else {
            return;
        };
        let is_due = self.sweep.at.is_some_and(|at| at <= now);
        if !is_due || self.is_stopping || !standing.may_look(now) {
            return;
        }
        self.sweep.at = Some(now + LOOK_TIMEOUT);
        let (common, after) = (Arc::clone(&standing.common), self.sweep.after);
        let (tell, life) = (self.tell.clone(), self.life);
        self.shared.tasks.spawn("promises", async move {
            let swept = common.look(after).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "the shared store does not say which promises there are");
                Swept {
                    after,
                    ..Swept::default()
                }
            });
            tell.send(Message::Swept(life, swept)).await.ok(); // The desk may be gone.
        });
    }

    pub(super) fn on_swept(&mut self, now: Instant, utc: Utc, swept: Swept) {
        self.sweep.at = Some(now + LOOK_EVERY);
        self.sweep.after = swept.after;
        let standing = self.standing.as_ref().filter(|_| !self.is_stopping);
        let may_serve = standing.is_some_and(|standing| standing.may_follow(now));
        for id in swept.there {
            self.sweep.there.note(id);
        }
        for sighted in swept.sighted {
            let (id, revision) = (sighted.record.id, sighted.record.revision);
            let is_here = self.ledger.revision_of(id).is_some();
            if !sighted.is_mine {
                if is_here {
                    self.handle(now, utc, Input::LetGo(id, revision));
                }
                self.sights(now, utc, &sighted.record);
            }
            let is_free = sighted.is_free && !is_here && may_serve;
            if is_free && self.sweep.taking < TAKING_MAX {
                let record = sighted.record;
                self.take_over(None, |common| async move { common.take(record).await });
            }
        }
        if swept.is_last {
            self.has_looked_through(now, utc);
        }
    }

    /// What is to be done with a message now; `None`: it is about a promise that the ledger does not have, which is sought first.
    pub(super) fn seek(&mut self, message: Message) -> Option<Message> {
        let sought = match &message {
            _ if self.standing.is_none() || self.sweep.at.is_none() => return Some(message),
            Message::Text(text, _) => self.sought_by(text.from),
            Message::Heard(Input::TextStatus(send, ..)) => self.sought_for(*send, SendKind::Text),
            Message::Heard(Input::RingStatus(send, ..)) | Message::Answered(send, ..) => {
                self.sought_for(*send, SendKind::Ring)
            }
            Message::Order(id, ..) => {
                let is_here = self.ledger.revision_of(*id).is_some();
                (!is_here).then_some(Sought::Id(*id))
            }
            Message::Wanted(..)
            | Message::Heard(_)
            | Message::Outcome(..)
            | Message::Restored(..)
            | Message::Claimed(..)
            | Message::Swept(..)
            | Message::Taken(..)
            | Message::Look(..)
            | Message::Number(..)
            | Message::Forget(..) => None,
        };
        let Some(sought) = sought else {
            return Some(message);
        };
        if self.sweep.taking >= TAKING_MAX {
            self.do_without(message);
            return None;
        }
        self.take_over(Some(Box::new(message)), move |common| async move {
            common.find(sought).await
        });
        None
    }

    /// The store says that a caller is on the list, and they hear that here: from now on their promise is served here, where it
    /// is known that they are on the line, and what was said.
    pub(super) fn seek_promise_for(&mut self, wanted: Box<Wanted>) {
        if self.sweep.taking >= TAKING_MAX {
            return;
        }
        let (number, told) = (wanted.to, oneshot::channel().0);
        let again = Message::Wanted(wanted, told);
        self.take_over(Some(Box::new(again)), move |common| async move {
            common.find(Sought::To(number)).await
        });
    }

    fn sought_by(&self, number: Number) -> Option<Sought> {
        let is_here = self.ledger.promise_to(number).is_some();
        (!is_here).then_some(Sought::To(number))
    }

    fn sought_for(&self, send: SendId, kind: SendKind) -> Option<Sought> {
        let is_here = self.ledger.promise_of(send).is_some();
        (!is_here).then_some(Sought::Of(send, kind))
    }

    /// Has a promise taken over beside the loop; `then` is done when that is over.
    fn take_over<F>(
        &mut self,
        then: Option<Box<Message>>,
        taking: impl FnOnce(Arc<Common>) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<Taken, StoreError>> + Send + 'static,
    {
        let Some(standing) = &self.standing else {
            return;
        };
        self.sweep.taking += 1;
        let common = Arc::clone(&standing.common);
        let (tell, life) = (self.tell.clone(), self.life);
        self.shared.tasks.spawn("promises", async move {
            let taken = taking(common).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "a promise is not taken over");
                Taken::Failed
            });
            tell.send(Message::Taken(life, taken, then)).await.ok(); // The desk may be gone.
        });
    }

    pub(super) fn on_taken(
        &mut self,
        (now, utc): (Instant, Utc),
        taken: Taken,
        then: Option<Box<Message>>,
    ) {
        self.sweep.taking = self.sweep.taking.saturating_sub(1);
        let is_known = match taken {
            Taken::Mine(promise, revision) => {
                tracing::info!(promise = %promise.id, stage = promise.stage.name(), "a promise of another desk is served here");
                self.handle(now, utc, Input::Restored(promise, revision));
                true
            }
            Taken::Nothing => true,
            Taken::Failed => false,
        };
        match then {
            Some(then) if is_known => self.take_here(now, utc, *then),
            Some(then) => self.do_without(*then),
            None => {}
        }
    }

    /// It is not known whose promise a message is about: nothing is said of it but what must not be lost.
    fn do_without(&mut self, message: Message) {
        let (now, utc) = (self.shared.clock.now(), Clock::utc());
        match message {
            // Whoever serves the promise hears of these by what is kept of the number.
            Message::Text(text, answer) if matches!(text.intent, Intent::Stop | Intent::Start) => {
                self.take_here(now, utc, Message::Text(text, answer));
            }
            // How it goes on is looked up by whoever serves the promise.
            Message::Heard(_) => drop(self.shared.telemetry.count(Count::CallbacksDropped)),
            // Who asked comes again, or is told so.
            Message::Wanted(..)
            | Message::Text(..)
            | Message::Answered(..)
            | Message::Outcome(..)
            | Message::Restored(..)
            | Message::Claimed(..)
            | Message::Swept(..)
            | Message::Taken(..)
            | Message::Look(..)
            | Message::Number(..)
            | Message::Order(..)
            | Message::Forget(..) => {}
        }
    }
}

impl Common {
    /// The next part of what stands there.
    async fn look(&self, mut after: Option<PromiseId>) -> Result<Swept, StoreError> {
        let mut records = Vec::new();
        let mut is_last = false;
        for _ in 0..PAGES_MAX {
            let page = match self.store.promises(after, PAGE, Clock::utc()).await {
                // Those that cannot be read were told at the start.
                Ok(page) => page.records,
                Err(error) if records.is_empty() => return Err(error),
                // What was read counts; the next look goes on here.
                Err(error) => {
                    tracing::debug!(%error, "the shared store does not say which promises there are");
                    break;
                }
            };
            is_last = page.len() < PAGE;
            after = page.last().map(|record| record.id).filter(|_| !is_last);
            records.extend(page);
            if is_last {
                break;
            }
        }
        let mut there = BTreeMap::new();
        let mut swept = Swept {
            there: records.iter().map(|record| record.id).collect(),
            after,
            is_last,
            ..Swept::default()
        };
        for record in records {
            let Ok(desk) = served::desk_of(&record.state) else {
                // Of a newer version: a node of that version serves it.
                continue;
            };
            let is_free = record.is_open && !self.is_there(desk, &mut there).await;
            swept.sighted.push(Sighted {
                is_mine: desk == self.me,
                is_free,
                record,
            });
        }
        Ok(swept)
    }

    /// Whether another desk serves what bears its name. Where that is not known it does.
    async fn is_there(&self, desk: DeskName, known: &mut BTreeMap<DeskName, bool>) -> bool {
        if desk == DeskName::NOBODY || desk == self.me {
            return false;
        }
        if let Some(is_there) = known.get(&desk) {
            return *is_there;
        }
        let holder = self.store.claim_holder(ClaimId(desk.0)).await;
        let is_there = !matches!(holder, Ok(None));
        known.insert(desk, is_there);
        is_there
    }

    /// Serves a promise from now on, if it is still as it was read.
    async fn take(&self, record: PromiseRecord) -> Result<Taken, StoreError> {
        let (_, promise) = served::decode(&record.state).map_err(unread)?;
        let state = served::encode(self.me, &promise);
        let change = change_of(&promise, record.revision, SendNote::None, state);
        Ok(
            match self.store.change_promise(change, Clock::utc()).await? {
                Changed::Kept => Taken::Mine(Box::new(promise), record.revision + 1),
                Changed::Stale(_) | Changed::Unknown | Changed::OptedOut | Changed::Already(_) => {
                    Taken::Failed
                }
            },
        )
    }

    /// Serves the promise that is sought from now on, whoever served it.
    async fn find(&self, sought: Sought) -> Result<Taken, StoreError> {
        for _ in 0..TRIES {
            let Some(record) = self.record(sought).await? else {
                return Ok(Taken::Nothing);
            };
            match self.take(record).await? {
                Taken::Failed => {}
                taken @ (Taken::Mine(..) | Taken::Nothing) => return Ok(taken),
            }
        }
        Ok(Taken::Failed)
    }

    async fn record(&self, sought: Sought) -> Result<Option<PromiseRecord>, StoreError> {
        let now = Clock::utc();
        let found = match sought {
            Sought::Id(id) => self.store.promise_by_id(id, now).await?,
            Sought::To(number) => {
                let caller = self.store.caller(&number.dialled())?;
                self.store.open_promise(caller, now).await?
            }
            Sought::Of(send, kind) => {
                let promises = send.promises(kind);
                let asked = promises.map(|id| self.store.promise_by_id(id, now));
                let mut found = None;
                for answer in join_all(asked).await {
                    found = found.or(answer?);
                }
                found
            }
        };
        Ok(found.filter(|record| record.is_open))
    }
}
