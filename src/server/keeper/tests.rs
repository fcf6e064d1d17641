//! Nobody who has a caller waiting waits for a disk that hangs.

use std::io;
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use redb::backends::InMemoryBackend;
use redb::{Builder, StorageBackend};

use super::*;
use crate::core::call::memory::Speaker;
use crate::core::region::resume::Resumed;
use crate::core::region::{Life, Node, Region};
use crate::server::calls::Calls;
use crate::store::SealingKey;
use crate::store::embedded::{EmbeddedSettings, Medium, Opened};
use crate::store::redis::{RedisAddress, RedisSettings};
use crate::telemetry::Count;

/// A disk on which nothing becomes durable while it hangs.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<(Mutex<bool>, Condvar)>);

impl Disk {
    fn hang(&self, hangs: bool) {
        *self.0.0.lock().unwrap() = hangs;
        self.0.1.notify_all();
    }
}

impl Medium for Disk {
    fn open(&self) -> Result<Opened, OpenFault> {
        let backend = Backend {
            memory: InMemoryBackend::new(),
            disk: self.clone(),
        };
        let database = Builder::new().create_with_backend(backend).unwrap();
        Opened::begin(database, &SealingKey::from_bytes([7; 32]))
    }
}

#[derive(Debug)]
struct Backend {
    memory: InMemoryBackend,
    disk: Disk,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (hangs, changed) = &*self.disk.0;
        let mut hangs = hangs.lock().unwrap();
        while *hangs {
            hangs = changed.wait(hangs).unwrap();
        }
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.memory.write(offset, data)
    }
}

fn keeper(disk: &Disk, telemetry: &Telemetry) -> Keeper {
    let settings = EmbeddedSettings {
        // The look-ups have a limit of their own.
        read_timeout: Duration::from_secs(30),
        ..EmbeddedSettings::default()
    };
    let store = Embedded::open(disk.clone(), settings).unwrap();
    let hour = Duration::from_hours(1);
    Keeper {
        store: Some(Arc::new(store)),
        shared: None,
        replicas_min: 0,
        call_ttl: hour,
        ended_ttl: hour,
        collect_interval: hour,
        me: Peer {
            region: Region::parse("main").unwrap(),
            node: Node::parse("node-1").unwrap(),
            life: Life(1),
        },
        heeded: Heeded::new(Arc::new(Calls::new(1, 1)), telemetry.clone()),
        tasks: Tasks::new(telemetry.clone()),
        tally: Arc::new(Tally {
            telemetry: telemetry.clone(),
            is_told: AtomicBool::new(false),
            is_told_of_others: AtomicBool::new(false),
        }),
    }
}

fn sid() -> CallSid {
    CallSid::parse(&format!("CA{}", "a".repeat(32))).unwrap()
}

const CARD: Card = Card {
    id: CallId::from_bits(1),
    epoch: 1,
};

#[tokio::test]
async fn a_disk_that_hangs_delays_nobody_and_is_counted() {
    let disk = Disk::default();
    let telemetry = Telemetry::default();
    let keeper = keeper(&disk, &telemetry);
    keeper.keep_call(sid(), (CARD, 0), &CallState::default());
    keeper.tasks.idle().await;
    disk.hang(true);

    #[expect(clippy::disallowed_methods, reason = "this is about real time")]
    let began = Instant::now();
    assert!(keeper.claim_token(7, Clock::utc_after(Duration::from_mins(1))));
    assert!(!keeper.claim_token(7, Clock::utc_after(Duration::from_mins(1))));
    keeper.keep_call(sid(), (CARD, 1), &CallState::default());
    // What was on disk before is found meanwhile.
    let known = keeper.look_up(sid()).await;
    assert!(
        matches!(known, Some(Recalled::InProgress(call)) if call.by.card == CARD),
        "a look-up waits for no writer"
    );
    let waited = began.elapsed();
    assert!(waited < Duration::from_millis(200), "{waited:?}");
    // This one is waited for, and says when it is too late.
    keeper.end_call(sid(), CARD.id, Some(CARD)).wait().await;
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    keeper.tasks.idle().await;
    assert!(telemetry.counts().get(Count::StoreLate) >= 3);
    assert!(!keeper.moment().unwrap().is_well);
    disk.hang(false);
    keeper.close().await;
}

#[tokio::test]
async fn what_was_kept_is_found_again_and_an_ended_call_has_ended() {
    let telemetry = Telemetry::default();
    let keeper = keeper(&Disk::default(), &telemetry);
    let state = CallState {
        resumed: Resumed::default().again(Utc::from_millis(5)),
        ..CallState::default()
    };
    keeper.keep_call(sid(), (CARD, 0), &state);
    keeper.tasks.idle().await;
    let recovered = keeper.recover().await;
    let calls: Vec<_> = recovered
        .iter()
        .map(|call| (call.sid, call.by.card))
        .collect();
    assert_eq!(calls, [(sid(), CARD)]);
    assert_eq!(recovered[0].state, state);
    keeper.end_call(sid(), CARD.id, Some(CARD)).wait().await;
    assert!(keeper.recover().await.is_empty());
    let known = keeper.look_up(sid()).await;
    assert!(matches!(known, Some(Recalled::Ended(id)) if id == CARD.id));
    keeper.close().await;
}

#[tokio::test]
async fn what_a_checkpoint_costs_the_calls_task_is_told() {
    const ROUNDS: u32 = 200;
    let telemetry = Telemetry::default();
    let mut keeper = keeper(&Disk::default(), &telemetry);
    // A store that is away: what the task does is the same.
    let address = RedisAddress::parse("redis://127.0.0.1:1").unwrap();
    let key = SealingKey::from_bytes([7; 32]);
    let shared = Redis::open(address, &key, RedisSettings::default()).unwrap();
    keeper.shared = Some(Mirror::new(shared, keeper.heeded.clone()));
    let mut state = CallState::default();
    for turn in 0..40 {
        let speaker = if turn % 2 == 0 {
            Speaker::Agent
        } else {
            Speaker::Caller
        };
        // Of ordinary length: together 6 KiB.
        let words = "and then I said that ".repeat(7);
        state.checkpoint.memory.push(speaker, &words);
    }
    let mut spent = Vec::new();
    for turn in 0..ROUNDS {
        #[expect(clippy::disallowed_methods, reason = "this is about real time")]
        let began = Instant::now();
        // As the call hands it over, and as it is remembered beside.
        let handed_over = state.checkpoint.clone();
        let remembered = handed_over.clone();
        let state = CallState {
            checkpoint: handed_over,
            ..state
        };
        keeper.keep_call(sid(), (CARD, turn), &state);
        spent.push(began.elapsed());
        assert_eq!(remembered, state.checkpoint);
        // What was asked for is done before the next: calls do not all have a turn at once.
        keeper.tasks.idle().await;
    }
    spent.sort_unstable();
    println!(
        "a checkpoint of 40 turns: {:?} of the call's task in the median, {:?} at least",
        spent[spent.len() / 2],
        spent[0]
    );
    let least = spent[0];
    assert!(least <= Duration::from_micros(20), "{least:?}");
    let recovered = keeper.recover().await;
    let turns: Vec<_> = recovered.iter().map(|call| call.turn).collect();
    assert_eq!(turns, [ROUNDS - 1], "the last one is kept");
    keeper.close().await;
}
