//! Messages on a real disk, sent to a real receiver.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::*;
use crate::config::{Delivery, HookSecret};
use crate::store::messages::{ArchivePlace, MessageId, MessageState};
use crate::store::{KeySource, SealingKey};

mod crash;
mod deliveries;
mod receiver;
mod words;

/// Longer than anything takes that goes well.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a message is, at the most, in these tests.
const MESSAGE_MAX: Duration = Duration::from_secs(2);

const CALLER: &str = "+15550101";

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringback-messages-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The names of what is kept.
    fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(place(&self.0).folder) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn place(folder: &std::path::Path) -> ArchivePlace {
    ArchivePlace {
        folder: folder.join("messages"),
        store: folder.join("ringback.redb"),
        key: KeySource::Given(SealingKey::from_bytes([7; 32])),
    }
}

/// One life of the server, as far as messages go.
struct Life {
    messages: Messages,
    tasks: Tasks,
    telemetry: Telemetry,
}

impl Life {
    fn new(settings: MessageSettings) -> Self {
        let telemetry = Telemetry::default();
        let tasks = Tasks::new(telemetry.clone());
        let (clock, told) = (Clock::start(), telemetry.clone());
        let messages = Messages::open(settings, MESSAGE_MAX, clock, tasks.clone(), told);
        Self {
            messages: messages.unwrap(),
            tasks,
            telemetry,
        }
    }

    /// Delivers until it stops.
    fn keep(self) -> Self {
        self.tasks.spawn("messages", self.messages.clone().keep());
        self
    }

    fn count(&self, count: Count) -> u64 {
        self.telemetry.counts().get(count)
    }

    async fn stop(self) {
        self.tasks.handle().stop();
        timeout(DEADLINE, self.tasks.idle()).await.unwrap();
    }

    /// Leaves a message of this length.
    async fn leave(&self, frames: usize) -> Option<Recorded> {
        self.say(frames).end(true).await.ok()
    }

    fn say(&self, frames: usize) -> Recorder {
        let mut recorder = self.messages.begin(Sender {
            call: CallSid::parse(&format!("CA{:032x}", 1)),
            agent: Some("bakery".to_owned()),
            called: Some("+15550100".to_owned()),
            caller: Some(CALLER.to_owned()),
            language: Some("es".to_owned()),
        });
        for frame in 0..frames {
            recorder.audio(&frame_of(frame));
        }
        recorder
    }
}

/// A frame like no other of a message.
fn frame_of(number: usize) -> Frame {
    let byte = u8::try_from(number % 100).unwrap();
    Frame::from_raw(Bytes::from(vec![byte; 160]))
}

fn settings(folder: &Folder) -> MessageSettings {
    MessageSettings {
        is_offered: true,
        place: Some(place(&folder.0)),
        kept_max: 100,
        recordings_max: 10,
        retention: Duration::from_hours(24),
        delivery: None,
        transcripts: true,
    }
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = timeout(DEADLINE, waited).await;
    assert!(waited.is_ok(), "not in time: {what}");
}

#[tokio::test]
async fn what_was_said_is_on_disk_when_the_caller_is_told() {
    let folder = Folder::new();
    let life = Life::new(settings(&folder));
    assert_eq!(life.leave(50).await, Some(Recorded::Kept));
    let kept = Archive::new(place(&folder.0)).list().unwrap().messages;
    let (id, (record, state)) = kept.first_key_value().unwrap();
    assert_eq!(
        (record.duration(), *state),
        (Duration::from_secs(1), MessageState::Waiting)
    );
    assert_eq!(record.caller.as_deref(), Some(CALLER));
    let (_, _, audio) = Archive::new(place(&folder.0)).read(*id).unwrap().unwrap();
    let said: Vec<u8> = (0..50).flat_map(|frame| frame_of(frame).to_raw()).collect();
    assert_eq!(audio, said);
    assert_eq!(life.messages.waiting(), 1);
}

#[tokio::test]
async fn a_message_is_as_long_as_allowed_and_takes_no_more_memory_than_that() {
    let folder = Folder::new();
    let life = Life::new(settings(&folder));
    let mut recorder = life.say(0);
    let (at, capacity) = (recorder.audio.as_ptr(), recorder.audio.capacity());
    for frame in 0..1_000 {
        recorder.audio(&frame_of(frame));
    }
    assert_eq!(
        (recorder.audio.as_ptr(), recorder.audio.capacity()),
        (at, capacity)
    );
    assert_eq!(recorder.end(true).await, Ok(Recorded::Kept));
    let kept = Archive::new(place(&folder.0)).list().unwrap().messages;
    let (record, _) = kept.into_values().next().unwrap();
    assert_eq!(record.duration(), MESSAGE_MAX);
}

#[tokio::test]
async fn what_nobody_said_and_what_nobody_ended_is_thrown_away() {
    let folder = Folder::new();
    let life = Life::new(settings(&folder));
    assert!(life.say(10).end(false).await.is_err(), "nothing is told");
    drop(life.say(10));
    life.stop().await;
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[tokio::test]
async fn where_too_many_are_recorded_or_kept_the_next_is_lost_and_counted() {
    let folder = Folder::new();
    let life = Life::new(MessageSettings {
        kept_max: 2,
        recordings_max: 1,
        ..settings(&folder)
    });
    let first = life.say(1);
    assert_eq!(
        life.leave(1).await,
        Some(Recorded::Lost),
        "there is room for one"
    );
    assert_eq!(first.end(true).await, Ok(Recorded::Kept));
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    assert_eq!(life.leave(1).await, Some(Recorded::Lost), "two are kept");
    assert_eq!(life.count(Count::MessagesNotKept), 2);
    assert_eq!(folder.files().len(), 2);
    // Who is forgotten makes room.
    assert_eq!(life.messages.forget(CALLER).unwrap(), 2);
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
}

#[tokio::test]
async fn a_disk_that_refuses_loses_the_message_and_says_so_until_it_is_well() {
    let folder = Folder::new();
    let life = Life::new(settings(&folder));
    let messages = place(&folder.0).folder;
    fs::write(&messages, "a file where the folder should be").unwrap();
    assert_eq!(life.leave(1).await, Some(Recorded::Lost));
    assert!(life.messages.0.is_told.load(Ordering::Relaxed));
    fs::remove_file(&messages).unwrap();
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    assert!(!life.messages.0.is_told.load(Ordering::Relaxed));
    assert_eq!(life.count(Count::MessagesNotKept), 1);
}

#[tokio::test]
async fn a_caller_who_is_forgotten_leaves_nothing_whatever_is_known_in_memory() {
    let folder = Folder::new();
    let life = Life::new(settings(&folder));
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    assert_eq!(life.leave(1).await, Some(Recorded::Kept));
    life.stop().await;
    // A new life that has not read its disk yet.
    let life = Life::new(settings(&folder));
    assert_eq!(life.messages.forget("+15550199").unwrap(), 0);
    assert_eq!(folder.files().len(), 2);
    assert_eq!(life.messages.forget(CALLER).unwrap(), 2);
    assert_eq!(folder.files(), Vec::<String>::new());
    assert_eq!(life.messages.forget(CALLER).unwrap(), 0);
}

#[test]
fn a_caller_who_is_forgotten_while_the_message_is_written_is_forgotten_as_a_whole() {
    let mut book = Book::new(10, true);
    let folder = Folder::new();
    let caller = Archive::new(place(&folder.0)).caller(CALLER).unwrap();
    let id = MessageId::from_bits(1);
    assert!(book.begin(id, Utc::from_millis(1), Some(caller)));
    assert_eq!(book.forget(caller).len(), 1);
    assert!(
        !book.written(id, crate::core::time::Instant::ZERO),
        "so its file goes as well"
    );
}

#[tokio::test]
async fn old_messages_are_thrown_away_and_those_that_wait_for_a_receiver_are_not() {
    let folder = Folder::new();
    let archive = Archive::new(place(&folder.0));
    let (old, new) = (Utc::from_millis(1), Clock::utc());
    for (bits, at) in [(1, old), (2, new), (3, old)] {
        archive.keep(&record(bits, at), &[0xFF; 160]).unwrap();
    }
    let delivered = MessageId::from_bits(3);
    archive
        .mark(delivered, MessageState::Waiting, MessageState::Delivered)
        .unwrap();
    // Its receiver is away: the address is nobody's.
    let life = Life::new(MessageSettings {
        delivery: Some(delivery("http://127.0.0.1:1/")),
        ..settings(&folder)
    });
    let life = life.keep();
    until("the delivered one goes", || folder.files().len() == 2).await;
    life.stop().await;
    // Nobody is to be sent anything: then age is all.
    let life = Life::new(settings(&folder)).keep();
    until("the old one goes", || folder.files().len() == 1).await;
    life.stop().await;
    assert_eq!(
        folder.files(),
        [format!("{}.waiting", MessageId::from_bits(2))]
    );
}

fn record(bits: u128, at: Utc) -> MessageRecord {
    MessageRecord {
        id: MessageId::from_bits(bits),
        call: None,
        agent: None,
        called: None,
        caller: Some(CALLER.to_owned()),
        language: None,
        at,
        audio_bytes: 160,
    }
}

const SECRET: &str = "correct-horse-battery";

fn delivery(url: &str) -> Delivery {
    Delivery {
        url: url.to_owned(),
        secret: HookSecret::new(SECRET),
        timeout: Duration::from_secs(5),
        retry_first: Duration::from_millis(10),
        retry_max: Duration::from_millis(50),
        deliver_for: Duration::from_hours(1),
    }
}
