//! A call whose session says something else than what is owed, or more than anybody says.

use super::*;
use crate::core::fault::Fault;

/// The agent is in the middle of an answer: two seconds of it have come.
fn speaking() -> Story {
    let mut story = Story::live();
    story.says(QUIET, ms(1_000));
    story.provider(ProviderEvent::ResponseStarted {
        response: ResponseId(0),
    });
    words(&mut story, "Our policy is as follows. ");
    story.audio(0, 1, &[SPEECH; 16_000]);
    story.take();
    story
}

fn words(story: &mut Story, text: &str) {
    story.provider(ProviderEvent::AgentText {
        response: ResponseId(0),
        item: ItemId(1),
        text: text.into(),
    });
}

#[test]
fn what_an_agent_goes_on_saying_is_no_answer_to_who_spoke_into_it_unheard() {
    let mut story = speaking();
    story.says(SPEECH, ms(1_000));
    story.says(QUIET, ms(600));
    story.audio(0, 1, &[SPEECH; 8_000]);
    story.says(QUIET, ms(1_500));
    story.provider(ProviderEvent::Pong);
    story.take();
    story.says(QUIET, ms(2_500));
    assert!(story.wants(&Effect::Report(FIRST, Report::Failed(Fault::Deaf))));
    story.made(SECOND);
    story.of(SECOND, ProviderEvent::Ready { expires_at: None });
    let commands = story.commands();
    let said = commands.iter().filter_map(|command| match command {
        ProviderCommand::Append(frame) => Some(frame.to_raw()),
        _ => None,
    });
    let spoken: usize = said
        .map(|frame| {
            frame
                .iter()
                .map(|byte| usize::from(*byte == SPEECH))
                .sum::<usize>()
        })
        .sum();
    assert_eq!(spoken, 8_000, "the second that nobody has heard");
}

#[test]
fn the_next_session_answers_what_the_one_before_had_not_heard() {
    let mut story = speaking();
    story.says(SPEECH, ms(1_000));
    story.says(QUIET, ms(5_000));
    story.made(SECOND);
    story.of(SECOND, ProviderEvent::Ready { expires_at: None });
    story.of(
        SECOND,
        ProviderEvent::ResponseStarted {
            response: ResponseId(0),
        },
    );
    story.of(
        SECOND,
        ProviderEvent::Audio {
            response: ResponseId(0),
            item: ItemId(1),
            frame: Frame::from_raw(Bytes::from_static(&[SPEECH; 16_000])),
        },
    );
    story.take();
    story.says(QUIET, ms(2_000));
    let waits = |effect: &Effect| matches!(effect, Effect::Report(SECOND, Report::Failed(_)));
    assert!(!story.take().iter().any(waits), "its first is an answer");
}

#[test]
fn of_a_flood_only_what_the_carrier_has_is_heard_and_the_next_session_goes_on() {
    let mut story = speaking();
    for _ in 0..60 {
        story.audio(0, 1, &[SPEECH; 8_000]);
    }
    story.provider(ProviderEvent::Failed(Fault::Flooded));
    story.made(SECOND);
    let (before, _) = story.played();
    story.of(SECOND, ProviderEvent::Ready { expires_at: None });
    let commands = story.commands();
    assert!(commands.ends_with(&[ProviderCommand::Continue]));
    let told = commands.iter().find_map(|command| match command {
        ProviderCommand::Seed { memory, .. } => memory.turns().next(),
        _ => None,
    });
    let told = told.map(|turn| turn.text.trim_end());
    assert_eq!(told, Some("Our policy is as follows."), "long since said");
    story.says(QUIET, ms(1_000));
    let (after, _) = story.played();
    assert!(before.len() <= 5 * 8_000, "{}", before.len());
    assert_eq!(after.len(), 0);
}
