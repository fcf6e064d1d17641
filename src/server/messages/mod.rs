//! Messages after the tone: recorded in memory, written beside the calls, sent to whoever is to hear them.
//!
//! | file | owns |
//! |---|---|
//! | this one | a recording, and the writing of it: one at a time, behind no call |
//! | `book` | what is known of the messages on disk, in memory |
//! | `keeping` | the one task that delivers, gives up and throws away |
//! | `webhook` | what a receiver is sent, its signature, and what an answer means |
//! | `transcribing` | the one task that has messages written down while providers are well |
//! | `listen` | one session that hears one message |
//!
//! Nothing here keeps a call waiting: audio goes into memory that was set aside when the recording began, and what becomes of
//! a message is told through a channel. It must not decide when a message begins or ends: [`crate::core::call::menu`] does. What
//! a file is, and how it survives a crash: [`crate::store::messages`]. What is promised: [`crate::docs::messages`].

mod book;
mod keeping;
mod listen;
pub(super) mod transcribing;
mod webhook;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;

use self::book::Book;
use self::webhook::Hook;
use super::clock::{Clock, draw_message_id};
use super::drain::Tasks;
use crate::config::MessageSettings;
use crate::core::audio::{Frame, bytes_in};
use crate::core::call::menu::Recorded;
use crate::core::ids::CallSid;
use crate::core::time::Utc;
use crate::store::messages::{Archive, MessageFault, MessageId, MessageRecord, Transcript};
use crate::telemetry::{Count, Telemetry};

/// Whose message it is. Never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Sender {
    /// The carrier's name of the call.
    pub(super) call: Option<CallSid>,
    /// Whom the caller wanted to speak with.
    pub(super) agent: Option<String>,
    /// The number that was called.
    pub(super) called: Option<String>,
    /// The number that called, in the one form that it has everywhere (E.164); withheld ones are none.
    pub(super) caller: Option<String>,
    /// The caller's language, as a tag.
    pub(super) language: Option<String>,
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Messages(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    archive: Archive,
    /// Whether callers are offered to leave one.
    is_offered: bool,
    book: Mutex<Book>,
    /// Memory for recordings, by their number.
    room: Arc<Semaphore>,
    /// One message is written at a time: they share a disk with the promises.
    turn: Semaphore,
    /// Something new waits for its delivery.
    news: Notify,
    /// Something new waits to be written down.
    unwritten: Notify,
    /// Whether messages are to be written down.
    transcribes: bool,
    hook: Option<Hook>,
    retention: Duration,
    audio_bytes_max: usize,
    clock: Clock,
    tasks: Tasks,
    telemetry: Telemetry,
    /// Whether the log knows that messages are lost.
    is_told: AtomicBool,
}

impl Messages {
    /// Messages of up to `message_max`; `None` without a place for them. Looks at no disk: [`Self::keep`] does, which is to be
    /// spawned.
    pub(super) fn open(
        settings: MessageSettings,
        message_max: Duration,
        clock: Clock,
        tasks: Tasks,
        telemetry: Telemetry,
    ) -> Option<Self> {
        let MessageSettings {
            place,
            is_offered,
            kept_max,
            recordings_max,
            retention,
            delivery,
            transcripts,
        } = settings;
        let audio_bytes_max = usize::try_from(bytes_in(message_max)).unwrap_or(usize::MAX);
        Some(Self(Arc::new(Inner {
            archive: Archive::new(place?),
            is_offered,
            book: Mutex::new(Book::new(kept_max, transcripts)),
            room: Arc::new(Semaphore::new(recordings_max)),
            turn: Semaphore::new(1),
            news: Notify::new(),
            unwritten: Notify::new(),
            transcribes: transcripts,
            hook: delivery.map(Hook::new),
            retention,
            audio_bytes_max,
            clock,
            tasks,
            telemetry,
            is_told: AtomicBool::new(false),
        })))
    }

    /// Whether callers are offered to leave one.
    pub(super) fn is_offered(&self) -> bool {
        self.0.is_offered
    }

    /// Whether they are to be written down.
    pub(super) fn are_transcribed(&self) -> bool {
        self.0.transcribes
    }

    /// A message begins now. Waits for nothing; one that there is no room for is lost at its end.
    pub(super) fn begin(&self, sender: Sender) -> Recorder {
        let room = Arc::clone(&self.0.room).try_acquire_owned().ok();
        // Taken from the system as it is filled, and never moved.
        let bytes = room.as_ref().map_or(0, |_| self.0.audio_bytes_max);
        Recorder {
            messages: Arc::clone(&self.0),
            sender,
            at: Clock::utc(),
            audio: Vec::with_capacity(bytes),
            room,
        }
    }

    /// How many messages wait for their delivery; without a receiver: for an operator.
    pub(super) fn waiting(&self) -> usize {
        self.0.book().waiting()
    }

    /// Throws away all messages of a caller, given in the form that [`Sender::caller`] has; how many there were. One that is being
    /// sent at this moment may still arrive. Blocks for as long as the disk takes to remove files.
    pub(super) fn forget(&self, caller: &str) -> Result<usize, MessageFault> {
        self.0.forget(caller)
    }

    /// Delivers messages, gives them up and throws them away, until the server stops.
    pub(super) async fn keep(self) {
        keeping::keep(&self.0).await;
    }
}

/// A message while it is spoken. Dropped without an end, it is thrown away.
pub(super) struct Recorder {
    messages: Arc<Inner>,
    sender: Sender,
    at: Utc,
    audio: Vec<u8>,
    /// `None`: there was no room.
    room: Option<OwnedSemaphorePermit>,
}

/// Without numbers and sound.
impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({} bytes)", self.audio.len())
    }
}

impl Recorder {
    /// More of it, in order. What goes beyond the longest message is left out; no memory is taken for any of it.
    pub(super) fn audio(&mut self, frame: &Frame) {
        let audio = &mut self.audio;
        frame.look(|piece| {
            let left = audio.capacity() - audio.len();
            audio.extend_from_slice(piece.get(..left.min(piece.len())).unwrap_or_default());
            ControlFlow::Continue(())
        });
    }

    /// It is over. To be kept, it is written beside the calls, and the channel tells what became of it, which may take as long as
    /// a disk does; else it is thrown away, and the channel closes. A channel that closes without a word means that it is lost.
    pub(super) fn end(self, keep: bool) -> oneshot::Receiver<Recorded> {
        let (answer, recorded) = oneshot::channel();
        if !keep {
            return recorded;
        }
        let messages = Arc::clone(&self.messages);
        let tasks = messages.tasks.clone();
        tasks.spawn("message", async move {
            let recorded = messages.write(self).await;
            answer.send(recorded).ok(); // The caller may have hung up.
        });
        recorded
    }
}

/// Why a message is lost.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("too many are recorded at once (messages.recordings_max)")]
    NoRoom,
    #[error("too many are kept (messages.kept_max)")]
    Full,
    #[error(transparent)]
    Fault(#[from] MessageFault),
    #[error("a bug of ours")]
    Bug,
}

impl Inner {
    async fn write(self: &Arc<Self>, recorder: Recorder) -> Recorded {
        let written = self.try_write(recorder).await;
        match written {
            Ok(()) => {
                if self.is_told.swap(false, Ordering::Relaxed) {
                    tracing::info!("messages are kept again");
                }
                Recorded::Kept
            }
            Err(lost) => {
                self.telemetry.count(Count::MessagesNotKept);
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    tracing::error!(error = %lost, "a message after the tone is lost; its caller is told");
                }
                Recorded::Lost
            }
        }
    }

    async fn try_write(self: &Arc<Self>, recorder: Recorder) -> Result<(), Lost> {
        let Recorder {
            messages: _,
            sender,
            at,
            audio,
            room,
        } = recorder;
        let room = room.ok_or(Lost::NoRoom)?;
        let record = MessageRecord {
            id: draw_message_id(),
            call: sender.call,
            agent: sender.agent,
            called: sender.called,
            caller: sender.caller,
            language: sender.language,
            at,
            audio_bytes: audio.len() as u64,
        };
        let turn = self.turn.acquire().await.map_err(|_| Lost::Bug)?;
        let inner = Arc::clone(self);
        let written = spawn_blocking(move || {
            let written = inner.keep_one(&record, &audio);
            drop((audio, room));
            written
        });
        let written = written.await.map_err(|_| Lost::Bug)?;
        drop(turn);
        written?;
        self.news.notify_one();
        self.unwritten.notify_one();
        Ok(())
    }

    /// Blocks.
    fn keep_one(&self, record: &MessageRecord, audio: &[u8]) -> Result<(), Lost> {
        let id = record.id;
        let caller = record.caller.as_deref();
        let caller = caller
            .map(|caller| self.archive.caller(caller))
            .transpose()?;
        // Known before it is there: a caller who is forgotten meanwhile is forgotten as a whole.
        if !self.book().begin(id, record.at, caller) {
            return Err(Lost::Full);
        }
        if let Err(fault) = self.archive.keep(record, audio) {
            self.book().drop_one(id);
            return Err(fault.into());
        }
        if !self.book().written(id, self.clock.now()) {
            self.archive.remove(id)?;
        }
        Ok(())
    }

    /// Keeps what is known of a message's words; `false`: the message is gone. Blocks.
    fn keep_words(&self, id: MessageId, transcript: &Transcript) -> Result<bool, MessageFault> {
        self.archive.keep_transcript(id, transcript)?;
        let is_there = self.book().has(id);
        if !is_there {
            // Its caller was forgotten meanwhile.
            self.archive.remove(id)?;
        }
        Ok(is_there)
    }

    /// When nobody is asked any more to take a message; `None`: nobody is asked at all.
    fn deliver_for(&self) -> Option<Duration> {
        self.hook.as_ref().map(|hook| hook.delivery.deliver_for)
    }

    fn forget(&self, caller: &str) -> Result<usize, MessageFault> {
        let caller = self.archive.caller(caller)?;
        let mut ids = self.book().forget(caller);
        // The disk's word as well: it may not have been read yet.
        for (id, (record, _)) in self.archive.list()?.messages {
            let number = record.caller.as_deref();
            let of = number
                .map(|number| self.archive.caller(number))
                .transpose()?;
            if of == Some(caller) {
                ids.insert(id);
            }
        }
        for id in &ids {
            self.archive.remove(*id)?;
        }
        Ok(ids.len())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing is done under the lock that could leave the book half changed.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
