//! Responses and items by their numbers: whose they are, and when they are over.

use super::super::input::ResponseOutcome;
use super::*;
use crate::core::fault::Fault;
use crate::core::observation::Observation;

fn words(story: &mut Story, attempt: AttemptId, response: u32, item: u32, text: &str) {
    story.of(
        attempt,
        ProviderEvent::AgentText {
            response: ResponseId(response),
            item: ItemId(item),
            text: text.into(),
        },
    );
}

#[test]
fn what_comes_after_the_end_of_a_response_is_late() {
    let mut story = Story::live();
    story.audio(0, 0, &[SPEECH; 1_600]);
    story.provider(ProviderEvent::ResponseDone {
        response: ResponseId(0),
        outcome: ResponseOutcome::Cancelled,
    });
    story.take();
    story.audio(0, 0, &[SPEECH; 1_600]);
    assert_eq!(story.take(), [Effect::Observe(Observation::LateAudio)]);
    // Nor is it the beginning of an answer whose rest is missed.
    story.says(QUIET, ms(2_000));
    let failed = |effect: &Effect| matches!(effect, Effect::Report(..));
    assert!(!story.take().iter().any(failed));
}

#[test]
fn an_item_of_the_successor_is_not_taken_for_its_namesake_of_the_session_before() {
    let mut story = Story::live();
    words(&mut story, FIRST, 0, 1, "Hello.");
    story.audio(0, 1, &[SPEECH; 1_600]);
    story.provider(ProviderEvent::AudioDone { item: ItemId(1) });
    story.provider(ProviderEvent::ResponseDone {
        response: ResponseId(0),
        outcome: ResponseOutcome::Completed,
    });
    for mark in story.played().1 {
        story.carrier(CarrierEvent::Mark(mark));
    }
    story.pass_alive(Duration::from_mins(55));
    story.made(SECOND);
    story.of(SECOND, ProviderEvent::Ready { expires_at: None });
    assert!(story.wants(&Effect::Abandon(FIRST)));
    words(&mut story, SECOND, 0, 1, "Nobody has heard this.");
    story.of(SECOND, ProviderEvent::Failed(Fault::Mute));
    story.made(THIRD);
    story.of(THIRD, ProviderEvent::Ready { expires_at: None });
    let told = story
        .commands()
        .into_iter()
        .find_map(|command| match command {
            ProviderCommand::Seed { memory, .. } => Some(memory),
            _ => None,
        });
    let told = told.unwrap();
    let words: Vec<_> = told.turns().map(|turn| turn.text.as_str()).collect();
    assert_eq!(words, ["Hello."]);
}
