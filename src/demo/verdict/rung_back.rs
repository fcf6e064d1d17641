//! What the demo says of the call that was lost and of the one that its caller was promised.

use std::path::PathBuf;
use std::time::Duration;

use loadtest::call::voice_complaints;
use loadtest::model::report::SessionReport;
use loadtest::recording::Recording;
use loadtest::twilio::VoiceReport;
use loadtest::twilio::network::tally::PhoneSeen;

use super::{DEAD_AIR_MAX, conclude, judge_memory, tell};

/// The call that was lost, and what became of its caller.
pub(in crate::demo) struct RungBack {
    pub(in crate::demo) lost: VoiceReport,
    /// When the providers died.
    pub(in crate::demo) killed: Duration,
    /// What the caller's phone got.
    pub(in crate::demo) phone: PhoneSeen,
    /// The call back.
    pub(in crate::demo) back: VoiceReport,
    /// The session that was told of an earlier conversation.
    pub(in crate::demo) session: Option<SessionReport>,
}

/// Says how it went; `true` if the caller was served as promised, and once.
pub(in crate::demo) fn rung_back(
    outcome: &RungBack,
    recording: &Recording,
    [lost, back]: &[PathBuf; 2],
) -> bool {
    let mut wrong = voice_complaints(&outcome.lost);
    wrong.extend(voice_complaints(&outcome.back));
    wrong.extend(judge_apology(outcome));
    wrong.extend(judge_phone(&outcome.phone));
    match &outcome.session {
        None => wrong.push("no model was told of the earlier conversation".to_owned()),
        Some(session) => {
            let turns = usize::try_from(outcome.lost.call.turns_said).unwrap_or(usize::MAX);
            wrong.extend(judge_memory(turns, ("the model", session), recording));
        }
    }
    let call = &outcome.back.call;
    if call.heard_prompt("ring_back").is_none() {
        wrong.push("who was rung back did not hear why".to_owned());
    }
    if call.answer_latencies.is_empty() || call.turns_unanswered > 0 {
        wrong.push("the conversation did not go on".to_owned());
    }
    tell(&format!(
        "what was heard of the call that was lost: {}",
        lost.display()
    ));
    let praise =
        "the caller was told at once, texted once, rung once, and went on where the line was lost";
    conclude(&wrong, back, praise)
}

/// Whether the caller heard the apology in time, and was told of the promise.
fn judge_apology(outcome: &RungBack) -> Vec<String> {
    let mut wrong = Vec::new();
    let call = &outcome.lost.call;
    let is_apology = |heard: &&loadtest::carrier::PromptHeard| heard.name == "apology";
    let apology = call.prompts.iter().find(is_apology);
    match apology.filter(|_| call.heard_prompt("apology").is_some()) {
        None => wrong.push("the apology was not heard".to_owned()),
        Some(apology) => {
            // What the carrier had of the sentence was heard still.
            let items = call.items.iter();
            let ends = items.filter_map(|item| Some(item.first_played? + item.played()));
            let silent_from = ends.max().unwrap_or_default().max(outcome.killed);
            let after = apology.began.saturating_sub(silent_from);
            tell(&format!(
                "\nboth providers died in mid-sentence; the caller heard the apology after a gap of {} ms",
                after.as_millis()
            ));
            if after > DEAD_AIR_MAX {
                wrong.push("the caller heard nothing for too long".to_owned());
            }
        }
    }
    if call.heard_prompt("promised").is_none() {
        wrong.push("the caller was promised nothing".to_owned());
    }
    wrong
}

/// One text and one ring, and both came.
fn judge_phone(phone: &PhoneSeen) -> Vec<String> {
    let mut wrong = Vec::new();
    let texts = phone.texts.iter().filter(|text| text.accepted);
    let (texts, rings) = (texts.count(), phone.rings.len());
    tell(&format!(
        "texts to the caller's phone: {texts}, rings: {rings}"
    ));
    if texts != 1 || !phone.texts.iter().any(|text| text.delivered) {
        wrong.push("there was not one text".to_owned());
    }
    if rings != 1 || !phone.rings.iter().all(|ring| ring.rang && ring.connected) {
        wrong.push("there was not one ring that was answered".to_owned());
    }
    wrong
}
