//! Callers with a telephone's keys: they choose, mistype, key numbers, speak, say nothing. Who hangs up is the carrier's settings.

use std::time::Duration;

use loadtest::recording::{Line, Recording, Then, Turn};

/// A caller from a seed.
pub(super) fn caller(rng: &mut fastrand::Rng) -> Recording {
    let opening = match rng.u8(..100) {
        0..45 => Then::Wait,
        45..70 => Then::BargeIn {
            after: Duration::from_millis(rng.u64(40..3_000)),
        },
        _ => Then::Pause(Duration::from_millis(rng.u64(100..20_000))),
    };
    let mut acts = Vec::new();
    match rng.u8(..100) {
        // Nothing, and stays on; perhaps there is something to be said after the tone.
        0..20 => acts.push(speech(rng, Then::Wait)),
        20..45 => {
            acts.push(keys("1".into()));
            if rng.u8(..100) < 10 {
                acts.push(speech(rng, Then::Wait));
            }
            number(rng, &mut acts);
        }
        45..55 => acts.push(keys("2".into())),
        55..75 => {
            acts.push(keys("3".into()));
            let then = match rng.u8(..100) {
                0..40 => Then::Keys(any_key(rng)),
                // Once to end it, and once more.
                40..55 => Then::Keys(any_key(rng) + "#"),
                // Until it has just ended by itself.
                55..75 => Then::Pause(Duration::from_millis(rng.u64(3_500..5_000))),
                _ => Then::Wait,
            };
            let leaves = matches!(then, Then::Pause(_));
            acts.push(speech(rng, then));
            if leaves {
                acts.push(silent(Then::HangUp));
            }
        }
        75..90 => {
            // Wrong ones first.
            for _ in 0..rng.usize(1..6) {
                acts.push(keys(any_key(rng)));
            }
        }
        _ => {
            let typed = (0..rng.usize(1..40)).map(|_| any_key(rng));
            acts.push(keys(typed.collect()));
        }
    }
    if rng.u8(..100) < 30 {
        acts.push(keys(any_key(rng)));
    }
    // Stays on the line until somebody hangs up.
    acts.push(silent(Then::Pause(Duration::from_mins(15))));
    recording(opening, acts)
}

/// A caller who does this.
pub(super) fn recording(opening: Then, caller: Vec<Turn>) -> Recording {
    Recording {
        name: "menu".into(),
        opening,
        caller,
        ..Recording::builtin("reschedule").unwrap()
    }
}

/// A number, right or wrong, and what is pressed when it is read back.
fn number(rng: &mut fastrand::Rng, acts: &mut Vec<Turn>) {
    for _ in 0..rng.usize(1..4) {
        let length = match rng.u8(..100) {
            0..70 => 10,
            70..85 => rng.usize(1..6),
            _ => rng.usize(6..20),
        };
        let digits = (0..length).map(|_| char::from(rng.u8(b'0'..=b'9')));
        let mut typed: String = digits.collect();
        if rng.u8(..100) < 70 {
            typed.push('#');
        }
        acts.push(keys(typed));
        if rng.u8(..100) < 10 {
            acts.push(speech(rng, Then::Wait));
        }
        if rng.u8(..100) < 80 {
            acts.push(keys(if rng.u8(..100) < 70 { "1" } else { "2" }.into()));
        }
    }
}

fn any_key(rng: &mut fastrand::Rng) -> String {
    let all = b"0123456789*#";
    char::from(all[rng.usize(..all.len())]).into()
}

/// Presses these keys.
pub(super) fn keys(keys: String) -> Turn {
    silent(Then::Keys(keys))
}

/// Says nothing.
pub(super) fn silent(then: Then) -> Turn {
    let line = Line {
        audio: Vec::new(),
        text: String::new(),
    };
    Turn { line, then }
}

/// Says something of a few seconds.
pub(super) fn speech(rng: &mut fastrand::Rng, then: Then) -> Turn {
    let mut said = Recording::builtin("order_status").unwrap().caller;
    let line = said.swap_remove(rng.usize(..said.len())).line;
    Turn { line, then }
}
