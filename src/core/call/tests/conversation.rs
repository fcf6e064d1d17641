//! A call with sessions that are well.

use bytes::BytesMut;
use proptest::prelude::*;

use super::super::input::{Key, ResponseOutcome, ToolCallId};
use super::super::prompt::Prompt;
use super::*;
use crate::core::fault::{Fault, Refusal};
use crate::core::observation::Observation;

#[test]
fn what_is_said_before_the_session_is_ready_is_flushed_in_order_after_the_greeting_is_asked_for() {
    let mut story = Story::greeting(Greeting::Spoken);
    story.start();
    assert!(story.wants(&Effect::Dial(FIRST, DialKind::Needed)));
    story.made(FIRST);
    for byte in 0xE0..0xEF {
        story.carrier(media(byte));
    }
    story.provider(ProviderEvent::Ready { expires_at: None });
    story.carrier(media(0xEF));
    let mut commands = story.commands().into_iter();
    assert_eq!(commands.next(), Some(ProviderCommand::Greet));
    let said: Vec<u8> = commands
        .flat_map(|command| match command {
            ProviderCommand::Append(frame) => frame.to_raw(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<u8> = (0xE0..=0xEF).flat_map(|byte| [byte; FRAME_BYTES]).collect();
    assert_eq!(said, expected);
}

proptest! {
    #[test]
    fn however_audio_is_cut_the_caller_gets_all_of_it_in_multiples_of_20_ms(
        deltas in proptest::collection::vec(1_usize..1_500, 1..30),
    ) {
        // Less than that may be taken for no speech at all, and is asked for again.
        prop_assume!(deltas.iter().sum::<usize>() >= 3 * FRAME_BYTES);
        let mut story = Story::live();
        let mut next = (0x38..=0x70_u8).cycle();
        let mut said = Vec::new();
        for bytes in deltas {
            let delta: Vec<u8> = next.by_ref().take(bytes).collect();
            story.audio(0, 0, &delta);
            said.extend(delta);
        }
        story.provider(ProviderEvent::AudioDone { item: ItemId(0) });
        story.provider(ProviderEvent::ResponseDone {
            response: ResponseId(0),
            outcome: ResponseOutcome::Completed,
        });
        // Nobody answers the marks: the audio is let go by our own clock.
        for _ in 0..60 {
            story.pass_alive(ms(500));
        }
        let (played, _) = story.played();
        prop_assert_eq!(&played[..said.len()], &said[..]);
        prop_assert!(played.len() - said.len() < FRAME_BYTES);
        prop_assert!(played[said.len()..].iter().all(|&byte| byte == 0xFF));
    }
}

#[test]
fn the_carrier_is_never_more_than_five_seconds_ahead() {
    let mut story = Story::live();
    story.audio(0, 0, &vec![SPEECH; 8 * 20_000]);
    assert_eq!(story.played().0.len(), 8 * 5_000);
    story.pass_alive(ms(1_000));
    let more = story.played().0.len();
    assert!((8 * 800..=8 * 1_000).contains(&more), "{more}");
}

#[test]
fn more_than_may_be_held_cancels_the_response_and_what_is_held_plays_on() {
    let mut story = Story::live();
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    for _ in 0..200 {
        story.audio(0, 0, &[SPEECH; 8_000]);
    }
    let effects = story.take();
    assert!(effects.contains(&Effect::Observe(Observation::HeldOverflowed)));
    assert!(effects.contains(&Effect::ToProvider(
        FIRST,
        ProviderCommand::CancelResponse(ResponseId(0))
    )));
    assert!(!effects.contains(&Effect::ToCarrier(CarrierCommand::Clear)));
}

#[test]
fn who_speaks_into_the_greeting_is_listened_to_also_where_the_session_hears_no_more() {
    let mut story = Story::greeting(Greeting::Spoken);
    story.start();
    story.made(FIRST);
    story.provider(ProviderEvent::Ready { expires_at: None });
    story.says(SPEECH, ms(100));
    story.provider(ProviderEvent::SpeechStarted);
    story.audio(0, 0, &[SPEECH; 16_000]);
    story.take();
    story.says(SPEECH, ms(1_000));
    assert!(story.wants(&Effect::ToCarrier(CarrierCommand::Clear)));
    story.says(QUIET, ms(2_500));
    assert!(story.wants(&Effect::Dial(SECOND, DialKind::Needed)));
}

#[test]
fn what_is_said_while_the_caller_speaks_is_no_answer_to_it() {
    let mut story = Story::live();
    story.says(QUIET, ms(1_000));
    story.provider(ProviderEvent::SpeechStarted);
    story.says(SPEECH, ms(500));
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    story.audio(0, 0, &vec![SPEECH; 8 * 20_000]);
    story.says(SPEECH, ms(500));
    story.says(QUIET, ms(500));
    story.take();
    story.provider(ProviderEvent::SpeechStopped);
    let effects = story.take();
    assert!(effects.contains(&Effect::ToCarrier(CarrierCommand::Clear)));
    assert!(effects.contains(&Effect::ToProvider(
        FIRST,
        ProviderCommand::CancelResponse(ResponseId(0))
    )));
    story.audio(0, 0, &[SPEECH; 1_600]);
    assert!(story.played().0.is_empty());
}

#[test]
fn an_answer_to_the_turn_before_puts_off_no_filler() {
    let mut story = Story::live();
    story.says(QUIET, ms(1_000));
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    story.audio(0, 0, &[SPEECH; 1_600]);
    story.says(SPEECH, ms(800));
    story.take();
    story.says(QUIET, ms(1_260));
    let filler = Effect::Observe(Observation::Prompted(Prompt::OneMoment));
    assert!(story.wants(&filler));
}

#[test]
fn barge_in_clears_cancels_and_truncates_at_what_was_heard() {
    let mut story = Story::live();
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    story.audio(0, 0, &[SPEECH; 8 * 2_000]);
    let (_, marks) = story.played();
    story.pass(ms(150));
    story.carrier(CarrierEvent::Mark(marks[0])); // The first 20 ms.
    story.pass(ms(480));
    story.take();
    story.provider(ProviderEvent::SpeechStarted);
    let effects = story.take();
    let wanted = [
        Effect::ToCarrier(CarrierCommand::Clear),
        Effect::Observe(Observation::BargedIn { heard: ms(500) }),
        Effect::ToProvider(FIRST, ProviderCommand::CancelResponse(ResponseId(0))),
        Effect::ToProvider(
            FIRST,
            ProviderCommand::Truncate {
                item: ItemId(0),
                heard: ms(500),
            },
        ),
    ];
    assert_eq!(effects, wanted);

    story.audio(0, 0, &[SPEECH; 800]);
    assert_eq!(
        story.take(),
        [Effect::Observe(Observation::LateAudio)],
        "a cut item never plays"
    );
    story.carrier(CarrierEvent::Mark(marks[1]));
    assert_eq!(story.take(), [], "an echo after the clear is flushed");
    story.audio(1, 1, &[SPEECH + 1; 800]);
    assert_eq!(story.played().0, [SPEECH + 1; 800]);
}

#[test]
fn what_was_not_heard_at_all_is_deleted() {
    let mut story = Story::live();
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    for item in 0..3 {
        story.audio(0, item, &[SPEECH; 800]);
    }
    story.take();
    story.provider(ProviderEvent::SpeechStarted);
    let deleted: Vec<_> = (0..3)
        .map(|item| ProviderCommand::Delete { item: ItemId(item) })
        .collect();
    assert_eq!(
        story.commands(),
        [
            vec![ProviderCommand::CancelResponse(ResponseId(0))],
            deleted
        ]
        .concat()
    );
}

#[test]
fn the_carrier_is_cleared_also_when_the_model_has_finished() {
    let mut story = Story::live();
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    story.audio(0, 0, &[SPEECH; 8_000]);
    story.provider(ProviderEvent::AudioDone { item: ItemId(0) });
    story.provider(ProviderEvent::ResponseDone {
        response: ResponseId(0),
        outcome: ResponseOutcome::Completed,
    });
    story.take();
    story.provider(ProviderEvent::SpeechStarted);
    let effects = story.take();
    assert!(effects.contains(&Effect::ToCarrier(CarrierCommand::Clear)));
    assert!(!effects.contains(&Effect::ToProvider(
        FIRST,
        ProviderCommand::CancelResponse(ResponseId(0))
    )));
}

#[test]
fn a_goodbye_is_heard_out() {
    let mut story = Story::live();
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    story.audio(0, 0, &[SPEECH; 8_000]);
    story.provider(ProviderEvent::Goodbye {
        tool_call: ToolCallId(0),
    });
    story.provider(ProviderEvent::AudioDone { item: ItemId(0) });
    story.provider(ProviderEvent::ResponseDone {
        response: ResponseId(0),
        outcome: ResponseOutcome::Completed,
    });
    let (_, marks) = story.played();
    story.pass(ms(1_100));
    assert_eq!(story.end_reason(), None, "the last words are not heard yet");
    story.carrier(CarrierEvent::Mark(*marks.last().unwrap()));
    assert_eq!(story.end_reason(), Some(EndReason::Goodbye));
}

#[test]
fn a_goodbye_whose_mark_never_comes_back_ends_all_the_same() {
    let mut story = Story::live();
    story.audio(0, 0, &[SPEECH; 8_000]);
    story.provider(ProviderEvent::Goodbye {
        tool_call: ToolCallId(0),
    });
    story.pass(ms(3_100));
    assert_eq!(story.end_reason(), Some(EndReason::Goodbye));
}

#[test]
fn a_caller_who_speaks_into_the_goodbye_is_listened_to() {
    let mut story = Story::live();
    story.audio(0, 0, &[SPEECH; 8_000]);
    story.provider(ProviderEvent::Goodbye {
        tool_call: ToolCallId(4),
    });
    story.provider(ProviderEvent::SpeechStarted);
    assert!(
        story
            .commands()
            .contains(&ProviderCommand::GoodbyeDeclined(ToolCallId(4)))
    );
    story.pass(ms(4_000));
    assert_eq!(story.end_reason(), None);
}

#[test]
fn a_session_is_replaced_before_it_expires_and_between_turns() {
    let mut story = Story::live();
    story.provider(ProviderEvent::AgentText {
        response: ResponseId(0),
        item: ItemId(0),
        text: "Hello.".into(),
    });
    story.pass_alive(Duration::from_mins(55));
    assert!(story.wants(&Effect::Dial(SECOND, DialKind::Successor(FIRST))));
    story.made(SECOND);
    story.provider(ProviderEvent::SpeechStarted);
    story.call.handle(
        story.now,
        Input::Provider(SECOND, ProviderEvent::Ready { expires_at: None }),
        &mut story.effects,
    );
    assert!(
        !story.take().contains(&Effect::Abandon(FIRST)),
        "the caller is speaking"
    );
    story.provider(ProviderEvent::SpeechStopped);
    story.audio(1, 1, &[SPEECH; 480]);
    story.provider(ProviderEvent::AudioDone { item: ItemId(1) });
    for mark in story.played().1 {
        story.carrier(CarrierEvent::Mark(mark));
    }
    let effects = story.take();
    assert!(effects.contains(&Effect::Abandon(FIRST)));
    let seeded = effects.iter().any(|effect| {
        matches!(
            effect,
            Effect::ToProvider(SECOND, ProviderCommand::Seed { .. })
        )
    });
    assert!(seeded, "the new session knows what was said");
    story.audio(1, 1, &[SPEECH; 160]);
    assert_eq!(
        story.take(),
        [Effect::Observe(Observation::LateEvent)],
        "the dead do not speak"
    );
}

#[test]
fn keys_are_gathered_and_answered() {
    let mut story = Story::live();
    story.audio(0, 0, &[SPEECH; 8_000]);
    story.take();
    for key in "4711#".chars() {
        story.carrier(CarrierEvent::Key(Key::parse(key).unwrap()));
        story.pass(ms(200));
    }
    let commands = story.commands();
    assert!(
        commands.contains(&ProviderCommand::Delete { item: ItemId(0) }),
        "the first key interrupts"
    );
    assert!(commands.ends_with(&[
        ProviderCommand::Keys("4711#".into()),
        ProviderCommand::Respond
    ]));
}

#[test]
fn silence_and_floods_end_one_call_with_their_name() {
    let mut silent = Story::live();
    silent.pass(ms(5_000));
    assert_eq!(silent.end_reason(), Some(EndReason::CarrierSilent));

    let mut late = Story::new();
    late.pass(ms(5_000));
    assert_eq!(late.end_reason(), Some(EndReason::NeverStarted));

    let mut flooded = Story::live();
    for _ in 0..100 {
        flooded.carrier(CarrierEvent::UnknownMark);
    }
    assert_eq!(
        flooded.end_reason(),
        Some(EndReason::Refused(Refusal::MarkFlood))
    );

    let mut keyed = Story::live();
    for _ in 0..110 {
        keyed.carrier(CarrierEvent::Key(Key::parse('1').unwrap()));
    }
    assert_eq!(
        keyed.end_reason(),
        Some(EndReason::Refused(Refusal::KeyFlood))
    );
}

#[test]
fn a_socket_that_once_answered_pings_must_go_on_answering() {
    let mut story = Story::live();
    for _ in 0..4 {
        story.pass(ms(1_000));
        story.carrier(media(1));
    }
    assert_eq!(story.end_reason(), None, "not every peer answers pings");
    story.provider(ProviderEvent::Pong);
    for _ in 0..4 {
        story.pass(ms(1_000));
        story.carrier(media(1));
    }
    assert!(story.wants(&Effect::Report(FIRST, Report::Failed(Fault::NoPong))));
}

#[test]
fn a_spliced_frame_stays_as_it_came() {
    let mut story = Story::live();
    story.audio(0, 0, &[SPEECH; 480]);
    story.take();
    let mut text = BytesMut::new();
    Frame::from_raw(Bytes::from(vec![SPEECH; 480])).write_base64(&mut text);
    let frame = Frame::from_base64(text.freeze()).unwrap();
    story.provider(ProviderEvent::Audio {
        response: ResponseId(0),
        item: ItemId(0),
        frame: frame.clone(),
    });
    assert_eq!(
        story.take().first(),
        Some(&Effect::ToCarrier(CarrierCommand::Media(frame)))
    );
}
