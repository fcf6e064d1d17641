//! `[store]`: where what outlives a call is kept.

use std::time::Duration;

use super::{Folder, NO_AUTH, environment, problems};
use crate::config::{StorePlace, load};
use crate::store::KeySource;
use crate::store::embedded::EmbeddedSettings;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn without_a_path_nothing_is_kept_on_disk() {
    let config = load(None, &environment(&[("RINGBACK__PUBLIC__AUTH", "none")])).unwrap();
    assert_eq!(config.store.place, StorePlace::Memory);
    assert_eq!(config.store.embedded, EmbeddedSettings::default());
    assert_eq!(config.store.call_ttl, Duration::from_hours(1));
}

#[test]
fn a_path_is_relative_to_the_file_that_names_it_and_the_key_is_beside_it_or_given() {
    let folder = Folder::new("store");
    let text = format!("{NO_AUTH}[store]\npath = \"state/calls.redb\"\n");
    let file = folder.write("file.toml", &text);
    let place = |variables: &[(&str, &str)]| {
        let config = load(Some(&file), &environment(variables)).unwrap();
        assert!(!format!("{config:?}").contains(KEY));
        config.store.place
    };
    let path = file.parent().unwrap().join("state/calls.redb");
    assert_eq!(
        place(&[]),
        StorePlace::File(path.clone(), KeySource::Beside)
    );

    let text = format!("{text}key = {{ env = \"STORE_KEY\" }}\n");
    folder.write("file.toml", &text);
    let StorePlace::File(at, KeySource::Given(_)) = place(&[("STORE_KEY", KEY)]) else {
        panic!("a key was given");
    };
    assert_eq!(at, path);
}

#[test]
fn what_is_no_key_is_refused_and_not_printed() {
    for (text, variables, part) in [
        (
            "key = \"hunter2\"",
            [("A", "1")],
            "store.key holds what is no place of a key",
        ),
        (
            "key = { env = \"K\" }",
            [("K", "hunter2")],
            "whose value is no key: one line of at least 44",
        ),
        (
            "key = { env = \"K\" }",
            [("K", "hunter2hunter2hunter2hunter2hunter2hunter2hunter2")],
            "store.key names what is no key; allowed: 32 bytes in base64",
        ),
        (
            "write_timeout = \"1ms\"",
            [("A", "1")],
            "store.write_timeout = \"1ms\" is out of bounds",
        ),
        ("pfad = \"x\"", [("A", "1")], "store.pfad is unknown"),
    ] {
        let found = problems(
            "store-wrong",
            &format!("{NO_AUTH}[store]\n{text}"),
            &variables,
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(part), "{part}: {found:?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
    }
}
