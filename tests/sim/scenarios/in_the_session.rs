//! The first provider's session fails in the middle of the call; the second one goes on.

use std::time::Duration;

use loadtest::model::faults::{Via, What, When};
use loadtest::model::outages::Trouble;

use super::{ASKED, MID_ANSWER, SPEAKING, calm, faulty, tell, troubled};
use crate::setup::{EPOCH_S, Setup};

const GOES_ON: &str = "goes on with provider-2";

#[test]
fn quota_exhausted() {
    let setup = troubled(Trouble::Quota {
        via: Via::ResponseDone,
        close: None,
    });
    tell(
        "quota_exhausted",
        &setup,
        &["failed: quota_exhausted", GOES_ON],
    );
}

#[test]
fn closed() {
    let setup = faulty(MID_ANSWER, What::Cut);
    let words = ["failed: closed (1006)", "is asked for the rest"];
    tell("closed", &setup, &words);
}

#[test]
fn server_error() {
    let setup = faulty(ASKED, What::ServerError { times: 1 });
    tell("server_error", &setup, &["asks the same session again"]);
}

#[test]
fn expired() {
    let setup = faulty(MID_ANSWER, What::Expire);
    tell("expired", &setup, &["failed: expired"]);
}

#[test]
fn expiry_announced() {
    let mut setup = calm();
    setup.models[0].session_length_ms = 16_000;
    setup.models[0].epoch_s = EPOCH_S;
    tell("expiry_announced", &setup, &["moves to provider-1"]);
}

#[test]
fn garbled() {
    let setup = faulty(ASKED, What::Garbage);
    tell("garbled", &setup, &["failed: garbled", GOES_ON]);
}

#[test]
fn oversized() {
    let setup = faulty(ASKED, What::Oversize { bytes: 1_100_000 });
    tell("oversized", &setup, &["failed: oversized", GOES_ON]);
}

#[test]
fn no_pong() {
    let setup = faulty(SPEAKING, What::Freeze);
    tell("no_pong", &setup, &["failed: no_pong", GOES_ON]);
}

#[test]
fn write_overflow() {
    let setup = Setup {
        unread_max: 8_000,
        ..faulty(SPEAKING, What::Freeze)
    };
    tell(
        "write_overflow",
        &setup,
        &["failed: write_overflow", GOES_ON],
    );
}

#[test]
fn answer_timed_out() {
    let setup = faulty(SPEAKING, What::NoAnswer);
    let words = ["plays \"one moment\"", "failed: answer_timed_out", GOES_ON];
    tell("answer_timed_out", &setup, &words);
}

#[test]
fn stalled() {
    let setup = faulty(MID_ANSWER, What::Stall);
    let words = ["failed: stalled", "is asked for the rest"];
    tell("stalled", &setup, &words);
}

#[test]
fn deaf() {
    let setup = faulty(When::AfterMs(1_000), What::Deaf);
    tell("deaf", &setup, &["failed: deaf", GOES_ON]);
}

#[test]
fn mute() {
    let setup = faulty(ASKED, What::Mute);
    tell("mute", &setup, &["failed: mute", GOES_ON]);
}

#[test]
fn noise() {
    let setup = faulty(ASKED, What::Noise);
    tell("noise", &setup, &["failed: noise", GOES_ON]);
}

#[test]
fn flooded() {
    let mut setup = faulty(
        ASKED,
        What::Flood {
            speed: 400_000,
            lasts_ms: 6,
        },
    );
    let way = Duration::from_millis(10);
    setup.latency = (way, way);
    tell("flooded", &setup, &["failed: flooded", GOES_ON]);
}

#[test]
fn held_overflow() {
    let setup = faulty(
        ASKED,
        What::Flood {
            speed: 60,
            lasts_ms: 2_500,
        },
    );
    tell("held_overflow", &setup, &["takes no more of this answer"]);
}

#[test]
fn policy_refused() {
    let setup = faulty(ASKED, What::ContentFilter { times: 1 });
    tell(
        "policy_refused",
        &setup,
        &["failed: policy_refused", GOES_ON],
    );
}

#[test]
fn context_too_long() {
    let setup = faulty(ASKED, What::ContextTooLong { times: 1 });
    tell(
        "context_too_long",
        &setup,
        &["failed: context_too_long", GOES_ON],
    );
}
