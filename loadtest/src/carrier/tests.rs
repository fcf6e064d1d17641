//! Whole calls against a scripted server, in virtual time.

#![expect(
    clippy::unchecked_time_subtraction,
    reason = "a difference below zero fails the test, as it should"
)]

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{AnswerEnd, CallReport, CarrierSettings, Ended, Happening, Phone, Violation};
use crate::{
    g711,
    peer::{Action, Outbox, Peer},
    recording::{Line, Recording, Then, Turn},
    stamp::{BLOCK_BYTES, Stamp},
};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SEED: u64 = 20_261_122;

/// A server that is a list of what it sends at which time, and what it answers to what it hears.
struct Server {
    phone: Phone,
    now: Duration,
    stream_sid: String,
    /// What the server will send.
    queue: Vec<(Duration, Value)>,
    /// What the phone sent.
    sent: Vec<(Duration, Value)>,
    closed: Option<u16>,
    item: u16,
}

impl Server {
    fn new(recording: Recording, settings: CarrierSettings) -> Self {
        let began = MS(5_000);
        let mut phone = Phone::new(Arc::new(recording), Arc::new(settings), 7, SEED);
        let mut out = Outbox::new();
        phone.start(began, &mut out);
        let mut server = Self {
            phone,
            now: began,
            stream_sid: String::new(),
            queue: Vec::new(),
            sent: Vec::new(),
            closed: None,
            item: 0,
        };
        server.take(out);
        let start = &server.sent[1].1;
        server.stream_sid = start["streamSid"].as_str().unwrap().to_owned();
        server
    }

    fn take(&mut self, out: Outbox) {
        for action in out {
            match action {
                Action::Send(text) => {
                    self.sent
                        .push((self.now, serde_json::from_str(&text).unwrap()));
                }
                Action::Close { code, .. } => self.closed = Some(code),
                Action::Freeze | Action::SendBinary(_) | Action::Cut => {
                    panic!("the carrier does no such thing")
                }
            }
        }
    }

    /// Sends in so many ms from now.
    fn send(&mut self, after_ms: u64, mut message: Value) {
        message["streamSid"] = json!(self.stream_sid);
        self.queue.push((self.now + MS(after_ms), message));
        self.queue.sort_by_key(|&(at, _)| at);
    }

    /// A stamped answer all at once, as models send it, in messages of 100 ms.
    fn answer(&mut self, after_ms: u64, length_ms: usize) {
        let mut audio = tone(length_ms);
        for (number, block) in audio.chunks_mut(BLOCK_BYTES).enumerate() {
            let stamp = Stamp {
                stream: 1,
                item: self.item,
                block: u32::try_from(number).unwrap(),
                sent: self.now + MS(after_ms) - MS(3),
            };
            stamp.write(block);
        }
        self.item += 1;
        for piece in audio.chunks(800) {
            self.send(after_ms, media(piece));
        }
    }

    /// Lets virtual time pass up to a condition; fails when it does not come within two minutes.
    fn run_until(&mut self, what: &str, met: impl Fn(&Self) -> bool) {
        let give_up = self.now + MS(120_000);
        while !met(self) {
            assert!(self.now < give_up, "no {what} by {give_up:?}, seed {SEED}");
            let ours = self.queue.first().map(|&(at, _)| at);
            let theirs = self.phone.deadline();
            let next = ours.into_iter().chain(theirs).min();
            self.now = next.unwrap_or_else(|| panic!("{what}: nothing will ever happen"));
            let mut out = Outbox::new();
            if ours == Some(self.now) {
                let (_, message) = self.queue.remove(0);
                self.phone.receive(self.now, &message.to_string(), &mut out);
            } else {
                self.phone.tick(self.now, &mut out);
            }
            self.take(out);
        }
    }

    fn run_for(&mut self, ms: u64) {
        let until = self.now + MS(ms);
        self.run_until("time", |server| server.now >= until);
    }

    /// Until the caller's last word of this turn.
    fn run_to_turn_end(&mut self, turn: usize) {
        self.run_until("turn", |server| {
            let happenings = &server.phone.log.happenings;
            happenings
                .iter()
                .any(|(_, what)| *what == Happening::TurnEnded { turn })
        });
    }

    fn run_to_end(mut self) -> (CallReport, Self) {
        self.run_until("end", |server| server.phone.is_over());
        (self.phone.report(), self)
    }

    fn events(&self, event: &str) -> Vec<(Duration, Value)> {
        let mine = self
            .sent
            .iter()
            .filter(|(_, message)| message["event"] == event);
        mine.cloned().collect()
    }
}

fn media(audio: &[u8]) -> Value {
    json!({"event": "media", "media": {"payload": STANDARD.encode(audio)}})
}

fn tone(ms: usize) -> Vec<u8> {
    let wave = |i| if i / 8 % 2 == 0 { 4_000 } else { -4_000 };
    (0..ms * 8).map(|i| g711::encode(wave(i))).collect()
}

/// A call in which every turn is a second of sound between two tenths of silence.
fn recording(thens: &[Then]) -> Recording {
    let mut audio = vec![g711::SILENCE; 800];
    audio.extend(tone(1_000));
    audio.extend([g711::SILENCE; 800]);
    let line = Line {
        audio,
        text: "a tone".into(),
    };
    let turn = |then: &Then| Turn {
        line: line.clone(),
        then: then.clone(),
    };
    Recording {
        name: "test".into(),
        language: "en-US".into(),
        opening: Then::Wait,
        caller: thens.iter().map(turn).collect(),
        agent: Vec::new(),
    }
}

/// Delays that are known, so that times can be.
fn exact() -> CarrierSettings {
    CarrierSettings {
        play_out_delay_ms: [100, 100],
        echo_delay_ms: [30, 30],
        ..CarrierSettings::default()
    }
}

#[test]
fn a_call_runs_from_connected_to_stop_on_an_absolute_clock() {
    let mut server = Server::new(recording(&[Then::Wait, Then::HangUp]), exact());
    server.answer(200, 1_000);
    server.run_to_turn_end(0);
    server.answer(500, 2_000);
    let (report, server) = server.run_to_end();
    let order: Vec<_> = server.sent[..3]
        .iter()
        .map(|(_, message)| &message["event"])
        .collect();
    assert_eq!(order, ["connected", "start", "media"]);
    assert_eq!(server.sent.last().unwrap().1["event"], "stop");
    assert_eq!(
        (server.closed, report.ended),
        (Some(1_000), Some(Ended::HungUp))
    );

    let frames = server.events("media");
    assert_eq!(frames.len() as u64, report.frames_sent);
    for (number, (at, message)) in (0_u32..).zip(&frames) {
        assert_eq!(*at, MS(5_020) + MS(20) * number);
        assert_eq!(message["media"]["chunk"], (number + 1).to_string());
        assert_eq!(message["media"]["timestamp"], (number * 20 + 5).to_string());
        assert_eq!(message["sequenceNumber"], (number + 2).to_string());
        let frame = STANDARD
            .decode(message["media"]["payload"].as_str().unwrap())
            .unwrap();
        let stamp = Stamp::read(&frame).unwrap();
        assert_eq!((stamp.stream, stamp.block, stamp.sent), (7, number, *at));
    }
    // The greeting sounds after the play-out delay; the turn follows 700 ms after its end.
    assert_eq!(
        (report.first_media, report.first_sound),
        (Some(MS(200)), Some(MS(300)))
    );
    assert_eq!(report.answer_latencies, [MS(300), MS(600)]);
    assert_eq!(report.dead_air_max, MS(600));
    assert_eq!((report.turns_said, report.turns_unanswered), (2, 0));
    assert_eq!(report.heard.audio()[..2_400], [g711::SILENCE; 2_400]);
    let heard = &report.heard.audio()[2_400..10_400];
    assert!(heard.iter().zip(tone(1_000)).all(|(&a, b)| a | 1 == b | 1));
    assert_eq!(report.said.audio().len() as u64, report.frames_sent * 160);
    assert_eq!(report.violations.len(), 0, "{:?}", report.violations);
}

#[test]
fn a_barge_in_knows_to_the_byte_what_was_played() {
    let barge_in = Then::BargeIn { after: MS(800) };
    let mut server = Server::new(recording(&[barge_in, Then::HangUp]), exact());
    server.answer(0, 500);
    server.run_to_turn_end(0);
    server.answer(300, 5_000);
    server.answer(310, 1_000);
    server.run_until("barge-in", |server| server.phone.report().barge_ins == 1);
    server.send(400, json!({"event": "mark", "mark": {"name": "end"}}));
    server.send(433, json!({"event": "clear"}));
    server.answer(900, 500);
    let (report, server) = server.run_to_end();
    let [greeting, cut, never, _] = &report.items[..] else {
        panic!("{:?}", report.items);
    };
    assert_eq!((greeting.played(), greeting.cut), (MS(500), false));
    assert_eq!((never.played(), never.cut), (MS(0), true));
    let cleared = report.clears[0];
    assert_eq!(cut.played(), cleared - cut.first_played.unwrap());
    assert_eq!((cut.cut, cut.missing, cut.blocks_received), (true, 0, 250));
    assert_eq!(u64::from(cut.extent), cut.bytes_played.div_ceil(160));
    assert_eq!(server.events("mark")[0].0, cleared + MS(30));
    let story = server.phone.log.happenings;
    let unplayed = MS(6_000) - cut.played();
    assert!(
        story.contains(&(cleared, Happening::Cleared { unplayed })),
        "{story:?}"
    );
    let barges = story.iter().filter(|(_, what)| {
        matches!(
            what,
            Happening::TurnBegan {
                turn: 1,
                barges_in: true,
                ..
            }
        )
    });
    assert_eq!(barges.count(), 1);
    assert_eq!(report.downlink_latencies[0], MS(3));
}

#[test]
fn marks_come_back_when_played_and_at_once_when_nothing_is_buffered() {
    let mut server = Server::new(recording(&[Then::HangUp]), exact());
    server.send(10, json!({"event": "mark", "mark": {"name": "now"}}));
    server.send(20, media(&tone(400)));
    server.send(20, json!({"event": "mark", "mark": {"name": "later"}}));
    let (report, server) = server.run_to_end();
    let marks: Vec<_> = server
        .events("mark")
        .into_iter()
        .map(|(at, message)| (at - MS(5_000), message["mark"]["name"].clone()))
        .collect();
    assert_eq!(marks, [(MS(40), json!("now")), (MS(550), json!("later"))]);
    assert_eq!((report.marks_received, report.marks_returned), (2, 2));
}

#[test]
fn a_caller_who_hears_nothing_says_it_again_and_then_gives_up() {
    let settings = CarrierSettings {
        patience_ms: 3_000,
        repeats_max: 2,
        ..exact()
    };
    let server = Server::new(recording(&[Then::Wait, Then::HangUp]), settings);
    let (report, server) = server.run_to_end();
    assert_eq!(report.ended, Some(Ended::GaveUp));
    assert_eq!((report.turns_said, report.turns_repeated), (3, 2));
    // The greeting, and each time the turn was said.
    assert_eq!(report.turns_unanswered, 4);
    assert!(
        (MS(3_000)..=MS(3_120)).contains(&report.dead_air_max),
        "{report:?}"
    );
    let again = server.phone.log.happenings.iter();
    let again = again.filter(|(_, what)| matches!(what, Happening::TurnBegan { again: true, .. }));
    assert_eq!(again.count(), 2);
}

#[test]
fn a_caller_who_was_answered_has_patience_again() {
    let settings = CarrierSettings {
        patience_ms: 3_000,
        repeats_max: 1,
        ..exact()
    };
    let thens = [Then::Wait, Then::Wait, Then::HangUp];
    let mut server = Server::new(recording(&thens), settings);
    server.answer(0, 300);
    for turn in 0..2 {
        server.run_to_turn_end(turn);
        // Too late for the first time that it is said, in time for the second.
        server.answer(5_000, 300);
    }
    let (report, _) = server.run_to_end();
    assert_eq!(
        (report.ended, report.turns_repeated),
        (Some(Ended::HungUp), 2)
    );
}

#[test]
fn keys_are_pressed_and_then_the_answer_is_waited_for() {
    let keys = Then::Keys("47#".into());
    let mut server = Server::new(recording(&[keys, Then::HangUp]), exact());
    server.answer(0, 300);
    server.run_until("key", |server| server.phone.report().keys_pressed == 3);
    let pressed = server.now;
    server.answer(1_000, 400);
    let (report, server) = server.run_to_end();
    let keys = server.events("dtmf");
    let digits: Vec<_> = keys
        .iter()
        .map(|(_, key)| key["dtmf"]["digit"].clone())
        .collect();
    assert_eq!(digits, ["4", "7", "#"]);
    assert!(keys.windows(2).all(|pair| pair[1].0 - pair[0].0 == MS(200)));
    assert_eq!(
        report.dead_air_max,
        MS(1_100),
        "owed from the last key, at {pressed:?}"
    );
    assert_eq!(report.ended, Some(Ended::HungUp));
}

#[test]
fn what_the_carrier_would_warn_about_is_in_the_report() {
    let mut server = Server::new(recording(&[Then::HangUp]), exact());
    server.send(0, json!({"event": "media", "media": {"payload": "!"}}));
    server.send(0, media(&[0xff; 100]));
    server.send(0, json!({"event": "hangup"}));
    server.send(0, media(b"RIFF...."));
    server
        .queue
        .push((server.now, json!({"event": "clear", "streamSid": "MZ0"})));
    server.run_for(100);
    let mut out = Outbox::new();
    server.phone.receive_binary(server.now, &[1], &mut out);
    let (report, _) = server.run_to_end();
    let expected = [
        (Violation::Binary, 1),
        (Violation::UnknownEvent, 1),
        (Violation::WrongStream, 1),
        (Violation::BadPayload, 1),
        (Violation::FileHeader, 1),
        (Violation::PartialFrame, 2),
    ];
    assert_eq!(report.violations, expected.into_iter().collect());
    assert_eq!(Violation::Binary.warning(), Some(31_950));
}

#[test]
fn late_audio_of_a_cut_item_is_caught() {
    let mut server = Server::new(recording(&[Then::Wait, Then::HangUp]), exact());
    server.answer(0, 2_000);
    let late = server.queue.pop().unwrap().1;
    server.run_for(1_000);
    server.send(0, json!({"event": "clear"}));
    server.send(50, late);
    server.run_for(100);
    let report = server.phone.report();
    assert_eq!(report.violations.get(&Violation::LateAudio), Some(&1));
    assert_eq!(report.items[0].received_after_cut, 5);
}

#[test]
fn a_server_that_closes_ends_the_call_as_it_stands() {
    let mut server = Server::new(recording(&[Then::Wait, Then::HangUp]), exact());
    server.answer(0, 2_000);
    server.run_for(500);
    server.phone.closed(server.now, Some(1_011));
    let report = server.phone.report();
    assert_eq!(
        report.ended,
        Some(Ended::ServerClosed { code: Some(1_011) })
    );
    assert_eq!(report.items[0].played(), MS(400));
    assert_eq!((report.heard.duration(), report.lasted), (MS(500), MS(500)));
    assert_eq!(server.phone.deadline(), None);
}

#[test]
fn a_pause_for_breath_ends_an_answer_only_for_who_judges_by_silence() {
    let said_at = |answer_end| {
        let settings = CarrierSettings {
            answer_end,
            ..exact()
        };
        let mut server = Server::new(recording(&[Then::HangUp]), settings);
        let mut greeting = tone(500);
        greeting.extend([g711::SILENCE; 8_000]);
        greeting.extend(tone(500));
        server.send(0, media(&greeting));
        server.run_to_turn_end(0);
        server.now - MS(5_000)
    };
    // The frame that is whole 700 ms after the greeting is the turn's first; its last word is 1,100 ms later.
    assert_eq!(said_at(AnswerEnd::Silence), MS(600 + 700 - 20 + 1_100));
    assert_eq!(
        said_at(AnswerEnd::EmptyBuffer),
        MS(2_100 + 700 - 20 + 1_100)
    );
}

#[test]
fn frames_in_silence_are_a_switch() {
    let settings = CarrierSettings {
        frames_in_silence: false,
        patience_ms: 1_000,
        ..exact()
    };
    let (report, server) = Server::new(recording(&[Then::HangUp]), settings).run_to_end();
    // One turn of 1.2 s, and nothing before or after it.
    assert_eq!(report.frames_sent, 60);
    let (_, last) = server.events("media").pop().unwrap();
    assert_eq!(last["media"]["chunk"], "60");
    assert_eq!(
        last["media"]["timestamp"],
        (1_000 + 59 * 20 - 20 + 5).to_string()
    );
}

#[test]
fn a_caller_can_talk_for_a_given_time() {
    let settings = CarrierSettings {
        talk_for_ms: 9_000,
        ..exact()
    };
    let mut server = Server::new(recording(&[Then::HangUp]), settings);
    server.answer(0, 300);
    for _ in 0..3 {
        server.run_to_turn_end(0);
        server.phone.take_happenings();
        server.answer(500, 300);
    }
    let (report, _) = server.run_to_end();
    assert_eq!((report.ended, report.turns_said), (Some(Ended::HungUp), 3));
    assert!(report.lasted > MS(9_000), "{report:?}");
}

#[test]
fn the_same_seed_makes_the_same_call() {
    let call = || {
        let settings = CarrierSettings {
            comfort_noise: true,
            ..CarrierSettings::default()
        };
        let mut server = Server::new(recording(&[Then::Wait, Then::HangUp]), settings);
        server.answer(0, 700);
        server.run_to_turn_end(0);
        server.answer(600, 900);
        server.run_to_end().1.sent
    };
    assert!(call() == call(), "seed {SEED}");
}
