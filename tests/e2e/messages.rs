//! Messages after the tone, from outside: posted by a server that finds them, listed and exported by hand.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringback::core::time::Utc;
use ringback::store::messages::{Archive, ArchivePlace, MessageId, MessageRecord};
use ringback::store::{KeySource, SealingKey};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::model::spawn;
use crate::server::{Folder, Server, output, ringback};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SECRET: &str = "correct-horse-battery";
pub(crate) const VARIABLES: [(&str, &str); 2] = [("STORE_KEY", KEY), ("HOOK_SECRET", SECRET)];

/// Half a second of a tone.
fn sound() -> Vec<u8> {
    (0..4_000_u32)
        .map(|at| [0x20, 0x30, 0xA0, 0xB0][at as usize / 4 % 4])
        .collect()
}

/// What a life before has left.
pub(crate) fn leave(folder: &Folder, number: u128) -> MessageId {
    let archive = Archive::new(ArchivePlace {
        folder: folder.path("ringback.redb.messages"),
        store: folder.path("ringback.redb"),
        key: KeySource::Given(SealingKey::parse(KEY).unwrap()),
    });
    let id = MessageId::from_bits(number);
    let record = MessageRecord {
        id,
        call: None,
        agent: Some("bakery".to_owned()),
        called: Some("+15550100".to_owned()),
        caller: Some("+15550101".to_owned()),
        language: None,
        // Half a year before the year 2100: it is not old.
        at: Utc::from_millis(4_086_000_000_000),
        audio_bytes: 4_000,
    };
    archive.keep(&record, &sound()).unwrap();
    id
}

pub(crate) fn sections(folder: &Folder, messages: &str) -> String {
    let path = folder.path("ringback.redb");
    format!("[store]\npath = {path:?}\nkey = {{ env = \"STORE_KEY\" }}\n[messages]\n{messages}\n")
}

/// Whether the document's own lines find that a post is ours.
pub(crate) fn is_verified(header: &str, body: &[u8]) -> bool {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/messages.md");
    let document = fs::read_to_string(document).unwrap();
    let (_, example) = document.split_once("```python\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let ask = "import sys\nbody = sys.stdin.buffer.read()\n\
               sys.exit(0 if is_ours(sys.argv[1], body, sys.argv[2]) else 3)\n";
    let mut python = Command::new("python3")
        .args(["-c", &format!("{example}\n{ask}"), header, SECRET])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), body).unwrap();
    match python.wait().unwrap().code() {
        Some(0) => true,
        Some(3) => false,
        code => panic!("python ends with {code:?}"),
    }
}

/// Somebody who is sent messages, as `[messages]` names it, and what came: the signature and the body.
pub(crate) async fn receiver() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (posted, posts) = mpsc::channel(8);
    let hook = post(async move |headers: HeaderMap, body: Bytes| {
        let signature = headers["x-ringback-signature"].to_str().unwrap().to_owned();
        posted.send((signature, body.to_vec())).await.unwrap();
        StatusCode::NO_CONTENT
    });
    let router = Router::new().route("/hook", hook);
    spawn(async move { axum::serve(listener, router).await.unwrap() });
    let hook = format!("url = \"{url}\"\nsecret = {{ env = \"HOOK_SECRET\" }}");
    (hook, posts)
}

#[tokio::test]
async fn a_server_posts_what_waited_for_it_and_the_documents_lines_verify_the_post() {
    let folder = Folder::new();
    let id = leave(&folder, 7);
    let (hook, mut posts) = receiver().await;
    let sections = sections(&folder, &hook);
    let mut server = Server::with("ws://127.0.0.1:1/", &sections, &VARIABLES).await;
    let (header, body) = timeout(DEADLINE, posts.recv()).await.unwrap().unwrap();
    assert!(is_verified(&header, &body), "{header}");
    let mut changed = body.clone();
    changed[20] ^= 1;
    assert!(!is_verified(&header, &changed));
    let old = header.replacen("t=", "t=1", 1);
    assert!(!is_verified(&old, &body));

    let json: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["id"], id.to_string());
    assert_eq!(
        (&json["caller"], &json["call"]),
        (&"+15550101".into(), &Value::Null)
    );
    let bytes = STANDARD.decode(json["audio"]["base64"].as_str().unwrap());
    assert!(!bytes.unwrap().is_empty());
    server.line("a message was delivered", |_| true).await;
    assert!(!server.log().contains("5550101"), "no number in the log");
    server.terminate();
    server.exit().await;
    let delivered = folder
        .path("ringback.redb.messages")
        .join(format!("{id}.delivered"));
    assert!(delivered.exists());
}

#[test]
fn messages_are_listed_and_exported_by_hand() {
    let folder = Folder::new();
    let id = leave(&folder, 1).to_string();
    leave(&folder, 2);
    let settings = format!("[public]\nauth = \"none\"\n{}", sections(&folder, ""));
    let file = folder.write("file.toml", &settings);
    let said = |arguments: &[&str]| {
        let mut command = ringback(&["messages"]);
        command.args(arguments).arg("--config").arg(&file);
        output({
            command.envs(VARIABLES);
            command
        })
    };
    let (code, table) = said(&["list"]);
    assert_eq!(code, Some(0), "{table}");
    let row = table.lines().find(|line| line.starts_with(&id)).unwrap();
    let row: Vec<_> = row.split_whitespace().collect();
    assert_eq!(row[2..], ["0.5", "waiting", "+15550101", "+15550100"]);

    let out = folder.path("heard");
    let out = out.to_str().unwrap();
    let export = ["export", &id, "--out", out];
    let (code, told) = said(&export);
    assert_eq!(code, Some(0), "{told}");
    let bytes = fs::read(out).unwrap();
    let begins = if cfg!(feature = "opus") {
        b"OggS"
    } else {
        b"RIFF"
    };
    assert!(bytes.starts_with(begins));
    let (code, told) = said(&export);
    assert_eq!(code, Some(1), "what is there is not overwritten: {told}");

    let nobody = MessageId::from_bits(9).to_string();
    let (code, told) = said(&["export", &nobody]);
    assert_eq!(code, Some(2), "{told}");
    let (code, told) = said(&["export", "../../etc/passwd"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("allowed: the 32 hexadecimal digits"),
        "{told}"
    );
}

#[test]
fn without_a_store_there_is_no_place_for_messages() {
    let folder = Folder::new();
    let file = folder.write("file.toml", "[public]\nauth = \"none\"\n");
    let (code, told) = output(ringback(&[
        "messages",
        "list",
        "--config",
        file.to_str().unwrap(),
    ]));
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("allowed: a file in store.path"), "{told}");
}
