//! The first provider cannot be reached, or lets nobody in; the second one can.

use std::time::Duration;

use loadtest::model::faults::Rejection;
use loadtest::model::outages::{Stage, Trouble, Window};
use ringback::core::fault::{Fault, TlsFault};
use ringback::core::ids::ProviderId;

use super::{calm, tell, troubled};
use crate::doors::BrokenWay;
use crate::setup::Setup;

/// The way to the first provider is broken.
fn broken(fault: Fault) -> Setup {
    let way = BrokenWay {
        provider: ProviderId(0),
        until: Duration::MAX,
        after: Duration::from_millis(20),
        fault,
    };
    Setup {
        broken_ways: vec![way],
        ..calm()
    }
}

/// Dials of the first provider come as far as this; the second one is late, too, by twice so much.
fn hanging(stage: Stage, late_ms: u32) -> Setup {
    let mut setup = troubled(Trouble::Hang(stage));
    let late = Window::new(0, Trouble::Late { ms: late_ms });
    setup.models[1].house_faults.0.push(late);
    setup
}

fn refusing(status: u16, retry_after_ms: Option<u64>) -> Setup {
    troubled(Trouble::Refuse {
        status,
        retry_after_ms,
        code: None,
    })
}

#[test]
fn dns_failed() {
    tell("dns_failed", &broken(Fault::DnsFailed), &["dns_failed"]);
}

#[test]
fn connect_failed() {
    let setup = troubled(Trouble::Down);
    tell("connect_failed", &setup, &["failed: connect_failed"]);
}

#[test]
fn tls_expired() {
    let setup = broken(Fault::TlsFailed(TlsFault::Expired));
    tell("tls_expired", &setup, &["failed: tls_expired"]);
}

#[test]
fn tls_wrong_name() {
    let setup = broken(Fault::TlsFailed(TlsFault::WrongName));
    tell("tls_wrong_name", &setup, &["failed: tls_wrong_name"]);
}

#[test]
fn tls_untrusted() {
    let setup = broken(Fault::TlsFailed(TlsFault::Untrusted));
    tell("tls_untrusted", &setup, &["failed: tls_untrusted"]);
}

#[test]
fn tls_failed() {
    let setup = broken(Fault::TlsFailed(TlsFault::Other));
    tell("tls_failed", &setup, &["failed: tls_failed"]);
}

#[test]
fn connect_timed_out() {
    let setup = hanging(Stage::Connect, 600);
    tell("connect_timed_out", &setup, &["failed: connect_timed_out"]);
}

#[test]
fn tls_timed_out() {
    let setup = hanging(Stage::Tls, 600);
    tell("tls_timed_out", &setup, &["failed: tls_timed_out"]);
}

#[test]
fn upgrade_timed_out() {
    let setup = hanging(Stage::Upgrade, 600);
    tell("upgrade_timed_out", &setup, &["failed: upgrade_timed_out"]);
}

#[test]
fn session_timed_out() {
    let setup = hanging(Stage::Session, 900);
    tell("session_timed_out", &setup, &["failed: session_timed_out"]);
}

#[test]
fn slow_dial() {
    let setup = troubled(Trouble::Late { ms: 1_500 });
    tell("slow_dial", &setup, &["dials provider-2"]);
}

#[test]
fn refused() {
    tell("refused", &refusing(503, None), &["failed: refused (503)"]);
}

#[test]
fn rate_limited() {
    let setup = refusing(429, Some(20_000));
    tell("rate_limited", &setup, &["failed: rate_limited"]);
}

#[test]
fn unauthorized() {
    let setup = refusing(401, None);
    tell("unauthorized", &setup, &["failed: unauthorized"]);
}

#[test]
fn model_not_found() {
    let setup = refusing(404, None);
    tell("model_not_found", &setup, &["failed: model_not_found"]);
}

#[test]
fn wrong_dialect() {
    let code = Rejection::BetaApiShapeDisabled;
    let setup = troubled(Trouble::Reject { code });
    tell("wrong_dialect", &setup, &["failed: wrong_dialect"]);
}

#[test]
fn request_rejected() {
    let setup = broken(Fault::RequestRejected);
    tell("request_rejected", &setup, &["failed: request_rejected"]);
}
