//! What must not be sent, and what becomes of it: one call at most is affected, with a line and a counted reason.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::model::{Manner, Model};
use crate::phone::Phone;
use crate::server::Server;

/// A call that goes on while another one is in trouble.
struct Bystander {
    phone: Phone,
    model: Model,
    call: u32,
}

impl Bystander {
    const CALL: u32 = 0xb;

    async fn start() -> (Server, Self) {
        Self::start_with("").await
    }

    async fn start_with(call_settings: &str) -> (Server, Self) {
        let model = Model::start(Manner::Greets).await;
        let server = Server::start(&model.url(), call_settings).await;
        let phone = Phone::dial(&server, Self::CALL).await;
        let call = Self::CALL;
        let mut bystander = Self { phone, model, call };
        bystander.goes_on().await;
        (server, bystander)
    }

    /// It is still heard, and the server has lost nothing of it.
    async fn goes_on(&mut self) {
        let before = self.model.frames();
        self.phone.say(5).await;
        self.model.until(|seen| seen.frames == before + 5).await;
    }

    async fn ends_well(mut self, server: &mut Server) {
        self.goes_on().await;
        self.phone.hang_up().await;
        let carrier_call = format!("CA{:032x}", self.call);
        let ended = server
            .line("call ended", |line| line["carrier_call"] == *carrier_call)
            .await;
        assert_eq!(ended["reason"], "caller_hung_up");
    }
}

#[tokio::test]
async fn a_stream_that_never_starts_is_closed() {
    let (mut server, bystander) = Bystander::start_with("start_timeout = \"300ms\"").await;
    let mut silent = Phone::connect(&server).await;
    assert_eq!(silent.heard_to_end().await, 0);
    server.ended("never_started").await;
    bystander.ends_well(&mut server).await;
}

#[tokio::test]
async fn a_second_stream_of_a_live_call_is_refused() {
    let (mut server, mut bystander) = Bystander::start().await;
    let mut second = Phone::dial(&server, Bystander::CALL).await;
    assert_eq!(second.heard_to_end().await, 0);
    let ended = server.ended("refused").await;
    assert_eq!(ended["cause"], "duplicate_call");
    bystander.goes_on().await;
    bystander.phone.hang_up().await;

    // When the first is over, the call may come back with another stream.
    server.ended("caller_hung_up").await;
    let mut again = Phone::dial(&server, Bystander::CALL).await;
    let before = bystander.model.frames();
    again.say(1).await;
    bystander
        .model
        .until(|seen| seen.frames == before + 1)
        .await;
}

#[tokio::test]
async fn what_is_not_the_protocol_is_dropped_and_counted_and_the_call_goes_on() {
    let (mut server, mut bystander) = Bystander::start().await;
    let phone = &mut bystander.phone;
    phone.send_message(Message::binary(vec![0; 160])).await;
    phone.send_text("").await;
    phone.send_text("{\"event\":\"media\"").await;
    phone.send_text("\u{0}\u{feff}[[[[").await;
    phone
        .send(&json!({"event": "media", "streamSid": format!("MZ{:032x}", 0xb)}))
        .await;
    phone
        .send(
            &json!({"event": "mark", "streamSid": format!("MZ{:032x}", 7), "mark": {"name": "x"}}),
        )
        .await;
    phone
        .send(&json!({"event": "weather", "sunny": true}))
        .await;
    bystander.goes_on().await;
    bystander.phone.hang_up().await;
    let ended = server.ended("caller_hung_up").await;
    assert_eq!(ended["refused"], 6, "{ended}");
    // A burst is one line.
    let lines = server
        .log()
        .matches("refused a message of the carrier")
        .count();
    assert_eq!(lines, 1, "{}", server.log());
    server.terminate();
    server.exit().await;
    let counts = server.line("stopped", |_| true).await["counts"].to_string();
    for part in [
        "refused.binary=1",
        "refused.malformed=4",
        "refused.wrong_stream=1",
    ] {
        assert!(counts.contains(part), "{part}: {counts}");
    }
}

#[tokio::test]
async fn a_flood_of_nonsense_ends_the_call_it_comes_in() {
    let (mut server, bystander) = Bystander::start_with("refusals_max = 20").await;
    let mut flood = Phone::dial(&server, 1).await;
    for _ in 0..20 {
        flood.send_text("nonsense").await;
    }
    flood.heard_to_end().await;
    let ended = server.ended("refused").await;
    assert_eq!(
        (&ended["cause"], &ended["refused"]),
        (&json!("malformed"), &json!(20))
    );
    bystander.ends_well(&mut server).await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_call_it_comes_in() {
    let (mut server, bystander) = Bystander::start().await;
    let mut large = Phone::dial(&server, 1).await;
    large.send_text(&"x".repeat(70_000)).await;
    large.heard_to_end().await;
    assert_eq!(server.ended("refused").await["cause"], "oversized");
    bystander.ends_well(&mut server).await;
}

#[tokio::test]
async fn media_before_start_is_refused_and_a_second_start_is_too() {
    let (mut server, bystander) = Bystander::start().await;
    let mut phone = Phone::connect(&server).await;
    phone.say(3).await;
    phone.start(1, &json!({})).await;
    phone.start(1, &json!({})).await;
    phone.hang_up().await;
    let line = |line: &serde_json::Value| line["refused"] == 4;
    server.line("call ended", line).await;
    bystander.ends_well(&mut server).await;
}

#[tokio::test]
async fn a_phone_that_stops_reading_costs_its_own_call_and_little_memory() {
    let model = Model::start(Manner::Floods).await;
    let mut server = Server::start(&model.url(), "ahead_max = \"20s\"").await;
    let mut deaf = Phone::dial(&server, 1).await;
    deaf.say(1).await;
    server.ended("carrier_stuck").await;
    // Meanwhile the server is there for others: it did not wait for the deaf one.
    let mut other = Phone::dial(&server, 2).await;
    other.say(1).await;
    other.hear_audio(16_000).await;
    let peak = server.peak_memory() / (1024 * 1024);
    assert!(peak < 64, "{peak} MiB");
}

#[tokio::test]
async fn a_model_that_leaves_again_and_again_costs_its_own_call_an_apology() {
    let mut model = Model::start(Manner::Leaves).await;
    let mut server = Server::start(&model.url(), "").await;
    let waiting = Phone::dial(&server, 1).await;
    let mut left = Phone::dial(&server, 2).await;
    model.until(|seen| seen.instructions.len() == 2).await;
    left.say(1).await;
    left.heard_to_end().await;
    let of_this = |line: &serde_json::Value| line["carrier_call"] == format!("CA{:032x}", 2);
    assert_eq!(
        server.line("call ended", of_this).await["reason"],
        "apologized"
    );
    let closed = |line: &serde_json::Value| line["fault"].as_str().unwrap().starts_with("closed");
    server.line("session failed", closed).await;
    // The other one still has its session.
    waiting.hang_up().await;
    server.ended("caller_hung_up").await;
}

#[tokio::test]
async fn a_model_that_sends_nothing_but_garbage_costs_its_own_call_an_apology() {
    let model = Model::start(Manner::Garbles).await;
    let mut server = Server::start(&model.url(), "").await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.say(1).await;
    phone.heard_to_end().await;
    server.ended("apologized").await;
    server
        .line("session failed", |line| line["fault"] == "garbled")
        .await;
}

#[tokio::test]
async fn a_caller_whom_no_provider_can_be_reached_for_hears_an_apology() {
    let mut server = Server::start("ws://127.0.0.1:1/", "").await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.heard_to_end().await;
    server.ended("apologized").await;
    server
        .line("session failed", |line| line["fault"] == "connect_failed")
        .await;
}
