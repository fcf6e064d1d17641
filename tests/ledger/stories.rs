//! Single rules, told one by one, against a store that keeps everything at once.

use std::time::Duration;

use ringback::core::callback::CallbackLedger;
use ringback::core::callback::effect::{Answer, Cannot, Effect, Effects, Reply, Seen, Told};
use ringback::core::callback::hours::{AllowedHours, Stretch};
use ringback::core::callback::input::{
    InboundText, Input, LookedUp, Models, RingOutcome, RingStatus, Stored, TextOutcome, TextStatus,
    Wanted,
};
use ringback::core::callback::intent::Intent;
use ringback::core::callback::number::{Language, Number};
use ringback::core::callback::promise::{Consent, SendId, SendKind, Source};
use ringback::core::callback::settings::Settings;
use ringback::core::ids::{CallId, CallSid, MessageSid, PromiseId};
use ringback::core::time::{Instant, Utc};
use ringback::store::promise_form::{self, RecordFault};

const BEGIN: u64 = 1_900_000_000_000;

/// A ledger whose writes are kept at once, or not answered.
pub(crate) struct Desk {
    pub(crate) ledger: CallbackLedger,
    pub(crate) now: Duration,
    pub(crate) keeps: bool,
}

impl Desk {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut desk = Self {
            ledger: CallbackLedger::new(settings),
            now: Duration::ZERO,
            keeps: true,
        };
        desk.tell(Input::Ready);
        desk
    }

    /// One that was not told yet what is kept.
    pub(crate) fn not_ready(settings: Settings) -> Self {
        Self {
            ledger: CallbackLedger::new(settings),
            now: Duration::ZERO,
            keeps: true,
        }
    }

    pub(crate) fn utc(&self) -> Utc {
        Utc::from_millis(BEGIN + u64::try_from(self.now.as_millis()).unwrap())
    }

    /// What is wanted in answer, writes and the clock apart.
    pub(crate) fn tell(&mut self, input: Input) -> Vec<Effect> {
        let mut wanted = Vec::new();
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut effects = Effects::new();
            let now = Instant::from_start(self.now);
            self.ledger.handle(now, self.utc(), input, &mut effects);
            for effect in effects.drain() {
                if let Effect::Write(write, _) = effect {
                    inputs.extend(self.keeps.then_some(Input::Stored(write, Stored::Kept)));
                } else if effect == Effect::CheckTime {
                    inputs.push(Input::Checked(self.utc()));
                } else {
                    wanted.push(effect);
                }
            }
        }
        wanted
    }

    /// What is wanted in answer, all of it.
    pub(crate) fn ask(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Effects::new();
        let now = Instant::from_start(self.now);
        self.ledger.handle(now, self.utc(), input, &mut effects);
        effects.drain().collect()
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, by: Duration) -> Vec<Effect> {
        let until = self.now + by;
        let mut wanted = Vec::new();
        while let Some(due) = self.ledger.deadline().map(Instant::since_start)
            && due <= until
        {
            self.now = self.now.max(due);
            wanted.extend(self.tell(Input::Tick));
        }
        self.now = until;
        wanted
    }

    pub(crate) fn wanted(&self, n: u64) -> Input {
        let number = Number::parse(&format!("+1555{:07}", 1_000_000 + n)).unwrap();
        Input::Wanted(Box::new(Wanted {
            promise: PromiseId::from_bits(n.into()),
            call: CallId::from_bits(n.into()),
            to: number,
            caller: Some(number),
            called: Number::parse("+15550100100").unwrap(),
            language: Language::parse("en-US").unwrap(),
            source: Source::CallerId,
            consent: Consent::Given,
            takes_texts: true,
            hours: self.always(),
        }))
    }

    fn always(&self) -> AllowedHours {
        AllowedHours::new([Stretch {
            from: Utc::from_millis(BEGIN),
            until: Utc::from_millis(self.utc().millis() + 14 * 86_400_000),
        }])
    }
}

fn message(n: u64) -> MessageSid {
    MessageSid::parse(&format!("SM{n:032x}")).unwrap()
}

fn is_text(effect: &Effect) -> bool {
    matches!(effect, Effect::Text(_))
}

fn is_look_up(effect: &Effect) -> bool {
    matches!(effect, Effect::LookUpText { .. })
}

const LOOKED_UP_AFTER: Duration = Duration::from_secs(40);

#[test]
fn a_text_of_unknown_outcome_is_sought_twice_late_enough_before_it_is_sent_again() {
    let mut desk = Desk::new(Settings::default());
    let wanted = desk.wanted(1);
    assert!(desk.tell(wanted).iter().any(is_text));
    let send = SendId::text(PromiseId::from_bits(1));
    desk.tell(Input::Texted(send, TextOutcome::Unknown));
    assert!(
        !desk
            .pass(LOOKED_UP_AFTER.saturating_sub(Duration::from_millis(1)))
            .iter()
            .any(is_look_up)
    );
    assert!(desk.pass(Duration::from_millis(1)).iter().any(is_look_up));
    let once = desk.tell(Input::TextLookedUp(send, LookedUp::NotFound));
    assert!(!once.iter().any(is_text), "not found once is not lost");
    assert!(desk.pass(Duration::from_secs(30)).iter().any(is_look_up));
    let twice = desk.tell(Input::TextLookedUp(send, LookedUp::NotFound));
    assert!(twice.iter().any(is_text));

    // Beyond the bound on the lists' lag the first comes up after all: that is counted.
    desk.tell(Input::Texted(send, TextOutcome::Accepted(message(1))));
    let late = desk.tell(Input::TextStatus(send, message(2), TextStatus::Delivered));
    assert!(late.contains(&Effect::Observe(Seen::Double(SendKind::Text))));
}

#[test]
fn where_the_list_cannot_be_had_nothing_is_texted_again_and_the_caller_is_rung() {
    let mut desk = Desk::new(Settings::default());
    let every = Duration::from_secs(1);
    desk.tell(Input::Models(Models::Back {
        ring_every: every,
        ringing_max: 1,
    }));
    let wanted = desk.wanted(1);
    desk.tell(wanted);
    let send = SendId::text(PromiseId::from_bits(1));
    desk.tell(Input::Texted(send, TextOutcome::Unknown));
    let mut seen = desk.pass(LOOKED_UP_AFTER);
    for _ in 0..4 {
        seen.extend(desk.tell(Input::TextLookedUp(send, LookedUp::Unavailable)));
        seen.extend(desk.pass(Duration::from_secs(30)));
    }
    assert!(!seen.iter().any(is_text));
    assert!(
        seen.iter().any(|effect| matches!(effect, Effect::Ring(_))),
        "{seen:?}"
    );
}

#[test]
fn who_was_promised_first_is_rung_first_however_long_their_text_was_sought() {
    let mut desk = Desk::new(Settings::default());
    for n in [1, 2] {
        let wanted = desk.wanted(n);
        desk.tell(wanted);
        desk.pass(Duration::from_secs(2));
    }
    let [first, second] = [1, 2].map(|n| SendId::text(PromiseId::from_bits(n)));
    let accepted = TextOutcome::Accepted(message(2));
    desk.tell(Input::Texted(second, accepted));
    desk.tell(Input::Texted(first, TextOutcome::Unknown));
    desk.pass(LOOKED_UP_AFTER);
    for _ in 0..4 {
        desk.tell(Input::TextLookedUp(first, LookedUp::Unavailable));
        desk.pass(Duration::from_secs(30));
    }
    let mut seen = desk.tell(Input::Models(Models::Back {
        ring_every: Duration::from_secs(1),
        ringing_max: 1,
    }));
    seen.extend(desk.pass(Duration::from_secs(2)));
    let mut rung = Vec::new();
    for effect in &seen {
        if let Effect::Ring(ring) = effect {
            rung.push(ring.send);
        }
    }
    assert_eq!(rung, [SendId::ring(PromiseId::from_bits(1), 1)]);
}

#[test]
fn nobody_is_rung_who_is_still_on_the_line() {
    for takes_texts in [true, false] {
        let mut desk = Desk::new(Settings::default());
        desk.tell(Input::Models(Models::Back {
            ring_every: Duration::from_secs(1),
            ringing_max: 1,
        }));
        let mut wanted = desk.wanted(1);
        if let Input::Wanted(wanted) = &mut wanted {
            wanted.takes_texts = takes_texts;
        }
        let is_ring = |effect: &Effect| matches!(effect, Effect::Ring(_));
        let mut rung = desk.tell(wanted).iter().any(is_ring);
        let send = SendId::text(PromiseId::from_bits(1));
        let accepted = TextOutcome::Accepted(message(1));
        rung |= desk.tell(Input::Texted(send, accepted)).iter().any(is_ring);
        rung |= desk.pass(Duration::from_secs(19)).iter().any(is_ring);
        assert!(!rung, "{takes_texts}");
        let then = desk.pass(Duration::from_secs(2));
        assert!(then.iter().any(is_ring), "{takes_texts}");
    }
}

#[test]
fn what_another_serves_is_let_go_and_what_it_served_is_looked_up_before_anything_is_done() {
    let settings = Settings {
        shared_within: Some(Duration::from_secs(5)),
        ..Settings::default()
    };
    let mut desk = Desk::new(settings.clone());
    let wanted = desk.wanted(1);
    assert!(desk.tell(wanted).iter().any(is_text));
    let id = PromiseId::from_bits(1);
    let promise = desk.ledger.promises().next().unwrap().clone();
    let revision = desk.ledger.revision_of(id).unwrap();
    // What was seen of it before it was changed here says nothing.
    assert_eq!(desk.tell(Input::LetGo(id, revision)), []);
    assert_eq!(desk.ledger.open(), 1);
    assert_eq!(desk.tell(Input::LetGo(id, revision + 1)), []);
    assert_eq!(desk.ledger.open(), 0);
    let accepted = Input::Texted(SendId::text(id), TextOutcome::Accepted(message(1)));
    let stranger = [Effect::Observe(Seen::Stranger)];
    assert_eq!(desk.tell(accepted), stranger, "it is another's to hear");

    let mut other = Desk::new(settings);
    other.tell(Input::Restored(Box::new(promise), revision + 1));
    let before = Duration::from_millis(44_999);
    assert!(other.pass(before).is_empty(), "it may still be requested");
    let looks = other.pass(Duration::from_millis(1));
    assert!(looks.iter().any(is_look_up), "{looks:?}");
    let found = LookedUp::Found((message(1), TextStatus::Sent));
    other.tell(Input::TextLookedUp(SendId::text(id), found));
    assert_eq!(other.ledger.revision_of(id), Some(revision + 2));
}

#[test]
fn who_is_on_the_list_by_memory_alone_is_not_told_so_where_others_may_have_ended_it() {
    let mut desk = Desk::new(Settings {
        shared_within: Some(Duration::from_secs(5)),
        ..Settings::default()
    });
    let wanted = desk.wanted(1);
    desk.tell(wanted.clone());
    let told = |told| Effect::Tell(CallId::from_bits(1), told);
    assert!(
        desk.tell(wanted.clone())
            .contains(&told(Told::Already { asks: false }))
    );
    desk.keeps = false;
    let asked = desk.ask(wanted);
    let write = asked.iter().find_map(|effect| {
        let Effect::Write(write, _) = effect else {
            return None;
        };
        Some(*write)
    });
    let elsewhere = Input::Stored(write.expect("it is kept first"), Stored::Elsewhere);
    let cannot = told(Told::Cannot(Cannot::StoreSlow));
    assert!(desk.tell(elsewhere).contains(&cannot));
    assert_eq!(desk.ledger.open(), 0);
}

#[test]
fn a_call_is_told_within_300_ms_that_the_store_is_slow() {
    let mut desk = Desk::new(Settings::default());
    desk.keeps = false;
    let wanted = desk.wanted(7);
    assert_eq!(desk.tell(wanted), []);
    let told = Told::Cannot(Cannot::StoreSlow);
    let slow = Effect::Tell(CallId::from_bits(7), told);
    assert!(desk.pass(Duration::from_millis(300)).contains(&slow));
}

#[test]
fn a_stranger_is_told_to_call_and_their_stop_is_kept() {
    let mut desk = Desk::new(Settings::default());
    let text = |n, intent| {
        Input::Text(Box::new(InboundText {
            message: message(n),
            from: Number::parse("+15550100177").unwrap(),
            intent,
            promise: PromiseId::from_bits(9),
            hours: AllowedHours::default(),
        }))
    };
    let answer = desk.tell(text(1, Intent::Yes));
    assert_eq!(
        answer,
        [Effect::Answer(message(1), Answer::Reply(Reply::CallUs))]
    );
    let again = desk.tell(text(1, Intent::Yes));
    assert_eq!(again, answer, "the same again");
    let stop = desk.tell(text(2, Intent::Stop));
    assert_eq!(stop, [Effect::Answer(message(2), Answer::Nothing)]);
    // Two machines do not go on for ever.
    for n in 3..20 {
        desk.tell(text(n, Intent::Free));
    }
    let quiet = desk.tell(text(20, Intent::Free));
    assert_eq!(quiet, [Effect::Answer(message(20), Answer::Nothing)]);
}

#[test]
fn callbacks_of_what_nobody_knows_change_nothing() {
    let mut desk = Desk::new(Settings::default());
    let send = SendId::from_bits(5);
    let call = CallSid::parse("CA00000000000000000000000000000001").unwrap();
    for input in [
        Input::TextStatus(send, message(1), TextStatus::Delivered),
        Input::Texted(send, TextOutcome::Accepted(message(1))),
        Input::RingStatus(send, call, RingStatus::Completed),
        Input::Rung(send, RingOutcome::Unknown),
        Input::TextLookedUp(send, LookedUp::NotFound),
        Input::RingLookedUp(send, LookedUp::NotFound),
        Input::Cancel(PromiseId::from_bits(1)),
        Input::Retry(PromiseId::from_bits(1)),
    ] {
        let said = desk.tell(input);
        assert!(
            said.iter()
                .all(|effect| *effect == Effect::Observe(Seen::Stranger))
        );
    }
    assert_eq!(desk.ledger.open(), 0);
}

#[test]
fn a_promise_is_read_as_it_was_written_and_nothing_else_is() {
    let mut desk = Desk::new(Settings::default());
    let wanted = desk.wanted(1);
    desk.tell(wanted);
    let promise = desk.ledger.promises().next().unwrap().clone();
    let bytes = promise_form::encode(&promise);
    assert_eq!(promise_form::decode(&bytes), Ok(promise));
    assert_eq!(bytes[0], 1, "the version");
    for length in 0..bytes.len() {
        assert_eq!(
            promise_form::decode(&bytes[..length]),
            Err(RecordFault::Damaged)
        );
    }
    let newer = [&[2], &bytes[1..]].concat();
    assert_eq!(promise_form::decode(&newer), Err(RecordFault::Newer));
    for place in 1..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0xff;
        // It may read as another promise; it must not panic.
        drop(promise_form::decode(&damaged));
    }
}
