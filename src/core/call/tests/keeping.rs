//! What is kept of a call while it goes on, so that another stream could go on from there.

use super::super::checkpoint::{Checkpoint, Origin};
use super::super::input::ResponseOutcome;
use super::super::memory::Speaker;
use super::super::prompt::Prompt;
use super::*;
use crate::core::observation::Observation;

const TURN: ItemId = ItemId(7);
const ANSWER: ItemId = ItemId(8);

impl Story {
    /// The checkpoints that it wants to be kept; what else it wants is forgotten.
    fn kept(&mut self) -> Vec<Checkpoint> {
        let kept = self.take().into_iter().filter_map(|effect| match effect {
            Effect::Checkpoint(checkpoint) => Some(*checkpoint),
            _ => None,
        });
        kept.collect()
    }

    /// The caller has a turn, and the model answers it in so many words.
    fn turn_and_answer(&mut self) {
        self.says(QUIET, ms(2_500));
        self.provider(ProviderEvent::SpeechStarted);
        self.says(SPEECH, ms(600));
        self.says(QUIET, ms(500));
        self.provider(ProviderEvent::SpeechStopped);
        self.provider(ProviderEvent::CallerItem { item: TURN });
        self.answer_begins();
    }

    fn answer_begins(&mut self) {
        self.provider(ProviderEvent::ResponseStarted {
            response: ResponseId(1),
        });
        self.provider(ProviderEvent::AgentText {
            response: ResponseId(1),
            item: ANSWER,
            text: "Of course.".into(),
        });
        self.audio(1, 8, &[SPEECH; 4_000]);
    }

    fn answer_ends(&mut self, outcome: ResponseOutcome) {
        self.provider(ProviderEvent::AudioDone { item: ANSWER });
        self.provider(ProviderEvent::ResponseDone {
            response: ResponseId(1),
            outcome,
        });
    }

    fn transcript(&mut self, text: &str) {
        self.provider(ProviderEvent::CallerText {
            item: TURN,
            text: text.into(),
        });
    }
}

/// What the caller has said, by this checkpoint; of what is there as audio, nothing.
fn said(checkpoint: &Checkpoint) -> Vec<&str> {
    let turns = checkpoint.memory.turns();
    turns
        .filter(|turn| turn.speaker == Speaker::Caller)
        .map(|turn| turn.text.as_str())
        .collect()
}

#[test]
fn words_that_are_written_down_after_the_answer_was_kept_are_kept_at_once_and_once() {
    let mut story = Story::live();
    story.turn_and_answer();
    story.answer_ends(ResponseOutcome::Completed);
    let kept = story.kept();
    assert_eq!(kept.len(), 1, "the turn is over");
    assert_eq!(said(&kept[0]), [""], "as it was spoken");
    story.pass(ms(700));
    story.transcript("Can I come on Thursday?");
    story.transcript("Can I come on Thursday?");
    story.pass(ms(100));
    let kept = story.kept();
    assert_eq!(kept.len(), 1);
    assert_eq!(said(&kept[0]), ["Can I come on Thursday?"]);
    story.pass(ms(2_500));
    assert_eq!(story.kept(), [], "nothing new was said");
}

#[test]
fn words_whose_answer_is_being_made_are_kept_with_it() {
    let mut story = Story::live();
    story.turn_and_answer();
    story.transcript("Can I come on Thursday?");
    story.pass(ms(300));
    assert_eq!(story.kept(), []);
    story.answer_ends(ResponseOutcome::Completed);
    let kept = story.kept();
    assert_eq!(kept.len(), 1);
    assert_eq!(said(&kept[0]), ["Can I come on Thursday?"]);
    story.pass(ms(2_500));
    assert_eq!(story.kept(), [], "once is enough");
}

#[test]
fn words_whose_answer_is_cut_are_kept_without_it() {
    let mut story = Story::live();
    story.turn_and_answer();
    story.transcript("Can I come on Thursday?");
    story.provider(ProviderEvent::SpeechStarted);
    story.answer_ends(ResponseOutcome::Cancelled);
    story.says(SPEECH, ms(2_100));
    let kept = story.kept();
    assert_eq!(kept.len(), 1);
    assert_eq!(said(&kept[0]), ["Can I come on Thursday?"]);
    assert!(kept[0].is_mid_turn, "the caller goes on speaking");
}

#[test]
fn who_has_waited_for_long_when_the_stream_begins_hears_a_word_at_once() {
    let spoken = |waited| {
        let mut story = Story::new();
        story.pass(ms(4_000));
        let checkpoint = Checkpoint {
            waited,
            ..Checkpoint::default()
        };
        let resumed = Input::Resumed(Origin::LineLost, Box::new(checkpoint));
        story.call.handle(story.now, resumed, &mut story.effects);
        story.start();
        story.pass(ms(20));
        story.wants(&Effect::Observe(Observation::Prompted(Prompt::OneMoment)))
    };
    assert!(spoken(ms(1_500)));
    assert!(!spoken(ms(300)), "the agent may be faster");
}
