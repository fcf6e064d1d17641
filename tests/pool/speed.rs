//! What admission costs.

use std::time::Duration;

use ringback::core::ids::{CallId, TenantId, Tier};
use ringback::core::pool::{Admission, News, Pool, Report, Request};

use crate::desk::{Desk, policy};

/// `cargo test --release --test pool speed -- --ignored --nocapture` prints it; nothing is gated on time.
#[test]
#[ignore = "measures"]
fn an_admission_and_its_end_are_measured() {
    const ROUNDS: u32 = 2_000_000;
    let mut entries = policy(3);
    entries.providers[1].tier = Tier(1);
    let desk = Desk::new(entries);
    let (mut pool, mut now, mut news) = (desk.pool, desk.now, News::default());
    let mut admitted = 0_u32;
    #[expect(clippy::disallowed_methods, reason = "it measures real time")]
    let began = std::time::Instant::now();
    for round in 0..ROUNDS {
        now = now + Duration::from_millis(100);
        admitted += u32::from(one_round(&mut pool, now, round, &mut news));
    }
    let each = began.elapsed() / ROUNDS;
    assert_eq!(admitted, ROUNDS);
    println!("one admission with its end: {each:?}");
}

fn one_round(
    pool: &mut Pool,
    now: ringback::core::time::Instant,
    round: u32,
    news: &mut News,
) -> bool {
    let call = CallId::from_bits(u128::from(round) * 0x9E37_79B9_7F4A_7C15);
    let mut request = Request::new(now, call, TenantId(0));
    match pool.admit(now, &mut request) {
        Admission::Dial(rung) => pool.record(now, rung.seat, Report::Ended, news),
        Admission::Wait { .. } | Admission::Nothing(_) => false,
    }
}
