//! Messages after the tone, in words: written down by a model that is well, posted after the message.

use loadtest::model::faults::{FaultRow, Faults, What, When};
use loadtest::model::report::Violations;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::DEADLINE;
use crate::doubles::{Doubles, Fate};
use crate::messages::{VARIABLES, is_verified, leave, receiver, sections};
use crate::server::{Folder, Server, output, ringback};

const WORDS: &str = "Two loaves of rye for Friday, please.";

fn fault(when: When, what: What) -> Faults {
    Faults(vec![FaultRow {
        when,
        what,
        share: 1.0,
    }])
}

async fn posted(posts: &mut mpsc::Receiver<(String, Vec<u8>)>) -> Value {
    let (header, body) = timeout(DEADLINE, posts.recv()).await.unwrap().unwrap();
    assert!(is_verified(&header, &body), "{header}");
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_message_is_written_down_once_a_model_is_well_and_its_words_follow_it() {
    // The first session ends before it is of use; whoever left the message found no model either.
    let mut model = Doubles::start("order_status", |session| match session {
        1 => Fate::Writes(WORDS, fault(When::AfterMs(0), What::Cut)),
        _ => Fate::Writes(WORDS, Faults::default()),
    })
    .await;
    let folder = Folder::new();
    let id = leave(&folder, 7);
    let (hook, mut posts) = receiver().await;
    let sections = sections(&folder, &hook);
    let mut server = Server::with(&model.url, &sections, &VARIABLES).await;
    let message = posted(&mut posts).await;
    assert_eq!(
        (&message["type"], &message["id"]),
        (&"message".into(), &id.to_string().into())
    );
    let words = posted(&mut posts).await;
    assert_eq!(words["type"], "message.transcribed");
    assert_eq!(words["id"], message["id"]);
    assert_eq!(words["transcript"], WORDS);
    assert_eq!(words["caller"], message["caller"]);
    server
        .line("the words of a message were delivered", |_| true)
        .await;

    // One session heard it: all of it and a moment of silence, as one turn, faster than it was said; it answered nothing.
    let sessions = model.ended(2).await;
    let heard = &sessions[1];
    assert_eq!(heard.uplink.bytes, 4_000 + 3_200);
    assert_eq!(heard.utterances.list.len(), 1);
    assert_eq!(heard.responses.list.len(), 0, "nobody asked for an answer");
    assert_eq!(heard.violations, Violations::default());

    let file = folder.write(
        "file.toml",
        &format!("[public]\nauth = \"none\"\n{sections}"),
    );
    let mut command = ringback(&["messages", "transcript", &id.to_string(), "--config"]);
    command.arg(&file).envs(VARIABLES);
    let (code, told) = output(command);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(WORDS), "{told}");
    server.terminate();
    server.exit().await;
    let log = server.log();
    assert!(
        !log.contains("rye") && !log.contains("5550101"),
        "no words, no number"
    );
}

#[tokio::test]
async fn a_message_that_no_session_writes_down_costs_three_of_them_however_often_the_server_starts()
{
    let mut model = Doubles::start("order_status", |_| {
        Fate::Writes(WORDS, fault(When::Ready, What::Untranscribed))
    })
    .await;
    let folder = Folder::new();
    leave(&folder, 7);
    let sections = sections(&folder, "");
    let mut server = Server::with(&model.url, &sections, &VARIABLES).await;
    let failed = "a message was not written down";
    server.line(failed, |_| true).await;
    server.kill();
    let mut server = Server::with(&model.url, &sections, &VARIABLES).await;
    let given_up =
        "a message is not written down by anybody; `ringback messages export` has its sound";
    server.line(given_up, |line| line["tries"] == 3).await;
    server.terminate();
    server.exit().await;
    let mut server = Server::with(&model.url, &sections, &VARIABLES).await;
    server.line("messages of before the start", |_| true).await;
    server.terminate();
    server.exit().await;
    assert!(!server.log().contains(given_up), "it is known");
    assert_eq!(model.ended(3).await.len(), 3);
}
