//! Barge-in: the caller speaks, and what the agent was saying stops at once, here, at the carrier and in the model's memory.

use crate::core::call::effect::{Effects, ProviderCommand};
use crate::core::call::live::Live;
use crate::core::call::memory::Voice;
use crate::core::time::Instant;

/// The caller takes the floor. Does nothing if the agent is silent and makes no response.
///
/// Also after the model has finished: it speaks faster than real time, and the carrier may have seconds of it left.
pub(super) fn interrupt(live: &mut Live, now: Instant, effects: &mut Effects) {
    if !live.line.downlink.has_unheard(now) && !live.session.is_responding() {
        return;
    }
    let unsaid = live.forget_unsaid();
    let cuts = live.line.interrupt(now, effects);
    live.session.cut(effects);
    for item in unsaid {
        effects.to_provider(live.session.attempt, ProviderCommand::Delete { item });
    }
    live.answer.cut();
    for cut in cuts {
        let Voice::Item(attempt, item) = cut.voice else {
            continue; // A prompt: no session said it.
        };
        if attempt != live.session.attempt {
            continue; // Said by a session that is gone: nobody to tell.
        }
        // A provider refuses to truncate at nothing.
        let command = if cut.heard.as_millis() == 0 {
            ProviderCommand::Delete { item }
        } else {
            ProviderCommand::Truncate {
                item,
                heard: cut.heard,
            }
        };
        effects.to_provider(attempt, command);
    }
    if let Some(goodbye) = live.goodbye.take() {
        effects.to_provider(
            live.session.attempt,
            ProviderCommand::GoodbyeDeclined(goodbye.tool_call),
        );
    }
}
