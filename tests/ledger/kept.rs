//! Ten thousand promises in a minute over the real store: on a disk, by the real clock, at the throttle's pace.
//!
//! `cargo test --release --test ledger kept -- --ignored --nocapture` takes two minutes and prints what it took: memory, the time from
//! a wish to its answer, and writes. `RINGBACK_LEDGER_PROMISES=500` makes so many, at the same pace.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ringback::core::callback::CallbackLedger;
use ringback::core::callback::effect::{Effect, Effects, SendNote, Told, Write, WriteId};
use ringback::core::callback::input::{Input, Stored, TextOutcome};
use ringback::core::callback::promise::{Promise, SendId};
use ringback::core::ids::{CallId, MessageSid, PromiseId};
use ringback::core::time::{Instant, Utc};
use ringback::store::embedded::{Embedded, EmbeddedSettings, StoreFile};
use ringback::store::{
    Changed, KeySource, PromiseChange, PromiseRecord, Promised, SendRecord, SendStep, State,
    Store as _, StoreError, promise_form,
};
use tokio::time::Instant as Wall;

use crate::lives::asked;
use crate::stories::Desk;
use crate::storm::{STORM, open_handed};

/// From one wish to the next: ten thousand in a minute.
const EVERY: Duration = Duration::from_millis(6);

type Answer = Pin<Box<dyn Future<Output = (WriteId, Stored)>>>;

/// A ledger with a store behind it, by the real clock.
struct Scene {
    desk: Desk,
    store: Embedded,
    began: Wall,
    writes: FuturesUnordered<Answer>,
    asked: BTreeMap<CallId, Duration>,
    /// What calls were told, in order, with how long it took.
    told: Vec<(CallId, Told, Duration)>,
    texts: Vec<(Duration, SendId)>,
    counted: u64,
}

impl Scene {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn utc(&mut self) -> Utc {
        self.desk.now = self.now();
        self.desk.utc()
    }

    fn tell(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let utc = self.utc();
            let now = self.now();
            let mut effects = Effects::new();
            let ledger: &mut CallbackLedger = &mut self.desk.ledger;
            ledger.handle(Instant::from_start(now), utc, input, &mut effects);
            for effect in effects.drain() {
                match effect {
                    Effect::Write(id, write) => self.write(id, write, utc),
                    Effect::CheckTime => inputs.push(Input::Checked(utc)),
                    Effect::Text(text) => {
                        self.counted += 1;
                        self.texts.push((now, text.send));
                        let sid = MessageSid::parse(&format!("SM{:032x}", self.counted)).unwrap();
                        inputs.push(Input::Texted(text.send, TextOutcome::Accepted(sid)));
                    }
                    Effect::Tell(call, told) => {
                        let after = now.saturating_sub(self.asked[&call]);
                        self.told.push((call, told, after));
                    }
                    Effect::LookUpText { .. }
                    | Effect::LookUpRing { .. }
                    | Effect::Ring(_)
                    | Effect::CancelRing(_)
                    | Effect::Answer(..)
                    | Effect::Observe(_) => {}
                }
            }
        }
    }

    fn write(&self, id: WriteId, write: Write, now: Utc) {
        let failed = |_: StoreError| Stored::Failed;
        let answer: Answer = match write {
            Write::Promise(promise, within) => {
                let kept = self.store.promise(record_of(&self.store, &promise), now);
                Box::pin(async move {
                    let kept = tokio::time::timeout(within, kept).await;
                    let kept = kept.unwrap_or(Err(StoreError::TimedOut));
                    let stored = kept.map_or_else(failed, |kept| match kept {
                        Promised::Kept => Stored::Kept,
                        Promised::Already(other) => Stored::Already(other),
                        Promised::OptedOut => Stored::OptedOut,
                    });
                    (id, stored)
                })
            }
            Write::Change {
                promise,
                from_revision,
                send,
            } => {
                let change = change_of(&promise, from_revision, send, now);
                let changed = self.store.change_promise(change, now);
                Box::pin(async move {
                    let stored = changed.await.map_or_else(failed, |changed| match changed {
                        Changed::Kept => Stored::Kept,
                        Changed::Unknown => Stored::Unknown,
                        Changed::Stale(revision) => Stored::Stale(revision),
                        Changed::OptedOut => Stored::OptedOut,
                        Changed::Already(other) => Stored::Already(other),
                    });
                    (id, stored)
                })
            }
            Write::OptOut(..) | Write::Forget(_) => panic!("nobody asks for it"),
        };
        self.writes.push(answer);
    }

    /// Lives until so much time has passed since the beginning, or `is_over`.
    async fn live(&mut self, until: Duration, is_over: impl Fn(&Self) -> bool) {
        while self.now() < until && !is_over(self) {
            let due = self.desk.ledger.deadline().map(Instant::since_start);
            let wake = self.began + due.map_or(until, |due| due.min(until));
            tokio::select! {
                Some((id, stored)) = self.writes.next(), if !self.writes.is_empty() => {
                    self.tell(Input::Stored(id, stored));
                }
                () = tokio::time::sleep_until(wake) => self.tell(Input::Tick),
            }
        }
    }
}

fn record_of(store: &Embedded, promise: &Promise) -> PromiseRecord {
    PromiseRecord {
        id: promise.id,
        caller: store.caller(&promise.to.dialled()).unwrap(),
        revision: 0,
        is_open: promise.stage.is_open(),
        due: promise.due(),
        expires: promise.kept_until(),
        state: State(promise_form::encode(promise)),
    }
}

fn change_of(promise: &Promise, from_revision: u64, send: SendNote, at: Utc) -> PromiseChange {
    let name = |send: SendId| ringback::store::SendId(send.bits());
    PromiseChange {
        id: promise.id,
        from_revision,
        is_open: promise.stage.is_open(),
        due: promise.due(),
        expires: promise.kept_until(),
        state: State(promise_form::encode(promise)),
        send: match send {
            SendNote::None => SendStep::None,
            SendNote::Begin(send) => SendStep::Begin(SendRecord {
                id: name(send),
                promise: promise.id,
                at,
                state: State::default(),
            }),
            SendNote::End(send) => SendStep::End(name(send)),
        },
    }
}

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn open(folder: &Folder) -> Embedded {
    let file = StoreFile::new(folder.0.join("store.redb"), KeySource::Beside);
    Embedded::open(file, EmbeddedSettings::default()).unwrap()
}

/// What of this process is resident, in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.unwrap().split_whitespace().next().unwrap();
    figure.parse().unwrap()
}

/// Prints what it took.
fn report(scene: &Scene, (storm, texting): (Duration, Duration), (before, most): (u64, u64)) {
    let is_kept = |told: &&(CallId, Told, Duration)| matches!(told.1, Told::Promised { .. });
    let (all, kept) = (scene.told.len(), scene.told.iter().filter(is_kept).count());
    let mut after: Vec<_> = scene.told.iter().map(|(_, _, after)| *after).collect();
    after.sort_unstable();
    let share = |percent: usize| after[(after.len() - 1) * percent / 100];
    eprintln!(
        "{all} promises in {storm:?}: {kept} kept; answered after {:?} (median), {:?} (99 %), {:?} (longest)",
        share(50),
        share(99),
        share(100)
    );
    let more = most.saturating_sub(before);
    eprintln!(
        "{} texts in {texting:?}; {:?}; {} MiB more at the most, {} KiB a promise",
        scene.texts.len(),
        scene.store.counts(),
        more / 1024,
        more / u64::try_from(all).unwrap()
    );
}

/// Whoever wished first is told and texted first, and no hundred texts leave in less than a second.
fn check_order(scene: &Scene, kept: &[CallId]) {
    assert!(
        kept.is_sorted_by_key(|call| call.bits()),
        "told in another order"
    );
    let sends = kept
        .iter()
        .map(|call| SendId::text(PromiseId::from_bits(call.bits())));
    let texted = scene.texts.iter().map(|(_, send)| *send);
    assert!(texted.eq(sends), "texted in another order");
    let spans = scene
        .texts
        .windows(101)
        .map(|some| some[100].0.saturating_sub(some[0].0));
    assert!(
        spans
            .min()
            .is_none_or(|least| least >= Duration::from_millis(980))
    );
}

#[tokio::test]
#[ignore = "two minutes by the real clock; run by hand"]
async fn promises_of_a_minute_are_on_disk_before_they_are_told_and_texted_in_order() {
    let count = asked("RINGBACK_LEDGER_PROMISES").unwrap_or(STORM);
    let path = std::env::temp_dir().join(format!("ringback-kept-{}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    let folder = Folder(path);
    let before = resident();
    let mut scene = Scene {
        desk: Desk::new(open_handed()),
        store: open(&folder),
        began: Wall::now(),
        writes: FuturesUnordered::new(),
        asked: BTreeMap::new(),
        told: Vec::new(),
        texts: Vec::new(),
        counted: 0,
    };
    let mut most = 0;
    for nth in 0..count {
        let due = EVERY * u32::try_from(nth).unwrap();
        scene.live(due, |_| false).await;
        let asked_at = scene.now();
        scene.asked.insert(CallId::from_bits(nth.into()), asked_at);
        let wanted = scene.desk.wanted(nth);
        scene.tell(wanted);
        if nth % 100 == 0 {
            most = most.max(resident());
        }
    }
    let storm = scene.now();
    let all = usize::try_from(count).unwrap();
    scene
        .live(storm + Duration::from_secs(5), |scene| {
            scene.told.len() == all
        })
        .await;
    let kept: Vec<_> = scene
        .told
        .iter()
        .filter(|(_, told, _)| matches!(told, Told::Promised { .. }))
        .map(|(call, ..)| *call)
        .collect();
    let texted = kept.len();
    let last = Duration::from_mins(5);
    scene.live(last, |scene| scene.texts.len() == texted).await;
    let texting = scene.now();
    // What was written of the last ones.
    let soon = texting + Duration::from_secs(5);
    scene.live(soon, |scene| scene.writes.is_empty()).await;
    most = most.max(resident());

    report(&scene, (storm, texting), (before, most));
    assert_eq!(scene.told.len(), all, "everybody was told something");
    assert!(texted * 100 >= all * 99, "{texted} of {all}");
    check_order(&scene, &kept);
    // Whatever was told is there for the next life.
    let utc = scene.utc();
    scene.store.close().await.unwrap();
    let next = open(&folder);
    for call in &kept {
        let id = PromiseId::from_bits(call.bits());
        assert!(next.promise_by_id(id, utc).await.unwrap().is_some(), "{id}");
    }
    next.close().await.unwrap();
}
