//! What settings do, told from outside: files and variables in, a configuration or sentences out.

use std::fs;
use std::path::PathBuf;

use super::*;

mod callbacks;
mod carrier;
mod messages;
mod prompts;
mod providers;
mod region;
mod shared;
mod store;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringback-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What is wrong with this file, one sentence each, without the path of the file.
fn problems(name: &str, text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let folder = Folder::new(name);
    let file = folder.write("file.toml", &format!("{text}\n"));
    let prefix = format!("{}: ", file.display());
    match load(Some(&file), &environment(variables)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .iter()
            .map(|problem| problem.to_string().replace(&prefix, ""))
            .collect(),
    }
}

const NO_AUTH: &str = "[public]\nauth = \"none\"\n";

#[test]
fn the_defaults_want_credentials_or_a_word_that_there_are_none() {
    let config = load(None, &environment(&[("RINGBACK__PUBLIC__AUTH", "none")])).unwrap();
    assert_eq!(config.call, CallSettings::default());
    assert_eq!(config.public.unstarted_max, 256);
    assert_eq!(config.providers.entries[0].policy.name, "local");
    assert_eq!(config.agents.iter().len(), 1);

    let problems = load(None, &environment(&[])).unwrap_err().to_string();
    for key in ["account_sid", "auth_tokens", "public_url"] {
        assert!(problems.contains(&format!("twilio.{key} ")), "{problems}");
    }
    assert_eq!(problems.lines().count(), 3, "{problems}");
}

#[test]
fn a_variable_overrides_a_file_which_overrides_the_defaults() {
    let folder = Folder::new("layers");
    let file = folder.write(
        "file.toml",
        &format!("{NO_AUTH}[call]\ndial_timeout = \"1s\"\npong_timeout = \"4s\"\n"),
    );
    let variables = environment(&[
        ("RINGBACK__CALL__DIAL_TIMEOUT", "2.5s"),
        ("RINGBACK__CALLS__CALLS_MAX", "7"),
        (
            "RINGBACK__PUBLIC__ACCOUNTS",
            "AC0123456789abcdef0123456789abcdef",
        ),
        ("RINGBACK_OTHER", "is none of ours"),
    ]);
    let config = load(Some(&file), &variables).unwrap();
    assert_eq!(config.call.dial_timeout, Duration::from_millis(2_500));
    assert_eq!(config.call.pong_timeout, Duration::from_secs(4));
    assert_eq!(config.call.ping_interval, Duration::from_secs(1));
    assert_eq!(config.calls.calls_max, 7);
    assert_eq!(config.public.accounts.len(), 1);
}

#[test]
fn a_problem_names_file_key_value_and_what_is_allowed() {
    let folder = Folder::new("names");
    let file = folder.write(
        "file.toml",
        &format!("{NO_AUTH}[call]\ndial_timeout = \"3 days\"\n"),
    );
    let sentence = load(Some(&file), &environment(&[]))
        .unwrap_err()
        .to_string();
    assert_eq!(
        sentence,
        format!(
            "{}: call.dial_timeout = \"3 days\" is not a time; allowed: 100ms to 1m, \
             a number and a unit (ms, s, m, h) in quotes, as in \"900ms\", \"1.5s\", \"2m\"",
            file.display()
        )
    );
    let variables = environment(&[("RINGBACK__PUBLIC__AUTH", "maybe")]);
    let sentence = load(None, &variables).unwrap_err().to_string();
    assert_eq!(
        sentence,
        "RINGBACK__PUBLIC__AUTH: public.auth = \"maybe\" is none of them; allowed: \"twilio\", \"none\""
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let text = "[public]\nauth = \"none\"\nlisten = \"localhost\"\n[call]\nrefusals_max = 0\n\
                dial_timeot = \"3s\"\n[cals]\nx = 1\n[log]\nlevel = 3\n";
    let found = problems("all", text, &[("RINGBACK__CALLS__CALLS_MAX", "many")]);
    for part in [
        "public.listen = \"localhost\" is not accepted",
        "call.refusals_max = 0 is out of bounds; allowed: 1 to 1000000",
        "call.dial_timeot is unknown; did you mean call.dial_timeout?",
        "section cals is unknown; did you mean section calls?",
        "log.level = 3 is none of them; allowed: \"error\", \"warn\"",
        "RINGBACK__CALLS__CALLS_MAX: calls.calls_max = \"many\" is not a whole number",
    ] {
        assert!(
            found.iter().any(|is| is.contains(part)),
            "{part}\n{found:#?}"
        );
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let found = problems("toml", "[public]\nauth = none", &[]);
    assert!(found[0].starts_with("line 2 is not TOML"), "{found:?}");
    let missing = load(Some(Path::new("/no/such.toml")), &environment(&[])).unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("/no/such.toml: cannot be read")
    );
}

#[test]
fn without_auth_it_listens_on_loopback_only() {
    let text = "[public]\nauth = \"none\"\nlisten = \"0.0.0.0:8080\"";
    let found = problems("loopback", text, &[]);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("public.listen = \"0.0.0.0:8080\" would let anybody in"));
}

fn provider(lines: &str) -> String {
    format!("{NO_AUTH}[[provider]]\nname = \"x\"\nprotocol = \"openai\"\ndialect = \"ga\"\n{lines}")
}

#[test]
fn a_secret_is_named_and_never_printed() {
    const KEY: &str = "sk-live-0123456789";
    let url = "url = \"wss://api.example.com/v1\"\n";
    let literal = [
        format!("keys = [\"{KEY}\"]"),
        format!("keys = \"{KEY}\""),
        format!("keys = [{{ env = \"{KEY}\" }}]"),
        format!("keys = [{{ value = \"{KEY}\" }}]"),
        format!("keys = []\napi_key = \"{KEY}\""),
        format!("keys = [{{ env = \"A\" }}, {{ env = \"{KEY}\" }}]"),
    ];
    for line in literal {
        let found = problems("literal", &provider(&format!("{url}{line}")), &[]);
        assert!(!found.is_empty(), "{line}");
        assert!(!found.concat().contains(KEY), "{found:?}");
    }
    let text = provider(&format!("{url}keys = [{{ env = \"OPENAI_API_KEY\" }}]"));
    let found = problems("unset", &text, &[]);
    assert_eq!(
        found,
        ["provider.x.keys names the environment variable OPENAI_API_KEY, which is not set"]
    );
    let folder = Folder::new("secret");
    let file = folder.write("file.toml", &text);
    let config = load(Some(&file), &environment(&[("OPENAI_API_KEY", KEY)])).unwrap();
    assert!(!format!("{config:?}").contains(KEY));
}

#[test]
fn a_key_may_be_in_a_file_beside_the_settings() {
    let folder = Folder::new("keyfile");
    let url = "url = \"wss://api.example.com/v1\"\n";
    let text = provider(&format!("{url}keys = [{{ file = \"key\" }}]"));
    let file = folder.write("file.toml", &text);
    let missing = load(Some(&file), &environment(&[]))
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("provider.x.keys names the file"),
        "{missing}"
    );
    folder.write("key", "sk-1\n");
    load(Some(&file), &environment(&[])).unwrap();
    folder.write("key", "two words");
    let wrong = load(Some(&file), &environment(&[]))
        .unwrap_err()
        .to_string();
    assert!(wrong.contains("holds no key"), "{wrong}");
}

#[test]
fn a_provider_is_reached_by_tls_unless_it_is_this_machine() {
    let with = |url: &str, rest: &str| {
        problems(
            "url",
            &provider(&format!("url = \"{url}\"\nkeys = []\n{rest}")),
            &[],
        )
    };
    for good in [
        "ws://127.0.0.1:1/x",
        "ws://[::1]:1",
        "ws://localhost/?model=x",
        "wss://h/x",
    ] {
        assert_eq!(with(good, ""), Vec::<String>::new(), "{good}");
    }
    let plain = with("ws://model.lan/x", "");
    assert!(
        plain[0].contains("would cross the network in plain text"),
        "{plain:?}"
    );
    assert_eq!(
        with("ws://model.lan/x", "allow_plaintext = true"),
        Vec::<String>::new()
    );
    for wrong in ["https://h/", "wss://", "h", "wss://user:secret@h/"] {
        assert!(with(wrong, "")[0].contains("provider.x.url"), "{wrong}");
    }
}

#[test]
fn agents_are_found_by_name_then_by_number_then_by_default() {
    let folder = Folder::new("agents");
    let agent = |name: &str, numbers: &str| {
        format!("name = \"{name}\"\nnumbers = [{numbers}]\ninstructions = \"Be kind.\"\n")
    };
    folder.write("agents/a.toml", &agent("default", ""));
    folder.write("agents/b.toml", &agent("bakery", "\"+14155550100\""));
    let file = folder.write("file.toml", &format!("agents_dir = \"agents\"\n{NO_AUTH}"));
    let agents = load(Some(&file), &environment(&[])).unwrap().agents;
    let find = |name, number| {
        let (agent, found) = agents.find(name, number);
        (agent.name.clone(), found)
    };
    assert_eq!(find(Some("bakery"), None), ("bakery".into(), Found::Named));
    assert_eq!(
        find(None, Some("+14155550100")),
        ("bakery".into(), Found::Named)
    );
    assert_eq!(find(None, None), ("default".into(), Found::Unnamed));
    assert_eq!(
        find(Some("nobody"), Some("+1")),
        ("default".into(), Found::Unknown)
    );

    folder.write("agents/c.toml", &agent("cafe", "\"+14155550100\", \"12\""));
    folder.write(
        "agents/d.toml",
        "name = \"cafe\"\nnumbers = []\ninstructons = \"\"\n",
    );
    let problems = load(Some(&file), &environment(&[]))
        .unwrap_err()
        .to_string();
    for part in [
        "c.toml: numbers = [\"+14155550100\", \"12\"] is not accepted",
        "d.toml: instructions is missing",
        "d.toml: instructons is unknown; did you mean instructions?",
        "d.toml: name = \"cafe\" is taken",
    ] {
        assert!(problems.contains(part), "{part}\n{problems}");
    }
}
