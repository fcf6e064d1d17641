//! What operators see and say: metrics, health, and `ringback breaker`, of a running server.

use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::exposition::Exposition;
use crate::model::{Manner, Model};
use crate::phone::Phone;
use crate::server::{Folder, Server, output, ringback};

const TOKEN: &str = "an-operators-token";

/// A server that wants the token, and a model that greets.
async fn guarded() -> (Server, Model) {
    let model = Model::start(Manner::Greets).await;
    let sections = "[admin]\ntoken = { env = \"OPERATORS\" }\n\
                    [call]\ncarrier_silence_max = \"1m\"\n";
    let server = Server::with(&model.url(), sections, &[("OPERATORS", TOKEN)]).await;
    (server, model)
}

/// The status and the body that a request with these header lines is answered with.
pub(crate) async fn ask(server: &Server, request: &str, headers: &str) -> (u16, String) {
    let exchange = async {
        let mut stream = TcpStream::connect(server.admin).await.unwrap();
        let text = format!("{request} HTTP/1.1\r\n{headers}\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(DEADLINE, exchange).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn bearer(token: &str) -> String {
    format!("Host: ringback\r\nAuthorization: Bearer {token}\r\n")
}

async fn scrape(server: &Server) -> Exposition {
    let (status, text) = ask(server, "GET /metrics", &bearer(TOKEN)).await;
    assert_eq!(status, 200, "{text}");
    Exposition::parse(&text)
}

/// `ringback breaker` with these arguments, of this server and with the token.
fn breaker(server: &Server, arguments: &[&str]) -> Command {
    let url = format!("http://{}", server.admin);
    let mut command = ringback(&["breaker", "--admin", &url]);
    command.args(arguments).env("RINGBACK_ADMIN_TOKEN", TOKEN);
    command
}

#[tokio::test]
async fn without_the_token_nothing_is_told() {
    let (server, _model) = guarded().await;
    for path in [
        "GET /metrics",
        "GET /health",
        "GET /admin/v1/breakers",
        "GET /",
    ] {
        for headers in ["Host: localhost\r\n", &bearer("an-operators-toker")] {
            let (status, body) = ask(&server, path, headers).await;
            assert_eq!(status, 401, "{path}: {body}");
            assert!(!body.contains("ringback_"), "{body}");
        }
    }
    let isolate = "POST /admin/v1/breakers/test";
    assert_eq!(ask(&server, isolate, "Host: localhost\r\n").await.0, 401);
    assert_eq!(ask(&server, "GET /health", &bearer(TOKEN)).await.0, 200);
    assert!(!server.log().contains(TOKEN));
}

#[tokio::test]
async fn without_a_token_of_its_own_it_serves_this_machine_and_no_page() {
    let model = Model::start(Manner::Greets).await;
    let server = Server::start(&model.url(), "").await;
    let local = "Host: 127.0.0.1:9090\r\n";
    assert_eq!(ask(&server, "GET /health", local).await.0, 200);
    for headers in [
        "Host: rebound.example:9090\r\n",
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
        "Host: localhost\r\nX-Forwarded-For: 10.0.0.1\r\n",
    ] {
        let (status, body) = ask(&server, "GET /metrics", headers).await;
        assert_eq!(status, 403, "{headers}: {body}");
    }
}

#[tokio::test]
async fn the_metrics_of_a_call_are_told_while_it_lives_and_when_it_has_ended() {
    let (mut server, _model) = guarded().await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.say(10).await;
    phone.hear_audio(7_840).await; // A second, less what is no whole frame of 20 ms.
    let live = scrape(&server).await;
    let provider = [("provider", "test")];
    assert_eq!(live.get("ringback_calls_live", &[]), Some(1.0));
    assert_eq!(live.get("ringback_sessions_live", &provider), Some(1.0));
    let charge = [("provider", "test"), ("tier", "1"), ("charge", "first")];
    assert_eq!(live.get("ringback_attempts_total", &charge), Some(1.0));
    let breaker = [("provider", "test"), ("key", "endpoint")];
    assert_eq!(live.get("ringback_breaker_state", &breaker), Some(0.0));

    phone.hang_up().await;
    server.ended("caller_hung_up").await;
    let read = scrape(&server).await;
    assert_eq!(read.get("ringback_calls_live", &[]), Some(0.0));
    let reason = [("reason", "caller_hung_up")];
    assert_eq!(read.get("ringback_calls_ended_total", &reason), Some(1.0));
    let tier = [("tier", "1")];
    assert_eq!(read.get("ringback_calls_served_total", &tier), Some(1.0));
    assert_eq!(read.sum("ringback_attempt_faults_total"), Some(0.0));
    for metric in ["first_audio", "session_wait", "session_ready"] {
        assert_eq!(
            read.sum(&format!("ringback_{metric}_seconds_count")),
            Some(1.0),
            "{metric}"
        );
    }
    assert!(read.get("process_resident_memory_bytes", &[]) > Some(1e6));
}

#[tokio::test]
async fn an_isolated_provider_is_dialled_by_nobody_until_it_is_closed() {
    let (mut server, mut model) = guarded().await;
    let (code, said) = output(breaker(&server, &["isolate", "test"]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("ISOLATED"), "{said}");
    let (_, health) = ask(&server, "GET /health", &bearer(TOKEN)).await;
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["status"], "failing");

    let _phone = Phone::dial(&server, 1).await;
    server
        .line("nobody is left who could take the call", |_| true)
        .await;
    assert_eq!(model.until(|_| true).await.connections, 0);

    let (code, said) = output(breaker(&server, &["close", "test"]));
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("ISOLATED"), "{said}");
    let _phone = Phone::dial(&server, 2).await;
    model.until(|seen| seen.connections == 1).await;
    let read = scrape(&server).await;
    let turns = |from, to| {
        let labels = [
            ("provider", "test"),
            ("key", "endpoint"),
            ("from", from),
            ("to", to),
            ("cause", "operator"),
        ];
        read.get("ringback_breaker_transitions_total", &labels)
    };
    assert_eq!(turns("closed", "isolated"), Some(1.0));
    assert_eq!(turns("isolated", "closed"), Some(1.0));
    let why = [("why", "open")];
    assert_eq!(read.get("ringback_not_admitted_total", &why), Some(1.0));
}

#[tokio::test]
async fn the_command_tells_how_providers_stand_and_what_is_wrong_with_a_question() {
    let (server, _model) = guarded().await;
    let (code, said) = output(breaker(&server, &["status"]));
    assert_eq!(code, Some(0), "{said}");
    let rows: Vec<Vec<_>> = said
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0][..3], ["PROVIDER", "TIER", "BREAKER"], "{said}");
    assert_eq!(rows[1][..4], ["test", "1", "closed", "100"], "{said}");

    let (code, said) = output(breaker(&server, &["status", "test", "--json"]));
    assert_eq!(code, Some(0), "{said}");
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["providers"][0]["breaker"], "closed");

    let (code, said) = output(breaker(&server, &["open", "test", "--key", "0"]));
    assert_eq!(code, Some(0), "{said}");
    let row = said.lines().find(|line| line.contains("key 0")).unwrap();
    assert!(row.contains("OPEN"), "{said}");

    for wrong in [
        &["open", "nobody"] as &[_],
        &["open", "../metrics"],
        &["status", "nobody"],
    ] {
        let (code, said) = output(breaker(&server, wrong));
        assert_eq!(code, Some(2), "{wrong:?}: {said}");
        assert_eq!(said.trim(), "There is no such provider; there are: test.");
    }
    let (code, said) = output(breaker(&server, &["open", "test", "--key", "7"]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("numbered from 0"), "{said}");
}

#[tokio::test]
async fn a_way_that_leads_nowhere_is_told_with_what_to_look_at() {
    let (server, model) = guarded().await;
    let mut command = breaker(&server, &["status"]);
    command.env_remove("RINGBACK_ADMIN_TOKEN");
    let (code, said) = output(command);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("put the server's admin.token into RINGBACK_ADMIN_TOKEN"),
        "{said}"
    );

    let folder = Folder::new();
    let file = folder.write("token", &format!("{TOKEN}\n"));
    let mut command = breaker(&server, &["status", "--token-file", file.to_str().unwrap()]);
    command.env_remove("RINGBACK_ADMIN_TOKEN");
    let (code, said) = output(command);
    assert_eq!(code, Some(0), "{said}");

    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (url, code, words) in [
        (format!("http://{free}"), 1, "does the server run"),
        (
            format!("http://{}", server.address),
            1,
            "is this the server's admin.listen",
        ),
        ("https://127.0.0.1:9090".to_owned(), 2, "speaks no TLS"),
        ("127.0.0.1:9090".to_owned(), 2, "allowed: http://HOST:PORT"),
    ] {
        let command = ringback(&["breaker", "status", "--admin", &url]);
        let (exit, said) = output(command);
        assert_eq!(exit, Some(code), "{url}: {said}");
        assert!(said.contains(words), "{url}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    drop(model);
}

#[test]
fn a_listener_of_operators_that_is_open_to_others_wants_a_token() {
    let serve = |listen: &str, token: Option<&str>| {
        let folder = Folder::new();
        let token = token.map(|token| format!("token = {token}\n"));
        let text = format!(
            "[public]\nauth = \"none\"\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"{listen}\"\n{}",
            token.unwrap_or_default()
        );
        let file = folder.write("ringback.toml", &text);
        let mut command = ringback(&["serve", "--config", file.to_str().unwrap()]);
        command.env("SHORT", "short");
        output(command)
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (listen, token, code, words) in [
        (
            "0.0.0.0:9090",
            None,
            2,
            "admin.listen = \"0.0.0.0:9090\" would let anybody in",
        ),
        ("9090", None, 2, "admin.listen = \"9090\""),
        (
            "127.0.0.1:0",
            Some("{ env = \"NONE\" }"),
            2,
            "variable NONE, which is not set",
        ),
        (
            "127.0.0.1:0",
            Some("{ env = \"SHORT\" }"),
            2,
            "at least 16 visible characters",
        ),
        (
            "127.0.0.1:0",
            Some("\"hunter2hunter2hunter2\""),
            2,
            "no place of a token",
        ),
        (&taken, None, 1, "cannot be listened on"),
    ] {
        let (exit, said) = serve(listen, token);
        assert_eq!(exit, Some(code), "{listen}, {token:?}: {said}");
        assert!(said.contains(words), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
