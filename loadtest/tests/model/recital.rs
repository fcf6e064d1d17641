//! Words that a client gives to the model to speak as they are.

use loadtest::model::faults::{FaultRow, Faults, What, When};
use loadtest::model::recital::Mishap;
use loadtest::model::settings::ModelSettings;
use serde_json::{Value, json};

use crate::driver::{Story, line, plain};

const WORDS: &str = "Please hold the line, somebody will be with you.";

fn recite(words: &str) -> Value {
    json!({"type": "response.create", "response": {
        "conversation": "none",
        "instructions": "Read this aloud, word for word.",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}],
    }})
}

fn transcript(done: &Value) -> &Value {
    &done["response"]["output"][0]["content"][0]["transcript"]
}

#[test]
fn words_are_spoken_as_they_are_and_the_conversation_hears_nothing_of_it() {
    let mut story = Story::ready(plain(), vec![line("So it is.", 1_000)], 1);
    story.client(recite(WORDS));
    let done = story.wait_for("response.done");
    assert_eq!(done["response"]["status"], "completed");
    assert_eq!(transcript(&done), WORDS);
    assert_eq!(story.all("conversation.item.added").len(), 0);
    assert!(story.session.report().conversation.is_empty());
    // The script has not gone on.
    story.client(json!({"type": "response.create"}));
    let done = story.wait_for("response.done");
    assert_ne!(transcript(&done), WORDS);
    assert_eq!(story.all("conversation.item.added").len(), 1);
}

#[test]
fn a_mishap_is_told_by_the_transcript_where_words_go_wrong() {
    for (mishap, says_words) in [
        (Mishap::OtherWords, false),
        (Mishap::Declines, false),
        (Mishap::Faint, true),
        (Mishap::Silent, true),
    ] {
        let settings = ModelSettings {
            faults: Faults(vec![FaultRow {
                when: When::Ready,
                what: What::Recites(mishap),
                share: 1.0,
            }]),
            ..plain()
        };
        let mut story = Story::ready(settings, vec![], 2);
        story.client(recite(WORDS));
        let done = story.wait_for("response.done");
        assert_eq!(transcript(&done) == WORDS, says_words, "{mishap:?}: {done}");
    }
}

#[test]
fn what_is_no_recital_is_not_made_outside_of_the_conversation() {
    let mut story = Story::ready(plain(), vec![], 3);
    let mut answer = recite(WORDS);
    answer["response"]["instructions"] = json!("Answer this.");
    let refused = story.client(answer);
    assert_eq!(story.error_for(&refused)["param"], "response.input");
    let mut nothing = recite(WORDS);
    nothing["response"]["input"] = json!([]);
    let refused = story.client(nothing);
    assert_eq!(story.error_for(&refused)["param"], "response.input");
}
