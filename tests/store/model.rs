//! Whatever is asked in whatever order, with restarts in between: the store answers like a few maps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ringback::core::ids::{CallId, PromiseId};
use ringback::core::region::owner::{Entry, Ruling, Tenure, Title};
use ringback::core::time::Utc;
use ringback::store::{
    CallKey, CallRecord, Changed, EndedCall, KnownCall, PromiseChange, PromiseRecord, Promised,
    SendStep, Store as _, TokenId,
};

use crate::redis::Place;
use crate::support::{Folder, Home, at, close, sid, state, tenure};

/// Few names, so that they meet.
const NAMES: u128 = 4;

/// Tokens, each with an expiry of its own: that is a part of it, and the same whoever shows it.
const TOKENS: u128 = 8;

const fn expiry(token: u128) -> u64 {
    3 + 7 * (token % TOKENS) as u64
}

/// Names are numbers below [`NAMES`], times are milliseconds.
#[derive(Clone, Debug)]
enum Step {
    /// Call, epoch, whether by the one node or the other, number, expiry.
    Checkpoint(u128, u32, bool, u32, u64),
    /// Call, epoch and node of who ends it (`None`: the carrier), expiry.
    End(u128, Option<(u32, bool)>, u64),
    /// Token.
    Claim(u128),
    /// Promise, caller, due time, expiry.
    Promise(u128, u128, Option<u64>, u64),
    /// Promise, revision, whether it is open, due time, expiry.
    Change(u128, u64, bool, Option<u64>, u64),
    /// Caller, whether they want nothing.
    OptOut(u128, bool),
    /// Caller.
    Forget(u128),
    Collect,
    Restart,
}

fn by(call: u128, epoch: u32, node: bool) -> Tenure {
    tenure(call, if node { "east" } else { "west" }, epoch)
}

/// The time passes by one at each step.
fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES;
    let expires = || 1..60_u64;
    let due = || prop::option::of(0..60_u64);
    prop_oneof![
        6 => (name(), 0..3_u32, any::<bool>(), 0..4_u32, expires()).prop_map(
            |(call, epoch, node, turn, expires)| Step::Checkpoint(call, epoch, node, turn, expires)
        ),
        2 => (name(), prop::option::of((0..3_u32, any::<bool>())), expires())
            .prop_map(|(call, by, expires)| Step::End(call, by, expires)),
        3 => (0..TOKENS).prop_map(Step::Claim),
        6 => (name(), name(), due(), expires())
            .prop_map(|(promise, caller, due, expires)| Step::Promise(promise, caller, due, expires)),
        6 => (name(), 0..3_u64, any::<bool>(), due(), expires()).prop_map(
            |(promise, revision, is_open, due, expires)| {
                Step::Change(promise, revision, is_open, due, expires)
            }
        ),
        1 => (name(), any::<bool>()).prop_map(|(caller, is_out)| Step::OptOut(caller, is_out)),
        1 => name().prop_map(Step::Forget),
        2 => Just(Step::Collect),
        1 => Just(Step::Restart),
    ]
}

/// What the store should hold.
#[derive(Default)]
struct Model {
    calls: BTreeMap<u128, CallRecord>,
    ended: BTreeMap<u128, EndedCall>,
    tokens: BTreeMap<u128, u64>,
    promises: BTreeMap<u128, PromiseRecord>,
    opted_out: BTreeMap<u128, Utc>,
}

impl Model {
    /// What has expired does not exist.
    fn pass(&mut self, now: Utc) {
        self.calls.retain(|_, call| call.expires > now);
        self.ended.retain(|_, ended| ended.expires > now);
        self.tokens.retain(|_, expires| at(*expires) > now);
        // But what is open does not expire.
        self.promises
            .retain(|_, promise| promise.is_open || promise.expires > now);
    }

    fn title(&self, call: u128) -> Option<Title> {
        let ended = self.ended.get(&call).map(|_| Title::Ended);
        ended.or_else(|| self.calls.get(&call).map(CallRecord::title))
    }

    fn open_of(&self, promise: &PromiseRecord) -> Option<PromiseId> {
        let mut of_caller = self.promises.values();
        let open = of_caller.find(|other| other.is_open && other.caller == promise.caller);
        open.map(|open| open.id)
    }
}

struct World<H: Home> {
    home: H,
    store: H::Kept,
    model: Model,
    now: Utc,
}

impl<H: Home> World<H> {
    async fn run(&mut self, step: Step) {
        let now = self.now;
        self.model.pass(now);
        match step {
            Step::Checkpoint(call, epoch, node, turn, expires) => {
                let record = CallRecord {
                    sid: sid(call),
                    by: by(call, epoch, node),
                    turn,
                    updated: now,
                    expires: at(expires),
                    state: state(&format!("{now:?}")),
                };
                self.checkpoint(record).await;
            }
            Step::End(call, ends, expires) => {
                let ends = ends.map(|(epoch, node)| by(call, epoch, node));
                self.end(call, ends, at(expires)).await;
            }
            Step::Claim(token) => self.claim(token).await,
            Step::Promise(promise, caller, due, expires) => {
                let record = PromiseRecord {
                    id: PromiseId::from_bits(promise),
                    caller: self.caller(caller),
                    revision: 0,
                    is_open: true,
                    due: due.map(at),
                    expires: at(expires),
                    state: state(&format!("{now:?}")),
                };
                self.promise(caller, record).await;
            }
            Step::Change(promise, revision, is_open, due, expires) => {
                let change = PromiseChange {
                    id: PromiseId::from_bits(promise),
                    from_revision: revision,
                    is_open,
                    due: due.map(at),
                    expires: at(expires),
                    state: state(&format!("{now:?}")),
                    send: SendStep::None,
                };
                self.change(promise, change).await;
            }
            Step::OptOut(caller, is_out) => self.opt_out(caller, is_out.then_some(now)).await,
            Step::Forget(caller) => {
                let hash = self.caller(caller);
                self.store.forget(hash).await.unwrap();
                self.model
                    .promises
                    .retain(|_, promise| promise.caller != hash);
            }
            Step::Collect => assert!(self.store.collect(now).await.unwrap().is_done),
            Step::Restart => {
                self.store.close().await.unwrap();
                self.store = self.home.open().await;
            }
        }
        self.now = at(now.millis() + 1);
    }

    async fn end(&mut self, call: u128, by: Option<Tenure>, expires: Utc) {
        let ended = EndedCall {
            id: CallId::from_bits(call),
            sid: sid(call),
            by,
            at: self.now,
            expires,
            state: state(&format!("{:?}", self.now)),
        };
        let title = self.model.title(call);
        let expected = match (by, title) {
            (_, Some(Title::Ended)) => Ruling::Ended,
            (Some(by), title) => Title::rule(title, by, Entry::End),
            (None, _) => Ruling::Kept,
        };
        assert_eq!(self.store.end_call(ended.clone()).await, Ok(expected));
        if expected == Ruling::Kept {
            self.model.calls.remove(&call);
            self.model.ended.insert(call, ended);
        }
    }

    async fn claim(&mut self, token: u128) {
        let expires = expiry(token);
        let claim = self
            .store
            .claim_token(TokenId(token), at(expires), self.now);
        let expected = at(expires) > self.now && !self.model.tokens.contains_key(&token);
        assert_eq!(claim.await, Ok(expected));
        if expected {
            self.model.tokens.insert(token, expires);
        }
    }

    async fn opt_out(&mut self, caller: u128, since: Option<Utc>) {
        let hash = self.caller(caller);
        self.store.set_opted_out(hash, since).await.unwrap();
        self.model.opted_out.remove(&caller);
        self.model
            .opted_out
            .extend(since.map(|since| (caller, since)));
    }

    async fn checkpoint(&mut self, record: CallRecord) {
        let id = record.id().bits();
        let entry = Entry::Checkpoint(record.turn);
        let expected = Title::rule(self.model.title(id), record.by, entry);
        assert_eq!(self.store.checkpoint(record.clone()).await, Ok(expected));
        if expected == Ruling::Kept {
            self.model.calls.insert(id, record);
        }
    }

    async fn promise(&mut self, caller: u128, record: PromiseRecord) {
        let told = self.store.promise(record.clone(), self.now).await.unwrap();
        let same = self.model.promises.get(&record.id.bits());
        let expected = match self.model.open_of(&record) {
            _ if self.model.opted_out.contains_key(&caller) => Promised::OptedOut,
            Some(other) => Promised::Already(other),
            None if same.is_some() => Promised::Already(record.id),
            None => Promised::Kept,
        };
        assert_eq!(told, expected);
        if expected == Promised::Kept {
            self.model.promises.insert(record.id.bits(), record);
        }
    }

    async fn change(&mut self, id: u128, change: PromiseChange) {
        let told = self
            .store
            .change_promise(change.clone(), self.now)
            .await
            .unwrap();
        let Some(before) = self.model.promises.get(&id) else {
            assert_eq!(told, Changed::Unknown);
            return;
        };
        let open = self.model.open_of(before).filter(|open| *open != change.id);
        let expected = match open {
            _ if before.revision != change.from_revision => Changed::Stale(before.revision),
            Some(other) if change.is_open => Changed::Already(other),
            Some(_) | None => Changed::Kept,
        };
        assert_eq!(told, expected);
        if expected == Changed::Kept {
            let after = PromiseRecord {
                id: before.id,
                caller: before.caller,
                revision: before.revision + 1,
                is_open: change.is_open,
                due: change.due,
                expires: change.expires,
                state: change.state,
            };
            self.model.promises.insert(id, after);
        }
    }

    fn caller(&self, number: u128) -> ringback::store::CallerHash {
        self.store.caller(&format!("+1555{number:07}")).unwrap()
    }

    /// Everything that can be asked is answered alike.
    async fn compare(&mut self) {
        let now = self.now;
        self.model.pass(now);
        let model = &self.model;
        for name in 0..NAMES {
            let ended = model.ended.get(&name).cloned().map(KnownCall::Ended);
            let call = model.calls.get(&name).cloned().map(KnownCall::InProgress);
            let expected = ended.or(call);
            for key in [
                CallKey::Id(CallId::from_bits(name)),
                CallKey::Sid(sid(name)),
            ] {
                assert_eq!(
                    self.store.call(key, now).await.unwrap(),
                    expected,
                    "{key:?}"
                );
            }
            let caller = self.caller(name);
            let open = self.store.open_promise(caller, now).await.unwrap();
            let mut promises = model.promises.values();
            let expected = promises.find(|other| other.is_open && other.caller == caller);
            assert_eq!(open.as_ref(), expected);
            let out = self.store.opted_out(caller).await.unwrap();
            assert_eq!(out, model.opted_out.get(&name).copied());
        }
        let calls = self.store.calls(None, 100, now).await.unwrap();
        assert!(calls.iter().eq(model.calls.values()), "{calls:?}");
        let promises = self.store.promises(None, 100, now).await.unwrap().records;
        assert!(promises.iter().eq(model.promises.values()), "{promises:?}");
        let due = self.store.due(100, now).await.unwrap();
        let is_due =
            |promise: &&PromiseRecord| promise.is_open && promise.due.is_some_and(|due| due <= now);
        let mut expected: Vec<_> = model.promises.values().filter(is_due).cloned().collect();
        expected.sort_by_key(|promise| (promise.due, promise.id));
        assert_eq!(due, expected);
    }
}

/// Runs the steps in a store, and in the maps.
fn answers_like_a_few_maps<H: Home>(steps: Vec<Step>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        let home = H::new().await;
        let store = home.open().await;
        let mut world = World {
            home,
            store,
            model: Model::default(),
            now: at(0),
        };
        for step in steps {
            world.run(step).await;
            world.compare().await;
        }
        close(world.store).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_file_answers_like_a_few_maps(steps in prop::collection::vec(step(), 1..60)) {
        answers_like_a_few_maps::<Folder>(steps);
    }

    #[test]
    fn redis_answers_like_a_few_maps(steps in prop::collection::vec(step(), 1..60)) {
        answers_like_a_few_maps::<Place>(steps);
    }
}
