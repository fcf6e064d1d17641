//! Nobody is rung who is on the line: with us, or with a person whom we have connected them to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::whole_way::{BREAKER, mortal};
use super::*;

/// Time to call before the ring is due.
fn sections() -> String {
    SECTIONS.replace("ring_after = \"0s\"", "ring_after = \"5s\"")
}

const LATER: &str = "a caller who is to be rung is on the line; later";

#[tokio::test]
async fn nobody_is_rung_who_is_speaking_with_us() {
    let model = Model::start(Manner::Greets).await;
    let exchange = Exchange::start(Losing::Nothing).await;
    let folder = Folder::new();
    let path = store(&folder);
    promised(&path, 1..2).await;
    let mut server = acting_with(&sections(), &path, &model, &exchange).await;
    let document = ask(&server, "/twiml/answer", 1, &[("From", &caller(1))]).await;
    let mut phone = document.stream(&server, 1).await;
    phone.hear_audio(160).await;
    server.line(LATER, |_| true).await;
    stages(&server, &["due"]).await;
    assert!(exchange.books().rings.is_empty());
    phone.hang_up().await;
    assert!(!server.log().contains(digits(&caller(1))));
}

/// A folder with an agent who names somebody for callers without a model.
fn agents(folder: &Folder) -> String {
    std::fs::create_dir(folder.path("agents")).unwrap();
    let agent = "name = \"default\"\nnumbers = []\ninstructions = \"Be kind.\"\nlanguage = \"en\"\n\
                 greeting = \"Hello.\"\npersons = [\"+14155550177\"]\n";
    folder.write("agents/default.toml", agent);
    let agents = folder.path("agents");
    format!("agents_dir = {:?}\n", agents.to_str().unwrap())
}

#[tokio::test]
async fn nobody_is_rung_who_speaks_with_a_person_that_we_have_connected_them_to() {
    let is_well = Arc::new(AtomicBool::new(false));
    let model = mortal(&is_well).await;
    let exchange = Exchange::start(Losing::Nothing).await;
    let folder = Folder::new();
    let path = store(&folder);
    promised(&path, 1..2).await;
    let sections = agents(&folder) + &sections() + BREAKER;
    let mut server = acting_with(&sections, &path, &model, &exchange).await;
    let from = caller(1);
    let document = ask(&server, "/twiml/answer", 1, &[("From", &from)]).await;
    let mut phone = document.stream(&server, 1).await;
    phone.hear_model(7_500).await;
    phone.say(1).await;
    phone.hear_model(1_500).await;
    phone.say(1).await;
    phone.hear_prompt("busy").await;
    phone.press('2').await;
    phone.hear_prompt("transferring").await;
    phone.hears_out().await;
    server.ended("transferred").await;
    let next = ask(&server, &document.action, 1, &[("From", &from)]).await;
    assert_eq!(next.verbs, ["Dial", "Redirect"]);
    // Models are back, and the ring is due: they are speaking with somebody.
    is_well.store(true, Ordering::Relaxed);
    server.line(LATER, |_| true).await;
    stages(&server, &["due"]).await;
    assert!(exchange.books().rings.is_empty());
    assert!(!server.log().contains(digits(&from)));
}
