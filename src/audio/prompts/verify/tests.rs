use super::*;
use crate::audio::prompts::Name;
use crate::audio::prompts::bundled::{self, Bundled};
use crate::core::audio::SILENCE;

fn key(text: &str, tag: &str) -> Key {
    Key {
        text: text.to_owned(),
        voice: "marin".to_owned(),
        language: Language::parse(tag).unwrap(),
    }
}

/// A second and a half of a voice-like tone, this loud, as µ-law.
fn tone(amplitude: f64, millis: usize) -> Vec<u8> {
    let wave = (0..millis * 8).map(|i| {
        let turn = f64::from(u32::try_from(i).unwrap()) * 0.35;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the clamp holds it in bounds"
        )]
        let sample = (amplitude * turn.sin()).clamp(-32_768.0, 32_767.0) as i16;
        g711::encode(sample)
    });
    wave.collect()
}

const WORDS: &str = "Please hold the line.";

#[test]
fn every_recording_that_is_built_in_is_what_it_says() {
    for language in bundled::languages() {
        for name in Name::all() {
            let Some(Bundled { words, audio, .. }) = Bundled::find(&language, name) else {
                continue;
            };
            let key = key(words, language.tag());
            let verified = verify(&key, audio, words);
            assert!(
                verified.is_ok(),
                "{language} {}: {verified:?}",
                name.as_str()
            );
        }
    }
}

#[test]
fn spelling_tells_nothing_and_words_tell_everything() {
    let says = |text, tag, said| verify(&key(text, tag), &tone(4_000.0, 2_500), said).is_ok();
    for said in [
        "please hold the line",
        "Please, hold the line!",
        " PLEASE HOLD THE LINE…",
        "Please hold the\nline.",
    ] {
        assert!(says(WORDS, "en", said), "{said}");
    }
    for said in [
        "",
        "Please hold.",
        "Please do not hold the line.",
        "Please hold the line. Thank you.",
        "Sure! Please hold the line.",
        "Please hold the lime.",
        "I am sorry, I cannot do that.",
    ] {
        assert!(!says(WORDS, "en", said), "{said}");
    }
    let press = "To speak with a person, press two. Don't wait.";
    assert!(says(
        press,
        "en-GB",
        "To speak with a person press 2. Don\u{2019}t wait"
    ));
    assert!(!says(
        press,
        "en-GB",
        "To speak with a person, press 3. Don't wait."
    ));
    assert!(says("Pulse uno o espere.", "es", "Pulse 1, o espere"));
    assert!(!says("Pulse uno o espere.", "es", "Pulse dos o espere"));
    assert!(says(
        "Um moment, bitte schön.",
        "de",
        "um Moment bitte schön"
    ));
    // What is not known of a number is left as it is written.
    assert!(!says(
        "Call 112 now please.",
        "en",
        "Call one hundred twelve now please."
    ));
    assert!(says("请稍等，我马上回来。", "zh", "请稍等我马上回来"));
}

#[test]
fn words_without_a_letter_are_never_spoken() {
    let verified = verify(&key("?!…", "en"), &tone(4_000.0, 1_000), "...");
    assert_eq!(verified, Err(Refused::OtherWords));
}

#[test]
fn what_cannot_be_heard_well_is_refused() {
    let verify = |audio: &[u8]| verify(&key(WORDS, "en"), audio, WORDS);
    assert!(verify(&tone(4_000.0, 1_500)).is_ok());
    let silent = vec![SILENCE; 12_000];
    assert_eq!(verify(&silent), Err(Refused::Unfit(Unfit::Silent)));
    assert_eq!(verify(&[]), Err(Refused::Unfit(Unfit::Silent)));
    let quiet = verify(&tone(40.0, 1_500));
    assert_eq!(quiet, Err(Refused::Unfit(Unfit::Silent)));
    let clipped = verify(&tone(200_000.0, 1_500));
    assert!(
        matches!(clipped, Err(Refused::Unfit(Unfit::Clipped(_)))),
        "{clipped:?}"
    );
}

#[test]
fn nobody_says_a_sentence_in_no_time_or_for_ever() {
    let verify = |millis| verify(&key(WORDS, "en"), &tone(4_000.0, millis), WORDS);
    for (millis, is_plausible) in [
        (150, false),
        (400, false),
        (900, true),
        (3_500, true),
        (5_500, false),
        (35_000, false),
    ] {
        let verified = verify(millis);
        assert_eq!(verified.is_ok(), is_plausible, "{millis} ms: {verified:?}");
    }
}

#[test]
fn a_refusal_does_not_tell_the_words() {
    let refused = verify(&key(WORDS, "en"), &tone(4_000.0, 1_500), "something else").unwrap_err();
    assert_eq!(refused.to_string(), "says other words than it was asked to");
}
