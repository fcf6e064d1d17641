//! The whole way, with the real program: from the key that a caller presses to the conversation that goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// What the call was about, as the model wrote it down.
const SAID: &str = "it is about the blue bicycle";

/// What the model had answered.
const ANSWERED: &str = "The blue one is ready on Tuesday.";

/// A breaker that opens at once and soon asks again: there is one call.
pub(super) const BREAKER: &str = "[breaker]\nfailures_in_a_row = 1\ncool_down = \"300ms\"\ncool_down_max = \"300ms\"\n\
    probe_interval = \"100ms\"\nslow_start = \"0s\"\n";

/// The breaker's, and no ring before it is known that the models are out: that is looked at every second.
fn sections() -> String {
    let sections = SECTIONS.replace("ring_after = \"0s\"", "ring_after = \"3s\"");
    assert_ne!(sections, SECTIONS);
    sections + BREAKER
}

/// A model that holds one conversation, is out then, and is well again when it is told to be.
pub(super) async fn mortal(is_well: &Arc<AtomicBool>) -> Model {
    let is_well = Arc::clone(is_well);
    Model::start_with(move |connection| match connection {
        1 => Manner::AnswersAndLeaves(SAID, ANSWERED),
        _ if is_well.load(Ordering::Relaxed) => Manner::Answers("Tuesday is fine"),
        _ => Manner::RecoversAfter(usize::MAX),
    })
    .await
}

/// What a copy of the file holds of open promises: whom they are to, and how far they are.
async fn on_disk(path: &str, folder: &Folder) -> Vec<(String, &'static str)> {
    let copy = folder.path("copy.redb");
    for (from, to) in [
        (path.to_owned(), copy.clone()),
        (format!("{path}.key"), folder.path("copy.redb.key")),
    ] {
        std::fs::copy(from, to).unwrap();
    }
    let store = open(copy.to_str().unwrap()).await;
    let kept = store.promises(None, 10, now()).await.unwrap().records;
    let kept = kept
        .iter()
        .map(|kept| promise_form::decode(&kept.state.0).unwrap());
    let kept = kept.filter(|promise| promise.stage.is_open());
    let kept = kept
        .map(|promise| (promise.to.dialled(), promise.stage.name()))
        .collect();
    store.close().await.unwrap();
    kept
}

/// The session behind so many connections was told both sides of the conversation, in its order.
async fn is_briefed(model: &mut Model, before: usize) {
    let seen = model
        .until(|seen| seen.items.iter().any(|(_, _, text)| text == SAID))
        .await;
    let items = seen.items.iter().filter(|(session, ..)| *session > before);
    let items: Vec<_> = items
        .map(|(_, role, text)| (role.as_str(), text.as_str()))
        .collect();
    let place = |role, words| items.iter().position(|item| *item == (role, words));
    let (said, answer) = (place("user", SAID), place("assistant", ANSWERED));
    assert!(said.is_some() && said < answer, "{items:?}");
}

#[tokio::test]
async fn from_the_key_that_a_caller_presses_to_the_conversation_that_goes_on() {
    let is_well = Arc::new(AtomicBool::new(false));
    let mut model = mortal(&is_well).await;
    let mut exchange = Exchange::start(Losing::Nothing).await;
    let folder = Folder::new();
    let path = store(&folder);
    let mut server = acting_with(&sections(), &path, &model, &exchange).await;
    let us = caller(142);
    let us = us.as_str();

    // A conversation, in the middle of which the only model dies.
    let document = ask(&server, "/twiml/answer", 1, &[("From", us)]).await;
    let mut phone = document.stream(&server, 1).await;
    phone.hear_model(7_500).await;
    phone.say(1).await;
    phone.hear_model(1_500).await;
    phone.say(1).await;
    phone.hear_prompt("busy").await;
    assert!(exchange.books().texts.is_empty(), "nobody has asked for it");
    phone.press('1').await;
    phone.hear_prompt("promised").await;
    let kept = on_disk(&path, &folder).await;
    assert_eq!(kept.len(), 1, "it is kept before it is told");
    assert_eq!(kept[0].0, us);
    phone.hears_out().await;
    server.ended("promised").await;
    let next = ask(&server, &document.action, 1, &[("From", us)]).await;
    assert_eq!(next.verbs, ["Hangup"]);

    // The text.
    let books = exchange
        .until("a text", |books| !books.texts.is_empty())
        .await;
    let sent = &books.texts[0];
    assert_eq!((sent.get("To"), sent.get("From")), (us, CALLED));
    assert!(sent.get("Body").starts_with("Sorry"), "{sent:?}");
    stages(&server, &["due"]).await;
    assert!(exchange.books().rings.is_empty(), "no model is there");

    // The model is back: probes find it well, and the phone rings.
    is_well.store(true, Ordering::Relaxed);
    let books = exchange
        .until("a ring", |books| !books.rings.is_empty())
        .await;
    let ring = &books.rings[0];
    assert_eq!((ring.get("To"), ring.get("From")), (us, CALLED));
    let answered = about(&server, ring, "Url", &[("AnsweredBy", "human")]);
    let document = Document::read(&answered.send(&server).await.body);
    let before = model.connections();
    let mut phone = document.stream(&server, ring.number).await;
    phone.hear_prompt("ring_back").await;

    is_briefed(&mut model, before).await;
    phone.say(1).await;
    phone.hear_model(1_500).await;
    phone.hang_up().await;

    let over = [("CallStatus", "completed"), ("AnsweredBy", "human")];
    let over = about(&server, ring, "StatusCallback", &over);
    assert_eq!(over.send(&server).await.status, 204);
    stages(&server, &[]).await;
    let line = |line: &serde_json::Value| line["end"] == "done";
    server.line("a promise ended", line).await;
    let books = exchange.books();
    assert_eq!((books.texts.len(), books.rings.len()), (1, 1));
    let log = server.log();
    for private in [
        digits(us),
        "bicycle",
        "blue one",
        "Tuesday",
        sent.get("Body"),
    ] {
        assert!(!log.contains(private), "{private} in:\n{log}");
    }
}
