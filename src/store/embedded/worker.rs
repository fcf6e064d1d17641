//! The two threads beside the calls: one writes, many writes to a commit; one reads, and does not wait for the writer.
//!
//! A database blocks, so it has no place in a task. Both queues are bounded; what does not fit is refused and counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use redb::ReadableDatabase as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Counts;
use super::medium::{Medium, OpenFault, Opened};
use super::tables::{Reading, Writing};
use crate::store::error::StoreError;
use crate::store::sealer::Sealer;

/// How many writes share a commit at most; a batch that is larger would keep its first too long.
const BATCH_MAX: usize = 1_024;

/// How often a database whose disk has failed is opened anew.
const MEND_INTERVAL: Duration = Duration::from_secs(1);

/// A write that waits for its turn.
pub(super) trait WriteJob: Send {
    /// Whether it is still to be begun.
    fn is_wanted(&self) -> bool;
    /// Whether it keeps something for somebody, and counts.
    fn is_counted(&self) -> bool;
    /// Does it in a transaction that is shared with others; again, if that had to be given up because of one of them.
    fn run(&mut self, writing: &Writing<'_>) -> Result<(), StoreError>;
    /// Tells whoever waits, once the transaction is on disk or has failed.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// A look-up that waits for its turn.
pub(super) type ReadJob = Box<dyn FnOnce(Result<&Opened, StoreError>) + Send>;

/// A write and who waits for it.
pub(super) struct Write<T, F> {
    pub(super) run: F,
    pub(super) result: Option<T>,
    pub(super) sender: oneshot::Sender<Result<T, StoreError>>,
    /// It is not begun when nobody waits for it any more.
    pub(super) only_if_awaited: bool,
    /// It keeps something for somebody.
    pub(super) is_counted: bool,
}

impl<T, F> WriteJob for Write<T, F>
where
    T: Send,
    F: FnMut(&Writing<'_>) -> Result<T, StoreError> + Send,
{
    fn is_wanted(&self) -> bool {
        !(self.only_if_awaited && self.sender.is_closed())
    }

    fn is_counted(&self) -> bool {
        self.is_counted
    }

    fn run(&mut self, writing: &Writing<'_>) -> Result<(), StoreError> {
        self.result = Some((self.run)(writing)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { result, sender, .. } = *self;
        let answer = outcome.and_then(|()| result.ok_or(StoreError::Bug));
        sender.send(answer).ok(); // Whoever stopped waiting needs no answer.
    }
}

/// A look-up as the reader does it.
pub(super) fn read_job<T: Send + 'static>(
    run: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    sender: oneshot::Sender<Result<T, StoreError>>,
) -> ReadJob {
    Box::new(move |opened| {
        if sender.is_closed() {
            return; // A look-up that nobody waits for.
        }
        let answer = opened.and_then(|opened| {
            let txn = opened.database.begin_read()?;
            run(&Reading {
                txn: &txn,
                sealer: &opened.sealer,
            })
        });
        sender.send(answer).ok(); // As above.
    })
}

/// The database, while it is open: shared by the two threads.
#[derive(Debug)]
pub(super) struct Shared {
    medium: Arc<dyn Medium>,
    opened: RwLock<Result<Opened, StoreError>>,
    outlook: Mutex<Outlook>,
    pub(super) counts: Counts,
}

/// What is known of the database without waiting for whoever uses it.
#[derive(Debug, Default)]
struct Outlook {
    /// Of the database that was last open.
    sealer: Option<Arc<Sealer>>,
    /// Why it is not open now.
    trouble: Option<StoreError>,
}

impl Outlook {
    fn look(&mut self, opened: &Result<Opened, StoreError>) {
        match opened {
            Ok(opened) => {
                self.sealer = Some(Arc::clone(&opened.sealer));
                self.trouble = None;
            }
            Err(error) => self.trouble = Some(error.clone()),
        }
    }
}

impl Shared {
    pub(super) fn new(medium: Arc<dyn Medium>, opened: Result<Opened, OpenFault>) -> Self {
        let opened = opened.map_err(|fault| of_open(&fault));
        let mut outlook = Outlook::default();
        outlook.look(&opened);
        Self {
            medium,
            opened: RwLock::new(opened),
            outlook: Mutex::new(outlook),
            counts: Counts::default(),
        }
    }

    /// The database; it is not replaced while somebody looks at it. For the two threads: it may take as long as the disk does.
    fn opened(&self) -> RwLockReadGuard<'_, Result<Opened, StoreError>> {
        // Whoever panicked has changed nothing: only `replace` does, and it cannot.
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the database is not open; `None`: it is.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        self.outlook().trouble.clone()
    }

    /// How what is kept is sealed; fails while no database was ever open.
    pub(super) fn sealer(&self) -> Result<Arc<Sealer>, StoreError> {
        let outlook = self.outlook();
        let trouble = || outlook.trouble.clone().unwrap_or(StoreError::Bug);
        outlook.sealer.clone().ok_or_else(trouble)
    }

    fn outlook(&self) -> MutexGuard<'_, Outlook> {
        // It is changed by steps that cannot panic half-way.
        self.outlook.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, by: Result<Opened, StoreError>) {
        self.outlook().look(&by);
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        *opened = by;
    }

    /// Begins the threads. They end when their queues do.
    pub(super) fn serve(
        self: &Arc<Self>,
        writes: mpsc::Receiver<Box<dyn WriteJob>>,
        reads: mpsc::Receiver<ReadJob>,
        running: watch::Sender<()>,
    ) -> Result<(), OpenFault> {
        let to_write = Writer {
            shared: Arc::clone(self),
            mended_at: None,
        };
        let to_read = Arc::clone(self);
        let until_read = running.clone();
        thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                to_write.run(writes);
                drop(running);
            })?;
        thread::Builder::new()
            .name("store-reader".into())
            .spawn(move || {
                to_read.read(reads);
                drop(until_read);
            })?;
        Ok(())
    }

    fn read(&self, mut reads: mpsc::Receiver<ReadJob>) {
        while let Some(job) = reads.blocking_recv() {
            let opened = self.opened();
            let opened = opened.as_ref().map_err(StoreError::clone);
            // Whoever waits sees that the answer never comes; the next look-up is another one.
            if catch_unwind(AssertUnwindSafe(|| job(opened))).is_err() {
                self.counts.panicked();
            }
        }
    }
}

fn of_open(fault: &OpenFault) -> StoreError {
    StoreError::Disk(fault.to_string())
}

struct Writer {
    shared: Arc<Shared>,
    /// When a database that had failed was last opened anew.
    mended_at: Option<Instant>,
}

impl Writer {
    fn run(mut self, mut writes: mpsc::Receiver<Box<dyn WriteJob>>) {
        let mut batch = Vec::new();
        while let Some(job) = writes.blocking_recv() {
            batch.push(job);
            // All that has come while the last commit was under way shares this one.
            while batch.len() < BATCH_MAX
                && let Ok(job) = writes.try_recv()
            {
                batch.push(job);
            }
            self.commit(&mut batch);
        }
        // Closes the file in order; all that was answered is in it already.
        self.shared.replace(Err(StoreError::Closed));
    }

    fn commit(&mut self, batch: &mut Vec<Box<dyn WriteJob>>) {
        batch.retain(|job| job.is_wanted());
        if batch.is_empty() {
            return;
        }
        self.mend();
        let outcome = match &*self.shared.opened() {
            Ok(opened) => self.shared.transact(opened, batch),
            Err(error) => Err(error.clone()),
        };
        if let Err(StoreError::Disk(what)) = &outcome {
            // redb takes nothing more after an error of the disk until it is opened anew.
            self.shared.replace(Err(StoreError::Disk(what.clone())));
            self.shared.counts.failed(batch.len());
        }
        for job in batch.drain(..) {
            job.answer(outcome.clone());
        }
    }

    /// Opens the database anew if it has failed, now and then.
    fn mend(&mut self) {
        let is_open = self.shared.opened().is_ok();
        let is_early = self
            .mended_at
            .is_some_and(|at| at.elapsed() < MEND_INTERVAL);
        if is_open || is_early {
            return;
        }
        self.mended_at = Some(Instant::now());
        match self.shared.medium.open() {
            Ok(opened) => {
                self.shared.replace(Ok(opened));
                self.shared.counts.mended();
            }
            Err(fault) => self.shared.replace(Err(of_open(&fault))),
        }
    }
}

impl Shared {
    /// Does all of a batch in one transaction. Those that cannot be done are answered and left out; the others stay in it.
    fn transact(
        &self,
        opened: &Opened,
        batch: &mut Vec<Box<dyn WriteJob>>,
    ) -> Result<(), StoreError> {
        loop {
            let txn = opened.database.begin_write()?;
            let writing = Writing {
                txn: &txn,
                sealer: &opened.sealer,
            };
            let failed = batch.iter_mut().enumerate().find_map(|(place, job)| {
                let run = catch_unwind(AssertUnwindSafe(|| job.run(&writing)));
                let run = run.unwrap_or_else(|_| {
                    self.counts.panicked();
                    Err(StoreError::Bug)
                });
                run.err().map(|error| (place, error))
            });
            let Some((place, error)) = failed else {
                txn.commit()?;
                let counted = batch.iter().filter(|job| job.is_counted()).count();
                self.counts.committed(counted);
                return Ok(());
            };
            txn.abort()?;
            if matches!(error, StoreError::Disk(_)) {
                return Err(error);
            }
            batch.remove(place).answer(Err(error));
            if batch.is_empty() {
                return Ok(());
            }
        }
    }
}
