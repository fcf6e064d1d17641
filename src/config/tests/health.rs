//! `[health]` and its probes.

use std::time::Duration;

use super::{Folder, NO_AUTH, environment, problems};
use crate::config::{Target, load};

#[test]
fn without_a_word_there_are_no_probes_and_with_one_there_are_defaults() {
    let folder = Folder::new("health");
    let file = folder.write("file.toml", NO_AUTH);
    let config = load(Some(&file), &environment(&[])).unwrap();
    assert!(config.health.probes.is_empty());
    assert_eq!(config.health.provider_interval, Duration::from_mins(5));
    let text = "[health]\nlive_max = \"7s\"\n\
        [[health.probe]]\nname = \"crm\"\nkind = \"http\"\nurl = { env = \"CRM\" }\nstatus = 204\n\
        [[health.probe]]\nname = \"sip\"\nkind = \"tcp\"\nurl = \"tcp://127.0.0.1:5060\"\ninterval = \"1m\"\nrequired = false\n\
        [[health.probe]]\nname = \"stock\"\nkind = \"redis\"\nurl = \"rediss://reader@stock\"\npassword = { env = \"PASSWORD\" }\n";
    folder.write("file.toml", &format!("{NO_AUTH}{text}"));
    let variables = [
        ("CRM", "https://me:hunter2@crm.internal/health?key=hunter2"),
        ("PASSWORD", "hunter2"),
    ];
    let config = load(Some(&file), &environment(&variables)).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.health.live_max, Duration::from_secs(7));
    let [crm, sip, stock] = &config.health.probes[..] else {
        panic!("{:?}", config.health.probes);
    };
    assert!(matches!(crm.target, Target::Http(_)) && crm.is_required);
    assert_eq!(crm.interval, Duration::from_secs(5));
    assert_eq!(crm.timeout, Duration::from_secs(2));
    assert!(matches!(sip.target, Target::Tcp(_)) && !sip.is_required);
    let Target::Redis(address) = &stock.target else {
        panic!("{stock:?}");
    };
    assert!(address.tls.is_some());
    assert_eq!(address.login.password.as_deref(), Some("hunter2"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_wrong_with_a_probe_is_named_and_secrets_are_not_printed() {
    let one = |lines: &str| format!("[[health.probe]]\nname = \"x\"\n{lines}");
    let many = one("kind = \"tcp\"\nurl = \"tcp://h:1\"\n");
    let seventeen: String = (0..17)
        .map(|n| many.replace("\"x\"", &format!("\"x{n}\"")))
        .collect();
    for (text, part) in [
        (
            "[health]\nlive_max = \"1h\"".to_owned(),
            "health.live_max = \"1h\" is out of bounds",
        ),
        (
            "[health]\nprovider_interval = \"1s\"".to_owned(),
            "health.provider_interval = \"1s\" would ask too often",
        ),
        (
            "[health]\nprobe = 3".to_owned(),
            "health.probe is not a list",
        ),
        (seventeen, "health.probe has 17 entries; allowed: up to 16"),
        (
            format!("{many}{many}"),
            "health.probe.name = \"x\" is taken",
        ),
        (
            one(""),
            "health.probe.x.kind is missing; allowed: \"http\", \"tcp\"",
        ),
        (
            one("kind = \"ftp\"\nurl = \"a\""),
            "health.probe.x.kind = \"ftp\" is none of them",
        ),
        (
            one("kind = \"http\""),
            "health.probe.x.url is missing; allowed: https://",
        ),
        (
            one("kind = \"http\"\nurl = \"ftp://hunter2\""),
            "health.probe.x.url is no address of this kind; allowed: https://",
        ),
        (
            one("kind = \"http\"\nurl = \"https://me:hunter2@h/\""),
            "health.probe.x.url holds a password",
        ),
        (
            one("kind = \"redis\"\nurl = \"redis://:hunter2@h\""),
            "health.probe.x.url holds a password",
        ),
        (
            one("kind = \"redis\"\nurl = \"redis://h\"\npassword = \"hunter2\""),
            "health.probe.x.password holds what is no place of a password",
        ),
        (
            one("kind = \"tcp\"\nurl = \"tcp://h\""),
            "health.probe.x.url is no address of this kind; allowed: tcp://",
        ),
        (
            one("kind = \"tcp\"\nurl = \"tcp://h:1\"\nstatus = 200"),
            "health.probe.x.status is of no use",
        ),
        (
            one("kind = \"tcp\"\nurl = \"tcp://h:1\"\ninterval = \"9s\""),
            "health.probe.x.interval = \"9s\" and its timeout are more than 10s together",
        ),
        (
            one("kind = \"tcp\"\nurl = \"tcp://h:1\"\nrequird = true"),
            "health.probe.x.requird is unknown; did you mean health.probe.x.required?",
        ),
        (
            one("kind = \"postgres\"\nurl = { env = \"NONE\" }"),
            "names the environment variable NONE, which is not set",
        ),
    ] {
        let said = problems("health-wrong", &format!("{NO_AUTH}{text}"), &[]).join("\n");
        assert!(said.contains(part), "{part}\n{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_postgres_is_named_by_its_address_and_its_password_stands_elsewhere() {
    let one = |url: &str| {
        let text = format!("[[health.probe]]\nname = \"x\"\nkind = \"postgres\"\nurl = {url}\n");
        problems(
            "health-postgres",
            &format!("{NO_AUTH}{text}"),
            &[("U", "postgres://me:hunter2@h/db")],
        )
        .join("\n")
    };
    assert_eq!(one("\"postgres://me@h:5433/db?sslmode=disable\""), "");
    assert_eq!(one("{ env = \"U\" }"), "");
    for wrong in [
        "\"postgres://me:hunter2@h\"",
        "\"mysql://hunter2\"",
        "\"postgres://a,b,c,d,e/db\"",
    ] {
        let said = one(wrong);
        assert!(said.contains("health.probe.x.url"), "{wrong}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_build_without_postgres_says_so() {
    let text = "[[health.probe]]\nname = \"x\"\nkind = \"postgres\"\nurl = \"postgres://h\"\n";
    let said = problems("health-postgres", &format!("{NO_AUTH}{text}"), &[]).join("\n");
    assert!(
        said.contains("allowed: a build with the feature postgres"),
        "{said}"
    );
}
