//! The task that has messages written down while providers are well: one session at a time, behind every call.
//!
//! A message is heard by a provider as a caller's turn would be, faster than it was spoken, and what the provider writes down of it is
//! kept beside it. Each session that heard a message costs its length: after [`TRIES_MAX`] that wrote nothing down it is given up. A
//! provider that cannot be reached costs a message nothing, and everybody a pause. It must not decide whether there is room for a
//! session: [`crate::core::pool`] does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep_until;

use super::Messages;
use super::book::Post;
use super::keeping::blocking;
use super::listen::{Recording, Room, listen};
use crate::core::fault::Fault;
use crate::core::pool::{Report, Rung};
use crate::server::Shared;
use crate::server::clock::Clock;
use crate::server::drain::Stage;
use crate::store::messages::{
    MessageFault, MessageId, TRANSCRIPT_BYTES_MAX, Transcript, TranscriptState,
};
use crate::telemetry::Count;

/// Sessions that hear one message.
const TRIES_MAX: u32 = 3;

/// How long to wait where there is no room for a session.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The pause after the first failure; it doubles with each.
const PAUSE: Duration = Duration::from_secs(2);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// Has messages written down until the process stops.
pub(in crate::server) async fn keep(shared: Arc<Shared>, messages: Messages) {
    let tasks = shared.tasks.clone();
    tokio::select! {
        () = run(&shared, &messages) => {}
        // We go: who has heard half of a message is asked again in the next life.
        () = tasks.reached(Stage::Draining) => {}
    }
}

async fn run(shared: &Shared, messages: &Messages) {
    let mut failures = 0_u32;
    loop {
        let Some((id, tries)) = messages.next_unwritten().await else {
            messages.0.unwritten.notified().await;
            continue;
        };
        let pause = match turn(shared, messages, id, tries).await {
            Turn::Done => {
                failures = 0;
                continue;
            }
            Turn::NoRoom => LOOK_AGAIN,
            Turn::Failed => {
                failures = failures.saturating_add(1);
                let doubled = PAUSE.saturating_mul(1 << (failures - 1).min(16));
                doubled.min(PAUSE_MAX)
            }
        };
        sleep_until(shared.clock.timer_at(shared.clock.now() + pause)).await;
    }
}

/// How a message's turn went.
pub(super) enum Turn {
    /// It needs nobody any more, or is gone.
    Done,
    /// There was no room for a session.
    NoRoom,
    /// Whoever was asked failed.
    Failed,
}

/// One session for one message, if there is room for it now.
async fn turn(shared: &Shared, messages: &Messages, id: MessageId, tries: u32) -> Turn {
    if !shared.overload.stage().allows_extras() {
        return Turn::NoRoom;
    }
    let now = shared.clock.now();
    let admitted = shared
        .providers
        .with(|pool, _| pool.admit_transcription(now));
    let Some(rung) = admitted else {
        return Turn::NoRoom;
    };
    let seat = Seat {
        shared,
        rung: &rung,
        is_ready: AtomicBool::new(false),
    };
    let recording = match messages.recording(id).await {
        Ok(Some(recording)) => recording,
        Ok(None) => return Turn::Done,
        Err(fault) => {
            tracing::warn!(error = %fault, "a message cannot be read, and is not written down");
            return Turn::Failed;
        }
    };
    shared.telemetry.transcription_dialled(rung.provider);
    match seat.listen(&recording).await {
        Ok(words) => {
            seat.report(Report::Ended);
            messages.written_down(id, tries, words).await
        }
        Err(fault) => {
            seat.report(Report::Failed(fault));
            shared.telemetry.count(Count::TranscriptionsFailed);
            if seat.is_ready.load(Ordering::Relaxed) {
                messages.not_written_down(id, tries + 1).await;
            }
            // Told once it is on disk: whoever reads it may count on it.
            tracing::info!(message_id = %id, %fault, "a message was not written down");
            Turn::Failed
        }
    }
}

/// A seat at the pool, given up whatever becomes of the session: the task may end before it does.
struct Seat<'a> {
    shared: &'a Shared,
    rung: &'a Rung,
    /// Whether the session has begun to cost something.
    is_ready: AtomicBool,
}

impl Seat<'_> {
    async fn listen(&self, recording: &Recording) -> Result<String, Fault> {
        let Self { shared, rung, .. } = self;
        let place = shared.providers.place(rung.provider, rung.key);
        let place = place.ok_or(Fault::RequestRejected)?;
        let room = Room {
            endpoint: place.endpoint,
            model: place.model,
            limits: &shared.provider_limits,
            dial_timeout: shared.settings.dial_timeout,
        };
        let on_ready = || {
            self.is_ready.store(true, Ordering::Relaxed);
            self.report(Report::Ready);
        };
        listen(&room, recording, on_ready).await
    }

    fn report(&self, report: Report) {
        let now = self.shared.clock.now();
        self.shared.providers.record(now, self.rung, report);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        // Of a seat that was given up before, this changes nothing.
        self.report(Report::Ended);
    }
}

impl Messages {
    /// The message that is to be written down next, and how many have heard it. Those that are too old to be delivered are given up.
    pub(super) async fn next_unwritten(&self) -> Option<(MessageId, u32)> {
        loop {
            let (id, tries) = self.0.book().next_unwritten()?;
            let age = self.0.book().age(id, Clock::utc());
            let is_late = self.0.deliver_for().is_some_and(|patience| age > patience);
            if !is_late && tries < TRIES_MAX {
                return Some((id, tries));
            }
            self.give_up(id, tries).await;
        }
    }

    async fn recording(&self, id: MessageId) -> Result<Option<Recording>, MessageFault> {
        let read = blocking(&self.0, move |inner| inner.archive.read(id)).await;
        match read {
            Ok(Some((record, _, audio))) => Ok(Some(Recording {
                language: record.language.map(Into::into),
                audio: audio.into(),
            })),
            // Its file was removed, or is none that we can read; whoever delivers it says so.
            Ok(None) | Err(MessageFault::Damaged(_) | MessageFault::Newer(_)) => {
                self.0.book().over(Post::Words(id));
                Ok(None)
            }
            Err(fault @ (MessageFault::Disk(_) | MessageFault::Key(_))) => Err(fault),
        }
    }

    /// Keeps a message's words.
    pub(super) async fn written_down(&self, id: MessageId, tries: u32, mut words: String) -> Turn {
        words.truncate(words.floor_char_boundary(TRANSCRIPT_BYTES_MAX));
        let transcript = Transcript {
            tries,
            state: TranscriptState::Waiting,
            words,
        };
        match self.keep_words(id, transcript).await {
            Ok(()) => {
                self.0.telemetry.count(Count::MessagesTranscribed);
                tracing::info!(message_id = %id, "a message was written down");
                self.0.book().words_written(id, self.0.clock.now());
                self.0.news.notify_one();
                Turn::Done
            }
            // The disk is full: it is tried as often as any other failure, for each time costs the same.
            Err(fault) => {
                tracing::warn!(error = %fault, "the words of a message are not kept");
                self.not_written_down(id, tries + 1).await;
                Turn::Failed
            }
        }
    }

    pub(super) async fn not_written_down(&self, id: MessageId, tries: u32) {
        self.0.book().not_written(id, tries);
        let transcript = Transcript {
            tries,
            state: TranscriptState::Wanted,
            words: String::new(),
        };
        if let Err(fault) = self.keep_words(id, transcript).await {
            tracing::warn!(error = %fault, "it is not on disk how often a message was heard");
        }
    }

    async fn give_up(&self, id: MessageId, tries: u32) {
        self.0.telemetry.count(Count::TranscriptionsGivenUp);
        tracing::warn!(message_id = %id, tries, "a message is not written down by anybody; `ringback messages export` has its sound");
        self.0.book().over(Post::Words(id));
        let transcript = Transcript {
            tries,
            state: TranscriptState::GivenUp,
            words: String::new(),
        };
        if let Err(fault) = self.keep_words(id, transcript).await {
            tracing::warn!(error = %fault, "it is not on disk that a message is given up");
        }
        // One that was only kept for its words may go now.
        self.0.news.notify_one();
    }

    async fn keep_words(&self, id: MessageId, transcript: Transcript) -> Result<(), MessageFault> {
        // They share a disk with messages and promises.
        let turn = self.0.turn.acquire().await;
        let kept = blocking(&self.0, move |inner| inner.keep_words(id, &transcript)).await;
        drop(turn);
        kept.map(drop)
    }
}
