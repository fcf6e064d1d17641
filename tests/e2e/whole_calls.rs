//! Recorded calls from the first word to the last: what the caller said, what was heard, and what the model believes of it.

use futures_util::future::join_all;
use loadtest::call::complaints;
use loadtest::carrier::{CallReport, Ended};
use loadtest::model::faults::{FaultRow, Faults, What, When};
use loadtest::model::report::SessionReport;

use crate::doubles::{Doubles, Fate};
use crate::phone::Phone;
use crate::server::Server;

/// A model is told at most this much less than was played, beyond the delay of the carrier's echoes: 40 ms, and a busy machine.
const UNDERSTATED_MAX_MS: i64 = 40 + 100;

/// And at most this much more.
const OVERSTATED_MAX_MS: i64 = 80;

/// Calls at a time; each but the first few has a model without faults.
const CALLS: u32 = 20;

#[tokio::test]
async fn a_recorded_call_goes_through_and_back_in_full_and_the_process_ends_cleanly() {
    let mut doubles = Doubles::start("interrupts", |_| healthy()).await;
    let mut server = Server::start(&doubles.url, "").await;
    let call = doubles.call(&server, 1).await;
    let session = doubles.ended(1).await.remove(0);
    nothing_is_lost(&call, &session);
    assert!(call.barge_ins > 0);
    assert!(!session.truncations.list.is_empty());
    for cut in &session.truncations.list {
        let item = call.items.iter().find(|item| item.item == cut.item);
        let played = item.map_or(0, |item| millis(item.played().as_millis()));
        let told = millis(cut.audio_end_ms.into());
        let echo_delay = millis(call.echo_delay.as_millis());
        let allowed = played - echo_delay - UNDERSTATED_MAX_MS..=played + OVERSTATED_MAX_MS;
        assert!(allowed.contains(&told), "told {told} ms of {played} ms");
    }
    let ended = server.ended("caller_hung_up").await;
    assert_eq!(ended["frames_in"], call.frames_sent);
    server.terminate();
    assert_eq!(server.exit().await.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn five_calls_in_trouble_are_not_noticed_by_the_others() {
    let mut doubles = Doubles::start("order_status", fate).await;
    let mut server = Server::start(&doubles.url, "").await;
    // It never reads, and its model never rests: the first session.
    let mut deaf = Phone::dial(&server, 1_000).await;
    doubles.opened(1).await;
    deaf.say(1).await;
    let calls = join_all((1..=CALLS).map(|number| doubles.call(&server, number))).await;
    // Three of them lost a session, and had another.
    let sessions = doubles.ended(calls.len() + 3).await;
    drop(deaf);

    let mut healthy = 0;
    for call in &calls {
        // A model that takes over in mid-script may talk on for longer than the script; the caller is who ends the call.
        let by_caller = matches!(call.ended, Some(Ended::HungUp | Ended::TooLong));
        assert!(by_caller, "call {}: {:?}", call.number, call.ended);
        let theirs = |session: &&SessionReport| session.uplink.streams.contains_key(&call.number);
        let theirs: Vec<_> = sessions.iter().filter(theirs).collect();
        if let [session] = theirs[..]
            && session.faults == 0
        {
            nothing_is_lost(call, session);
            healthy += 1;
        }
    }
    assert_eq!(healthy, CALLS - 4);

    server.ended("carrier_stuck").await;
    for fault in ["garbled", "oversized", "closed (1006)"] {
        let failed = |line: &serde_json::Value| line["fault"] == fault;
        server.line("session failed", failed).await;
    }
    // A flood is cut where it would no longer be heard; the call goes on.
    let flooded = "more audio than may be held; the response is cancelled";
    server.line(flooded, |_| true).await;
    server.terminate();
    assert_eq!(server.exit().await.code(), Some(0), "{}", server.log());
    let counts = server.line("stopped", |_| true).await["counts"].to_string();
    for part in [
        "garbled=1",
        "oversized=1",
        "closed=1",
        "held_overflows=1",
        "carrier_stuck=1",
    ] {
        assert!(counts.contains(part), "{part}: {counts}");
    }
    assert!(!counts.contains("apologized"), "{counts}");
}

/// What awaits the sessions, in the order in which they come.
fn fate(number: u32) -> Fate {
    // Nobody speaks meanwhile, who would end it.
    let greeting = When::MidResponse {
        response: 1,
        audio_ms: 400,
    };
    let (when, what) = match number {
        1 => return Fate::Storm,
        2 => (When::AfterMs(4_000), What::Garbage),
        3 => (greeting, What::Cut),
        4 => {
            let bytes = 1_100_000;
            (When::AfterMs(4_000), What::Oversize { bytes })
        }
        5 => {
            let flood = What::Flood {
                speed: 25,
                lasts_ms: 10_000,
            };
            (greeting, flood)
        }
        _ => return healthy(),
    };
    let share = 1.0;
    Fate::Model(Faults(vec![FaultRow { when, what, share }]))
}

fn healthy() -> Fate {
    Fate::Model(Faults::default())
}

/// Every frame of the caller's has come, every frame of the model's was heard unless it was cut.
fn nothing_is_lost(call: &CallReport, session: &SessionReport) {
    let number = call.number;
    assert_eq!(complaints(call), [""; 0], "call {number}");
    assert_eq!(call.ended, Some(Ended::HungUp), "call {number}");
    let said = session.uplink.streams.get(&number).unwrap();
    assert_eq!(said.missing(), 0, "call {number}: {:?}", said.blocks);
    assert_eq!(said.distinct(), call.frames_sent, "call {number}");
    assert_eq!((said.repeated, said.out_of_order), (0, 0), "call {number}");
}

fn millis(millis: u128) -> i64 {
    i64::try_from(millis).unwrap()
}
