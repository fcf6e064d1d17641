//! What the command says to whoever starts it.

use std::net::TcpListener;
use std::path::Path;

use crate::server::{Folder, output, ringback};

#[test]
fn wrong_settings_are_told_with_file_key_and_value_and_exit_with_2() {
    let folder = Folder::new();
    let text = "[public]\nauth = \"none\"\n[call]\ndial_timeout = \"soon\"\npong_timeot = \"1s\"\n";
    let file = folder.write("wrong.toml", text);
    let file = file.to_str().unwrap();
    for command in ["check", "serve"] {
        let (code, said) = output(ringback(&[command, "--config", file]));
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains(&format!(
                "{file}: call.dial_timeout = \"soon\" is not a time; allowed: "
            )),
            "{said}"
        );
        assert!(said.contains("did you mean call.pong_timeout?"), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}

#[test]
fn it_does_not_serve_strangers() {
    let (code, said) = output(ringback(&["serve"]));
    assert_eq!(code, Some(2), "{said}");
    for wanted in [
        "twilio.account_sid names the environment variable TWILIO_ACCOUNT_SID, which is not set",
        "twilio.auth_tokens names the environment variable TWILIO_AUTH_TOKEN, which is not set",
        "twilio.public_url is missing; allowed: https://",
    ] {
        assert!(said.contains(wanted), "{said}");
    }

    let mut open = ringback(&["serve"]);
    open.env("RINGBACK__PUBLIC__AUTH", "none");
    open.env("RINGBACK__PUBLIC__LISTEN", "0.0.0.0:8080");
    let (code, said) = output(open);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("public.listen = \"0.0.0.0:8080\" would let anybody in"),
        "{said}"
    );
}

#[test]
fn the_examples_pass_the_check() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/production.toml");
    let file = file.to_str().unwrap();
    let (code, said) = output(ringback(&["check", "--config", file]));
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("the environment variable OPENAI_API_KEY, which is not set"),
        "{said}"
    );

    let mut command = ringback(&["check", "--config", file]);
    for (number, name) in ["OPENAI_API_KEY", "OPENAI_API_KEY_2", "AZURE_OPENAI_API_KEY"]
        .into_iter()
        .enumerate()
    {
        command.env(name, format!("sk-0123456789{number}"));
    }
    command.env("RINGBACK_ADMIN_TOKEN", "sk-0123456789-operators");
    command.env("TWILIO_ACCOUNT_SID", format!("AC{:032x}", 1));
    command.env("TWILIO_AUTH_TOKEN", "sk-0123456789-twilio");
    let (code, said) = output(command);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("sk-0123456789"), "{said}");
    for rung in [
        "tier 1: openai ",
        "tier 2: azure ",
        "canary: openai-mini (1.0 %",
    ] {
        assert!(said.contains(rung), "the ladder is printed: {said}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = ringback(&["serve"]);
    command.env("RINGBACK__PUBLIC__AUTH", "none");
    command.env("RINGBACK__PUBLIC__LISTEN", &address);
    let (code, said) = output(command);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.starts_with(&format!(
            "public.listen = \"{address}\" cannot be listened on: "
        )),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn it_tells_its_version() {
    let (code, said) = output(ringback(&["--version"]));
    assert_eq!(code, Some(0));
    assert_eq!(
        said.trim(),
        format!("ringback {}", env!("CARGO_PKG_VERSION"))
    );
}
