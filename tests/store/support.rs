//! What the stories share.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ringback::core::front::Card;
use ringback::core::ids::{CallId, CallSid, PromiseId};
use ringback::core::region::owner::Tenure;
use ringback::core::region::{Life, Node, Peer, Region};
use ringback::core::time::Utc;
use ringback::store::embedded::{Embedded, EmbeddedSettings, OpenFault, StoreFile};
use ringback::store::{
    CallRecord, EndedCall, KeySource, PromiseChange, PromiseRecord, SendId, SendRecord, SendStep,
    State, Store,
};

/// Where a store is, for the stories that are told of every kind of store.
pub(crate) trait Home: Sized {
    type Kept: Store;

    /// Whether used tokens go by themselves, not step by step.
    const FORGETS_TOKENS_ITSELF: bool;

    /// A place in which nothing is yet; it goes with the test.
    async fn new() -> Self;

    /// The store there, as it was left.
    async fn open(&self) -> Self::Kept;

    /// All that is kept there, byte by byte.
    async fn everything(&self) -> Vec<u8>;
}

/// Tells stories of both kinds of store.
macro_rules! both {
    ($($story:ident,)+) => {
        mod embedded {
            $(#[tokio::test]
            async fn $story() {
                super::$story::<crate::support::Folder>().await;
            })+
        }

        mod redis {
            $(#[tokio::test]
            async fn $story() {
                super::$story::<crate::redis::Place>().await;
            })+
        }
    };
}
pub(crate) use both;

impl Home for Folder {
    type Kept = Embedded;

    const FORGETS_TOKENS_ITSELF: bool = false;

    async fn new() -> Self {
        Self::new()
    }

    async fn open(&self) -> Embedded {
        self.open()
    }

    async fn everything(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }
}

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringback-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The store's file, which need not be there.
    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("ringback.redb")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.0.join("ringback.redb.key")
    }

    pub(crate) fn medium(&self) -> StoreFile {
        StoreFile::new(self.file(), KeySource::Beside)
    }

    pub(crate) fn open(&self) -> Embedded {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Embedded, OpenFault> {
        Embedded::open(self.medium(), patient())
    }

    /// What is said about the file.
    pub(crate) fn refusal(&self) -> String {
        self.try_open().unwrap_err().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Settings for stories that are not about time: a busy machine must not fail them.
pub(crate) fn patient() -> EmbeddedSettings {
    EmbeddedSettings {
        write_timeout: Duration::from_secs(30),
        read_timeout: Duration::from_secs(30),
        ..EmbeddedSettings::default()
    }
}

pub(crate) async fn close(store: impl Store) {
    store.close().await.unwrap();
}

pub(crate) const fn at(millis: u64) -> Utc {
    Utc::from_millis(millis)
}

/// Before everything expires that the stories keep.
pub(crate) const NOW: Utc = at(1_000);
pub(crate) const LATER: Utc = at(10_000);

pub(crate) fn sid(number: u128) -> CallSid {
    CallSid::parse(&format!("CA{number:032x}")).unwrap()
}

pub(crate) fn state(text: &str) -> State {
    State(text.as_bytes().to_vec())
}

/// A stream of a call, by the document of this epoch.
pub(crate) fn tenure(number: u128, node: &str, epoch: u32) -> Tenure {
    Tenure {
        card: Card {
            id: CallId::from_bits(number),
            epoch,
        },
        owner: Peer {
            region: Region::parse("east").unwrap(),
            node: Node::parse(node).unwrap(),
            life: Life(u64::MAX),
        },
    }
}

pub(crate) fn call(number: u128) -> CallRecord {
    CallRecord {
        sid: sid(number),
        by: tenure(number, "east-1", 1),
        turn: 0,
        updated: NOW,
        expires: LATER,
        state: state(&format!("what was said in call {number}")),
    }
}

pub(crate) fn ended(number: u128) -> EndedCall {
    EndedCall {
        id: CallId::from_bits(number),
        sid: sid(number),
        by: Some(tenure(number, "east-1", 1)),
        at: NOW,
        expires: LATER,
        state: state("goodbye"),
    }
}

pub(crate) fn promise(store: &impl Store, number: u128) -> PromiseRecord {
    PromiseRecord {
        id: PromiseId::from_bits(number),
        caller: store.caller(&format!("+1555{number:07}")).unwrap(),
        revision: 0,
        is_open: true,
        due: Some(at(2_000)),
        expires: LATER,
        state: state(&format!("promised to +1555{number:07}")),
    }
}

/// The next revision: the same again, but for what is sent.
pub(crate) fn change(promise: &PromiseRecord, send: SendStep) -> PromiseChange {
    PromiseChange {
        id: promise.id,
        from_revision: promise.revision,
        is_open: promise.is_open,
        due: promise.due,
        expires: promise.expires,
        state: promise.state.clone(),
        send,
    }
}

pub(crate) fn send(promise: &PromiseRecord, number: u128) -> SendRecord {
    SendRecord {
        id: SendId(number),
        promise: promise.id,
        at: NOW,
        state: state("a text"),
    }
}
