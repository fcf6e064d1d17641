//! Spares: what a call finds connected already, and what becomes of those that nobody needs.

use tokio::time::timeout;

use crate::DEADLINE;
use crate::exposition::Exposition;
use crate::model::{Manner, Model};
use crate::operators::ask;
use crate::phone::Phone;
use crate::server::{Server, provider};

/// A provider that is to have spares, with these further lines.
async fn with_spares(model: &Model, lines: &str) -> Server {
    Server::launch(
        &format!(
            "[call]\ncarrier_silence_max = \"1m\"\n{}",
            provider("warm", &model.url(), lines)
        ),
        &[],
    )
    .await
}

/// Waits until the metrics tell this of the provider.
async fn until(server: &Server, name: &str, labels: &[(&str, &str)], at_least: f64) {
    let told = async {
        loop {
            let (status, text) = ask(server, "GET /metrics", "Host: 127.0.0.1\r\n").await;
            assert_eq!(status, 200, "{text}");
            let told = Exposition::parse(&text).get(name, labels);
            if told.is_some_and(|told| told >= at_least) {
                return;
            }
        }
    };
    let is_told = timeout(DEADLINE, told).await.is_ok();
    assert!(
        is_told,
        "{name} {labels:?} stays below {at_least}:\n{}",
        server.log()
    );
}

async fn until_ready(server: &Server, spares: f64) {
    until(
        server,
        "ringback_spares_ready",
        &[("provider", "warm")],
        spares,
    )
    .await;
}

async fn until_ended(server: &Server, outcome: &str, at_least: f64) {
    let labels = [("provider", "warm"), ("outcome", outcome)];
    until(server, "ringback_spares_total", &labels, at_least).await;
}

#[tokio::test]
async fn a_call_takes_a_session_that_was_connected_before_it_came() {
    let mut model = Model::start(Manner::Greets).await;
    let mut server = with_spares(&model, "spares = 2").await;
    until_ready(&server, 2.0).await;
    let mut phone = Phone::dial(&server, 1).await;
    phone.hear_audio(160).await;
    let seen = model.until(|seen| seen.asked == 1).await;
    assert_eq!(seen.configured, [1], "the one that waited longest");
    assert_eq!(
        seen.instructions.len(),
        1,
        "nothing is told to those that wait"
    );
    // Another takes its place.
    model.until(|seen| seen.opened == 3).await;
    until_ready(&server, 2.0).await;
    phone.hang_up().await;
    server.ended("caller_hung_up").await;
    until_ended(&server, "taken", 1.0).await;
}

#[tokio::test]
async fn a_call_that_loses_its_session_goes_on_with_one_that_waited() {
    let mut leaves = Model::start(Manner::Leaves).await;
    let mut stays = Model::start(Manner::Greets).await;
    let settings = format!(
        "[call]\ncarrier_silence_max = \"1m\"\n{}{}",
        provider("leaves", &leaves.url(), "tier = 1"),
        provider("warm", &stays.url(), "tier = 2\nspares = 1")
    );
    let mut server = Server::launch(&settings, &[]).await;
    until_ready(&server, 1.0).await;
    let mut phone = Phone::dial(&server, 1).await;
    leaves.until(|seen| seen.instructions.len() == 1).await;
    phone.say(1).await;
    let seen = stays.until(|seen| seen.instructions.len() == 1).await;
    assert_eq!(seen.configured, [1]);
    server
        .line("the call goes on with another session", |_| true)
        .await;
    phone.hang_up().await;
    server.ended("caller_hung_up").await;
}

#[tokio::test]
async fn a_spare_that_turns_out_dead_is_forgotten_and_the_call_dials() {
    for manner in [Manner::RefusesSettings, Manner::NeverConfirms] {
        let first = move |number| if number == 1 { manner } else { Manner::Greets };
        let mut model = Model::start_with(first).await;
        let mut server = with_spares(&model, "spares = 1").await;
        until_ready(&server, 1.0).await;
        let mut phone = Phone::dial(&server, 1).await;
        phone.hear_audio(160).await;
        let seen = model.until(|seen| seen.asked == 1).await;
        assert_eq!((seen.configured.len(), seen.configured[0]), (2, 1));
        until_ended(&server, "dead", 1.0).await;
        phone.hang_up().await;
        let ended = server.ended("caller_hung_up").await;
        let log = server.log();
        assert!(
            !log.contains("session failed"),
            "the call was told: {ended} {log}"
        );
    }
}

#[tokio::test]
async fn a_spare_that_is_lost_while_it_waits_is_replaced_and_the_breaker_stays_closed() {
    let ends = |number| match number {
        1 | 2 => Manner::EndsIdle,
        _ => Manner::Greets,
    };
    let mut model = Model::start_with(ends).await;
    let server = with_spares(&model, "spares = 1").await;
    until_ended(&server, "lost", 2.0).await;
    model.until(|seen| seen.opened >= 3).await;
    until_ready(&server, 1.0).await;
    assert!(!server.log().contains("\"breaker\""), "{}", server.log());
    let _phone = Phone::dial(&server, 1).await;
    let seen = model.until(|seen| seen.asked == 1).await;
    assert_eq!(seen.configured, [3]);
}

#[tokio::test]
async fn a_spare_is_replaced_before_its_session_ends() {
    // By the provider's word, and by our own.
    for (manner, lines) in [
        (Manner::LivesFor(3), "spares = 1"),
        (Manner::Greets, "spares = 1\nspare_age_max = \"200ms\""),
    ] {
        let mut model = Model::start(manner).await;
        let server = with_spares(&model, lines).await;
        until_ended(&server, "expired", 2.0).await;
        let seen = model
            .until(|seen| seen.opened >= 3 && seen.closed >= 1)
            .await;
        assert!(seen.configured.is_empty(), "{seen:?}");
        let _phone = Phone::dial(&server, 1).await;
        model.until(|seen| seen.asked == 1).await;
    }
}

#[tokio::test]
async fn spares_are_closed_when_the_process_is_told_to_stop() {
    let mut model = Model::start(Manner::Greets).await;
    let mut server = with_spares(&model, "spares = 3").await;
    until_ready(&server, 3.0).await;
    server.terminate();
    assert!(server.exit().await.success());
    let stopped = server.line("stopped", |_| true).await;
    assert_eq!(stopped["in_time"], true);
    let seen = model.until(|seen| seen.closed == 3).await;
    assert_eq!((seen.connections, seen.configured.len()), (3, 0));
}
