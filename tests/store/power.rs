//! The power goes: what was written since the last sync is lost, torn or there, in any mixture. What was acknowledged is there.

use std::io;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use redb::{Builder, StorageBackend};
use ringback::store::embedded::{Embedded, Medium, OpenFault, Opened};
use ringback::store::{Changed, SealingKey, SendStep, Store as _};

use crate::support::{NOW, call, change, patient, promise, send};

/// What a disk writes as one.
const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Change {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

/// A disk's memory and its cache.
#[derive(Debug, Default)]
struct Platter {
    /// As the process sees it.
    seen: Vec<u8>,
    /// What is safe.
    durable: Vec<u8>,
    /// What is not yet.
    cached: Vec<Change>,
    /// How many changes are still taken before the power goes.
    left: usize,
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Bytes(offset, new) => {
                let end = offset + new.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes.get_mut(*offset..end).unwrap().copy_from_slice(new);
            }
        }
    }
}

impl Platter {
    fn change(&mut self, change: Change) -> io::Result<()> {
        self.draw_power()?;
        change.apply(&mut self.seen);
        self.cached.push(change);
        Ok(())
    }

    fn draw_power(&mut self) -> io::Result<()> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(|| io::Error::other("the power is off"))?;
        Ok(())
    }

    /// What is found after the power came back: of the cache any part, sector by sector.
    fn survive(&self, chance: &mut Rng) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.cached {
            match change {
                Change::Length(_) => change.apply(&mut bytes),
                Change::Bytes(offset, new) => {
                    for (number, sector) in new.chunks(SECTOR).enumerate() {
                        if chance.bool() {
                            let at = offset + number * SECTOR;
                            Change::Bytes(at, sector.to_vec()).apply(&mut bytes);
                        }
                    }
                }
            }
        }
        bytes
    }
}

#[derive(Clone, Debug)]
struct Power {
    platter: Arc<Mutex<Platter>>,
    /// A planted fault: a sync does nothing.
    forgets: bool,
}

impl Power {
    fn on(bytes: Vec<u8>, left: usize) -> Self {
        let platter = Platter {
            seen: bytes.clone(),
            durable: bytes,
            cached: Vec::new(),
            left,
        };
        Self {
            platter: Arc::new(Mutex::new(platter)),
            forgets: false,
        }
    }
}

impl Medium for Power {
    fn open(&self) -> Result<Opened, OpenFault> {
        let is_new = self.platter.lock().unwrap().seen.is_empty();
        let key = SealingKey::from_bytes([7; 32]);
        let database = Builder::new().create_with_backend(self.clone());
        let database = database.map_err(|error| OpenFault::Torn(error.to_string()))?;
        if is_new {
            Opened::begin(database, &key)
        } else {
            Opened::check(database, &key)
        }
    }
}

impl StorageBackend for Power {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter.lock().unwrap();
        let begin = usize::try_from(offset).unwrap();
        let bytes = platter.seen.get(begin..begin + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let length = usize::try_from(len).unwrap();
        self.platter.lock().unwrap().change(Change::Length(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter.lock().unwrap();
        platter.draw_power()?;
        if !self.forgets {
            let seen = platter.seen.clone();
            platter.durable = seen;
            platter.cached.clear();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let change = Change::Bytes(offset, data.to_vec());
        self.platter.lock().unwrap().change(change)
    }
}

/// An image with an empty store.
async fn empty() -> Vec<u8> {
    let power = Power::on(Vec::new(), usize::MAX);
    let store = Embedded::open(power.clone(), patient()).unwrap();
    store.close().await.unwrap();
    let platter = power.platter.lock().unwrap();
    platter.seen.clone()
}

/// One life: promises are made, each with a request in flight, until the power goes. Tells how many were acknowledged, and what
/// is wrong after it came back.
async fn live(image: &[u8], seed: u64, forgets: bool) -> (u128, Option<String>) {
    let mut chance = Rng::with_seed(seed);
    let left = chance.usize(20..420);
    let mut power = Power::on(image.to_vec(), left);
    power.forgets = forgets;
    let Ok(store) = Embedded::open(power.clone(), patient()) else {
        return (0, None); // The power went before anything was acknowledged.
    };
    let mut acknowledged = 0;
    for number in 1_u128..200 {
        let record = promise_of(&store, number);
        let Some(record) = record else { break };
        let begin = change(&record, SendStep::Begin(send(&record, number)));
        let (checkpoint, promised) =
            tokio::join!(store.checkpoint(call(number)), store.promise(record, NOW));
        if checkpoint.is_err() || promised.is_err() {
            break;
        }
        if store.change_promise(begin, NOW).await != Ok(Changed::Kept) {
            break;
        }
        acknowledged = number;
    }
    store.close().await.unwrap();
    let survived = power.platter.lock().unwrap().survive(&mut chance);
    let store = match Embedded::open(Power::on(survived, usize::MAX), patient()) {
        Ok(store) => store,
        Err(fault) => return (acknowledged, Some(fault.to_string())),
    };
    let mut wrong = None;
    for number in 1..=acknowledged {
        let expected = promise(&store, number);
        let found = store.promise_by_id(expected.id, NOW).await;
        let found = found.ok().flatten();
        let is_there = found.is_some_and(|found| found.revision == 1);
        let open = store.open_promise(expected.caller, NOW).await;
        if !is_there || open.ok().flatten().is_none() {
            wrong = Some(format!("promise {number} of {acknowledged} is lost"));
        }
    }
    let sends = store.sends(None, 1_000).await;
    let sends = sends.map_or(0, |sends| sends.len() as u128);
    if sends < acknowledged || sends > acknowledged + 1 {
        wrong = Some(format!("{sends} requests for {acknowledged} promises"));
    }
    store.close().await.unwrap();
    (acknowledged, wrong)
}

/// `None` once the file is closed because the disk fails.
fn promise_of(store: &Embedded, number: u128) -> Option<ringback::store::PromiseRecord> {
    store.caller("+15550100").ok()?;
    Some(promise(store, number))
}

/// How many power cuts there are: `RINGBACK_POWER_CUTS`, a thousand without it.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
fn cuts() -> u64 {
    let wanted = std::env::var("RINGBACK_POWER_CUTS");
    wanted.map_or(1_000, |wanted| wanted.parse().unwrap())
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut_at_any_moment() {
    let image = empty().await;
    let mut acknowledged = 0;
    for seed in 0..cuts() {
        let (count, wrong) = live(&image, seed, false).await;
        assert_eq!(wrong, None, "seed {seed}");
        acknowledged += count;
    }
    println!("{} power cuts, {acknowledged} promises", cuts());
    assert!(acknowledged > 5 * u128::from(cuts()), "{acknowledged}");
}

#[tokio::test]
async fn a_disk_that_forgets_its_syncs_is_found_out() {
    let image = empty().await;
    let mut found = 0;
    for seed in 0..20 {
        let (_, wrong) = live(&image, seed, true).await;
        found += u32::from(wrong.is_some());
    }
    assert!(found > 10, "only {found} of 20");
}
