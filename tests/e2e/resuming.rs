//! Calls that go on at another node: after a crash, after a deploy, after an end, and when an older node wakes up.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::DEADLINE;
use crate::model::{Manner, Model, Seen};
use crate::phone::Phone;
use crate::redis_server::Server as Redis;
use crate::regions::{self, places};
use crate::server::{Folder, Server};
use crate::shared::{node_sharing, node_with, scrape, talk, until};
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

/// Whether a session that was opened behind the first `before` was told so.
fn is_told(seen: &Seen, before: usize, text: &str) -> bool {
    let mut items = seen.items.iter();
    items.any(|(session, _, told)| *session > before && told.contains(text))
}

#[tokio::test]
async fn a_call_that_comes_back_to_its_first_node_goes_on_from_where_it_was_at_the_second() {
    let mut house = House::new(Manner::Answers("it is about the red tandem")).await;
    let mut first = house.node("east-1", LEAVES_AT_ONCE).await;
    let document = ask(&first, ANSWER, 1, &[("CallStatus", "ringing")]).await;
    let mut phone = stream(&document, &first, 1).await;
    first.terminate();
    phone.hears_out().await;
    assert!(first.exit().await.success());
    // It has said nothing at the first.
    let mut second = house.node("east-2", LEAVES_AT_ONCE).await;
    let document = ask(&second, &document.action, 1, &[]).await;
    let mut phone = stream(&document, &second, 1).await;
    phone.say(1).await;
    // The token, the call at its start, after what is owed, after its answer.
    until(&second, "ringback_store_writes_total", |writes| {
        writes >= 4.0
    })
    .await;
    told(&second).await;
    second.terminate();
    phone.hears_out().await;
    assert!(second.exit().await.success());
    // The first one has a file that says how the call stood when it left, and the store takes its time.
    let url = house.redis.url();
    let late = (url.as_str(), "read_timeout = \"50ms\"\n");
    let (name, sections) = ("east-1", LEAVES_AT_ONCE);
    let first = node_sharing(name, &house.folder, late, &house.model, sections).await;
    let before = house.model.connections();
    house.redis.pause();
    let wakes_up = async {
        sleep(Duration::from_millis(120)).await;
        house.redis.resume();
    };
    let asked = ask(&first, &document.action, 1, &[]);
    let (document, ()) = tokio::join!(asked, wakes_up);
    let _phone = stream(&document, &first, 1).await;
    let seen = house
        .model
        .until(|seen| is_told(seen, before, "do not greet"));
    let seen = seen.await;
    assert!(is_told(&seen, before, "the red tandem"), "{}", first.log());
}

#[tokio::test]
async fn a_call_that_comes_to_its_number_again_goes_on_and_a_stranger_begins() {
    let mut house = House::new(Manner::Answers("it is about the blue bicycle")).await;
    let first = house.node("east-1", "").await;
    let second = house.node("west-1", "").await;
    let (_, phone) = talk(&first).await;
    told(&first).await;
    first.kill();
    drop(phone);
    // Without a ticket: the carrier could not get what comes next, or is sent to the number anew.
    for (path, more) in [
        (ANSWER, vec![]),
        ("/twiml/fallback", vec![("ErrorCode", "11205")]),
    ] {
        let before = house.model.connections();
        let document = ask(&second, path, 1, &more).await;
        assert_eq!(document.verbs, ["Connect", "Redirect"], "{}", second.log());
        let mut phone = document.stream(&second, 1).await;
        phone.hear_audio(160).await;
        let seen = house
            .model
            .until(|seen| is_told(seen, before, "do not greet"));
        let seen = seen.await;
        assert!(is_told(&seen, before, "the blue bicycle"), "{path}");
    }
    // Nobody knows of this one: another house has answered it, and sent it here.
    let resumed = count(&second, "ringback_calls_resumed_total").await;
    let document = ask(&second, ANSWER, 2, &[]).await;
    assert!(!document.parameters.contains_key("resume"));
    let mut phone = document.stream(&second, 2).await;
    phone.hear_audio(160).await;
    assert_eq!(
        resumed,
        count(&second, "ringback_calls_resumed_total").await
    );
}

#[tokio::test]
async fn a_replica_tells_of_a_call_while_there_is_no_primary() {
    let mut house = House::new(Manner::Answers("it is about the blue bicycle")).await;
    let replica = Redis::replica_of(&house.redis).await;
    let sentinel = Redis::sentinel(&house.redis, 1).await;
    watched(&sentinel).await;
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port);
    let node = async |name| {
        let shared = (url.as_str(), "");
        node_sharing(name, &house.folder, shared, &house.model, "").await
    };
    let (first, second) = (node("east-1").await, node("west-1").await);
    until(&second, "ringback_shared_trouble", |trouble| trouble < 0.5).await;
    let (document, phone) = talk(&first).await;
    told(&first).await;
    caught_up(&replica, &house.redis).await;
    house.redis.kill();
    first.kill();
    drop(phone);
    // Half a second passes before anybody is elected.
    let next = ask(&second, &document.action, 1, &[]).await;
    let before = house.model.connections();
    let mut phone = next.stream(&second, 1).await;
    phone.hear_audio(160).await;
    let seen = house
        .model
        .until(|seen| is_told(seen, before, "do not greet"));
    let seen = seen.await;
    assert!(
        is_told(&seen, before, "the blue bicycle"),
        "{}",
        second.log()
    );
}

/// The Sentinel knows of the replica.
async fn watched(sentinel: &Redis) {
    let waited = timeout(DEADLINE, async {
        loop {
            let line = sentinel.info("sentinel", "master0").await;
            if line.is_some_and(|line| line.contains("slaves=1")) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("the sentinel finds the replica");
}

/// The replica has all that the primary has.
async fn caught_up(replica: &Redis, primary: &Redis) {
    let offset = async |server: &Redis| server.info("replication", "master_repl_offset").await;
    let waited = timeout(DEADLINE, async {
        while offset(replica).await != offset(primary).await {
            sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("the replica follows");
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

#[tokio::test]
async fn a_home_that_was_restarted_tells_what_it_has_kept_of_a_call() {
    let mut house = House::new(Manner::Answers("it is about the blue bicycle")).await;
    let [one, two] = places([("east-1", "east"), ("east-2", "east")]);
    let path = house.folder.path("store.redb");
    let kept = format!("[store]\npath = \"{}\"\n", path.display());
    let url = house.model.url();
    let first = regions::node(&one, &[&two], &url, (&kept, &[])).await;
    let second = regions::node(&two, &[&one], &url, ("", &[])).await;
    let (document, phone) = talk(&first).await;
    first.kill();
    let _first = regions::node(&one, &[&two], &url, (&kept, &[])).await;
    drop(phone);
    let next = ask(&second, &document.action, 1, &[]).await;
    let place = format!("ws://{}/media", second.address);
    assert_eq!(next.stream_url, place, "{}", second.log());
    let mut phone = next.stream(&second, 1).await;
    phone.hear_audio(160).await;
    let told = |text: &String| text.contains("the blue bicycle");
    house.model.until(|seen| seen.told.iter().any(told)).await;
}
