use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::core::ids::CallSid;
use crate::core::time::Utc;
use crate::store::SealingKey;

/// A folder that goes with its test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringback-archive-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn messages(&self) -> PathBuf {
        self.0.join("messages")
    }

    fn archive(&self, key: u8) -> Archive {
        Archive::new(ArchivePlace {
            folder: self.messages(),
            store: self.0.join("ringback.redb"),
            key: KeySource::Given(SealingKey::from_bytes([key; 32])),
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn record(number: u128) -> MessageRecord {
    MessageRecord {
        id: MessageId::from_bits(number),
        call: CallSid::parse(&format!("CA{number:032x}")),
        agent: Some("bakery".into()),
        called: Some("+15550100".into()),
        caller: Some("+15550101".into()),
        language: Some("es".into()),
        at: Utc::from_millis(1_000),
        audio_bytes: 3_200,
    }
}

const SOUND: [u8; 3_200] = [0x2A; 3_200];

#[test]
fn what_is_kept_is_read_again_by_its_key_alone() {
    let folder = Folder::new();
    let archive = folder.archive(1);
    assert!(archive.list().unwrap().messages.is_empty(), "no folder yet");
    archive.keep(&record(7), &SOUND).unwrap();
    let (found, state, sound) = archive.read(record(7).id).unwrap().unwrap();
    assert_eq!((found, state), (record(7), MessageState::Waiting));
    assert_eq!(sound, SOUND);
    assert_eq!(record(7).duration().as_millis(), 400);

    let other = folder.archive(2);
    assert!(matches!(
        other.read(record(7).id),
        Err(MessageFault::Damaged(_))
    ));
    let listed = other.list().unwrap();
    assert_eq!((listed.messages.len(), listed.unreadable.len()), (0, 1));
    let printed = format!("{:?} {archive:?} {listed:?}", record(7));
    assert!(!printed.contains("5550"), "{printed}");
}

#[test]
fn neither_a_number_nor_a_sound_stands_on_the_disk() {
    let folder = Folder::new();
    folder.archive(1).keep(&record(1), &SOUND).unwrap();
    for entry in fs::read_dir(folder.messages()).unwrap() {
        let path = entry.unwrap().path();
        assert!(!path.to_str().unwrap().contains("555"));
        let bytes = fs::read(path).unwrap();
        for part in [&b"5550"[..], b"bakery", &SOUND[..8]] {
            assert!(!bytes.windows(part.len()).any(|window| window == part));
        }
    }
}

#[test]
fn a_message_is_in_one_state_until_it_is_thrown_away() {
    let folder = Folder::new();
    let archive = folder.archive(1);
    archive.keep(&record(1), &SOUND).unwrap();
    archive.keep(&record(2), &SOUND).unwrap();
    let (one, two) = (record(1).id, record(2).id);
    let delivered = |id| archive.mark(id, MessageState::Waiting, MessageState::Delivered);
    assert!(delivered(one).unwrap());
    assert!(!delivered(one).unwrap(), "it waits no more");
    let states: Vec<_> = archive.list().unwrap().messages.into_values().collect();
    assert_eq!(
        states,
        [
            (record(1), MessageState::Delivered),
            (record(2), MessageState::Waiting)
        ]
    );
    assert!(archive.remove(one).unwrap());
    assert!(!archive.remove(one).unwrap());
    assert!(archive.read(one).unwrap().is_none());
    assert!(archive.read(two).unwrap().is_some());
}

#[test]
fn what_was_torn_is_swept_and_what_is_whole_or_foreign_stays() {
    let folder = Folder::new();
    let archive = folder.archive(1);
    archive.keep(&record(1), &SOUND).unwrap();
    let whole = folder.messages().join(format!("{}.waiting", record(1).id));
    let bytes = fs::read(whole).unwrap();
    let torn = folder.messages().join(format!("{}.tmp", record(2).id));
    fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();
    let foreign = folder.messages().join("README");
    fs::write(&foreign, "not ours").unwrap();
    assert_eq!(archive.list().unwrap().messages.len(), 1);
    assert_eq!(archive.sweep().unwrap(), 1);
    assert!(!torn.exists() && foreign.exists());
    let listed = archive.list().unwrap();
    assert_eq!((listed.messages.len(), listed.unreadable.len()), (1, 0));
}

#[test]
fn a_file_that_was_cut_changed_or_renamed_is_damaged_and_never_half_a_message() {
    let folder = Folder::new();
    let archive = folder.archive(1);
    archive.keep(&record(1), &SOUND).unwrap();
    let path = folder.messages().join(format!("{}.waiting", record(1).id));
    let whole = fs::read(&path).unwrap();
    for end in [0, 5, 11, 12, 40, 200, whole.len() - 1] {
        fs::write(&path, &whole[..end]).unwrap();
        let read = archive.read(record(1).id);
        assert!(matches!(read, Err(MessageFault::Damaged(_))), "{end}");
    }
    for place in [0, 8, 30, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[place] ^= 1;
        fs::write(&path, changed).unwrap();
        let read = archive.read(record(1).id);
        assert!(matches!(read, Err(MessageFault::Damaged(_))), "{place}");
    }
    let mut newer = whole.clone();
    newer[7] += 1;
    fs::write(&path, newer).unwrap();
    let read = archive.read(record(1).id);
    assert!(matches!(read, Err(MessageFault::Newer(_))));
    // Another's name is another's place.
    let other = folder.messages().join(format!("{}.waiting", record(2).id));
    fs::write(&other, whole).unwrap();
    assert!(archive.read(record(2).id).is_err());
    assert_eq!(
        archive.list().unwrap().unreadable.len(),
        2,
        "told, and left as they are"
    );
    assert!(other.exists());
}

#[test]
fn where_nothing_can_be_written_nothing_is_left() {
    let folder = Folder::new();
    let archive = folder.archive(1);
    fs::write(folder.messages(), "a file where the folder should be").unwrap();
    let kept = archive.keep(&record(1), &SOUND);
    assert!(matches!(kept, Err(MessageFault::Disk(_))), "{kept:?}");
    fs::remove_file(folder.messages()).unwrap();
    assert_eq!(archive.list().unwrap().messages.len(), 0);
    archive.keep(&record(1), &SOUND).unwrap();
}

#[test]
fn texts_of_any_length_leave_the_record_readable_without_the_sound() {
    let folder = Folder::new();
    let archive = folder.archive(1);
    let long = Some("\u{1F600}".repeat(5_000));
    let record = MessageRecord {
        agent: long.clone(),
        called: long.clone(),
        caller: long.clone(),
        language: long,
        ..record(1)
    };
    archive.keep(&record, &SOUND).unwrap();
    let listed = archive.list().unwrap();
    assert_eq!((listed.messages.len(), listed.unreadable.len()), (1, 0));
}

#[test]
fn a_name_is_32_small_digits() {
    let id = MessageId::from_bits(0xAB);
    assert_eq!(MessageId::parse(&id.to_string()), Some(id));
    for wrong in [
        "",
        "ab",
        &"AB".repeat(16),
        &"+1".repeat(16),
        &"0".repeat(33),
    ] {
        assert_eq!(MessageId::parse(wrong), None, "{wrong}");
    }
}

fn transcript(words: &str) -> Transcript {
    Transcript {
        tries: 2,
        state: TranscriptState::Waiting,
        words: words.to_owned(),
    }
}

#[test]
fn words_are_read_again_by_their_key_and_name_alone_and_go_with_their_message() {
    let folder = Folder::new();
    let archive = folder.archive(1);
    let id = record(7).id;
    archive.keep(&record(7), &SOUND).unwrap();
    assert_eq!(archive.transcript(id).unwrap(), None);
    archive
        .keep_transcript(id, &transcript("two loaves"))
        .unwrap();
    let delivered = Transcript {
        state: TranscriptState::Delivered,
        ..transcript("two loaves")
    };
    archive.keep_transcript(id, &delivered).unwrap();
    assert_eq!(archive.transcript(id).unwrap(), Some(delivered));
    assert!(folder.archive(2).transcript(id).is_err(), "another key");
    let file = folder.messages().join(format!("{id}.transcript"));
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(6).any(|part| part == b"loaves"));
    // Those of another message are refused, and so is what is cut or of a newer version.
    let other = record(8).id;
    let taken = folder.messages().join(format!("{other}.transcript"));
    for (bytes, is_newer) in [
        (bytes.clone(), false),
        (bytes[..bytes.len() - 1].to_vec(), false),
        ([&bytes[..7], &[2], &bytes[8..]].concat(), true),
    ] {
        fs::write(&taken, bytes).unwrap();
        let fault = archive.transcript(other).unwrap_err();
        assert_eq!(matches!(fault, MessageFault::Newer(_)), is_newer, "{fault}");
    }
    assert_eq!(archive.list().unwrap().messages.len(), 1);
    assert!(!format!("{:?}", transcript("two loaves")).contains("loaves"));
    // Words without a message are nobody's.
    assert_eq!(archive.sweep().unwrap(), 1);
    assert!(file.exists() && !taken.exists());
    assert!(archive.remove(id).unwrap());
    assert!(!file.exists());
}

#[test]
fn words_are_as_long_as_allowed_and_no_longer() {
    let folder = Folder::new();
    let archive = folder.archive(1);
    archive.keep(&record(1), &SOUND).unwrap();
    let long = "é".repeat(TRANSCRIPT_BYTES_MAX);
    archive
        .keep_transcript(record(1).id, &transcript(&long))
        .unwrap();
    let kept = archive.transcript(record(1).id).unwrap().unwrap();
    assert_eq!(kept.words.len(), TRANSCRIPT_BYTES_MAX);
}
