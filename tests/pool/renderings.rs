//! Errands of our own, renderings and transcriptions: they are admitted while all is well, and never at a caller's expense.

use ringback::core::fault::Fault;
use ringback::core::ids::ProviderId;
use ringback::core::pool::{BreakerState, Charge, Control, News, Report, Rung};

use crate::desk::{Desk, REFUSED, ms, policy, secs};

impl Desk {
    fn render(&mut self) -> Option<Rung> {
        self.pool.admit_rendering(self.now)
    }
}

#[test]
fn a_rendering_goes_to_the_first_tier_and_gives_its_place_back() {
    let mut desk = Desk::with(2);
    let rung = desk.render().unwrap();
    assert_eq!(
        (rung.provider, rung.charge),
        (ProviderId(0), Charge::Rendering)
    );
    let sessions = |desk: &mut Desk| desk.pool.status(desk.now).providers[0].sessions;
    assert_eq!(sessions(&mut desk), 1);
    desk.is_ready(&rung);
    desk.report(&rung, Report::Ended);
    let status = desk.pool.status(desk.now);
    assert_eq!((status.providers[0].sessions, status.live), (0, 0));
    assert_eq!(desk.dials(Charge::Rendering), 1);
}

#[test]
fn nothing_is_rendered_while_any_breaker_is_not_closed() {
    let mut desk = Desk::with(2);
    for control in [Control::Open, Control::Isolate] {
        let mut news = News::default();
        let other = ProviderId(1);
        desk.pool.control(desk.now, other, None, control, &mut news);
        assert_eq!(desk.render(), None, "{control:?} elsewhere");
        desk.pool
            .control(desk.now, other, None, Control::Close, &mut news);
    }
    assert!(desk.render().is_some());
}

#[test]
fn a_rendering_takes_no_place_that_a_caller_could_want() {
    let mut tight = policy(1);
    tight.providers[0].sessions_max = 3;
    let mut desk = Desk::new(tight);
    desk.live_call();
    let rung = desk.render().expect("one place is left for a caller");
    assert_eq!(desk.render(), None, "the last place is a caller's");
    desk.report(&rung, Report::Ended);
    // And no start: less than half of the burst is left.
    let mut burst = policy(1);
    burst.providers[0].burst = 4;
    let mut desk = Desk::new(burst);
    let calls = [desk.live_call(), desk.live_call()];
    assert_eq!(
        desk.render(),
        None,
        "{} calls have just started",
        calls.len()
    );
}

#[test]
fn nothing_is_rendered_while_calls_wait() {
    let mut tight = policy(2);
    tight.providers[0].burst = 1;
    tight.providers[1].burst = 1;
    let mut desk = Desk::new(tight);
    let calls = [desk.live_call(), desk.live_call()];
    let mut waiting = desk.new_call();
    desk.waits(&mut waiting);
    // There is a start again, and it is for who waits.
    desk.pass(ms(60));
    assert_eq!(desk.render(), None, "beside {} calls", calls.len());
    desk.pool.withdraw(&mut waiting);
    assert!(desk.render().is_some());
}

#[test]
fn dials_that_fail_tell_of_the_provider_and_answers_that_fail_do_not() {
    let mut desk = Desk::with(1);
    for _ in 0..50 {
        let rung = desk.render().expect("the breaker is closed");
        desk.is_ready(&rung);
        desk.report(&rung, Report::Failed(Fault::Mute));
        desk.pass(secs(1));
    }
    assert_eq!(desk.state(ProviderId(0)), BreakerState::Closed);
    for _ in 0..5 {
        let rung = desk.render().expect("the breaker is closed");
        desk.report(&rung, Report::Failed(REFUSED));
    }
    assert_ne!(desk.state(ProviderId(0)), BreakerState::Closed);
    assert_eq!(desk.render(), None);
    // What is about the account concerns callers too, whenever it is said.
    let mut desk = Desk::with(1);
    let rung = desk.render().unwrap();
    desk.is_ready(&rung);
    desk.report(&rung, Report::Failed(Fault::QuotaExhausted));
    assert_eq!(desk.render(), None, "the key's breaker is open");
}

#[test]
fn failures_that_lie_apart_are_no_row_where_others_went_well() {
    let mut desk = Desk::with(1);
    for _ in 0..20 {
        let rung = desk.render().expect("the breaker is closed");
        desk.report(&rung, Report::Failed(REFUSED));
        desk.pass(secs(60));
        let rung = desk.render().expect("the breaker is closed");
        desk.is_ready(&rung);
        desk.report(&rung, Report::Ended);
        desk.pass(secs(60));
    }
    assert_eq!(desk.state(ProviderId(0)), BreakerState::Closed);
}

#[test]
fn a_message_is_written_down_by_whoever_is_well_and_never_at_a_callers_expense() {
    let mut desk = Desk::with(2);
    let rung = desk.pool.admit_transcription(desk.now).unwrap();
    assert_eq!(
        (rung.provider, rung.charge),
        (ProviderId(0), Charge::Transcription)
    );
    desk.is_ready(&rung);
    desk.report(&rung, Report::Ended);
    assert_eq!(desk.dials(Charge::Transcription), 1);
    let mut news = News::default();
    let first = ProviderId(0);
    desk.pool
        .control(desk.now, first, None, Control::Open, &mut news);
    let rung = desk.pool.admit_transcription(desk.now).unwrap();
    assert_eq!(rung.provider, ProviderId(1), "the next one is well");
    desk.report(&rung, Report::Ended);
    desk.pool
        .control(desk.now, ProviderId(1), None, Control::Open, &mut news);
    assert_eq!(desk.pool.admit_transcription(desk.now), None, "nobody is");

    let mut tight = policy(1);
    tight.providers[0].sessions_max = 2;
    let mut desk = Desk::new(tight);
    desk.live_call();
    let taken = desk.pool.admit_transcription(desk.now);
    assert_eq!(taken, None, "the last place is a caller's");
}

#[test]
fn nothing_is_written_down_while_calls_wait() {
    let mut tight = policy(2);
    tight.providers[0].burst = 1;
    tight.providers[1].burst = 1;
    let mut desk = Desk::new(tight);
    let calls = [desk.live_call(), desk.live_call()];
    let mut waiting = desk.new_call();
    desk.waits(&mut waiting);
    desk.pass(ms(60));
    let admitted = desk.pool.admit_transcription(desk.now);
    assert_eq!(admitted, None, "beside {} calls", calls.len());
    desk.pool.withdraw(&mut waiting);
    assert!(desk.pool.admit_transcription(desk.now).is_some());
}
