//! What the folder keeps, and what it refuses.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringback-store-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Store {
        Store::open(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn key() -> Key {
    Key {
        text: "One moment, please.".into(),
        voice: "marin".into(),
        language: Language::english(),
    }
}

const AUDIO: [u8; 320] = [0x42; 320];

#[test]
fn a_recording_survives_a_restart_and_is_found_by_text_voice_and_language() {
    let folder = Folder::new();
    let mut store = folder.open();
    assert!(store.get(&key()).unwrap().is_none());
    let added = store.add(&key(), &AUDIO, Source::Rendered).unwrap();
    assert_eq!(added, Added::New);
    for store in [store, folder.open()] {
        let stored = store.get(&key()).unwrap().unwrap();
        assert_eq!(&stored.audio[..], &AUDIO);
        assert_eq!(stored.source, Source::Rendered);
        for other in [
            Key {
                text: "One moment.".into(),
                ..key()
            },
            Key {
                voice: "cedar".into(),
                ..key()
            },
            Key {
                language: Language::parse("en").unwrap(),
                ..key()
            },
        ] {
            assert!(store.get(&other).unwrap().is_none(), "{other:?}");
        }
    }
}

#[test]
fn a_better_recording_takes_the_place_of_an_earlier_one() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.add(&key(), &AUDIO, Source::Rendered).unwrap();
    let added = store.add(&key(), &[0x17; 160], Source::Imported).unwrap();
    assert_eq!(added, Added::Replaced);
    let stored = folder.open().get(&key()).unwrap().unwrap();
    assert_eq!((stored.audio.len(), stored.source), (160, Source::Imported));
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn what_is_torn_foreign_or_newer_is_refused_and_never_overwritten() {
    let folder = Folder::new();
    let mut store = folder.open();
    store.add(&key(), &AUDIO, Source::Imported).unwrap();
    let path = folder.0.join(key().file_name());
    let good = fs::read(&path).unwrap();
    let newer = wav::write_mulaw(&AUDIO, &[(TAG_WRITER, "ringback prompt 2")]);
    let other = {
        let mut other = folder.open();
        let key = Key {
            voice: "cedar".into(),
            ..key()
        };
        other.add(&key, &AUDIO, Source::Imported).unwrap();
        fs::read(folder.0.join(key.file_name())).unwrap()
    };
    for (content, what) in [
        (
            &good[..good.len() - 7],
            "is torn: it ends within its `data` chunk",
        ),
        (&[][..], "is empty"),
        (
            &wav::write_mulaw(&AUDIO, &[])[..],
            "was not written by ringback; it is left alone",
        ),
        (&newer[..], "was written by another version of ringback"),
        (
            &other[..],
            "holds other words, voice or language than its name says",
        ),
        (b"a shopping list", "is no WAV file"),
    ] {
        fs::write(&path, content).unwrap();
        let mut store = folder.open();
        let error = store.get(&key()).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{}: ", path.display())),
            "{error}"
        );
        assert!(error.contains(what), "{error}");
        store.add(&key(), &AUDIO, Source::Imported).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), content, "it was overwritten");
    }
}

#[test]
fn files_of_other_names_are_left_alone_and_told() {
    let folder = Folder::new();
    for name in ["hello.wav", "README.md", "0123.wav"] {
        fs::write(folder.0.join(name), "x").unwrap();
    }
    fs::create_dir(folder.0.join("en-US")).unwrap();
    let store = folder.open();
    assert!(store.is_empty());
    let names: Vec<_> = store
        .foreign()
        .iter()
        .map(|path| path.file_name().unwrap())
        .collect();
    assert_eq!(names, ["0123.wav", "hello.wav"]);
}

#[test]
fn a_folder_is_made_when_it_is_needed_and_a_file_in_its_place_is_told() {
    let folder = Folder::new();
    let inner = folder.0.join("a/b");
    let mut store = Store::open(&inner).unwrap();
    assert!(!inner.exists());
    store.add(&key(), &AUDIO, Source::Imported).unwrap();
    assert!(inner.join(key().file_name()).exists());

    let file = folder.0.join("file");
    fs::write(&file, "").unwrap();
    let error = Store::open(&file).unwrap_err().to_string();
    assert!(error.starts_with(&file.display().to_string()), "{error}");
}

#[test]
fn the_name_of_a_file_is_for_good() {
    // Another name would orphan every recording that there is.
    assert_eq!(key().file_name(), "96188a2f8b02305ace6a75fa71f24c9c.wav");
}

#[test]
fn what_a_model_spoke_never_takes_the_place_of_a_recording() {
    let folder = Folder::new();
    let mut store = folder.open();
    let mut early = folder.open();
    assert!(store.add_rendered(&key(), &AUDIO).unwrap());
    assert_eq!(store.get(&key()).unwrap().unwrap().source, Source::Rendered);
    store.add(&key(), &AUDIO, Source::Imported).unwrap();
    // Whoever looked at the folder before it was there finds it all the same.
    for store in [&mut store, &mut early] {
        assert!(!store.add_rendered(&key(), &AUDIO).unwrap());
        let stored = folder.open().get(&key()).unwrap().unwrap();
        assert_eq!(stored.source, Source::Imported);
    }
    let path = folder.0.join(key().file_name());
    fs::write(&path, b"torn").unwrap();
    store.add_rendered(&key(), &AUDIO).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), b"torn");
}
