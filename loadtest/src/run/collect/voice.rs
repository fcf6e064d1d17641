//! What the front door did: documents, streams, and how soon.

use std::time::Duration;

use super::{Sessions, Spread, Told, count, greeted, ms};
use crate::{
    report::{Figure, Figures},
    run::beside::Beheld,
    twilio::{
        VoiceReport,
        note::{End, Note, StreamOver, Why},
        voice_call::Delivery,
    },
};

/// Calls that came in through a number; nothing where there was none.
pub(super) fn tally(told: &[&Told], sessions: &Sessions<'_>, figures: &mut Figures) {
    let voices = || told.iter().filter_map(|told| told.voice());
    if voices().next().is_none() {
        return;
    }
    let sum = |of: fn(&VoiceReport) -> usize| count(voices().map(of).sum::<usize>() as u64);
    figures.set(Figure::Documents, sum(VoiceReport::documents));
    figures.set(Figure::DocumentsFailed, sum(|it| notes(it, is_failure)));
    figures.set(Figure::StreamsOpened, sum(VoiceReport::streams));
    figures.set(Figure::StreamsLost, sum(|it| notes(it, is_loss)));
    figures.set(
        Figure::CallsResumed,
        sum(|it| usize::from(it.streams() > 1)),
    );
    figures.set(Figure::CallbacksFailed, sum(callbacks_failed));
    let asked = Spread::of(voices().filter_map(voice_url));
    figures.set_some(Figure::VoiceUrlP50, asked.at(0.5));
    figures.set_some(Figure::VoiceUrlP99, asked.at(0.99));
    let between = Spread::of(voices().flat_map(VoiceReport::between_streams));
    figures.set_some(Figure::BetweenStreams, between.at(1.0));
    figures.set_some(Figure::BetweenStreamsP99, between.at(0.99));
    answers(voices(), figures);
    greeted::tally(told, sessions, figures);
}

/// How soon calls had their first document, wherever it came from.
fn answers<'a>(voices: impl Iterator<Item = &'a VoiceReport>, figures: &mut Figures) {
    let (mut longest, mut unanswered, mut fallbacks) = (None, 0, 0);
    for voice in voices {
        let document =
            |(at, note): &(Duration, Note)| matches!(note, Note::Document { .. }).then_some(*at);
        match voice.notes.iter().find_map(document) {
            Some(at) => longest = longest.max(Some(at.saturating_sub(voice.began))),
            // A caller who gave up before anybody could have answered is nobody's loss.
            None => unanswered += u64::from(voice.end != Some(End::CallerHungUp)),
        }
        fallbacks += notes(voice, is_fallback) as u64;
    }
    figures.set_some(Figure::AnsweredMax, longest.map(ms));
    figures.set(Figure::CallsUnanswered, count(unanswered));
    figures.set(Figure::Fallbacks, count(fallbacks));
}

fn is_fallback(note: &Note) -> bool {
    let why = Why::Fallback;
    matches!(note, Note::Asks { why: asked, .. } if *asked == why)
}

/// What whoever was there beside the callers got.
pub(super) fn beside(beheld: Option<&Beheld>, figures: &mut Figures) {
    let Some(beheld) = beheld else {
        return;
    };
    figures.set(Figure::StrangerSockets, count(beheld.sockets_opened));
    figures.set(Figure::ForgedAsked, count(beheld.forged));
    figures.set(Figure::ForgedServed, count(beheld.forged_served));
    figures.set(Figure::Answers, count(beheld.answers.len() as u64));
    figures.set(Figure::AnswersFailed, count(beheld.answers_failed));
    if beheld.hurried + beheld.hurried_failed > 0 {
        figures.set(Figure::Hurried, count(beheld.hurried));
        figures.set(Figure::HurriedFailed, count(beheld.hurried_failed));
    }
    let answers = Spread::of(beheld.answers.iter().copied());
    figures.set_some(Figure::AnswersP50, answers.at(0.5));
    figures.set_some(Figure::AnswersP99, answers.at(0.99));
}

fn notes(voice: &VoiceReport, is: fn(&Note) -> bool) -> usize {
    voice.notes.iter().filter(|(_, note)| is(note)).count()
}

fn is_failure(note: &Note) -> bool {
    matches!(note, Note::Failed { .. })
}

fn is_loss(note: &Note) -> bool {
    let lost = |over: &StreamOver| *over == StreamOver::Lost;
    matches!(note, Note::StreamOver { over, .. } if lost(over))
        || matches!(note, Note::NotOpened { .. })
}

fn callbacks_failed(voice: &VoiceReport) -> usize {
    let is_bad = |it: &&Delivery| !it.is_good();
    voice.deliveries.iter().filter(is_bad).count()
}

/// From the call's coming in to its first document, if the Voice URL gave one.
fn voice_url(voice: &VoiceReport) -> Option<Duration> {
    let is_asked = |note: &Note| {
        matches!(
            note,
            Note::Asks {
                why: Why::Voice,
                ..
            }
        )
    };
    let mut after = voice.notes.iter().skip_while(|(_, note)| !is_asked(note));
    after.next()?;
    match after.next() {
        Some((_, Note::Document { after, .. })) => Some(*after),
        Some(_) | None => None,
    }
}
