//! A call as a story for people: what the caller says and hears, and what the call decides. No frames, no marks.

use std::time::Duration;

use loadtest::carrier::{Ended, Happening};
use loadtest::model::report::AskedBy;
use ringback::core::call::effect::EndReason;
use ringback::core::call::prompt::Prompt;
use ringback::core::observation::Observation;

use crate::setup::{Life, Setup};
use crate::succession::reigns;

/// Shorter gaps are how people speak.
const BREATH: Duration = Duration::from_millis(500);

/// The story of this call.
pub(crate) fn story(setup: &Setup, life: &Life) -> String {
    let mut lines: Vec<(Duration, &str, String)> = Vec::new();
    for (at, what) in &life.happenings {
        lines.push((*at, "caller", happening(setup, *what)));
    }
    for (at, seen) in &life.observations {
        lines.extend(observed(life, seen).map(|line| (*at, "call", line)));
    }
    for leg in life.legs.values() {
        let first = leg.session.as_ref().and_then(|session| session.first_fault);
        let struck = name(leg.provider.0);
        lines.extend(first.map(|at| (at, "fault", format!("strikes {struck}"))));
    }
    for reign in reigns(life).iter().skip(1) {
        let first = reign.session.responses.list.first();
        let does = first.map(|asked| match (asked.asked_by, asked.instructed) {
            (AskedBy::Client, true) => "is asked for the rest of the answer",
            (AskedBy::Client, false) => "is asked to speak",
            (AskedBy::Turn | AskedBy::Fault, _) => "answers what it was given",
        });
        let taker = name(life.legs[&reign.attempt].provider.0);
        lines.extend(
            first
                .zip(does)
                .map(|(asked, does)| (asked.asked, "model", format!("{taker} {does}"))),
        );
    }
    lines.sort_by_key(|(at, ..)| rounded(*at));
    let lines = lines
        .iter()
        .map(|(at, who, line)| format!("{:>6.2}  {who:<7} {line}", rounded(*at).as_secs_f64()));
    let mut story: Vec<String> = lines.collect();
    let gaps = life.phone.gaps.iter();
    let gaps = gaps.filter(|gap| gap.to.saturating_sub(gap.from) >= BREATH);
    let gaps: Vec<String> = gaps.map(gap).collect();
    story.push(String::new());
    story.push(format!("the model was waited for: {}", gaps.join(", ")));
    let silent = rounded(life.phone.dead_air_max).as_secs_f64();
    story.push(format!(
        "the longest silence while something was owed: {silent:.2} s"
    ));
    story.join("\n") + "\n"
}

fn gap(gap: &loadtest::carrier::Gap) -> String {
    let lasted = rounded(gap.to.saturating_sub(gap.from)).as_secs_f64();
    let more = if gap.answered { "" } else { " (in vain)" };
    format!("{lasted:.2} s{more}")
}

/// To 10 ms.
fn rounded(at: Duration) -> Duration {
    let hundredths = (at.as_micros() + 5_000) / 10_000;
    Duration::from_millis(u64::try_from(hundredths).unwrap() * 10)
}

fn name(provider: u8) -> String {
    format!("provider-{}", provider + 1)
}

fn happening(setup: &Setup, what: Happening) -> String {
    match what {
        Happening::Started => "is on the line".to_owned(),
        Happening::TurnBegan {
            turn,
            again,
            barges_in,
        } => {
            let text = &setup.recording.caller[turn].line.text;
            let how = match (again, barges_in) {
                (true, _) => "says again",
                (false, true) => "interrupts",
                (false, false) => "says",
            };
            format!("{how} \"{text}\"")
        }
        Happening::TurnEnded { .. } => "has said it".to_owned(),
        Happening::Key { .. } | Happening::MenuKey => "presses a key".to_owned(),
        Happening::PromptBegan { .. } => "hears a prompt".to_owned(),
        Happening::AgentBegan { after: Some(after) } => {
            let after = rounded(after).as_secs_f64();
            format!("hears the agent, after {after:.2} s")
        }
        Happening::AgentBegan { after: None } => "hears something".to_owned(),
        Happening::AgentEnded => "has heard the last of it".to_owned(),
        Happening::Cleared { .. } => "hears the agent fall silent".to_owned(),
        Happening::Ended(Ended::ServerClosed { .. }) => "is hung up on".to_owned(),
        Happening::Ended(Ended::HungUp | Ended::TooLong) => "hangs up".to_owned(),
        Happening::Ended(Ended::GaveUp) => "has had enough".to_owned(),
        Happening::Violated(what) => format!("is sent what should not be: {what:?}"),
    }
}

fn observed(life: &Life, seen: &Observation) -> Option<String> {
    let provider = |attempt| name(life.legs[attempt].provider.0);
    Some(match seen {
        Observation::Dialled { attempt, .. } => format!("dials {}", provider(attempt)),
        Observation::NotAdmitted(why) => format!("finds nobody to dial: {}", why.name()),
        Observation::SessionReady { attempt, .. } => format!("{} is ready", provider(attempt)),
        Observation::AttemptFailed { attempt, fault } => {
            format!("{} has failed: {fault}", provider(attempt))
        }
        Observation::FailedOver { attempt, after } => {
            let after = rounded(*after).as_secs_f64();
            format!(
                "goes on with {}, {after:.2} s after the loss",
                provider(attempt)
            )
        }
        Observation::Rotated { attempt } => format!("moves to {}", provider(attempt)),
        Observation::AskedAgain { .. } => "asks the same session again".to_owned(),
        Observation::HeldOverflowed => "takes no more of this answer".to_owned(),
        Observation::Prompted(prompt) => match prompt {
            Prompt::Greeting => "plays the greeting".to_owned(),
            Prompt::OneMoment => "plays \"one moment\"".to_owned(),
            Prompt::StillHere => "plays \"I'm still here\"".to_owned(),
            Prompt::ApologyOnly => "plays the apology".to_owned(),
            prompt => format!("plays {}", prompt.name()),
        },
        Observation::Chose(choice) => format!("takes that for the choice of {}", choice.name()),
        Observation::CallBackTold { told, .. } => {
            format!("knows of the call back: {}", told.name())
        }
        Observation::MessageOver(left) => format!("has a message: {}", left.name()),
        Observation::Returned { attempt, .. } => format!("goes on with {}", provider(attempt)),
        Observation::CallEnded { reason, .. } => match reason {
            EndReason::CallerHungUp => return None, // The caller's own line says so.
            reason => format!("is over: {}", reason.name()),
        },
        // Told by what the caller hears, or of no interest to one who listens.
        Observation::CallStarted { .. }
        | Observation::FailingOver { .. }
        | Observation::HedgeWon { .. }
        | Observation::HedgeWasted { .. }
        | Observation::Gap { .. }
        | Observation::DeadAir { .. }
        | Observation::Apologized { .. }
        | Observation::FirstAudio { .. }
        | Observation::Answered { .. }
        | Observation::BargedIn { .. }
        | Observation::UplinkOverflowed { .. }
        | Observation::LateAudio
        | Observation::LateEvent
        | Observation::UnknownMark
        | Observation::MessageRefused(_)
        | Observation::UnknownCarrierEvent
        | Observation::ProviderIgnored(_)
        | Observation::ResponseFailed { .. } => return None,
    })
}
