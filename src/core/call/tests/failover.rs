//! A call whose sessions fail.

use super::super::checkpoint::{Checkpoint, Origin};
use super::super::effect::Occasion;
use super::super::input::ResponseOutcome;
use super::super::prompt::Prompt;
use super::*;
use crate::core::fault::{DialStage, Fault};
use crate::core::observation::Observation;

const CUT: Fault = Fault::Closed { code: 1006 };

fn ready() -> ProviderEvent {
    ProviderEvent::Ready { expires_at: None }
}

/// The caller has asked something, and the session has noticed.
fn asked() -> Story {
    let mut story = Story::live();
    story.says(QUIET, ms(1_000));
    story.provider(ProviderEvent::SpeechStarted);
    story.says(SPEECH, ms(1_000));
    story.says(QUIET, ms(500));
    story.provider(ProviderEvent::SpeechStopped);
    story.take();
    story
}

/// The model has begun an answer of two seconds and is not done.
fn answering() -> Story {
    let mut story = asked();
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    story.provider(ProviderEvent::AgentText {
        response: ResponseId(0),
        item: ItemId(1),
        text: "On Thursday at".into(),
    });
    story.audio(0, 1, &[SPEECH; 16_000]);
    story.take();
    story
}

/// What was appended, in order.
fn appended(commands: &[ProviderCommand]) -> Vec<u8> {
    let frames = commands.iter().filter_map(|command| match command {
        ProviderCommand::Append(frame) => Some(frame.to_raw()),
        _ => None,
    });
    frames.flatten().collect()
}

/// How many samples of it are speech.
fn spoken(said: &[u8]) -> usize {
    said.chunk_by(|a, b| a == b)
        .filter(|run| run.first() == Some(&SPEECH))
        .map(<[u8]>::len)
        .sum()
}

fn prompts(story: &mut Story) -> Vec<Prompt> {
    let seen = story.take().into_iter().filter_map(|effect| match effect {
        Effect::Observe(Observation::Prompted(prompt)) => Some(prompt),
        _ => None,
    });
    seen.collect()
}

#[test]
fn the_callers_unanswered_words_are_said_again_to_the_next_session() {
    let mut story = asked();
    story.provider(ProviderEvent::Failed(CUT));
    let effects = story.take();
    assert!(effects.contains(&Effect::Report(FIRST, Report::Failed(CUT))));
    assert!(effects.contains(&Effect::Dial(SECOND, DialKind::Needed)));
    story.made(SECOND);
    story.says(QUIET, ms(300));
    story.of(SECOND, ready());
    let commands = story.commands();
    let said = appended(&commands);
    assert_eq!(spoken(&said), 8_000, "all of the second that was spoken");
    assert!(
        said.ends_with(&[QUIET; 8 * 800]),
        "and the silence after it, by which its end is known"
    );
    assert!(
        !commands.contains(&ProviderCommand::Respond),
        "its own detection answers"
    );
}

#[test]
fn a_caller_who_goes_on_after_a_pause_while_sessions_change_is_not_taken_for_waiting() {
    let mut story = Story::live();
    story.says(QUIET, ms(1_000));
    story.provider(ProviderEvent::SpeechStarted);
    story.says(SPEECH, ms(1_000));
    story.says(QUIET, ms(500));
    // The pause ends in the moment in which it is taken for the end.
    story.says(SPEECH, ms(40));
    story.provider(ProviderEvent::SpeechStopped);
    story.provider(ProviderEvent::Failed(CUT));
    story.made(SECOND);
    story.says(SPEECH, ms(160));
    story.of(SECOND, ready());
    story.of(SECOND, ProviderEvent::SpeechStarted);
    for _ in 0..4 {
        // Short breaths, which nobody takes for an end.
        story.says(QUIET, ms(240));
        story.says(SPEECH, ms(1_000));
        story.of(SECOND, ProviderEvent::Pong);
    }
    assert_eq!(prompts(&mut story), []);
    story.says(QUIET, ms(500));
    story.of(SECOND, ProviderEvent::SpeechStopped);
    story.says(QUIET, ms(1_240));
    assert_eq!(prompts(&mut story), [Prompt::OneMoment]);
}

#[test]
fn an_answer_that_was_cut_is_continued_and_what_the_carrier_has_plays_on() {
    let mut story = answering();
    story.provider(ProviderEvent::Failed(CUT));
    story.made(SECOND);
    let effects = story.take();
    assert!(!effects.contains(&Effect::ToCarrier(CarrierCommand::Clear)));
    story.says(QUIET, ms(400));
    story.of(SECOND, ready());
    let commands = story.commands();
    assert!(commands.ends_with(&[ProviderCommand::Continue]));
    let Some(ProviderCommand::Seed { memory, occasion }) = commands.first() else {
        panic!("{commands:?}")
    };
    assert_eq!(*occasion, Occasion::Reconnected);
    let words: Vec<_> = memory.turns().map(|turn| turn.text.as_str()).collect();
    assert_eq!(words, ["On Thursday at"]);
}

#[test]
fn a_caller_who_speaks_while_no_session_is_there_is_heard_by_the_next() {
    let mut story = answering();
    story.pass(ms(20));
    story.carrier(CarrierEvent::Mark(Mark {
        generation: 0,
        number: 1,
    }));
    story.provider(ProviderEvent::Failed(CUT));
    story.made(SECOND);
    story.says(QUIET, ms(400));
    story.take();
    story.says(SPEECH, ms(400));
    assert!(
        story.wants(&Effect::ToCarrier(CarrierCommand::Clear)),
        "the agent yields"
    );
    story.of(SECOND, ready());
    let commands = story.commands();
    assert_eq!(spoken(&appended(&commands)), 8 * 400);
    assert!(
        !commands.contains(&ProviderCommand::Continue),
        "the caller wants something else"
    );
}

#[test]
fn a_session_that_does_not_answer_is_left_after_two_and_a_half_seconds_of_the_callers_wait() {
    let mut story = asked();
    story.says(QUIET, ms(1_980));
    assert_eq!(prompts(&mut story), [Prompt::OneMoment]);
    story.says(QUIET, ms(40));
    assert!(story.wants(&Effect::Report(
        FIRST,
        Report::Failed(Fault::AnswerTimedOut)
    )));
}

#[test]
fn a_session_that_hears_nothing_is_noticed_by_our_own_ear() {
    let mut story = Story::live();
    story.says(SPEECH, ms(1_000));
    story.says(QUIET, ms(2_480));
    assert_eq!(prompts(&mut story), [Prompt::OneMoment]);
    story.says(QUIET, ms(60));
    assert!(story.wants(&Effect::Report(FIRST, Report::Failed(Fault::Deaf))));
}

#[test]
fn a_cough_is_no_reason_to_leave_a_session() {
    let mut story = Story::live();
    story.says(QUIET, ms(2_000));
    for _ in 0..20 {
        story.says(SPEECH, ms(300));
        story.says(QUIET, ms(4_000));
    }
    assert!(
        !story
            .take()
            .iter()
            .any(|effect| matches!(effect, Effect::Dial(..)))
    );
}

#[test]
fn an_answer_that_stops_in_its_middle_is_left_before_the_caller_hears_it() {
    let mut story = answering();
    story.says(QUIET, ms(1_600));
    assert!(!story.wants(&Effect::Report(FIRST, Report::Failed(Fault::Stalled))));
    story.says(QUIET, ms(200));
    assert!(story.wants(&Effect::Report(FIRST, Report::Failed(Fault::Stalled))));
}

#[test]
fn a_stall_that_the_caller_has_heard_for_a_while_is_broken_by_a_filler_before_two_seconds() {
    let mut story = asked();
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    story.audio(0, 1, &[SPEECH; 1_600]);
    // Silence from 200 ms on, noticed at a second.
    story.says(QUIET, ms(1_000));
    assert!(story.wants(&Effect::Report(FIRST, Report::Failed(Fault::Stalled))));
    story.made(SECOND);
    story.says(QUIET, ms(400));
    assert_eq!(prompts(&mut story), []);
    story.says(QUIET, ms(160));
    assert_eq!(prompts(&mut story), [Prompt::OneMoment]);
}

#[test]
fn a_mute_or_noisy_session_is_left_and_the_caller_is_still_owed_the_answer() {
    for (byte, fault) in [(QUIET, Fault::Mute), (0x05, Fault::Noise)] {
        let mut story = asked();
        story.provider(ProviderEvent::ResponseStarted {
            response: ResponseId(0),
        });
        story.audio(0, 1, &[byte; 16_000]);
        assert!(story.wants(&Effect::Report(FIRST, Report::Failed(fault))));
        story.made(SECOND);
        story.of(SECOND, ready());
        assert_eq!(
            spoken(&appended(&story.commands())),
            8_000,
            "{fault}: its words are said again"
        );
    }
}

#[test]
fn a_pause_for_breath_while_a_session_takes_over_is_not_the_end_of_the_turn() {
    let mut story = Story::live();
    story.says(QUIET, ms(1_000));
    story.provider(ProviderEvent::SpeechStarted);
    story.says(SPEECH, ms(1_000));
    story.says(QUIET, ms(300));
    story.provider(ProviderEvent::Failed(CUT));
    story.made(SECOND);
    story.of(SECOND, ready());
    // It is given all of it at once, and hears a second sentence that never ends.
    story.of(SECOND, ProviderEvent::SpeechStarted);
    story.of(SECOND, ProviderEvent::SpeechStopped);
    story.of(SECOND, ProviderEvent::SpeechStarted);
    story.take();
    story.says(SPEECH, ms(4_000));
    let rash = story.take().into_iter().find(|effect| {
        matches!(
            effect,
            Effect::Observe(Observation::Prompted(_)) | Effect::Report(..)
        )
    });
    assert_eq!(rash, None);
}

#[test]
fn words_that_were_written_and_not_said_are_not_remembered() {
    // The audio has not come, or is silence and was held back.
    for audio in [&[][..], &[QUIET; 4_000][..]] {
        let mut story = asked();
        story.provider(ProviderEvent::ResponseStarted {
            response: ResponseId(0),
        });
        story.provider(ProviderEvent::AgentText {
            response: ResponseId(0),
            item: ItemId(1),
            text: "On Thursday at two.".into(),
        });
        if !audio.is_empty() {
            story.audio(0, 1, audio);
        }
        story.provider(ProviderEvent::Failed(CUT));
        story.made(SECOND);
        story.of(SECOND, ready());
        let told = story.commands();
        let is_seed = |command: &ProviderCommand| matches!(command, ProviderCommand::Seed { .. });
        assert!(!told.iter().any(is_seed), "{told:?}");
    }
}

#[test]
fn who_interrupts_before_a_word_was_said_has_heard_none_of_it() {
    let mut story = asked();
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    story.provider(ProviderEvent::AgentText {
        response: ResponseId(0),
        item: ItemId(1),
        text: "On Thursday at two.".into(),
    });
    story.provider(ProviderEvent::SpeechStarted);
    let delete = ProviderCommand::Delete { item: ItemId(1) };
    assert!(story.wants(&Effect::ToProvider(FIRST, delete)));
}

#[test]
fn a_lone_failure_of_the_server_is_asked_again_once_on_the_same_session() {
    let mut story = asked();
    let failed = |response| ProviderEvent::ResponseDone {
        response: ResponseId(response),
        outcome: ResponseOutcome::Failed(Fault::ServerError),
    };
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    story.provider(failed(0));
    assert_eq!(story.commands(), [ProviderCommand::Respond]);
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(1),
    });
    story.provider(failed(1));
    assert!(story.wants(&Effect::Report(FIRST, Report::Failed(Fault::ServerError))));
}

#[test]
fn who_cannot_be_seated_hears_two_fillers_and_then_an_apology() {
    let mut story = asked();
    story.provider(ProviderEvent::Failed(CUT));
    story.answer(
        SECOND,
        DialAnswer::Wait {
            until: story.now + ms(20_000),
        },
    );
    story.says(QUIET, ms(5_000));
    assert_eq!(
        prompts(&mut story),
        [Prompt::OneMoment, Prompt::StillHere, Prompt::ApologyOnly]
    );
    story.says(QUIET, ms(3_000));
    assert_eq!(story.end_reason(), Some(EndReason::Apologized));
}

#[test]
fn with_nobody_left_the_caller_hears_the_apology_at_once_and_no_offer_of_help() {
    let mut story = Story::greeting(Greeting::Cached {
        audio: Bytes::from_static(&[SPEECH; 16_000]),
        text: "How can I help?".into(),
    });
    story.start();
    story.answer(FIRST, DialAnswer::Nothing);
    let effects = story.take();
    let clear = effects
        .iter()
        .position(|effect| *effect == Effect::ToCarrier(CarrierCommand::Clear));
    let apology = Effect::Observe(Observation::Prompted(Prompt::ApologyOnly));
    let apology = effects.iter().position(|effect| *effect == apology);
    assert!(clear.is_some() && clear < apology, "{effects:?}");
}

#[test]
fn a_cached_greeting_plays_at_once_and_the_model_is_told_that_it_said_it() {
    let mut story = Story::greeting(Greeting::Cached {
        audio: Bytes::from_static(&[SPEECH; 8_000]),
        text: "Hello.".into(),
    });
    story.start();
    assert_eq!(story.played().0.len(), 8_000);
    story.made(FIRST);
    story.provider(ready());
    let commands = story.commands();
    let [ProviderCommand::Seed { memory, occasion }] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(*occasion, Occasion::Greeted);
    assert_eq!(memory.turns().count(), 1);
    assert!(!story.commands().contains(&ProviderCommand::Greet));
}

#[test]
fn a_slow_dial_gets_another_beside_it_and_the_first_that_is_ready_wins() {
    let mut story = Story::new();
    story.start();
    story.made(FIRST);
    story.take();
    story.says(QUIET, ms(1_500));
    let effects = story.take();
    assert!(effects.contains(&Effect::Report(FIRST, Report::Slow)));
    assert!(effects.contains(&Effect::Dial(SECOND, DialKind::Needed)));
    story.made(SECOND);
    story.provider(ready());
    assert!(story.wants(&Effect::Abandon(SECOND)));
    story.of(SECOND, ready());
    assert!(
        story.wants(&Effect::Observe(Observation::LateEvent)),
        "the loser is gone"
    );
}

#[test]
fn a_dial_is_given_up_after_three_seconds_and_the_one_beside_it_goes_on() {
    let mut story = Story::new();
    story.start();
    story.made(FIRST);
    story.says(QUIET, ms(1_500));
    story.made(SECOND);
    story.take();
    story.says(QUIET, ms(1_500));
    let effects = story.take();
    let late = Report::Failed(Fault::DialTimedOut(DialStage::Session));
    assert!(effects.contains(&Effect::Report(FIRST, late)));
    assert!(
        effects.contains(&Effect::Dial(THIRD, DialKind::Needed)),
        "the second is slow by now"
    );
    story.of(SECOND, ready());
    assert!(story.wants(&Effect::Abandon(THIRD)));
}

#[test]
fn a_session_lost_while_nobody_waits_is_replaced_without_a_word() {
    let mut story = Story::live();
    story.says(QUIET, ms(2_000));
    story.provider(ProviderEvent::Failed(CUT));
    story.made(SECOND);
    story.says(QUIET, ms(400));
    story.of(SECOND, ready());
    story.says(QUIET, ms(5_000));
    let effects = story.take();
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::ToCarrier(_)))
    );
    assert!(!effects.contains(&Effect::ToProvider(SECOND, ProviderCommand::Respond)));
}

#[test]
fn a_call_whose_stream_was_lost_goes_on_with_the_next_one() {
    let mut story = answering();
    story.provider(ProviderEvent::ResponseDone {
        response: ResponseId(0),
        outcome: ResponseOutcome::Completed,
    });
    let kept = |effects: Vec<Effect>| {
        let mut kept = effects.into_iter().filter_map(|effect| match effect {
            Effect::Checkpoint(checkpoint) => Some(*checkpoint),
            _ => None,
        });
        kept.next_back()
    };
    let after_the_turn = kept(story.take()).unwrap();
    assert!(!after_the_turn.is_mid_turn);
    story.provider(ProviderEvent::SpeechStarted);
    story.carrier(CarrierEvent::Closed);
    let at_the_loss = kept(story.take()).unwrap();
    assert!(at_the_loss.is_mid_turn, "the caller was speaking");

    let mut next = Story::greeting(Greeting::Spoken);
    let resumed = Input::Resumed(Origin::LineLost, Box::new(at_the_loss));
    next.call.handle(next.now, resumed, &mut next.effects);
    next.start();
    // Attempts of another stream are others.
    let again = AttemptId(1 << 16);
    next.made(again);
    next.of(again, ready());
    let commands = next.commands();
    let occasion = Occasion::Resumed { is_mid_turn: true };
    assert!(
        matches!(&commands[0], ProviderCommand::Seed { occasion: why, .. } if *why == occasion),
        "{commands:?}"
    );
    assert!(commands.ends_with(&[ProviderCommand::Continue]));
    assert!(!commands.contains(&ProviderCommand::Greet));
}

#[test]
fn nothing_is_kept_of_a_call_that_is_over() {
    let mut story = answering();
    story.carrier(CarrierEvent::Stopped);
    let effects = story.take();
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Checkpoint(_)))
    );
    assert_eq!(Checkpoint::default().memory.turns().count(), 0);
}
