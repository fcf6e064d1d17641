//! Several providers: who is dialled, who takes over, and how one that was out comes back.

use serde_json::Value;
use tokio_tungstenite::tungstenite::Error;

use crate::model::{Manner, Model};
use crate::phone::Phone;
use crate::server::{Server, provider};

/// Breakers that come back soon.
const SOON: &str = "[breaker]\ncool_down = \"100ms\"\nprobe_interval = \"100ms\"\nprobes_good = 2\n\
                    slow_start = \"0s\"\njitter_percent = 0\n[call]\ncarrier_silence_max = \"1m\"\n";

/// A breaker of this provider that is now in this state.
fn breaker(name: &'static str, to: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["provider"] == name && line["to"] == to
}

/// A call that is greeted, and hangs up.
async fn short_call(server: &mut Server, number: u32) {
    let mut phone = Phone::dial(server, number).await;
    phone.hear_audio(160).await;
    phone.hang_up().await;
    let carrier_call = format!("CA{number:032x}");
    let ended = server
        .line("call ended", |line| line["carrier_call"] == *carrier_call)
        .await;
    assert_eq!(ended["reason"], "caller_hung_up");
}

#[tokio::test]
async fn calls_go_to_the_next_tier_and_soon_without_a_packet_to_the_dead_one() {
    let dead = Model::start(Manner::RecoversAfter(usize::MAX)).await;
    let well = Model::start(Manner::Greets).await;
    let settings = format!(
        "[call]\ncarrier_silence_max = \"1m\"\n{}{}",
        provider("dead", &dead.url(), "tier = 1"),
        provider("well", &well.url(), "tier = 2")
    );
    let mut server = Server::launch(&settings, &[]).await;
    for number in 1..=5 {
        short_call(&mut server, number).await;
    }
    let opened = server.line("breaker", breaker("dead", "open")).await;
    assert_eq!(opened["cause"], "failures_in_a_row");
    assert_eq!((dead.connections(), well.connections()), (5, 5));
    for number in 6..=8 {
        short_call(&mut server, number).await;
    }
    assert_eq!((dead.connections(), well.connections()), (5, 8));
}

#[tokio::test]
async fn a_provider_that_was_out_is_tried_by_synthetic_sessions_and_never_by_a_caller() {
    let first = Model::start(Manner::RecoversAfter(6)).await;
    let second = Model::start(Manner::Greets).await;
    let settings = format!(
        "{SOON}{}{}",
        provider("first", &first.url(), "tier = 1"),
        provider("second", &second.url(), "tier = 2")
    );
    let mut server = Server::launch(&settings, &[]).await;
    for number in 1..=5 {
        short_call(&mut server, number).await;
    }
    server.line("breaker", breaker("first", "open")).await;
    // The sixth connection, and the first that is a probe, fails as well.
    server
        .line("probe failed", |line| line["provider"] == "first")
        .await;
    let closed = server.line("breaker", breaker("first", "slow_start")).await;
    assert_eq!(closed["cause"], "probes_good");
    server.line("breaker", breaker("first", "closed")).await;
    // Five callers came and the second took them all; the rest were probes: one that failed, two that were good.
    assert_eq!((first.connections(), second.connections()), (8, 5));
    short_call(&mut server, 9).await;
    assert_eq!((first.connections(), second.connections()), (9, 5));
}

#[tokio::test]
async fn a_call_whose_model_leaves_goes_on_with_the_next() {
    let mut leaves = Model::start(Manner::Leaves).await;
    let mut stays = Model::start(Manner::Greets).await;
    let settings = format!(
        "[call]\ncarrier_silence_max = \"1m\"\n{}{}",
        provider("leaves", &leaves.url(), "tier = 1"),
        provider("stays", &stays.url(), "tier = 2")
    );
    let mut server = Server::launch(&settings, &[]).await;
    let mut phone = Phone::dial(&server, 1).await;
    leaves.until(|seen| seen.instructions.len() == 1).await;
    phone.say(1).await;
    stays.until(|seen| seen.instructions.len() == 1).await;
    server
        .line("the call goes on with another session", |_| true)
        .await;
    phone.hang_up().await;
    server.ended("caller_hung_up").await;
}

#[tokio::test]
async fn a_seat_is_free_again_when_its_call_is_over_however_it_ended() {
    let model = Model::start(Manner::Greets).await;
    let settings = format!(
        "[call]\ncarrier_silence_max = \"1m\"\n{}",
        provider("small", &model.url(), "sessions_max = 1")
    );
    let mut server = Server::launch(&settings, &[]).await;
    short_call(&mut server, 1).await;
    // One that goes without a word.
    let mut gone = Phone::dial(&server, 2).await;
    gone.hear_audio(160).await;
    drop(gone);
    server.ended("carrier_gone").await;
    short_call(&mut server, 3).await;
    assert_eq!(model.connections(), 3);
}

#[tokio::test]
async fn a_process_with_too_much_to_do_lets_nobody_new_in_and_says_when_to_ask_again() {
    let model = Model::start(Manner::Greets).await;
    let settings = "[overload]\nmemory_lean_mib = 1\nmemory_full_mib = 1\n";
    let mut server = Server::with(&model.url(), settings, &[]).await;
    let line = server.line("overload", |line| line["to"] == "full").await;
    assert_eq!(line["from"], "normal");
    let Err(Error::Http(response)) = Phone::connect_with(&server, &[]).await else {
        panic!("it was let in");
    };
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(response.headers()["retry-after"], "5");
    server.terminate();
    server.exit().await;
    let counts = server.line("stopped", |_| true).await["counts"].to_string();
    assert!(counts.contains("upgrades_overloaded=1"), "{counts}");
    assert_eq!(model.connections(), 0);
}
