//! What admission costs.

use std::time::Duration;

use ringback::core::ids::{CallId, TenantId, Tier};
use ringback::core::pool::{Admission, Charge, News, Report, Request};

use crate::desk::{Desk, policy};

/// `cargo test --release --test pool speed -- --ignored --nocapture` prints it; nothing is gated on time.
#[test]
#[ignore = "prints a time, which no test gates on; run by hand"]
fn an_admission_is_measured() {
    const BATCHES: u32 = 5_000;
    const BATCH: u32 = 200;
    let mut entries = policy(3);
    entries.providers[1].tier = Tier(1);
    let desk = Desk::new(entries);
    let (mut pool, mut now, mut news) = (desk.pool, desk.now, News::default());
    let (mut admission, mut end) = (Duration::ZERO, Duration::ZERO);
    for batch in 0..BATCHES {
        now = now + Duration::from_mins(1);
        let call = |place| u128::from(batch * BATCH + place) * 0x9E37_79B9_7F4A_7C15;
        let request = |place| Request::new(now, CallId::from_bits(call(place)), TenantId(0));
        let mut requests: Vec<_> = (0..BATCH).map(request).collect();
        let mut rungs = Vec::with_capacity(requests.len());
        #[expect(clippy::disallowed_methods, reason = "it measures real time")]
        let clock = std::time::Instant::now;
        let began = clock();
        for request in &mut requests {
            if let Admission::Dial(rung) = pool.admit(now, request) {
                rungs.push(rung);
            }
        }
        admission += began.elapsed();
        let began = clock();
        for rung in &rungs {
            assert_eq!(rung.charge, Charge::First);
            pool.record(now, rung.seat, Report::Ended, &mut news);
        }
        end += began.elapsed();
        assert_eq!(rungs.len(), requests.len());
    }
    let each = |all: Duration| all / (BATCHES * BATCH);
    println!(
        "one admission: {:?}, its end: {:?}",
        each(admission),
        each(end)
    );
}
