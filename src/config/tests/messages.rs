//! `[messages]`: where messages are kept, and who is sent them.

use std::time::Duration;

use super::{Folder, NO_AUTH, environment, problems};
use crate::config::load;

const SECRET: (&str, &str) = ("HOOK_SECRET", "correct-horse-battery");

#[test]
fn without_a_store_nobody_can_leave_one() {
    let config = load(None, &environment(&[("RINGBACK__PUBLIC__AUTH", "none")])).unwrap();
    assert_eq!(config.messages.place, None);
    assert!(config.messages.delivery.is_none());
    assert_eq!(config.messages.retention, Duration::from_hours(30 * 24));
}

#[test]
fn messages_are_beside_the_store_or_in_their_own_folder_and_their_secret_is_not_printed() {
    let folder = Folder::new("messages");
    let store = format!("{NO_AUTH}[store]\npath = \"calls.redb\"\n[messages]\n");
    let file = folder.write("file.toml", &store);
    let read = || load(Some(&file), &environment(&[SECRET])).unwrap().messages;
    let place = read().place.unwrap();
    assert_eq!(
        place.folder,
        file.parent().unwrap().join("calls.redb.messages")
    );
    assert_eq!(place.store, file.parent().unwrap().join("calls.redb"));

    let more = "folder = \"said\"\nurl = \"https://example.com/hook?a=b\"\n\
                secret = { env = \"HOOK_SECRET\" }\nretention_days = 0\n";
    folder.write("file.toml", &format!("{store}{more}"));
    let settings = read();
    let place = settings.place.as_ref().unwrap();
    assert_eq!(place.folder, file.parent().unwrap().join("said"));
    let delivery = settings.delivery.as_ref().unwrap();
    assert_eq!(delivery.url, "https://example.com/hook?a=b");
    assert_eq!(delivery.secret.expose(), SECRET.1);
    assert!(!format!("{settings:?}").contains(SECRET.1));
}

#[test]
fn what_cannot_be_is_refused_with_what_is_allowed() {
    for (text, part) in [
        ("folder = \"x\"", "wants a store"),
        ("retention_days = 0", "since nobody is sent them"),
        (
            "url = \"https://example.com/hook\"",
            "messages.secret is missing",
        ),
        (
            "secret = { env = \"HOOK_SECRET\" }",
            "messages.url is missing",
        ),
        (
            "url = \"http://example.com/hook\"\nsecret = { env = \"HOOK_SECRET\" }",
            "messages.url = \"http://example.com/hook\" is not accepted",
        ),
        (
            "url = \"https://u:p@example.com/\"\nsecret = { env = \"HOOK_SECRET\" }",
            "messages.url",
        ),
        (
            "url = \"https://example.com/\"\nsecret = \"hunter2hunter2hunter2\"",
            "messages.secret holds what is no place of a secret",
        ),
        ("kept_max = 0", "messages.kept_max = 0 is out of bounds"),
        ("keep = 1", "messages.keep is unknown"),
    ] {
        let text = format!("{NO_AUTH}[messages]\n{text}");
        let found = problems("messages-wrong", &text, &[SECRET]);
        assert!(
            found.iter().any(|found| found.contains(part)),
            "{part}: {found:?}"
        );
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }
}

#[test]
fn messages_are_written_down_unless_a_business_does_not_want_it() {
    let folder = Folder::new("transcripts");
    for (text, wanted) in [("", true), ("transcripts = false", false)] {
        let file = folder.write("file.toml", &format!("{NO_AUTH}[messages]\n{text}\n"));
        let config = load(Some(&file), &environment(&[])).unwrap();
        assert_eq!(config.messages.transcripts, wanted, "{text}");
    }
    let text = format!("{NO_AUTH}[messages]\ntranscripts = \"later\"");
    let found = problems("transcripts-wrong", &text, &[]);
    assert!(found.concat().contains("messages.transcripts"), "{found:?}");
}
