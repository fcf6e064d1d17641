//! Redis as a [`Store`]: each method is one script, or a few pages of one.

use futures_util::FutureExt as _;
use futures_util::future::ready;
use tokio::time::timeout;

use super::pages::{From, pages, whole};
use super::script::{Request, Script};
use super::{CLOSE_TIMEOUT, LaneName, Redis, Way, calls, lock, promises};
use crate::core::ids::{CallId, PromiseId};
use crate::core::region::owner::Ruling;
use crate::core::time::Utc;
use crate::store::records::CallerHash;
use crate::store::{
    Answer, CallKey, CallRecord, Changed, Collected, EndedCall, Found, KnownCall, LOOK_UP_MAX,
    PromiseChange, PromiseRecord, Promised, SendId, SendRecord, State, Store, StoreError, TokenId,
};

/// How many records are thrown away in one step: a few milliseconds of Redis, which does nothing else meanwhile.
const COLLECT_MAX: usize = 500;

impl Store for Redis {
    fn checkpoint(&self, call: CallRecord) -> Answer<Ruling> {
        self.asker.ask(
            LaneName::Writes,
            Way::WRITE,
            calls::CALL,
            move |sealer| calls::checkpoint(&call, sealer),
            |fields, _| calls::ruling(fields),
        )
    }

    fn end_call(&self, ended: EndedCall) -> Answer<Ruling> {
        self.asker.ask(
            LaneName::Writes,
            Way::WRITE,
            calls::CALL,
            move |sealer| calls::end_call(&ended, sealer),
            |fields, _| calls::ruling(fields),
        )
    }

    fn call(&self, key: CallKey, now: Utc) -> Answer<Option<KnownCall>> {
        self.asker.ask(
            LaneName::Reads,
            Way::LOOK_UP,
            calls::CALL,
            move |_| Ok(calls::call(key, now)),
            calls::known_call,
        )
    }

    fn calls(&self, after: Option<CallId>, max: usize, now: Utc) -> Answer<Vec<CallRecord>> {
        let after = From::Name(after.map(CallId::bits));
        let request = move |from, max| page(Script::Calls, from, max).number(now.millis());
        whole(pages(
            &self.asker,
            calls::CALL,
            after,
            max,
            request,
            calls::in_progress,
        ))
    }

    fn claim_token(&self, token: TokenId, expires: Utc, now: Utc) -> Answer<bool> {
        match lock(&self.tokens).claim(token, expires, now) {
            Ok(true) => self.asker.ask(
                LaneName::Writes,
                Way::WRITE,
                "used token",
                move |_| Ok(calls::token(token, expires, now)),
                |mut fields, _| Ok(fields.text()? == "first"),
            ),
            answer @ (Ok(false) | Err(_)) => ready(answer).boxed(),
        }
    }

    fn caller(&self, number: &str) -> Result<CallerHash, StoreError> {
        Ok(self.asker.known.sealer.caller(number))
    }

    fn promise(&self, promise: PromiseRecord, now: Utc) -> Answer<Promised> {
        self.asker.ask(
            LaneName::Writes,
            Way::SURE_IF_AWAITED,
            promises::PROMISE,
            move |sealer| promises::promise(&promise, now, sealer),
            |fields, _| promises::promised(fields),
        )
    }

    fn change_promise(&self, change: PromiseChange, now: Utc) -> Answer<Changed> {
        self.asker.ask(
            LaneName::Writes,
            Way::SURE_IF_AWAITED,
            promises::PROMISE,
            move |sealer| promises::change_promise(&change, now, sealer),
            |fields, _| promises::changed(fields),
        )
    }

    fn promise_by_id(&self, id: PromiseId, now: Utc) -> Answer<Option<PromiseRecord>> {
        let request = Request::new(Script::PromiseById).name(id.bits());
        self.look_up(
            promises::PROMISE,
            request.number(now.millis()),
            promises::one,
        )
    }

    fn open_promise(&self, caller: CallerHash, now: Utc) -> Answer<Option<PromiseRecord>> {
        let request = Request::new(Script::OpenPromise).name(caller.0);
        self.look_up(
            promises::PROMISE,
            request.number(now.millis()),
            promises::one,
        )
    }

    fn promises(
        &self,
        after: Option<PromiseId>,
        max: usize,
        now: Utc,
    ) -> Answer<Found<PromiseRecord>> {
        let after = From::Name(after.map(PromiseId::bits));
        let request = move |from, max| page(Script::Promises, from, max).number(now.millis());
        pages(
            &self.asker,
            promises::PROMISE,
            after,
            max,
            request,
            promises::record,
        )
    }

    fn keep_context(&self, promise: PromiseId, call: CallId, now: Utc) -> Answer<bool> {
        let request = Request::new(Script::KeepContext)
            .name(promise.bits())
            .name(call.bits())
            .number(now.millis());
        self.asker.ask(
            LaneName::Writes,
            Way::WRITE,
            promises::CONTEXT,
            move |_| Ok(request),
            |mut fields, _| Ok(fields.text()? == "kept"),
        )
    }

    fn context(&self, promise: PromiseId) -> Answer<Option<State>> {
        let request = Request::new(Script::Context).name(promise.bits());
        self.look_up(promises::CONTEXT, request, promises::context)
    }

    fn due(&self, max: usize, now: Utc) -> Answer<Vec<PromiseRecord>> {
        let request = move |from, max| page(Script::Due, from, max).number(now.millis());
        whole(pages(
            &self.asker,
            promises::PROMISE,
            From::Place(0),
            max,
            request,
            promises::record,
        ))
    }

    fn sends(&self, after: Option<SendId>, max: usize) -> Answer<Vec<SendRecord>> {
        let after = From::Name(after.map(|after| after.0));
        let request = |from, max| page(Script::Sends, from, max);
        whole(pages(
            &self.asker,
            promises::SEND,
            after,
            max,
            request,
            promises::send,
        ))
    }

    fn set_opted_out(&self, caller: CallerHash, at: Option<Utc>) -> Answer<()> {
        let request = Request::new(Script::SetOptedOut)
            .name(caller.0)
            .number_or_nothing(at.map(Utc::millis));
        self.asker.ask(
            LaneName::Writes,
            Way::SURE,
            "opt-out",
            move |_| Ok(request),
            |_, _| Ok(()),
        )
    }

    fn opted_out(&self, caller: CallerHash) -> Answer<Option<Utc>> {
        let request = Request::new(Script::OptedOut).name(caller.0);
        self.look_up("opt-out", request, |fields, _| promises::opted_out(fields))
    }

    fn forget(&self, caller: CallerHash) -> Answer<usize> {
        let request = Request::new(Script::Forget)
            .name(caller.0)
            .count(LOOK_UP_MAX);
        self.asker.ask(
            LaneName::Writes,
            Way::SURE,
            promises::PROMISE,
            move |_| Ok(request),
            |mut fields, _| fields.count(),
        )
    }

    fn collect(&self, now: Utc) -> Answer<Collected> {
        let request = Request::new(Script::Collect)
            .count(COLLECT_MAX)
            .number(now.millis());
        self.asker.ask(
            LaneName::Writes,
            Way::WRITE,
            "record",
            move |_| Ok(request),
            |mut fields, _| {
                Ok(Collected {
                    removed: fields.count()?,
                    is_done: fields.text()? == "done",
                    left_alone: fields.count()?,
                })
            },
        )
    }

    fn close(&self) -> Answer<()> {
        drop(lock(&self.asker.queues).take());
        let mut running = self.running.clone();
        async move {
            // The sender goes with the thread.
            let ended = timeout(CLOSE_TIMEOUT, running.changed()).await;
            ended.map(drop).map_err(|_| StoreError::TimedOut)
        }
        .boxed()
    }
}

/// The request for a page.
fn page(script: Script, from: From, max: usize) -> Request {
    let request = Request::new(script);
    match from {
        From::Name(after) => request.name_or_nothing(after).count(max),
        From::Place(place) => request.count(place).count(max),
    }
}
