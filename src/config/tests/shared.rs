//! `[shared]`: the store that nodes share.

use super::{Folder, NO_AUTH, environment, problems};
use crate::config::load;
use crate::store::redis::{RedisPlace, RedisSettings};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn without_an_address_nothing_is_shared_and_with_one_there_are_defaults() {
    let folder = Folder::new("shared");
    let file = folder.write("file.toml", NO_AUTH);
    let config = load(Some(&file), &environment(&[])).unwrap();
    assert!(config.shared.is_none());
    let text = "[shared]\nurl = { env = \"REDIS_URL\" }\nkey = { env = \"K\" }\n";
    folder.write("file.toml", &format!("{NO_AUTH}{text}"));
    let url = "rediss+sentinel://ringback:hunter2@a,b/main";
    let config = load(Some(&file), &environment(&[("REDIS_URL", url), ("K", KEY)])).unwrap();
    let printed = format!("{config:?}");
    assert!(!printed.contains("hunter2") && !printed.contains(KEY));
    let shared = config.shared.unwrap();
    assert_eq!(shared.redis, RedisSettings::default());
    assert!(matches!(shared.address.place, RedisPlace::Sentinels(..)));
    assert!(shared.address.tls.is_some());
    assert_eq!(shared.address.login.password.as_deref(), Some("hunter2"));
}

#[test]
fn what_is_wrong_is_named_and_secrets_are_not_printed() {
    let key = "key = { env = \"K\" }";
    for (text, part) in [
        ("url = \"redis://a\"".to_owned(), "shared.key is missing"),
        (
            format!("url = \"redis://:hunter2@a\"\n{key}"),
            "shared.url holds a password",
        ),
        (
            format!("url = \"http://hunter2\"\n{key}"),
            "shared.url is no address; allowed: redis://",
        ),
        (
            format!("url = {{ env = \"BAD\" }}\n{key}"),
            "shared.url is no address",
        ),
        (
            format!("url = \"redis://a\"\npassword = \"hunter2\"\n{key}"),
            "shared.password holds",
        ),
        (
            format!("url = \"rediss://a\"\nca_file = \"none.pem\"\n{key}"),
            "shared.ca_file is not accepted",
        ),
        (
            format!("url = \"redis://a\"\nprefix = \"a b\"\n{key}"),
            "shared.prefix",
        ),
        (
            format!("url = \"redis://a\"\nreplicas_min = 1\nreplica_timeout = \"1s\"\n{key}"),
            "leaves a write no time of its own",
        ),
    ] {
        let text = format!("{NO_AUTH}[shared]\n{text}\n");
        let variables = [("K", KEY), ("BAD", "redis://hunter2@@@:x")];
        let said = problems("shared-wrong", &text, &variables).join("\n");
        assert!(said.contains(part), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
