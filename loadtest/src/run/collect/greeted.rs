//! Who was greeted twice: a call that goes on is no new one, whoever has it now.
//!
//! Owns what a greeting is: of a recording, that its caller had heard it before; of a model, that it was asked to speak first, was
//! told of nothing that was said before, and was heard for a second. What a model said too late to be heard greets nobody.

use std::time::Duration;

use super::{Sessions, Told, count};
use crate::{
    carrier::CallReport,
    model::report::{AskedBy, SessionReport},
    report::{Figure, Figures},
};

/// So much of a greeting tells a caller that it is one, in µ-law bytes: a second.
const ENOUGH_BYTES: u64 = 8_000;
/// Calls of which it is told.
const COMPLAINTS_MAX: usize = 10;

/// Calls that came in through a number.
pub(super) fn tally(told: &[&Told], sessions: &Sessions<'_>, figures: &mut Figures) {
    let twice = told.iter().filter(|told| {
        told.report.greeted_again > 0 || greetings(&told.report, sessions).count() > 1
    });
    figures.set(Figure::GreetedTwice, count(twice.count() as u64));
}

/// Which calls were greeted twice, by which sessions and when; ten at most.
pub(super) fn complaints(told: &[&Told], sessions: &Sessions<'_>) -> Vec<String> {
    let of_call = |told: &&Told| {
        let report = &told.report;
        let greetings: Vec<_> = greetings(report, sessions)
            .map(|(session, at)| format!("session {session} at {:.1} s", at.as_secs_f64()))
            .collect();
        let again = report.greeted_again;
        (greetings.len() > 1 || again > 0).then(|| {
            format!(
                "call {} was greeted twice: {again} times again by a recording; by models: {}",
                report.number,
                greetings.join(", ")
            )
        })
    };
    (told.iter().filter_map(of_call))
        .take(COMPLAINTS_MAX)
        .collect()
}

/// The sessions that greeted the caller of this call, and when.
fn greetings<'a>(
    report: &'a CallReport,
    sessions: &'a Sessions<'_>,
) -> impl Iterator<Item = (u32, Duration)> + 'a {
    let of = sessions.of(report.number).iter();
    of.filter_map(|session| Some((session.session, heard_to_greet(report, session)?)))
}

/// When the caller heard this session begin as if nothing had been said before.
fn heard_to_greet(report: &CallReport, session: &SessionReport) -> Option<Duration> {
    let first = session.responses.list.first()?;
    if !session.seeds.list.is_empty() || first.asked_by != AskedBy::Client {
        return None;
    }
    let greeting = session.spoken.list.first()?.item;
    let is_it = |stream: u32, item: u16| stream == session.session && item == greeting;
    let mut played = report.items.iter();
    let played = played.find(|played| is_it(played.stream, played.item))?;
    let enough = played.bytes_played >= ENOUGH_BYTES;
    played.first_played.filter(|_| enough)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        carrier::PlayedItem,
        model::{
            ModelSession,
            report::{Response, Role, Said, SpokenItem},
            settings::ModelSettings,
        },
    };

    const AT: Duration = Duration::from_secs(3);

    /// A session that was asked to speak first.
    fn session(number: u32) -> SessionReport {
        let settings = Arc::new(ModelSettings::default());
        let mut report = ModelSession::new(settings, Arc::default(), number, 1).report();
        report.responses.list.push(Response {
            asked_by: AskedBy::Client,
            asked: AT,
            instructed: true,
            created: Some(AT),
            first_audio: Some(AT),
            done: None,
        });
        report.spoken.list.push(SpokenItem {
            item: 1,
            bytes: 16_000,
            words: "Good day!".into(),
        });
        report
    }

    fn heard(bytes_played: u64) -> CallReport {
        let mut played = PlayedItem::of(7, AT);
        played.bytes_played = bytes_played;
        CallReport {
            items: vec![played],
            ..CallReport::default()
        }
    }

    #[test]
    fn who_is_heard_to_begin_anew_greets() {
        assert_eq!(heard_to_greet(&heard(8_000), &session(7)), Some(AT));
    }

    #[test]
    fn what_was_hardly_heard_or_not_at_all_greets_nobody() {
        assert_eq!(heard_to_greet(&heard(7_999), &session(7)), None);
        assert_eq!(heard_to_greet(&heard(8_000), &session(8)), None);
    }

    #[test]
    fn who_knows_what_was_said_or_answers_the_caller_greets_nobody() {
        let mut told = session(7);
        told.seeds.list.push(Said {
            role: Role::System,
            text: "The line was reconnected.".into(),
        });
        assert_eq!(heard_to_greet(&heard(8_000), &told), None);
        let mut answers = session(7);
        answers.responses.list[0].asked_by = AskedBy::Turn;
        assert_eq!(heard_to_greet(&heard(8_000), &answers), None);
    }
}
