//! What settings of providers and of the pool do, and which contradict themselves.

use super::*;
use crate::core::ids::Tier;
use crate::core::pool::{PoolPolicy, ProviderPolicy, Share};

/// An entry of this name with these further lines.
fn entry(name: &str, lines: &str) -> String {
    format!(
        "[[provider]]\nname = \"{name}\"\nprotocol = \"openai\"\ndialect = \"ga\"\n\
         url = \"wss://{name}.example/v1\"\nkeys = []\n{lines}\n"
    )
}

/// What is read of these sections and entries.
fn loaded(name: &str, text: &str, variables: &[(&str, &str)]) -> Config {
    let folder = Folder::new(name);
    let file = folder.write("file.toml", &format!("{NO_AUTH}{text}"));
    load(Some(&file), &environment(variables)).unwrap()
}

/// What is wrong with these sections and entries.
fn found(name: &str, text: &str) -> Vec<String> {
    problems(name, &format!("{NO_AUTH}{text}"), &[])
}

#[test]
fn the_written_defaults_are_the_pool_s_own() {
    let config = load(None, &environment(&[("RINGBACK__PUBLIC__AUTH", "none")])).unwrap();
    let policy = config.providers.policy;
    let written = &policy.providers[0];
    let own = ProviderPolicy {
        model: "gpt-realtime-2.1".to_owned(),
        vendor: "127.0.0.1".to_owned(),
        ..ProviderPolicy::new("local", Tier(1))
    };
    assert_eq!(*written, own);
    assert_eq!(policy, PoolPolicy::new(vec![own]));
}

#[test]
fn an_entry_without_amounts_has_the_documented_ones() {
    let config = loaded("bare", &entry("x", ""), &[]);
    let bare = &config.providers.policy.providers[0];
    let own = ProviderPolicy {
        vendor: "x.example".to_owned(),
        ..ProviderPolicy::new("x", Tier(1))
    };
    assert_eq!(*bare, own);
    let few = loaded("few", &entry("x", "sessions_max = 7"), &[]);
    assert_eq!(few.providers.policy.providers[0].burst, 7);
    let spares = entry("x", "spares = 2\nspare_age_max = \"30s\"");
    let spares = loaded("spares", &spares, &[]).providers;
    assert_eq!(spares.policy.providers[0].spares, 2);
    assert_eq!(spares.entries[0].spare_age_max, Duration::from_secs(30));
}

#[test]
fn several_entries_and_keys_make_a_ladder() {
    let east = entry("east", "weight = 3\nmodel = \"big\"")
        .replace("keys = []", "keys = [{ env = \"K1\" }, { env = \"K2\" }]");
    let text = format!(
        "{east}{}{}",
        entry("west", "tier = 2\nsession_starts_per_second = 5"),
        entry("new", "canary = \"0.5%\"")
    );
    let config = loaded("several", &text, &[("K1", "sk-1"), ("K2", "sk-2")]);
    let providers = &config.providers;
    let policies = &providers.policy.providers;
    assert_eq!(providers.entries[0].endpoints.len(), 2);
    assert_eq!((policies[0].keys, policies[1].keys), (2, 1));
    assert_eq!(policies[0].share, Share::Weight(3));
    assert_eq!(policies[2].share, Share::Canary(5));
    assert_eq!(policies[1].tier, Tier(2));
    assert_eq!(
        providers.to_string(),
        "  tier 1: east (weight 3, 2 key(s), 500 session(s), 20 start(s)/s, model big of east.example)\n  \
         tier 2: west (weight 100, 1 key(s), 500 session(s), 5 start(s)/s, model west of west.example)\n  \
         canary: new (0.5 % of new calls, 1 key(s), 500 session(s), 20 start(s)/s, model new of new.example)"
    );
    assert!(!format!("{config:?}").contains("sk-"));
}

#[test]
fn the_ladder_may_be_written_by_names() {
    let entries = format!("{}{}", entry("a", ""), entry("b", ""));
    let tiers = |config: &Config| {
        let policies = config.providers.policy.providers.iter();
        policies.map(|policy| policy.tier.0).collect::<Vec<_>>()
    };
    let text = format!("[ladder]\ntiers = [[\"b\"], [\"a\"]]\n{entries}");
    assert_eq!(tiers(&loaded("tiers", &text, &[])), [2, 1]);
    let variable = [("RINGBACK__LADDER__TIERS", "a;b")];
    assert_eq!(tiers(&loaded("tiers", &text, &variable)), [1, 2]);

    let canary = entry("c", "canary = \"1%\"");
    for (tiers, what) in [
        (
            "[[\"a\", \"b\", \"x\"]]",
            "names \"x\", which is no provider",
        ),
        ("[[\"a\"], [\"b\", \"a\"]]", "names \"a\" twice"),
        ("[[\"a\"]]", "leaves out \"b\""),
        ("[[\"a\", \"b\"], []]", "has a tier without a provider"),
        ("[[\"a\", \"b\", \"c\"]]", "names \"c\", which is a canary"),
        ("\"a;b\"", "is not accepted"),
        ("[[1]]", "is not accepted"),
    ] {
        let text = format!("[ladder]\ntiers = {tiers}\n{entries}{canary}");
        let found = found("ladder", &text);
        let start = format!("ladder.tiers = {tiers} {what}; allowed: [], or tiers of names");
        assert!(
            found.len() == 1 && found[0].starts_with(&start),
            "{found:#?}"
        );
    }
}

#[test]
fn a_ladder_needs_a_provider() {
    assert_eq!(
        found("none", "provider = []\n").len(),
        1,
        "a list without an entry"
    );
    let only = found("canaries", &entry("x", "canary = \"1%\""));
    assert_eq!(
        only,
        ["the ladder has no provider: at least one must have a weight"]
    );
    let many: String = (0..33)
        .map(|number| entry(&format!("p{number}"), ""))
        .collect();
    assert_eq!(
        found("many", &many),
        ["provider has 33 entries; allowed: 1 to 32 of [[provider]]"]
    );
    let twice = format!("{}{}", entry("x", ""), entry("x", ""));
    assert_eq!(
        found("twice", &twice),
        ["provider.name = \"x\" is taken; allowed: a name that no other provider has"]
    );
}

#[test]
fn amounts_of_nothing_are_refused() {
    for (line, what) in [
        (
            "tier = 0",
            "provider.x.tier = 0 is out of bounds; allowed: 1 to 100",
        ),
        ("weight = 0", "provider.x.weight = 0 is out of bounds"),
        (
            "sessions_max = 0",
            "provider.x.sessions_max = 0 is out of bounds",
        ),
        (
            "session_starts_per_second = 0",
            "provider.x.session_starts_per_second = 0 is out of bounds",
        ),
        ("burst = 0", "provider.x.burst = 0 is out of bounds"),
        (
            "window_tokens = 0",
            "provider.x.window_tokens = 0 is out of bounds",
        ),
        (
            "sessions_max = 5\nburst = 6",
            "provider.x.burst = 6 is more than its sessions_max = 5; allowed: 1 to 5",
        ),
        ("spares = 65", "provider.x.spares = 65 is out of bounds"),
        (
            "sessions_max = 5\nspares = 3",
            "provider.x.spares = 3 is more than half of its sessions_max = 5; allowed: 0 to 2",
        ),
        (
            "spare_age_max = \"2h\"",
            "provider.x.spare_age_max = \"2h\" is out of bounds",
        ),
        (
            "canary = \"0%\"",
            "provider.x.canary = \"0%\" is not accepted",
        ),
        (
            "canary = \"101%\"",
            "provider.x.canary = \"101%\" is not accepted",
        ),
        ("canary = 1", "provider.x.canary = 1 is not accepted"),
        (
            "canary = \"1%\"\nweight = 5",
            "provider.x.canary = \"1%\" stands beside a weight",
        ),
        (
            "wieght = 5",
            "provider.x.wieght is unknown; did you mean provider.x.weight?",
        ),
    ] {
        let found = found(
            "amounts",
            &format!("{}{}", entry("x", line), entry("y", "")),
        );
        assert!(
            found.len() == 1 && found[0].starts_with(what),
            "{line}: {found:#?}"
        );
    }
}

#[test]
fn thresholds_of_nothing_are_refused() {
    for (section, line) in [
        ("breaker", "failures_in_a_row = 0"),
        ("breaker", "failure_percent = 0"),
        ("breaker", "slow_percent = 101"),
        ("breaker", "outcomes_min = 0"),
        ("breaker", "window = \"0s\""),
        ("breaker", "probes_good = 0"),
        ("breaker", "slow_start_percent = 0"),
        ("retry", "backoff = \"0s\""),
        ("retry", "extra_percent = 101"),
        ("retry", "extra_max = 0"),
        ("hedge", "percent = 101"),
        ("tenants", "sessions_max = 0"),
        ("overload", "calls_lean_percent = 0"),
        ("overload", "lag_full = \"0s\""),
    ] {
        let found = found("thresholds", &format!("[{section}]\n{line}\n"));
        let start = format!("{section}.{line} is out of bounds; allowed: ");
        assert!(
            found.len() == 1 && found[0].starts_with(&start),
            "{found:#?}"
        );
    }
}

#[test]
fn numbers_that_exceed_each_other_are_refused_where_they_are_written() {
    for (section, line, sentence) in [
        (
            "breaker",
            "cool_down = \"10m\"",
            "breaker.cool_down = \"10m\" is too much beside breaker.cool_down_max = \"5m\"; allowed: at most that",
        ),
        (
            "breaker",
            "cool_down_max = \"10s\"",
            "breaker.cool_down_max = \"10s\" is too little beside breaker.cool_down = \"30s\"; allowed: at least that",
        ),
        (
            "breaker",
            "slow_after = \"3s\"",
            "breaker.slow_after = \"3s\" is too much beside call.dial_timeout = \"3s\"; allowed: less than that",
        ),
        (
            "call",
            "slow_dial = \"4s\"",
            "call.slow_dial = \"4s\" is too much beside call.dial_timeout = \"3s\"; allowed: less than that",
        ),
        (
            "call",
            "apology_after = \"1s\"",
            "call.apology_after = \"1s\" is too little beside call.filler_after = \"1.2s\"; allowed: more than that",
        ),
        (
            "retry",
            "backoff_max = \"1s\"",
            "retry.backoff_max = \"1s\" is too much beside retry.wait_max = \"900ms\"; allowed: at most that",
        ),
        (
            "retry",
            "extra_floor = 200",
            "retry.extra_floor = 200 is too much beside retry.extra_max = 100; allowed: at most that",
        ),
        (
            "hedge",
            "percent = 20",
            "hedge.percent = 20 is too much beside retry.extra_percent = 10; allowed: at most that",
        ),
        (
            "overload",
            "lag_lean = \"1s\"",
            "overload.lag_lean = \"1s\" is too much beside overload.lag_full = \"500ms\"; allowed: at most that",
        ),
        (
            "overload",
            "memory_lean_mib = 20\nmemory_full_mib = 10",
            "overload.memory_lean_mib = 20 is too much beside overload.memory_full_mib = 10; allowed: at most that",
        ),
    ] {
        let found = found("exceed", &format!("[{section}]\n{line}\n"));
        assert_eq!(found.len(), 1, "{found:#?}");
        // What is wrong with a default is told under the file that made it so.
        assert_eq!(found[0], sentence);
    }
}

#[test]
fn each_missing_key_is_named_and_none_is_counted_twice() {
    let keys = "keys = [{ env = \"K1\" }, { env = \"K2\" }]";
    let text = format!("{NO_AUTH}{}", entry("x", "").replace("keys = []", keys));
    assert_eq!(
        problems("missing", &text, &[]),
        [
            "provider.x.keys names the environment variable K1, which is not set",
            "provider.x.keys names the environment variable K2, which is not set"
        ]
    );
    let same = [("K1", "sk-same"), ("K2", "sk-same")];
    let found = problems("same", &text, &same);
    assert!(
        found[0].starts_with("provider.x.keys names one key twice"),
        "{found:?}"
    );
    assert!(!found[0].contains("sk-same"));
}

#[test]
fn each_agent_is_a_tenant() {
    let folder = Folder::new("tenants");
    for name in ["one", "two", "default"] {
        let text = format!("name = \"{name}\"\nnumbers = []\ninstructions = \"Be kind.\"\n");
        folder.write(&format!("agents/{name}.toml"), &text);
    }
    let text = format!("agents_dir = \"agents\"\n{NO_AUTH}[tenants]\nsessions_max = 5\n");
    let file = folder.write("file.toml", &text);
    let config = load(Some(&file), &environment(&[])).unwrap();
    let tenants = config.providers.policy.tenants;
    assert_eq!(tenants.len(), 3);
    assert!(tenants.iter().all(|tenant| tenant.sessions_max == 5));
}

#[test]
fn the_production_example_is_valid() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.toml");
    let variables = [
        ("OPENAI_API_KEY", "sk-1"),
        ("OPENAI_API_KEY_2", "sk-2"),
        ("AZURE_OPENAI_API_KEY", "sk-3"),
        ("RINGBACK_ADMIN_TOKEN", "0123456789abcdef"),
        ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
        ("TWILIO_AUTH_TOKEN", "12345"),
    ];
    let config = load(Some(&file), &environment(&variables)).unwrap();
    assert_eq!(config.agents.find(None, None).0.name, "default");
    assert_eq!(config.providers.entries.len(), 3);
}
