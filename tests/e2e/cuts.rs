//! Streams that are cut without a word, in each part of a conversation: the carrier asks what comes next, and the call goes on with
//! its memory, or ends if it had ended.

use loadtest::call::voice_complaints;
use loadtest::carrier::{During, Ended, StreamCut};
use loadtest::model::faults::Faults;
use loadtest::model::report::{AskedBy, SessionReport};
use loadtest::twilio::VoiceReport;
use loadtest::twilio::note::{End, Note, StreamOver};

use crate::doubles::{Doubles, Fate};
use crate::twilio::serve;

const fn cut(during: During, after_ms: u64, turn: Option<u32>) -> StreamCut {
    StreamCut {
        during,
        after_ms,
        turn,
    }
}

/// What has been said before the caller's second turn; the model writes down how long a caller spoke, not the words.
const BEGINNING: &str = "Hello, thank you for calling. How can I help you today? | [speech 3.6 s] | One moment, please.";

/// A call whose stream is cut once, and what its two sessions have seen.
async fn goes_on(cut: StreamCut) -> (VoiceReport, Vec<SessionReport>) {
    let mut doubles = Doubles::start("order_status", |_| Fate::Model(Faults::default())).await;
    let mut server = serve(&doubles.url, "").await;
    let report = doubles.ring(&server, 1, vec![cut]).await;
    assert_eq!(report.call.streams_cut, 1);
    assert_eq!(voice_complaints(&report), [""; 0], "{:?}", report.notes);
    assert_eq!(report.call.ended, Some(Ended::HungUp), "{:?}", report.notes);
    assert_eq!((report.streams(), report.documents()), (2, 2));
    assert_eq!(lost(&report), 1);
    assert_eq!(report.call.turns_said, 4);
    server.ended("carrier_gone").await;
    server.ended("caller_hung_up").await;
    let sessions = doubles.ended(2).await;
    assert_eq!(greeters(&sessions), 1, "nobody is greeted twice");
    (report, sessions)
}

fn lost(report: &VoiceReport) -> usize {
    let is_lost = |note: &Note| {
        let over = |over: &StreamOver| *over == StreamOver::Lost;
        matches!(note, Note::StreamOver { over: how, .. } if over(how))
    };
    report
        .notes
        .iter()
        .filter(|(_, note)| is_lost(note))
        .count()
}

/// How many sessions were asked to speak first and were told of nothing that was said before.
fn greeters(sessions: &[SessionReport]) -> usize {
    let greets = |session: &&SessionReport| {
        let first = session.responses.list.first();
        session.seeds.list.is_empty() && first.is_some_and(|it| it.asked_by == AskedBy::Client)
    };
    sessions.iter().filter(greets).count()
}

/// What the second session was told, in the order in which it was said.
fn told(sessions: &[SessionReport]) -> String {
    let seeds = sessions.iter().flat_map(|session| &session.seeds.list);
    seeds
        .map(|said| said.text.as_str())
        .collect::<Vec<_>>()
        .join(" | ")
}

#[tokio::test]
async fn a_stream_that_is_cut_in_the_greeting_is_followed_by_one_that_does_not_greet_again() {
    goes_on(cut(During::Greeting, 600, None)).await;
}

#[tokio::test]
async fn a_stream_that_is_cut_while_the_caller_speaks_is_followed_by_one_that_hears_the_rest() {
    let (_, sessions) = goes_on(cut(During::Speaking, 600, Some(2))).await;
    let told = told(&sessions);
    assert!(told.starts_with(BEGINNING), "{told}");
}

#[tokio::test]
async fn a_stream_that_is_cut_while_the_caller_waits_is_followed_by_one_that_answers() {
    let (report, sessions) = goes_on(cut(During::Waiting, 200, Some(2))).await;
    let told = told(&sessions);
    assert!(told.starts_with(BEGINNING), "{told}");
    assert_eq!(report.call.turns_repeated, 0);
}

#[tokio::test]
async fn a_stream_that_is_cut_in_mid_answer_is_followed_by_one_that_knows_what_was_said() {
    let (_, sessions) = goes_on(cut(During::Answer, 600, Some(2))).await;
    let told = told(&sessions);
    assert!(told.starts_with(BEGINNING), "{told}");
    assert!(told.contains(" I'm "), "{told}");
    assert!(
        !told.contains("I'm still here."),
        "the rest was not heard: {told}"
    );
}

#[tokio::test]
async fn a_stream_that_is_cut_in_the_goodbye_is_followed_by_the_end_or_by_one_that_knows_of_it() {
    let mut doubles = Doubles::start("reschedule", |_| Fate::Parting).await;
    let server = serve(&doubles.url, "").await;
    let goodbye = cut(During::Answer, 300, Some(3));
    let report = doubles.ring(&server, 1, vec![goodbye]).await;
    assert_eq!(report.call.streams_cut, 1, "{:?}", report.notes);
    assert_eq!(voice_complaints(&report), [""; 0], "{:?}", report.notes);
    if report.streams() == 1 {
        assert_eq!(report.end, Some(End::Hangup), "{:?}", report.notes);
        return;
    }
    // The caller has not heard it out: the call may go on.
    assert_eq!(report.streams(), 2, "{:?}", report.notes);
    let sessions = doubles.ended(2).await;
    assert_eq!(greeters(&sessions), 1, "nobody is greeted twice");
    let told = told(&sessions);
    assert!(told.contains("Thursday at two o'clock"), "{told}");
}

#[tokio::test]
async fn a_call_that_is_cut_three_times_within_a_minute_hears_an_apology_and_ends() {
    let doubles = Doubles::start("order_status", |_| Fate::Model(Faults::default())).await;
    let server = serve(&doubles.url, "").await;
    let cuts = vec![cut(During::Answer, 300, None); 3];
    let report = doubles.ring(&server, 1, cuts).await;
    assert_eq!(report.call.streams_cut, 3, "{:?}", report.notes);
    assert_eq!(report.streams(), 3, "{:?}", report.notes);
    assert_eq!(report.end, Some(End::Hangup), "{:?}", report.notes);
    assert!(report.call.prompted.is_some(), "an apology was heard");
    assert_eq!(report.call.greeted_again, 0);
}
