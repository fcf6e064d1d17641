//! Where a new call goes, and what nodes say to each other of providers.

use super::*;
use crate::twilio::ask;

const ANSWER: &str = "/twiml/answer";

const RINGING: [(&str, &str); 1] = [("CallStatus", "ringing")];

#[tokio::test]
async fn a_full_node_gives_a_call_to_another_one_and_it_is_served_there() {
    let model = Model::start(Manner::Greets).await;
    let [one, other] = places([("east-1", "east"), ("east-2", "east")]);
    let narrow = "[calls]\ncalls_max = 1\n";
    let mut first = node(&one, &[&other], &model.url(), (narrow, &[])).await;
    let mut second = node(&other, &[&one], &model.url(), ("", &[])).await;
    until(&first, "ringback_nodes_heard", |heard| heard > 0.5).await;

    let here = format!("ws://{}/media", first.address);
    let there = format!("ws://{}/media", second.address);
    let document = ask(&first, ANSWER, 1, &RINGING).await;
    assert_eq!(document.stream_url, here, "there is room");
    let mut taken = document.stream(&first, 1).await;
    taken.hear_audio(160).await;

    let document = ask(&first, ANSWER, 2, &RINGING).await;
    assert_eq!(document.stream_url, there, "{}", first.log());
    let mut given = document.stream(&second, 2).await;
    given.hear_audio(160).await;
    until(&first, "ringback_calls_given_away_total", |given| {
        given > 0.5
    })
    .await;

    // What comes next is asked where the stream was, which knows the call from then on.
    given.hang_up().await;
    second.ended("caller_hung_up").await;
    let next = ask(&second, &document.action, 2, &[]).await;
    assert_eq!(next.verbs, ["Connect", "Redirect"]);
    assert_eq!(next.stream_url, there);
    taken.hang_up().await;
    first.ended("caller_hung_up").await;
}

#[tokio::test]
async fn a_node_on_its_way_out_gives_new_calls_to_another_one_and_refuses_them_where_there_is_none()
{
    let model = Model::start(Manner::Greets).await;
    let [one, other] = places([("east-1", "east"), ("west-1", "west")]);
    let first = node(&one, &[&other], &model.url(), ("", &[])).await;
    let second = node(&other, &[&one], &model.url(), ("", &[])).await;
    until(&first, "ringback_nodes_heard", |heard| heard > 0.5).await;
    let document = ask(&first, ANSWER, 1, &RINGING).await;
    let mut live = document.stream(&first, 1).await;
    live.hear_audio(160).await;
    first.terminate();
    let leaves = timeout(DEADLINE, async {
        let there = format!("ws://{}/media", second.address);
        let mut call = 2;
        while ask(&first, ANSWER, call, &RINGING).await.stream_url != there {
            call += 1;
        }
    });
    leaves.await.expect("it leaves, and says so");
    second.kill();
    until(&first, "ringback_nodes_heard", |heard| heard < 0.5).await;
    let form = crate::twilio::form(99, &RINGING);
    let refused = crate::twilio::Request::signed(&first, ANSWER, form);
    assert_eq!(refused.send(&first).await.status, 503);
}

/// Waits until a node that leaves lets its calls go.
async fn hands_over(server: &Server) {
    let handing = timeout(DEADLINE, async {
        loop {
            let (_, view) = operators::ask(server, "GET /admin/v1/drain", HOST).await;
            let view: serde_json::Value = serde_json::from_str(&view).unwrap();
            if view["stage"] == "handing_over" {
                return;
            }
        }
    });
    handing.await.expect("it lets its calls go");
}

/// Asks a question of a call; the status.
async fn status(server: &Server, path: &str, call: u32) -> u16 {
    let form = crate::twilio::form(call, &[]);
    let asked = crate::twilio::Request::signed(server, path, form);
    asked.send(server).await.status
}

/// What the fallback URL says of a call, as it is written.
async fn fallback(server: &Server, call: u32) -> String {
    let form = crate::twilio::form(call, &[]);
    let asked = crate::twilio::Request::signed(server, "/twiml/fallback", form);
    asked.send(server).await.body
}

#[tokio::test]
async fn the_last_node_there_is_apologises_itself_while_it_hands_over() {
    let model = Model::start(Manner::Floods).await;
    let [one, other] = places([("east-1", "east"), ("west-1", "west")]);
    let slow = "[calls]\ndrain_grace = \"0s\"\n[call]\nhand_over_max = \"1m\"\ncarrier_silence_max = \"1m\"\n";
    let mut first = node(&one, &[&other], &model.url(), (slow, &[])).await;
    let second = node(&other, &[&one], &model.url(), ("", &[])).await;
    until(&first, "ringback_nodes_heard", |heard| heard > 0.5).await;
    // Its caller never hears the model out, so it has no pause.
    let held = ask(&first, ANSWER, 1, &RINGING).await;
    let mut held = held.stream(&first, 1).await;
    held.hear_audio(160).await;
    let document = ask(&first, ANSWER, 2, &RINGING).await;
    let mut live = document.stream(&first, 2).await;
    live.hear_audio(160).await;
    live.hang_up().await;
    first.ended("caller_hung_up").await;
    first.terminate();
    hands_over(&first).await;
    let taken = "somebody else takes it";
    assert_eq!(status(&first, &document.action, 2).await, 503, "{taken}");
    // Behind the fallback URL the carrier asks nobody else: it is told whom, once.
    let passed = fallback(&first, 2).await;
    let there = format!("http://{}/twiml/fallback?passed=1", second.address);
    assert!(passed.contains(&there), "{passed}");
    let next = ask(&second, "/twiml/fallback?passed=1", 2, &[]).await;
    assert_eq!(next.stream_url, format!("ws://{}/media", second.address));
    let next = ask(&first, "/twiml/fallback?passed=1", 3, &[]).await;
    assert_eq!(next.verbs, ["Say", "Hangup"], "it is passed on once");
    let bad = [("ErrorCode", "12100")];
    let next = ask(&first, "/twiml/fallback", 4, &bad).await;
    assert_eq!(next.verbs, ["Say", "Hangup"], "others would write the same");
    second.kill();
    until(&first, "ringback_nodes_heard", |heard| heard < 0.5).await;
    let next = ask(&first, &document.action, 2, &[]).await;
    assert_eq!(next.verbs, ["Say", "Hangup"], "{}", first.log());
}

#[tokio::test]
async fn a_call_that_goes_on_is_left_to_a_node_that_has_a_seat_and_nobody_is_asked_twice() {
    let model = Model::start(Manner::Greets).await;
    let names = [("east-1", "east"), ("east-2", "east"), ("west-1", "west")];
    let [full, home, other] = places(names);
    let narrow = "[calls]\ncalls_max = 1\n";
    let first = node(&full, &[&home, &other], &model.url(), (narrow, &[])).await;
    let second = node(&home, &[&full, &other], &model.url(), ("", &[])).await;
    let third = node(&other, &[&full, &home], &model.url(), ("", &[])).await;
    for server in [&first, &third] {
        until(server, "ringback_nodes_heard", |heard| heard > 1.5).await;
    }
    let document = ask(&first, ANSWER, 1, &RINGING).await;
    let mut taken = document.stream(&first, 1).await;
    taken.hear_audio(160).await;
    let document = ask(&second, ANSWER, 2, &RINGING).await;
    let mut lost = document.stream(&second, 2).await;
    lost.hear_audio(160).await;
    second.kill();
    until(&first, "ringback_nodes_heard", |heard| heard < 1.5).await;

    assert_eq!(status(&first, &document.action, 2).await, 503);
    let passed = fallback(&first, 2).await;
    let there = format!("http://{}/twiml/fallback?passed=1", third.address);
    assert!(passed.contains(&there), "{passed}");
    // One that rings goes where it would have gone at first.
    let new = ask(&first, "/twiml/fallback", 9, &RINGING).await;
    assert_eq!(new.stream_url, format!("ws://{}/media", third.address));
    let next = ask(&third, &document.action, 2, &[]).await;
    assert_eq!(next.stream_url, format!("ws://{}/media", third.address));
    let again = ask(&third, &document.action, 2, &[]).await;
    assert_eq!(again.parameters, next.parameters, "the same document");
    let resumed = scrape(&third)
        .await
        .get("ringback_calls_resumed_total", &[]);
    assert_eq!(resumed, Some(1.0), "once");

    // Where nobody else has one either, it is answered here.
    third.kill();
    until(&first, "ringback_nodes_heard", |heard| heard < 0.5).await;
    assert_eq!(status(&first, &document.action, 2).await, 200);
}

/// How many attempts at the provider have failed.
async fn failures(server: &Server) -> f64 {
    let metrics = scrape(server).await;
    metrics.sum("ringback_attempt_faults_total").unwrap_or(0.0)
}

/// Whether the breaker of the only provider is open.
async fn is_open(server: &Server) -> bool {
    let labels = [("provider", "test"), ("key", "endpoint")];
    let state = scrape(server).await.get("ringback_breaker_state", &labels);
    state.is_some_and(|state| state > 1.5)
}

/// Calls come in until the breaker of the only provider is open; how many attempts had failed by then.
async fn open_breaker(server: &Server) -> f64 {
    for call in 1..100 {
        let before = failures(server).await;
        let document = ask(server, ANSWER, call, &RINGING).await;
        if is_open(server).await {
            return failures(server).await;
        }
        let phone = document.stream(server, call).await;
        let failed = timeout(DEADLINE, async {
            while failures(server).await <= before && !is_open(server).await {
                sleep(Duration::from_millis(5)).await;
            }
        });
        failed.await.expect("an attempt fails");
        drop(phone);
    }
    panic!("the breaker never opens:\n{}", server.log());
}

#[tokio::test]
async fn who_hears_of_an_outage_needs_fewer_failures_of_its_own_and_never_none() {
    let redis = Redis::start().await;
    let url = redis.url();
    // Five attempts of a call fail at once, so the numbers are far apart.
    let sections = "[shared]\nkey = { env = \"SHARED_KEY\" }\n\
        [breaker]\nfailures_in_a_row = 30\noutcomes_min = 100\ncool_down = \"1m\"\n";
    let variables = [
        ("RINGBACK__SHARED__URL", url.as_str()),
        ("SHARED_KEY", STORE_KEY),
    ];
    let more = (sections, variables.as_slice());
    let model = Model::start(Manner::RecoversAfter(usize::MAX)).await;
    let [one, other] = places([("east-1", "east"), ("west-1", "west")]);
    let first = node(&one, &[&other], &model.url(), more).await;
    let second = node(&other, &[&one], &model.url(), more).await;
    let alone = open_breaker(&first).await;
    assert!(alone >= 30.0, "{alone}");
    until(&second, "ringback_advice_heard_total", |heard| heard > 0.5).await;
    let breaker = [("provider", "test"), ("key", "endpoint")];
    let state = scrape(&second)
        .await
        .get("ringback_breaker_state", &breaker);
    assert_eq!(state, Some(0.0), "nobody obeys");
    let warned = open_breaker(&second).await;
    assert!((18.0..30.0).contains(&warned), "{warned} after {alone}");
}
