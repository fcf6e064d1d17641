//! `[twilio]`: what it takes to be called by strangers.

use super::{Folder, environment, problems};
use crate::config::{Auth, Mode, UpgradeSignature, load};

const ACCOUNT: &str = "AC000000000000000000000000000000a1";

/// What the shortest section needs.
const CREDENTIALS: [(&str, &str); 3] = [
    ("TWILIO_ACCOUNT_SID", ACCOUNT),
    ("TWILIO_AUTH_TOKEN", "first-token"),
    ("RINGBACK__TWILIO__PUBLIC_URL", "https://voice.example.com"),
];

#[test]
fn credentials_and_an_address_are_enough() {
    let config = load(None, &environment(&CREDENTIALS)).unwrap();
    assert_eq!(config.public.auth, Auth::Twilio);
    let account: Vec<_> = config
        .public
        .accounts
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(account, [ACCOUNT], "our own account needs no second word");
    let twilio = config.twilio.unwrap();
    assert_eq!(twilio.account.as_str(), ACCOUNT);
    assert_eq!(twilio.auth_tokens.len(), 1);
    assert_eq!(twilio.action_url, twilio.public_url);
    assert!(matches!(twilio.mode, Mode::Dynamic));
    assert_eq!(twilio.upgrade_signature, UpgradeSignature::Required);
    assert!(!format!("{twilio:?}").contains("first-token"));
}

#[test]
fn without_auth_no_credentials_are_looked_for() {
    let config = load(None, &environment(&[("RINGBACK__PUBLIC__AUTH", "none")])).unwrap();
    assert!(config.twilio.is_none());
}

#[test]
fn a_whole_section_is_read() {
    let text = r#"
        [twilio]
        auth_tokens = [{ env = "TWILIO_AUTH_TOKEN" }, { env = "NEXT_TOKEN" }]
        api_key = "SK000000000000000000000000000000a2"
        api_key_secret = { env = "API_SECRET" }
        edge = "ashburn"
        region = "us1"
        action_url = "https://anywhere.example.com"
        mode = "static"
        stream_secrets = [{ env = "STREAM_SECRET" }]
        token_keys = [{ id = "b", env = "KEY_B" }, { id = "a", env = "KEY_A" }]
    "#;
    let more = [
        ("NEXT_TOKEN", "second-token"),
        ("API_SECRET", "api-secret"),
        ("STREAM_SECRET", "0123456789abcdef"),
        ("KEY_A", "key-a"),
        ("KEY_B", "key-b"),
    ];
    let variables = [CREDENTIALS.as_slice(), &more].concat();
    assert_eq!(problems("twilio", text, &variables), Vec::<String>::new());
}

/// Lines of the section, by a name, and what is said of them.
const WRONG: [(&str, &str, &str); 15] = [
    (
        "url",
        "public_url = \"http://voice.example.com\"",
        "twilio.public_url = ",
    ),
    (
        "action",
        "action_url = \"https://voice.example.com?x\"",
        "twilio.action_url = ",
    ),
    (
        "sid",
        "account_sid = \"AC1\"",
        "twilio.account_sid = \"AC1\" is not accepted",
    ),
    (
        "written",
        "auth_tokens = [\"swordfish\"]",
        "twilio.auth_tokens holds what is no place",
    ),
    ("none", "auth_tokens = []", "twilio.auth_tokens is missing"),
    (
        "three",
        "auth_tokens = [{ env = \"A\" }, { env = \"B\" }, { env = \"C\" }]",
        "twilio.auth_tokens has 3 entries",
    ),
    (
        "static",
        "mode = \"static\"",
        "twilio.stream_secrets = […] is needed",
    ),
    (
        "short",
        "mode = \"static\"\nstream_secrets = [{ env = \"SHORT\" }]",
        "twilio.stream_secrets = […] is needed",
    ),
    (
        "unsigned",
        "mode = \"static\"\nupgrade_signature = \"if_present\"\nstream_secrets = [{ env = \"LONG\" }]",
        "twilio.upgrade_signature = \"if_present\" would let in",
    ),
    (
        "half",
        "api_key = \"SK000000000000000000000000000000a2\"",
        "twilio.api_key_secret is missing",
    ),
    (
        "other half",
        "api_key_secret = { env = \"LONG\" }",
        "twilio.api_key is missing",
    ),
    (
        "id",
        "token_keys = [{ id = \"a.b\", env = \"LONG\" }]",
        "twilio.token_keys = ",
    ),
    (
        "twice",
        "token_keys = [{ id = \"a\", env = \"LONG\" }, { id = \"a\", env = \"SHORT\" }]",
        "twilio.token_keys = ",
    ),
    (
        "overrides",
        "connection_overrides = \"ct=1#x\"",
        "twilio.connection_overrides = ",
    ),
    (
        "slip",
        "public_ulr = \"\"",
        "did you mean twilio.public_url?",
    ),
];

#[test]
fn what_is_wrong_is_told_with_its_key_and_without_secrets() {
    for (name, lines, wanted) in WRONG {
        let mut variables = CREDENTIALS.to_vec();
        variables.retain(|(key, _)| !(name == "url" && key.ends_with("PUBLIC_URL")));
        variables.extend([("SHORT", "too-short"), ("LONG", "0123456789abcdefgh")]);
        variables.extend([("A", "1"), ("B", "2"), ("C", "3")]);
        let found = problems(name, &format!("[twilio]\n{lines}"), &variables);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(found[0].contains(wanted), "{name}: {found:?}");
        for secret in [
            "swordfish",
            "too-short",
            "0123456789abcdefgh",
            "first-token",
        ] {
            assert!(!found[0].contains(secret), "{name}: {found:?}");
        }
    }
}

#[test]
fn rest_is_used_with_a_key_or_by_an_express_word() {
    let key = "api_key = \"SK000000000000000000000000000000a2\"\napi_key_secret = { env = \"API_SECRET\" }\n";
    for (lines, used) in [
        (String::new(), false),
        (key.to_owned(), true),
        (format!("{key}rest = \"off\"\n"), false),
        ("rest = \"auth_token\"\n".to_owned(), true),
        (format!("{key}rest_url = \"http://127.0.0.1:9\"\n"), true),
    ] {
        let folder = Folder::new("rest");
        let file = folder.write("file.toml", &format!("[twilio]\n{lines}"));
        let more = [("API_SECRET", "api-secret")];
        let variables = environment(&[CREDENTIALS.as_slice(), &more].concat());
        let twilio = load(Some(&file), &variables).unwrap().twilio.unwrap();
        assert_eq!(twilio.rest.is_some(), used, "{lines}");
        assert!(!format!("{twilio:?}").contains("api-secret"));
    }
    for (line, sentence) in [
        ("rest = \"yes\"", "twilio.rest = \"yes\" is none of them"),
        (
            "rest_url = \"http://example.com\"",
            "twilio.rest_url = \"http://example.com\" is not accepted",
        ),
        ("edge = \"A.b\"", "twilio.edge = \"A.b\" is not accepted"),
    ] {
        let said = problems("rest-wrong", &format!("[twilio]\n{line}\n"), &CREDENTIALS);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(sentence), "{said:?}");
    }
}

#[test]
fn a_certificate_needs_its_key() {
    for (line, sentence) in [
        (
            "tls_cert = \"a.pem\"",
            "public.tls_key is missing; allowed: ",
        ),
        (
            "tls_key = \"a.pem\"",
            "public.tls_cert is missing; allowed: ",
        ),
        ("tls_cert = \"\"", "public.tls_cert = \"\" is not accepted"),
    ] {
        let said = problems("tls", &format!("[public]\n{line}\n"), &CREDENTIALS);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(sentence), "{said:?}");
    }
    let text = "[public]\ntls_cert = \"a.pem\"\ntls_key = \"b.pem\"\n";
    let folder = Folder::new("tls-both");
    let file = folder.write("file.toml", text);
    let config = load(Some(&file), &environment(&CREDENTIALS)).unwrap();
    let files = config.public.tls.unwrap();
    assert_eq!(files.key, file.with_file_name("b.pem"));
}
