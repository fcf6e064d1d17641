//! How often one call is served in one outage, and what it may go back to.

use ringback::core::fault::Fault;
use ringback::core::pool::{Admission, DIALS_MAX, Report, Request, Rung, Why};

use crate::desk::{Desk, FIRST, LOST, REFUSED, SECOND};

/// More entries than the eight that a call may dial.
const MANY: u8 = 10;

impl Desk {
    fn dial_that_fails(&mut self, request: &mut Request) {
        let rung = self.dial(request);
        self.report(&rung, Report::Failed(REFUSED));
        request.failed(&rung, REFUSED);
    }

    /// Dials until it is refused; each session is lost before it says anything. How many there were, and why there is no more.
    fn lose_all(&mut self, request: &mut Request, mut rung: Rung, fault: Fault) -> (usize, Why) {
        for dials in 0..=usize::from(u8::MAX) {
            self.lose(request, &rung, fault);
            rung = loop {
                match self.ask(request) {
                    Admission::Dial(rung) => break rung,
                    Admission::Wait { until } => self.now = until,
                    Admission::Nothing(why) => return (dials, why),
                }
            };
            self.is_ready(&rung);
        }
        panic!("it is served for ever");
    }
}

#[test]
fn a_new_call_dials_eight_times_and_not_once_more() {
    let mut desk = Desk::with(MANY);
    let mut request = desk.new_call();
    for _ in 0..DIALS_MAX {
        desk.dial_that_fails(&mut request);
    }
    assert_eq!(desk.is_refused(&mut request), Why::TriedOut);
}

#[test]
fn what_failed_before_the_first_session_counts_when_that_is_lost_unused() {
    let mut desk = Desk::with(MANY);
    let mut request = desk.new_call();
    for _ in 1..DIALS_MAX {
        desk.dial_that_fails(&mut request);
    }
    let rung = desk.dial(&mut request);
    desk.is_ready(&rung);
    desk.lose(&mut request, &rung, LOST);
    assert_eq!(desk.is_refused(&mut request), Why::TriedOut);
}

#[test]
fn sessions_that_are_ended_as_soon_as_they_begin_are_no_rotation_for_ever() {
    let mut desk = Desk::with(MANY);
    let (mut request, rung) = desk.live_call();
    let ended = desk.lose_all(&mut request, rung, Fault::Expired);
    assert_eq!(ended, (DIALS_MAX, Why::TriedOut));
}

#[test]
fn what_one_model_will_not_talk_about_keeps_no_call_from_the_other() {
    let mut desk = Desk::with(2);
    let (mut request, rung) = desk.live_call();
    desk.lose(&mut request, &rung, LOST);
    let rung = desk.dial(&mut request);
    assert_eq!(rung.provider, SECOND);
    desk.is_ready(&rung);
    desk.lose(&mut request, &rung, Fault::PolicyRefused);
    let (rung, _) = desk.dial_in_time(&mut request);
    assert_eq!(rung.provider, FIRST);
}
