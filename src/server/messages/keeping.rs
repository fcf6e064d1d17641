//! The one task that delivers messages and their words, one after the other, gives them up, and throws away what is old.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep_until, timeout};

use super::Inner;
use super::book::{Keeping, Post};
use super::webhook::{self, Hook, Refused};
use crate::core::pool::Chance;
use crate::core::time::Instant;
use crate::server::clock::{Clock, draw_seed};
use crate::server::drain::Stage;
use crate::store::messages::{MessageFault, MessageId, MessageState, Transcript, TranscriptState};
use crate::telemetry::Count;

/// How often what is old is looked for; with a retention of zero, after each delivery as well.
const EXPIRE_INTERVAL: Duration = Duration::from_hours(24);

/// How long to wait for a disk or a key that is away, when the server starts.
const LOAD_PAUSE: Duration = Duration::from_secs(30);

/// How long the server's stopping waits for a request that is under way. One that is cut off is made again at the next start.
const LAST_REQUEST: Duration = Duration::from_secs(2);

/// How the deliveries go.
struct Pace {
    chance: Chance,
    /// How often in a row the receiver was away.
    failures: u32,
    /// Nothing is tried before this.
    rests_until: Instant,
}

/// Runs until the server stops.
pub(super) async fn keep(inner: &Arc<Inner>) {
    let mut stopping = pin!(inner.tasks.reached(Stage::Stopping));
    while let Err(fault) = load(inner).await {
        tracing::warn!(error = %fault, "the messages of before the start cannot be read yet");
        let until = inner.clock.timer_at(inner.clock.now() + LOAD_PAUSE);
        tokio::select! {
            () = &mut stopping => return,
            () = sleep_until(until) => {}
        }
    }
    let mut pace = Pace {
        chance: Chance::new(draw_seed()),
        failures: 0,
        rests_until: Instant::ZERO,
    };
    let mut expire_at = inner.clock.now();
    loop {
        let now = inner.clock.now();
        if now >= expire_at {
            expire(inner).await;
            expire_at = now + EXPIRE_INTERVAL;
        }
        let next = inner.hook.as_ref().and_then(|hook| {
            let (post, at) = inner.book().next(now)?;
            Some((hook, post, at.max(pace.rests_until)))
        });
        let until = next
            .as_ref()
            .map_or(expire_at, |(_, _, at)| expire_at.min(*at));
        if until > now {
            tokio::select! {
                () = &mut stopping => return,
                () = inner.news.notified() => {}
                () = sleep_until(inner.clock.timer_at(until)) => {}
            }
            continue;
        }
        let Some((hook, post, _)) = next else {
            continue;
        };
        let mut delivering = pin!(deliver(inner, hook, &mut pace, post));
        tokio::select! {
            () = &mut delivering => {}
            () = &mut stopping => {
                timeout(LAST_REQUEST, delivering).await.ok(); // Else the next life delivers it.
                return;
            }
        }
    }
}

/// Finds what is on disk.
async fn load(inner: &Arc<Inner>) -> Result<(), MessageFault> {
    // What a call writes meanwhile is not to be taken for torn.
    let turn = inner.turn.acquire().await;
    let loaded = blocking(inner, Inner::load).await;
    drop(turn);
    // Some of them may have no words yet.
    inner.unwritten.notify_one();
    loaded
}

async fn deliver(inner: &Arc<Inner>, hook: &Hook, pace: &mut Pace, post: Post) {
    let read = move |inner: &Inner| {
        let found = inner.archive.read(post.id())?;
        let Some((record, _, audio)) = found else {
            return Ok(None);
        };
        Ok(match post {
            Post::Message(_) => Some(webhook::body(&record, &audio)),
            Post::Words(id) => {
                let transcript = inner.archive.transcript(id)?;
                transcript.map(|transcript| webhook::transcript(&record, &transcript.words))
            }
        })
    };
    match blocking(inner, read).await {
        Ok(Some(body)) => match hook.post(body, Clock::utc()).await {
            Ok(()) => taken(inner, pace, post).await,
            Err(refused) => not_taken(inner, hook, pace, post, refused).await,
        },
        // Somebody removed its file.
        Ok(None) => inner.book().drop_one(post.id()),
        Err(fault @ (MessageFault::Damaged(_) | MessageFault::Newer(_))) => {
            inner.telemetry.count(Count::MessagesUnreadable);
            tracing::error!(error = %fault, "a message cannot be read, and is left as it is");
            inner.book().drop_one(post.id());
        }
        Err(fault @ (MessageFault::Disk(_) | MessageFault::Key(_))) => {
            inner.telemetry.count(Count::MessagesPostponed);
            tracing::warn!(error = %fault, "a message cannot be read now");
            let tries = inner.book().failed(post);
            let until = inner.clock.now() + pace.pause(hook, tries);
            inner.book().rest(post, until);
        }
    }
}

async fn taken(inner: &Arc<Inner>, pace: &mut Pace, post: Post) {
    match post {
        Post::Message(id) => {
            inner.telemetry.count(Count::MessagesDelivered);
            tracing::info!(message_id = %id, "a message was delivered");
        }
        Post::Words(id) => {
            inner.telemetry.count(Count::TranscriptsDelivered);
            tracing::info!(message_id = %id, "the words of a message were delivered");
        }
    }
    if pace.failures > 0 {
        tracing::info!("the receiver of messages is back");
    }
    pace.failures = 0;
    pace.rests_until = Instant::ZERO;
    over(inner, post, true).await;
}

async fn not_taken(inner: &Arc<Inner>, hook: &Hook, pace: &mut Pace, post: Post, refused: Refused) {
    inner.telemetry.count(Count::MessagesPostponed);
    let id = post.id();
    let tries = inner.book().failed(post);
    if inner.book().age(id, Clock::utc()) > hook.delivery.deliver_for {
        match post {
            Post::Message(_) => {
                inner.telemetry.count(Count::MessagesGivenUp);
                tracing::error!(message_id = %id, error = %refused, "a message is given up; `ringback messages export` has it");
            }
            Post::Words(_) => {
                inner.telemetry.count(Count::TranscriptsGivenUp);
                tracing::error!(message_id = %id, error = %refused, "the words of a message are given up; `ringback messages transcript` has them");
            }
        }
        over(inner, post, false).await;
    }
    let now = inner.clock.now();
    match refused {
        Refused::Away { retry_after, .. } => {
            if pace.failures == 0 {
                tracing::warn!(message_id = %id, error = %refused, "messages wait for their receiver");
            }
            pace.failures = pace.failures.saturating_add(1);
            let failures = pace.failures;
            pace.rests_until = now + pace.pause(hook, failures).max(retry_after);
        }
        Refused::This(_) => {
            if tries == 1 {
                tracing::warn!(message_id = %id, error = %refused, "a message was not taken, and is sent again");
            }
            let until = now + pace.pause(hook, tries);
            inner.book().rest(post, until);
        }
    }
}

/// It needs no delivery any more. If the disk does not learn that, the next life delivers it again.
async fn over(inner: &Arc<Inner>, post: Post, is_taken: bool) {
    if !inner.book().over(post) {
        return; // Its caller was forgotten.
    }
    if inner.retention.is_zero() {
        expire(inner).await;
    }
    let mark = move |inner: &Inner| match post {
        Post::Message(id) => {
            let state = if is_taken {
                MessageState::Delivered
            } else {
                MessageState::Undelivered
            };
            inner.archive.mark(id, MessageState::Waiting, state)
        }
        Post::Words(id) => inner.mark_words(id, is_taken),
    };
    if let Err(fault) = blocking(inner, mark).await {
        tracing::warn!(error = %fault, "it is not on disk that a message is over");
    }
}

async fn expire(inner: &Arc<Inner>) {
    let expired = blocking(inner, |inner| {
        let keeping = Keeping {
            retention: inner.retention,
            deliver_for: inner.deliver_for(),
        };
        let ids = inner.book().expire(Clock::utc(), keeping);
        for id in &ids {
            inner.archive.remove(*id)?;
        }
        Ok(ids.len())
    });
    match expired.await {
        Ok(0) => {}
        Ok(expired) => tracing::info!(expired, "old messages were thrown away"),
        // They are found again at the next start.
        Err(fault) => tracing::warn!(error = %fault, "old messages are not thrown away"),
    }
}

impl Inner {
    /// Keeps that nobody is asked any more to take these words; `false`: they are gone. Blocks.
    fn mark_words(&self, id: MessageId, is_taken: bool) -> Result<bool, MessageFault> {
        let Some(transcript) = self.archive.transcript(id)? else {
            return Ok(false);
        };
        let state = if is_taken {
            TranscriptState::Delivered
        } else {
            TranscriptState::Undelivered
        };
        let marked = Transcript {
            state,
            ..transcript
        };
        self.keep_words(id, &marked)
    }

    /// Finds what is on disk. Blocks.
    fn load(&self) -> Result<(), MessageFault> {
        let torn = self.archive.sweep()?;
        let kept = self.archive.list()?;
        for sentence in &kept.unreadable {
            self.telemetry.count(Count::MessagesUnreadable);
            tracing::error!(
                error = sentence,
                "a message cannot be read, and is left as it is"
            );
        }
        let now = self.clock.now();
        for (id, (record, state)) in &kept.messages {
            let caller = record.caller.as_deref();
            let caller = caller
                .map(|caller| self.archive.caller(caller))
                .transpose()?;
            self.book().found(*id, record.at, caller, *state, now);
            match self.archive.transcript(*id) {
                Ok(Some(known)) => self.book().found_words(*id, known.tries, known.state, now),
                Ok(None) => {} // Nobody has asked for them yet.
                Err(fault @ (MessageFault::Damaged(_) | MessageFault::Newer(_))) => {
                    self.telemetry.count(Count::MessagesUnreadable);
                    tracing::error!(error = %fault, "the words of a message cannot be read, and are left as they are");
                    self.book().over(Post::Words(*id));
                }
                Err(fault @ (MessageFault::Disk(_) | MessageFault::Key(_))) => return Err(fault),
            }
        }
        let waiting = self.book().waiting();
        if torn + waiting > 0 {
            tracing::info!(waiting, torn, "messages of before the start");
        }
        Ok(())
    }
}

impl Pace {
    /// Anything up to a step that doubles with each failure.
    fn pause(&mut self, hook: &Hook, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1));
        let step = hook
            .delivery
            .retry_first
            .saturating_mul(factor.unwrap_or(u32::MAX));
        self.chance.up_to(step.min(hook.delivery.retry_max))
    }
}

/// Does something that blocks, beside everything else.
pub(super) async fn blocking<T: Send + 'static>(
    inner: &Arc<Inner>,
    work: impl FnOnce(&Inner) -> Result<T, MessageFault> + Send + 'static,
) -> Result<T, MessageFault> {
    let inner = Arc::clone(inner);
    let done = spawn_blocking(move || work(&inner)).await;
    // A panic goes on here, where the task's name stands beside it.
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
