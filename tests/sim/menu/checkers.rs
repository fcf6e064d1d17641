//! What must hold for every menu, whatever the caller does and whatever is answered.

use std::time::Duration;

use ringback::core::call::effect::EndReason;
use ringback::core::call::menu::{Asked, Caller, Choice, Consent, Given, Promised, Recorded};
use ringback::core::call::prompt::Prompt;

use super::desk::{Seen, keyed};
use super::places::{Journey, Place, journey};
use crate::checkers::Finding;
use crate::setup::{Life, Setup};

/// Words may be this long, with what the carrier and the network take.
const WORDS: Duration = Duration::from_secs(30);

/// From a wish to words, whatever the store does.
const OWED_MAX: Duration = Duration::from_millis(1_100);

/// Everything that is wrong with a call that had a menu.
pub(crate) fn judge(setup: &Setup, life: &Life) -> Vec<Finding> {
    let mut findings = Vec::new();
    let journey = journey(&life.menu);
    ends(setup, life, &journey, &mut findings);
    no_dead_air(setup, &journey, &mut findings);
    promised_once(&journey, &mut findings);
    told_what_is_kept(life, &journey, &mut findings);
    no_key_lost(setup, &journey, &mut findings);
    number_as_keyed(&journey, &mut findings);
    message_conserved(&journey, &mut findings);
    returns_in_time(setup, &journey, &mut findings);
    silence_is_no_yes(setup, &journey, &mut findings);
    findings
}

/// "Every menu ends": within its bound, for a reason that fits, and nothing is left over.
fn ends(setup: &Setup, life: &Life, journey: &Journey<'_>, findings: &mut Vec<Finding>) {
    let menu = &setup.call.menu;
    let began = journey.iter().rfind(|step| *step.2 == Seen::Apologized);
    let ended = journey.iter().rfind(|step| *step.2 == Seen::Ended);
    let returned = journey.iter().any(|step| *step.2 == Seen::Returned);
    if let (Some((began, ..)), Some((ended, ..)), false) = (began, ended, returned) {
        let longest = menu.total_max + menu.message_max + WORDS;
        if ended.saturating_sub(*began) > longest {
            findings.push(("every menu ends", format!("{began:?} to {ended:?}")));
        }
    }
    let is_right = match life.reason {
        Some(EndReason::Transferred) => menu.person && prompted(journey, Prompt::Transferring),
        Some(EndReason::MessageLeft) => journey.iter().any(|step| *step.2 == Seen::End(true)),
        Some(EndReason::Promised) => {
            let words = [Prompt::Promised, Prompt::AlreadyPromised, Prompt::TextSent];
            words.into_iter().any(|words| prompted(journey, words))
        }
        Some(EndReason::Apologized | EndReason::CallerHungUp) => true,
        Some(EndReason::Goodbye) | None => began.is_none() || returned,
        Some(_) => false,
    };
    let is_over = life.reason.is_some() && life.phone.ended.is_some();
    if !is_right || !is_over || !life.leaked.is_empty() || life.seated > 0 {
        let what = format!(
            "{:?}, {:?}, leaked {:?}, {} seats",
            life.reason, life.phone.ended, life.leaked, life.seated
        );
        findings.push(("every menu ends", what));
    }
}

fn prompted(journey: &Journey<'_>, prompt: Prompt) -> bool {
    journey.iter().any(|step| *step.2 == Seen::Prompted(prompt))
}

/// "No dead air": what is owed comes soon, and nobody who is asked for nothing hears nothing.
fn no_dead_air(setup: &Setup, journey: &Journey<'_>, findings: &mut Vec<Finding>) {
    let menu = &setup.call.menu;
    let mut silent_since = Duration::ZERO;
    for (at, place, seen) in journey {
        let longest = match place {
            Place::Outside | Place::Taping => None,
            Place::Promising | Place::Saving => Some(OWED_MAX),
            // An answer is waited for; the carrier's word that the words were heard may take a moment.
            Place::Offering | Place::Confirming => Some(menu.key_wait + ECHO),
            Place::Keying => Some(menu.number_wait + ECHO),
            Place::Inviting | Place::Beeping | Place::Closing => Some(ECHO),
        };
        let silent = at.saturating_sub(silent_since);
        if let Some(longest) = longest.filter(|longest| silent > *longest) {
            findings.push((
                "no dead air",
                format!("{silent:?} of {longest:?} while {place:?} at {at:?}"),
            ));
            return;
        }
        match seen {
            Seen::Sound(length) => silent_since = silent_since.max(*at) + *length,
            Seen::Clear | Seen::Begin => silent_since = *at,
            Seen::Wish(_) | Seen::Apologized | Seen::End(_) => silent_since = silent_since.max(*at),
            // Who keys wants nothing yet; a tape is the caller's own time.
            Seen::Key(_) if *place == Place::Keying => silent_since = silent_since.max(*at),
            Seen::Media(..) if *place == Place::Taping => silent_since = *at,
            _ => {}
        }
    }
}

/// From the end of words at the carrier to its word that they were heard, at the most; else they count as heard.
const ECHO: Duration = Duration::from_millis(2_050);

/// "Nobody is promised twice": another wish only where the last was refused for its number; nothing behind a promise.
fn promised_once(journey: &Journey<'_>, findings: &mut Vec<Finding>) {
    let mut asked = false;
    for (at, place, seen) in journey {
        match seen {
            Seen::Wish(_) if asked => {
                findings.push(("nobody is promised twice", format!("at {at:?}")));
            }
            Seen::Wish(_) => asked = true,
            Seen::Promised(Promised::CannotThisNumber) if *place == Place::Promising => {
                asked = false;
            }
            _ => {}
        }
    }
}

/// "Told is what is kept": nobody hears of a promise or of a message that is not.
fn told_what_is_kept(life: &Life, journey: &Journey<'_>, findings: &mut Vec<Finding>) {
    let (mut promised, mut already, mut texted, mut saved) = (false, false, false, false);
    for (at, place, seen) in journey {
        let is_true = match seen {
            Seen::Promised(Promised::Kept { asks: false }) if *place == Place::Promising => {
                promised = true;
                true
            }
            Seen::Promised(Promised::Already { asks: false }) if *place == Place::Promising => {
                already = true;
                true
            }
            Seen::Promised(Promised::Kept { .. } | Promised::Already { .. })
                if *place == Place::Promising =>
            {
                texted = true;
                true
            }
            Seen::Recorded(Recorded::Kept) if *place == Place::Saving => {
                saved = true;
                true
            }
            Seen::Prompted(Prompt::Promised) => promised,
            Seen::Prompted(Prompt::AlreadyPromised) => already,
            Seen::Prompted(Prompt::TextSent) => texted,
            Seen::Prompted(Prompt::MessageSaved) => saved,
            Seen::Ended => {
                life.reason != Some(EndReason::Promised) || promised || already || texted
            }
            _ => true,
        };
        // "No ring is promised where YES is needed" is the same rule, and worth its own name.
        let is_ring = matches!(
            seen,
            Seen::Prompted(Prompt::Promised | Prompt::AlreadyPromised)
        );
        if !is_true && is_ring && texted {
            findings.push((
                "no ring is promised where YES is needed",
                format!("{seen:?} at {at:?}"),
            ));
        } else if !is_true {
            findings.push(("told is what is kept", format!("{seen:?} at {at:?}")));
        }
    }
}

/// "No key is lost": a key that is asked for does at once what it is said to do, and silences what is being said.
fn no_key_lost(setup: &Setup, journey: &Journey<'_>, findings: &mut Vec<Finding>) {
    let menu = &setup.call.menu;
    let mut call_back = menu.call_back;
    let mut heard_until = Duration::ZERO;
    for (nth, (at, place, seen)) in journey.iter().enumerate() {
        match seen {
            Seen::Sound(length) => heard_until = heard_until.max(*at) + *length,
            Seen::Clear => heard_until = *at,
            Seen::Wish(_) => call_back = false,
            _ => {}
        }
        let Seen::Key(key) = seen else { continue };
        let follow: Vec<_> = journey[nth + 1..]
            .iter()
            .take_while(|(when, _, seen)| when == at && !matches!(seen, Seen::Key(_)))
            .map(|step| step.2)
            .collect();
        let does = |wanted: Seen| follow.contains(&&wanted);
        let points_out = || {
            does(Seen::Prompted(Prompt::InvalidKey))
                || follow.iter().any(|seen| matches!(seen, Seen::Chose(_)))
        };
        let is_done = match (place, key) {
            (Place::Offering, '1') if call_back => does(Seen::Chose(Choice::CallBack)),
            (Place::Offering, '2') if menu.person => does(Seen::Chose(Choice::Person)),
            (Place::Offering, '3') if menu.message => does(Seen::Chose(Choice::Message)),
            (Place::Confirming, '1') => follow.iter().any(|seen| matches!(seen, Seen::Wish(_))),
            (Place::Confirming, '2') => {
                does(Seen::Prompted(Prompt::AskNumber))
                    || follow.iter().any(|seen| matches!(seen, Seen::Chose(_)))
            }
            (Place::Offering | Place::Confirming, _) | (Place::Keying, '*') => points_out(),
            (Place::Inviting, _) => does(Seen::Prompted(Prompt::Tone)),
            (Place::Taping, _) => follow.iter().any(|seen| matches!(seen, Seen::End(_))),
            _ => continue,
        };
        let is_silent = *place == Place::Taping || heard_until <= *at || does(Seen::Clear);
        if !is_done || !is_silent {
            let what = format!("{key} while {place:?} at {at:?}: {follow:?}");
            findings.push(("no key is lost", what));
        }
    }
}

/// "The number is the one that was keyed": every digit since it was asked for, and no other.
fn number_as_keyed(journey: &Journey<'_>, findings: &mut Vec<Finding>) {
    let mut typed = String::new();
    let mut asked = String::new();
    for (at, place, seen) in journey {
        match seen {
            Seen::Prompted(Prompt::AskNumber) => typed.clear(),
            Seen::Key(digit @ '0'..='9') if *place == Place::Keying => typed.push(*digit),
            Seen::Prompted(Prompt::ConfirmNumber) => asked.clone_from(&typed),
            Seen::Wish(wish) if keyed(wish).is_some_and(|digits| digits != asked) => {
                findings.push(("the number is the one that was keyed", format!("at {at:?}")));
            }
            _ => {}
        }
    }
}

/// "The message is what was said": between the tone and the end every frame once, in order; kept only if there were words.
fn message_conserved(journey: &Journey<'_>, findings: &mut Vec<Finding>) {
    let begun = journey.iter().filter(|step| *step.2 == Seen::Begin).count();
    let ended = journey
        .iter()
        .filter(|step| matches!(step.2, Seen::End(_)))
        .count();
    let (mut said, mut taped, mut loud) = (Vec::new(), Vec::new(), 0);
    let mut is_open = false;
    let mut before = 0;
    for (_, _, seen) in journey {
        match seen {
            Seen::Begin => is_open = true,
            Seen::End(keep) => {
                is_open = false;
                // Our ear takes a quarter of a second to know speech, and more where it is broken.
                let wrong = (*keep && loud + before < 5) || (!*keep && loud >= 60);
                if wrong {
                    let what = format!("keep {keep}, though {loud} frames are loud");
                    findings.push(("the message is what was said", what));
                }
            }
            Seen::Media(is_loud, print) if is_open => {
                said.push(*print);
                loud += usize::from(*is_loud);
            }
            Seen::Media(true, _) => before += 1,
            Seen::Taped(print) => taped.push(*print),
            _ => {}
        }
    }
    if begun != ended || begun > 1 || said != taped {
        let what = format!(
            "{begun} begun, {ended} ended, {} of {} frames",
            taped.len(),
            said.len()
        );
        findings.push(("the message is what was said", what));
    }
}

/// "Who has chosen has chosen": a model takes over only where nothing was chosen, and where the business wants that.
fn returns_in_time(setup: &Setup, journey: &Journey<'_>, findings: &mut Vec<Finding>) {
    let mut chosen = false;
    for (at, _, seen) in journey {
        match seen {
            Seen::Apologized => chosen = false,
            Seen::Chose(_) => chosen = true,
            Seen::Returned if chosen || !setup.call.menu.return_to_model => {
                findings.push(("who has chosen has chosen", format!("at {at:?}")));
            }
            _ => {}
        }
    }
}

/// "Silence is no yes": a wish that nobody uttered only where the business takes silence for one, for the number of the call.
fn silence_is_no_yes(setup: &Setup, journey: &Journey<'_>, findings: &mut Vec<Finding>) {
    let may = setup.call.menu.consent == Consent::Implied;
    for (at, _, seen) in journey {
        if let Seen::Wish(wish) = seen {
            let own = wish.number == Asked::Own;
            let is_known = setup.desk.caller == Caller::Textable;
            let is_implied = wish.consent == Given::Implied;
            if (is_implied && !(may && own)) || (own && !is_known) {
                findings.push(("silence is no yes", format!("{wish:?} at {at:?}")));
            }
        }
    }
}
