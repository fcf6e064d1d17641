//! A provider as a whole, in virtual time: who is let in, who is not, and who dies when.

use std::sync::Arc;
use std::time::Duration;

use loadtest::key::KeyMark;
use loadtest::model::ModelSession;
use loadtest::model::dials::End;
use loadtest::model::faults::{FaultRow, Via, What, When};
use loadtest::model::house::{Door, ModelHouse};
use loadtest::model::outages::{HouseFaults, Stage, Trouble, Window, With};
use loadtest::model::settings::{Between, ModelSettings};
use loadtest::peer::{Action, Outbox, Peer as _};
use serde_json::json;

use crate::driver::{line, phone_session, plain};

const MS: fn(u64) -> Duration = Duration::from_millis;
const LONG: Duration = Duration::from_mins(5);

fn house(windows: Vec<Window>, seed: u64) -> ModelHouse {
    let settings = ModelSettings {
        house_faults: HouseFaults(windows),
        ..plain()
    };
    let script = vec![line("Good morning.", 3_000)];
    ModelHouse::new(Arc::new(settings), Arc::new(script), seed)
}

fn session(house: &mut ModelHouse, now: Duration) -> Box<ModelSession> {
    match house.knock(now, None).door {
        Door::Open(session) => session,
        door @ (Door::Refuse(_) | Door::Hang(_) | Door::Reset) => panic!("{door:?} at {now:?}"),
    }
}

/// Lives a session from `now` to its end, or until `until`; what it does, and when.
fn live(session: &mut ModelSession, now: Duration, until: Duration) -> Vec<(Duration, Action)> {
    let mut out = Outbox::new();
    let mut trace = Vec::new();
    session.start(now, &mut out);
    let mut asked = false;
    while let Some(at) = session.deadline().filter(|&at| at <= until) {
        let at = at.max(now);
        session.tick(at, &mut out);
        let texts = out.iter().filter_map(|action| match action {
            Action::Send(text) => Some(text.clone()),
            Action::SendBinary(_) | Action::Close { .. } | Action::Cut | Action::Freeze => None,
        });
        let texts: Vec<String> = texts.collect();
        for text in texts {
            if text.contains("\"session.created\"") {
                session.receive(at, &phone_session().to_string(), &mut out);
            } else if text.contains("\"session.updated\"") && !asked {
                asked = true;
                session.receive(
                    at,
                    &json!({"type": "response.create"}).to_string(),
                    &mut out,
                );
            }
        }
        trace.extend(out.drain(..).map(|action| (at, action)));
    }
    trace
}

fn kinds(trace: &[(Duration, Action)]) -> Vec<String> {
    let texts = trace.iter().filter_map(|(_, action)| match action {
        Action::Send(text) => {
            let event: serde_json::Value = serde_json::from_str(text).unwrap();
            Some(event["type"].as_str().unwrap().to_owned())
        }
        Action::SendBinary(_) | Action::Close { .. } | Action::Cut | Action::Freeze => None,
    });
    texts.collect()
}

#[test]
fn a_provider_that_flaps_is_down_in_its_windows_and_well_between_them() {
    let down = Window::new(1_000, Trouble::Down).until(2_000).every(3_000);
    let mut house = house(vec![down], 1);
    let doors: String = (0..80)
        .map(|tenth| match house.knock(MS(tenth * 100), None).door {
            Door::Open(_) => '.',
            Door::Reset => 'x',
            Door::Refuse(_) | Door::Hang(_) => '?',
        })
        .collect();
    let well = ".".repeat(10);
    let ill = "x".repeat(10);
    assert_eq!(
        doors,
        [&well, &ill, &well, &well, &ill, &well, &well, &ill]
            .map(String::as_str)
            .concat()
    );
    let seconds: Vec<_> = house
        .dials()
        .seconds
        .values()
        .map(|it| (it.opened, it.reset))
        .collect();
    assert_eq!(
        seconds,
        [
            (10, 0),
            (0, 10),
            (10, 0),
            (10, 0),
            (0, 10),
            (10, 0),
            (10, 0),
            (0, 10)
        ]
    );
}

#[test]
fn a_refusal_has_a_status_a_reason_and_a_time_to_come_again() {
    let refuse = |status, retry_after_ms, code: Option<&str>| Trouble::Refuse {
        status,
        retry_after_ms,
        code: code.map(str::to_owned),
    };
    for (trouble, status, retry_after, body) in [
        (
            refuse(429, Some(2_000), None),
            429,
            Some(MS(2_000)),
            "rate_limit_exceeded",
        ),
        (
            refuse(429, None, Some("credit_balance_exhausted")),
            429,
            None,
            "credit_balance_exhausted",
        ),
        (refuse(401, None, None), 401, None, "invalid_api_key"),
        (refuse(404, None, None), 404, None, "model_not_found"),
        (refuse(403, None, None), 403, None, ""),
        (refuse(503, None, None), 503, None, "<html>"),
    ] {
        let mut house = house(vec![Window::new(0, trouble)], 2);
        let Door::Refuse(refusal) = house.knock(MS(5), None).door else {
            panic!("{status}");
        };
        assert_eq!((refusal.status, refusal.retry_after), (status, retry_after));
        assert!(refusal.body.contains(body), "{status}: {}", refusal.body);
        assert_eq!(house.dials().list.list[0].end, End::Refused(status));
    }
}

#[test]
fn a_dial_hangs_at_every_stage() {
    for stage in [Stage::Connect, Stage::Tls, Stage::Upgrade] {
        let mut house = house(vec![Window::new(0, Trouble::Hang(stage))], 3);
        let door = house.knock(MS(1), None).door;
        assert!(matches!(door, Door::Hang(at) if at == stage), "{door:?}");
    }
    let mut house = house(vec![Window::new(0, Trouble::Hang(Stage::Session))], 3);
    let mut session = session(&mut house, MS(1));
    assert_eq!(live(&mut session, MS(1), LONG), []);
    assert!(!session.is_over());
}

#[test]
fn a_black_hole_is_let_in_and_confirmed() {
    let mut house = house(vec![Window::new(0, Trouble::BlackHole)], 4);
    let mut session = session(&mut house, MS(1));
    let told = kinds(&live(&mut session, MS(1), LONG));
    assert_eq!(told, ["session.created", "session.updated"]);
}

#[test]
fn what_is_late_or_slow_is_later_by_as_much() {
    let when = |windows: Vec<Window>, wanted: &str| {
        let mut house = house(windows, 5);
        let mut session = session(&mut house, MS(0));
        let trace = live(&mut session, MS(0), LONG);
        let told: Vec<_> = trace
            .into_iter()
            .filter(|(_, action)| matches!(action, Action::Send(text) if text.contains(wanted)))
            .collect();
        told.first().unwrap().0
    };
    let created = "\"session.created\"";
    let late = Window::new(0, Trouble::Late { ms: 900 });
    let usual = when(vec![], created);
    assert_eq!(when(vec![late], created), usual + MS(900));
    let slow = Window::new(0, Trouble::Slow { factor: 10.0 });
    let first = "output_audio.delta";
    let (usual, slowed) = (when(vec![], first), when(vec![slow], first));
    assert!(
        slowed > usual * 7 && slowed < usual * 13,
        "{usual:?} {slowed:?}"
    );
}

#[test]
fn a_slow_handshake_is_told_before_the_door_opens() {
    let settings = ModelSettings {
        handshake_delay_ms: Between::new(150, 150),
        house_faults: HouseFaults(vec![Window::new(1_000, Trouble::Slow { factor: 4.0 })]),
        ..plain()
    };
    let mut house = ModelHouse::new(Arc::new(settings), Arc::default(), 6);
    assert_eq!(house.knock(MS(0), None).after, MS(150));
    assert_eq!(house.knock(MS(2_000), None).after, MS(600));
}

#[test]
fn a_throttle_lets_in_a_burst_and_then_a_rate_for_each_key() {
    let throttle = Trouble::Throttle {
        starts_per_second: 20.0,
        burst: 5,
    };
    let mut house = house(vec![Window::new(0, throttle)], 7);
    for key in ["one", "two"].map(KeyMark::of) {
        let opened = (0..100).filter(|&n| {
            let door = house.knock(MS(1_000 + n * 10), Some(key)).door;
            matches!(door, Door::Open(_))
        });
        // A second at twenty a second, and the burst.
        let opened = opened.count();
        assert!((24..=25).contains(&opened), "{opened}");
    }
    let key = Some(KeyMark::of("three"));
    let answers = (0..6).map(|_| house.knock(MS(5_000), key).door);
    let Some(Door::Refuse(refusal)) = answers.last() else {
        panic!("the sixth was let in");
    };
    assert_eq!((refusal.status, refusal.retry_after), (429, Some(MS(50))));
}

#[test]
fn a_window_for_a_key_concerns_no_other() {
    let key = KeyMark::of("sk-bad");
    let trouble = Trouble::Refuse {
        status: 401,
        retry_after_ms: None,
        code: None,
    };
    let mut house = house(vec![Window::new(0, trouble).with_key(key)], 8);
    assert!(matches!(
        house.knock(MS(0), Some(key)).door,
        Door::Refuse(_)
    ));
    let other = Some(KeyMark::of("sk-good"));
    let Door::Open(session) = house.knock(MS(0), other).door else {
        panic!("refused");
    };
    assert_eq!(session.report().key, other);
}

fn kill(with: With, spread_ms: u32) -> Trouble {
    Trouble::Kill { with, spread_ms }
}

#[test]
fn a_kill_ends_whoever_is_there_and_a_refusal_keeps_the_others_out() {
    let refuse = Trouble::Refuse {
        status: 503,
        retry_after_ms: None,
        code: None,
    };
    let windows = vec![
        Window::new(10_000, kill(With::Close(1_011), 500)),
        Window::new(10_000, refuse).until(20_000),
    ];
    let mut house = house(windows, 9);
    let mut ends = Vec::new();
    for at in (0..10_000).step_by(100).map(MS) {
        let mut session = session(&mut house, at);
        let trace = live(&mut session, at, LONG);
        let (end, action) = trace.last().unwrap();
        assert!(
            matches!(action, Action::Close { code: 1_011, .. }),
            "{action:?}"
        );
        ends.push(*end);
    }
    ends.sort();
    assert!(ends[0] >= MS(10_000) && ends[99] <= MS(10_500), "{ends:?}");
    assert!(
        ends[99].saturating_sub(ends[0]) > MS(400),
        "they die one after the other"
    );
    assert!(matches!(
        house.knock(MS(10_000), None).door,
        Door::Refuse(_)
    ));
    let mut later = session(&mut house, MS(20_000));
    live(&mut later, MS(20_000), LONG);
    assert!(!later.is_over());
}

#[test]
fn one_bad_node_has_its_exact_share_and_only_it_dies() {
    let trouble = Trouble::OneBadNode {
        with: With::Cut,
        spread_ms: 0,
    };
    let mut house = house(vec![Window::new(10_000, trouble).of(0.25)], 10);
    let dead = (0..200).filter(|&n| {
        let mut session = session(&mut house, MS(n));
        let trace = live(&mut session, MS(n), LONG);
        let died = session.is_over();
        assert_eq!(died, trace.last().unwrap() == &(MS(10_000), Action::Cut));
        died
    });
    assert_eq!(dead.count(), 50);
}

#[test]
fn windows_combine_and_the_same_seed_meets_the_same_doors() {
    let row = FaultRow {
        when: When::TurnEnd(1),
        what: What::Stall,
        share: 1.0,
    };
    let windows = vec![
        Window::new(0, Trouble::Down).of(0.2),
        Window::new(0, Trouble::Hang(Stage::Tls)).of(0.2),
        Window::new(0, Trouble::Slow { factor: 2.0 }).of(0.5),
        Window::new(0, Trouble::Session(row)).of(0.5),
        Window::new(
            0,
            Trouble::Quota {
                via: Via::Error,
                close: None,
            },
        )
        .of(0.5),
        Window::new(500, kill(With::Cut, 200)).every(1_000).of(0.3),
    ];
    let life = |seed| {
        let mut house = house(windows.clone(), seed);
        let mut story = Vec::new();
        for at in (0..5_000).step_by(50).map(MS) {
            match house.knock(at, None).door {
                Door::Open(mut session) => {
                    story.push(format!("{:?}", live(&mut session, at, LONG)));
                }
                door @ (Door::Refuse(_) | Door::Hang(_) | Door::Reset) => {
                    story.push(format!("{door:?}"));
                }
            }
        }
        story
    };
    let (once, again, other) = (life(11), life(11), life(12));
    assert_eq!(once, again);
    assert_ne!(once, other);
    let count = |what: &str| once.iter().filter(|it| it.contains(what)).count();
    for what in [
        "Reset",
        "Hang(Tls)",
        "insufficient_quota",
        "Cut",
        "response.done",
    ] {
        assert!((5..=90).contains(&count(what)), "{what}: {}", count(what));
    }
}

#[test]
fn sessions_of_two_houses_have_numbers_of_their_own() {
    let mut first = house(vec![], 13);
    let mut second = house(vec![], 13).numbered_from(1_000_001);
    assert_eq!(session(&mut first, MS(0)).number(), 1);
    assert_eq!(session(&mut second, MS(0)).number(), 1_000_001);
    assert_eq!(session(&mut second, MS(0)).number(), 1_000_002);
}
