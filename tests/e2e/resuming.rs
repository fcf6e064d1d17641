//! Calls that go on at another node: after a crash, after a deploy, after an end, and when an older node wakes up.

use crate::model::{Manner, Model, Seen};
use crate::phone::Phone;
use crate::redis_server::Server as Redis;
use crate::regions::{self, places};
use crate::server::{Folder, Server};
use crate::shared::{node_with, scrape, talk, until};
use crate::twilio::{Document, Request, ask, form};

const ANSWER: &str = "/twiml/answer";

/// Each call is handed over at its next pause as soon as the process is told to leave.
const LEAVES_AT_ONCE: &str = "[calls]\ndrain_grace = \"0s\"\n";

/// Nodes of one region with a Redis between them and a model of this manner, each with a file of its own.
struct House {
    redis: Redis,
    model: Model,
    folder: Folder,
}

impl House {
    async fn new(manner: Manner) -> Self {
        Self {
            redis: Redis::start().await,
            model: Model::start(manner).await,
            folder: Folder::new(),
        }
    }

    async fn node(&self, name: &str, sections: &str) -> Server {
        node_with(name, &self.folder, &self.redis, &self.model, sections).await
    }
}

/// Everything that this node has to tell the others is told.
async fn told(server: &Server) {
    until(server, "ringback_shared_waiting", |waiting| waiting < 0.5).await;
}

async fn count(server: &Server, metric: &str) -> Option<f64> {
    scrape(server).await.get(metric, &[])
}

/// A stream of this document, of which the others know.
async fn stream(document: &Document, server: &Server, call: u32) -> Phone {
    assert_eq!(document.verbs, ["Connect", "Redirect"], "{}", server.log());
    let mut phone = document.stream(server, call).await;
    phone.hear_audio(160).await;
    told(server).await;
    phone
}

#[tokio::test]
async fn a_call_that_ended_at_one_node_is_hung_up_by_another() {
    let house = House::new(Manner::Parts).await;
    let short = "[call]\ngoodbye_grace = \"100ms\"\n";
    let first = house.node("east-1", short).await;
    let second = house.node("east-2", short).await;
    let document = ask(&first, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    let mut phone = stream(&document, &first, 1).await;
    phone.say(1).await;
    phone.heard_to_end().await;
    // The socket is closed, so the end is written, whatever becomes of the node.
    first.kill();
    let next = ask(&second, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Hangup"], "{}", second.log());
}

#[tokio::test]
async fn an_owner_that_wakes_up_after_its_call_went_on_elsewhere_lets_go() {
    let house = House::new(Manner::Answers("it is about the blue bicycle")).await;
    // It does not notice by itself that it slept.
    let patient = "[call]\ncarrier_silence_max = \"1m\"\n";
    let first = house.node("east-1", patient).await;
    let second = house.node("east-2", patient).await;
    let document = ask(&first, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    let mut old = stream(&document, &first, 1).await;
    first.signal("STOP");
    let next = ask(&second, &document.action, 1, &[]).await;
    let new = stream(&next, &second, 1).await;
    first.signal("CONT");
    // Its caller seems to speak: there is something to be kept.
    old.say(1).await;
    old.heard_to_end().await;
    until(&first, "ringback_streams_let_go_total", |count| count > 0.5).await;
    // Nothing of it is kept: who asks goes on with the newer stream's call.
    let after = ask(&second, &next.action, 1, &[]).await;
    drop(new);
    let mut phone = stream(&after, &second, 1).await;
    phone.say(1).await;
    assert_eq!(
        count(&second, "ringback_streams_let_go_total").await,
        Some(0.0)
    );
}

#[tokio::test]
async fn a_call_that_brings_three_nodes_down_within_a_minute_hears_the_apology() {
    let house = House::new(Manner::Greets).await;
    let mut server = house.node("east-1", "").await;
    let mut document = ask(&server, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    for next in ["east-2", "east-3"] {
        let phone = stream(&document, &server, 1).await;
        server.kill();
        drop(phone);
        server = house.node(next, "").await;
        document = ask(&server, &document.action, 1, &[]).await;
        assert_eq!(
            count(&server, "ringback_calls_resumed_total").await,
            Some(1.0)
        );
    }
    let phone = stream(&document, &server, 1).await;
    server.kill();
    drop(phone);
    let server = house.node("east-4", "").await;
    let last = ask(&server, &document.action, 1, &[]).await;
    assert_eq!(last.verbs, ["Say", "Hangup"], "{}", server.log());
}

#[tokio::test]
async fn a_deploy_hands_every_call_over_with_its_memory_and_counts_as_no_crash() {
    let mut house = House::new(Manner::Answers("it is about the red tandem")).await;
    let mut server = house.node("east-1", LEAVES_AT_ONCE).await;
    let mut documents = Vec::new();
    let mut phones = Vec::new();
    for call in 1..=2 {
        let document = ask(&server, ANSWER, call, &[("CallStatus", "ringing")]).await;
        let mut phone = stream(&document, &server, call).await;
        phone.say(1).await;
        documents.push(document);
        phones.push(phone);
    }
    // Of each: the token, the call at its start, after its greeting, after its answer.
    until(&server, "ringback_store_writes_total", |writes| {
        writes >= 8.0
    })
    .await;
    // More than a call that crashes may be put together.
    for next in ["east-2", "east-3", "east-4"] {
        told(&server).await;
        server.terminate();
        for phone in &mut phones {
            phone.hears_out().await;
        }
        assert!(server.exit().await.success());
        server = house.node(next, LEAVES_AT_ONCE).await;
        phones.clear();
        for (call, document) in (1..).zip(&mut documents) {
            *document = ask(&server, &document.action, call, &[]).await;
            phones.push(stream(document, &server, call).await);
        }
        assert_eq!(
            count(&server, "ringback_calls_resumed_total").await,
            Some(0.0)
        );
        assert_eq!(
            count(&server, "ringback_calls_taken_over_total").await,
            Some(2.0)
        );
    }
    let told = |seen: &Seen| {
        let told = seen.told.iter();
        told.filter(|text| text.contains("the red tandem")).count()
    };
    // Both calls, at each of the three nodes.
    house.model.until(|seen| told(seen) >= 6).await;
}

#[tokio::test]
async fn without_the_store_a_call_goes_on_without_memory_and_greets_nobody_again() {
    let mut house = House::new(Manner::Answers("it is about the blue bicycle")).await;
    let first = house.node("east-1", "").await;
    let second = house.node("east-2", "").await;
    let (document, phone) = talk(&first).await;
    first.kill();
    drop(phone);
    house.redis.kill();
    until(&second, "ringback_shared_trouble", |trouble| trouble > 0.5).await;
    let next = ask(&second, &document.action, 1, &[]).await;
    let before = house.model.connections();
    assert_eq!(next.verbs, ["Connect", "Redirect"], "{}", second.log());
    let mut phone = next.stream(&second, 1).await;
    phone.hear_audio(160).await;
    // It asks for the last words instead.
    let asks = |text: &str| text.contains("do not greet the caller again");
    let new = |session: usize| session > before;
    let is_asked = |seen: &Seen| {
        let mut items = seen.items.iter();
        items.any(|(session, _, text)| new(*session) && asks(text))
    };
    house.model.until(is_asked).await;
}

/// Two nodes that know of each other, and share nothing.
async fn neighbours(house: &House, sections: &str) -> (Server, Server) {
    let [one, two] = places([("east-1", "east"), ("east-2", "east")]);
    let first = regions::node(&one, &[&two], &house.model.url(), (sections, &[])).await;
    let second = regions::node(&two, &[&one], &house.model.url(), (sections, &[])).await;
    (first, second)
}

#[tokio::test]
async fn a_stream_that_breaks_goes_back_to_its_home_whoever_is_asked() {
    let mut house = House::new(Manner::Answers("it is about the blue bicycle")).await;
    let (first, second) = neighbours(&house, "").await;
    let document = ask(&first, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    let mut phone = document.stream(&first, 1).await;
    phone.hear_audio(160).await;
    phone.say(1).await;
    // More than the greeting: the answer has begun, so its words are known.
    phone.hear_audio(8_000).await;
    drop(phone);
    let request = Request::signed(&second, &document.action, form(1, &[]));
    let answer = request.send(&second).await;
    let place = format!("ws://{}/media", first.address);
    assert!(answer.body.contains(&place), "{answer:?}\n{}", second.log());
    let next = Document::read(&answer.body);
    let mut phone = next.stream(&first, 1).await;
    phone.hear_audio(160).await;
    let told = |text: &String| text.contains("the blue bicycle");
    house.model.until(|seen| seen.told.iter().any(told)).await;
    assert_eq!(
        count(&first, "ringback_calls_started_total").await,
        Some(2.0)
    );
}

#[tokio::test]
async fn the_home_of_a_call_says_that_it_has_ended() {
    let house = House::new(Manner::Parts).await;
    let short = "[call]\ngoodbye_grace = \"100ms\"\n";
    let (first, second) = neighbours(&house, short).await;
    let document = ask(&first, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    let mut phone = document.stream(&first, 1).await;
    phone.hear_audio(160).await;
    phone.say(1).await;
    phone.heard_to_end().await;
    let next = ask(&second, &document.action, 1, &[]).await;
    assert_eq!(next.verbs, ["Hangup"], "{}", second.log());
    // Who is dead says nothing: the call goes on with whoever is asked, and begins nothing anew.
    let document = ask(&first, ANSWER, 2, &[("CallStatus", "ringing")]).await;
    let _phone = document.stream(&first, 2).await;
    first.kill();
    let next = ask(&second, &document.action, 2, &[]).await;
    assert_eq!(next.verbs, ["Connect", "Redirect"], "{}", second.log());
    assert!(next.parameters.contains_key("resume"));
}
