//! Recordings played into a stereo file, imported again.

use std::{fs, time::Duration};

use super::*;
use crate::{g711, recording::Then};

/// Both channels of a call, put together from a recording.
#[derive(Default)]
struct Stereo {
    caller: Vec<u8>,
    agent: Vec<u8>,
}

impl Stereo {
    /// The call as it would have been: half a second between the sides, and interrupted answers stop 200 ms later.
    fn of(recording: &Recording) -> Self {
        let mut call = Self::default();
        let pause = g711::bytes_in(Duration::from_millis(800));
        lay(&mut call.agent, pause, &recording.agent[0].audio);
        let mut now = call.agent.len() + pause;
        for (turn, answer) in recording.caller.iter().zip(1..) {
            lay(&mut call.caller, now, &turn.line.audio);
            now += turn.line.audio.len();
            if let Then::Keys(keys) = &turn.then {
                let tones = dtmf::tests::tones(keys, 800);
                lay(&mut call.caller, now + 1_600, &tones);
                now = call.caller.len();
            }
            if turn.then == Then::HangUp {
                break;
            }
            now += pause;
            let answer = &recording.agent[answer].audio;
            if let Then::BargeIn { after } = turn.then {
                let after = g711::bytes_in(after);
                lay(
                    &mut call.agent,
                    now,
                    &answer[..(after + 1_600).min(answer.len())],
                );
                now += after;
            } else {
                lay(&mut call.agent, now, answer);
                now += answer.len() + pause;
            }
        }
        call
    }

    /// Writes it into a folder of its own, which is gone afterwards, and imports it there.
    fn import(&self, name: &str, change: impl Fn(&mut ImportArgs)) -> Imported {
        let folder = TempFolder::new(name);
        let path = folder.0.join("call.wav");
        let mut file = fs::File::create(&path).unwrap();
        wav::write_stereo(&mut file, &self.caller, &self.agent).unwrap();
        let mut args = ImportArgs {
            call: path,
            out: None,
            swap: false,
            keep_keys: false,
            anonymise: false,
            language: "en-GB".into(),
        };
        change(&mut args);
        let imported = import(&args).unwrap();
        let again = import(&args).unwrap_err();
        assert!(matches!(again, ImportError::Exists(_)), "{again}");
        imported
    }
}

struct TempFolder(PathBuf);

impl TempFolder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ringback-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn lay(side: &mut Vec<u8>, at: usize, audio: &[u8]) {
    assert!(side.len() <= at, "nobody speaks twice at once");
    side.resize(at, g711::SILENCE);
    side.extend(audio);
}

fn thens(recording: &Recording) -> Vec<Then> {
    recording
        .caller
        .iter()
        .map(|turn| turn.then.clone())
        .collect()
}

#[test]
fn a_call_comes_back_with_its_turns_and_the_barge_in() {
    let original = Recording::builtin("interrupts").unwrap();
    let imported = Stereo::of(&original).import("interrupts", |_| {}).recording;
    assert_eq!(
        (imported.name.as_str(), imported.language.as_str()),
        ("call", "en-GB")
    );
    assert_eq!(imported.opening, Then::Wait);
    let found = thens(&imported);
    let [
        Then::BargeIn { after },
        Then::Wait,
        Then::Wait,
        Then::HangUp,
    ] = found[..]
    else {
        panic!("{found:?}");
    };
    // Files begin with silence that nobody hears; the detector may miss a soft beginning.
    assert!(
        after.abs_diff(Duration::from_millis(2_500)) < Duration::from_millis(150),
        "{after:?}"
    );
    for (turn, original) in imported.caller.iter().zip(&original.caller) {
        let difference = turn.line.duration().abs_diff(original.line.duration());
        assert!(
            difference < Duration::from_millis(400),
            "{turn:?} was {original:?}"
        );
    }
    assert_eq!(imported.agent.len(), 4);
}

#[test]
fn keys_are_muted_and_their_digits_are_not_kept() {
    let original = Recording::builtin("keypad").unwrap();
    let call = Stereo::of(&original);
    let imported = call.import("keypad", |_| {});
    assert_eq!(imported.keys, 5);
    let recording = &imported.recording;
    let expected = [
        Then::Wait,
        Then::Keys("0000#".into()),
        Then::Wait,
        Then::HangUp,
    ];
    assert_eq!(thens(recording), expected);
    for turn in &recording.caller {
        assert_eq!(dtmf::find(&turn.line.audio), []);
    }
    let kept = call
        .import("keypad-kept", |args| args.keep_keys = true)
        .recording;
    assert_eq!(thens(&kept)[1], Then::Keys("4711#".into()));
    assert_eq!(
        kept.caller[1].line, recording.caller[1].line,
        "muted all the same"
    );
}

#[test]
fn keys_that_answer_the_agent_are_a_turn_without_words() {
    let mut original = Recording::builtin("keypad").unwrap();
    original.caller[1].line.audio.clear();
    let call = Stereo::of(&original);
    let recording = call.import("only-keys", |_| {}).recording;
    assert_eq!(
        thens(&recording)[..2],
        [Then::Wait, Then::Keys("0000#".into())]
    );
    assert!(recording.caller[1].line.audio.is_empty());
    assert_eq!(recording.caller.len(), 4);
}

#[test]
fn who_speaks_unasked_is_not_said_to_have_waited() {
    let line = Recording::builtin("reschedule")
        .unwrap()
        .caller
        .remove(0)
        .line;
    let mut call = Stereo::default();
    lay(&mut call.caller, 8_000, &line.audio);
    let second = call.caller.len() + 16_000;
    lay(&mut call.caller, second, &line.audio);
    lay(&mut call.agent, call.caller.len() + 8_000, &line.audio);
    let recording = call.import("unasked", |_| {}).recording;
    let pause = |then: &Then| {
        let Then::Pause(pause) = then else {
            panic!("{then:?}");
        };
        pause.as_millis()
    };
    assert!(
        (900..1_200).contains(&pause(&recording.opening)),
        "{recording:?}"
    );
    let thens = thens(&recording);
    assert!((1_700..2_400).contains(&pause(&thens[0])), "{thens:?}");
    assert_eq!(thens[1], Then::Wait, "the agent has the last word");
}

#[test]
fn sides_can_be_swapped_and_voices_changed() {
    let original = Recording::builtin("reschedule").unwrap();
    let mut call = Stereo::of(&original);
    std::mem::swap(&mut call.caller, &mut call.agent);
    let plain = call.import("swapped", |args| args.swap = true).recording;
    assert_eq!(thens(&plain), thens(&original));
    let changed = call.import("changed", |args| {
        args.swap = true;
        args.anonymise = true;
    });
    let lines = |recording: &Recording| {
        let turns = recording.caller.iter().map(|turn| turn.line.clone());
        turns.chain(recording.agent.clone()).collect::<Vec<_>>()
    };
    for (changed, plain) in lines(&changed.recording).iter().zip(&lines(&plain)) {
        assert_eq!(changed.duration(), plain.duration());
        assert_ne!(changed.audio, plain.audio);
    }
}

#[test]
fn what_cannot_be_imported_is_named() {
    let folder = TempFolder::new("refused");
    let path = folder.0.join("call.wav");
    let mut args = ImportArgs {
        call: path.clone(),
        out: None,
        swap: false,
        keep_keys: false,
        anonymise: false,
        language: "en-US".into(),
    };
    let refusal = |args: &ImportArgs| import(args).unwrap_err().to_string();
    assert!(refusal(&args).starts_with(&path.display().to_string()));
    wav::write_mulaw(&mut fs::File::create(&path).unwrap(), &[0; 80]).unwrap();
    assert!(refusal(&args).contains("one channel"));
    wav::write_stereo(&mut fs::File::create(&path).unwrap(), &[0xff; 80], &[]).unwrap();
    assert!(refusal(&args).contains("--swap"));
    args.language = "en\"\nopening = 1".into();
    let audio = Recording::builtin("reschedule")
        .unwrap()
        .caller
        .remove(0)
        .line
        .audio;
    wav::write_stereo(&mut fs::File::create(&path).unwrap(), &audio, &[]).unwrap();
    assert_eq!(import(&args).unwrap().recording.language, args.language);
}
