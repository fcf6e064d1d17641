//! What a drill's report draws: live calls, those without a stream, dead air, gaps, documents, and sessions of each model.
//!
//! Owns the sums, second by second, over what carriers and models' doubles have seen.

use std::time::Duration;

use crate::{
    model::dials::End,
    report::{Course, Form, POINTS_MAX, Panel, Series},
    run::{
        callers::{Outcome, Told},
        house::Seen,
    },
    twilio::note::{Note, StreamOver, Why},
};

/// From when to when.
type Span = (Duration, Duration);

/// Numbers are taken so often.
const STEP: Duration = Duration::from_millis(500);
/// More steps are not shown: half an hour.
const STEPS_MAX: u32 = 3_600;
/// What callers may be left without, by the drills' objectives.
const AUDIBLE_LIMIT_MS: f64 = 2_500.0;
const DEAD_AIR_LIMIT_MS: f64 = 2_000.0;
/// Shorter silence is how people speak.
const GAP_MIN: Duration = Duration::from_millis(500);

pub(super) fn of(
    outcomes: &[Outcome],
    seen: &[Seen],
    (begin, over): Span,
    marks: &[(Duration, String)],
) -> Course {
    let told: Vec<&Told> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Over(told) => Some(&**told),
            Outcome::Refused(_) => None,
        })
        .collect();
    let first = told.iter().map(|told| told.began).min();
    let span = (first.unwrap_or(begin).min(begin), over);
    let mut panels = vec![
        calls(&told, span),
        gaps(&told),
        documents(&told, span),
        sessions(seen, span),
        dials(seen, span),
    ];
    panels.extend(fallback(seen, span));
    Course {
        span,
        marks: marks.to_vec(),
        panels,
    }
}

/// Calls that are live, that have no stream, and that hear nothing while an answer is owed.
fn calls(told: &[&Told], span: Span) -> Panel {
    let live: Vec<Span> = told.iter().map(|told| (told.began, told.ended)).collect();
    let cut: Vec<Span> = told.iter().flat_map(|told| without_stream(told)).collect();
    let owed = told.iter().flat_map(|told| &told.report.gaps);
    let owed: Vec<Span> = owed.map(|gap| (gap.from, gap.to)).collect();
    Panel {
        title: "calls".into(),
        limit: None,
        series: vec![
            count("live", &live, span),
            count("whose model is awaited", &owed, span),
            count("without a stream", &cut, span),
        ],
    }
}

/// From the loss of each stream to the next, or to the end.
fn without_stream(told: &Told) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut lost = None;
    for (at, note) in told.voice().iter().flat_map(|voice| &voice.notes) {
        match note {
            Note::StreamOver { over, .. } if *over != StreamOver::ByCarrier => lost = Some(*at),
            Note::Opened { .. } => spans.extend(lost.take().map(|lost| (lost, *at))),
            Note::StreamOver { .. }
            | Note::Asks { .. }
            | Note::Document { .. }
            | Note::Failed { .. }
            | Note::Warns { .. }
            | Note::Answered
            | Note::Begins { .. }
            | Note::Keys { .. }
            | Note::Opens { .. }
            | Note::NotOpened { .. }
            | Note::Dialled { .. }
            | Note::Updated
            | Note::Ended(_) => {}
        }
    }
    spans
}

/// Each gap, and the longest silence of each call, where they ended.
fn gaps(told: &[&Told]) -> Panel {
    let gaps = told.iter().flat_map(|told| &told.report.gaps);
    let gaps = gaps.map(|gap| (gap.to, gap.to.saturating_sub(gap.from)));
    let silences = told
        .iter()
        .map(|told| (told.report.dead_air_ended, told.report.dead_air_max));
    let between = told.iter().flat_map(|told| without_stream(told));
    let between = between.map(|(from, to)| (to, to.saturating_sub(from)));
    Panel {
        title: "milliseconds that callers waited".into(),
        limit: Some(AUDIBLE_LIMIT_MS.max(DEAD_AIR_LIMIT_MS)),
        series: vec![
            dots("for the model", gaps.filter(|(_, gap)| *gap >= GAP_MIN)),
            dots("in silence, the longest of each call", silences),
            dots("for another stream", between),
        ],
    }
}

/// Documents asked for, a second.
fn documents(told: &[&Told], span: Span) -> Panel {
    let notes = || {
        told.iter()
            .filter_map(|told| told.voice())
            .flat_map(|voice| &voice.notes)
    };
    let asked = |is: fn(Why) -> bool| {
        let asks = move |note: &Note| matches!(note, Note::Asks { why, .. } if is(*why));
        let those = notes().filter(|(_, note)| asks(note));
        those.map(|(at, _)| *at).collect::<Vec<_>>()
    };
    let failed = notes().filter(|(_, note)| matches!(note, Note::Failed { .. }));
    let failed: Vec<_> = failed.map(|(at, _)| *at).collect();
    Panel {
        title: "documents a second".into(),
        limit: None,
        series: vec![
            rate("of new calls", &asked(|why| why == Why::Voice), span),
            rate(
                "after a stream",
                &asked(|why| matches!(why, Why::Action(_))),
                span,
            ),
            rate(
                "by the fallback URL",
                &asked(|why| why == Why::Fallback),
                span,
            ),
            rate("failed", &failed, span),
        ],
    }
}

/// Sessions of each model.
fn sessions(seen: &[Seen], span: Span) -> Panel {
    let series = seen.iter().map(|seen| {
        let lives = seen.sessions.iter().filter_map(|session| {
            let ended = session.ended.map_or(span.1, |ended| ended.at);
            Some((session.opened?, ended))
        });
        count(&seen.name, &lives.collect::<Vec<_>>(), span)
    });
    Panel {
        title: "sessions of models".into(),
        limit: None,
        series: series.collect(),
    }
}

/// Sessions that are begun, and dials that come to nothing, a second.
fn dials(seen: &[Seen], span: Span) -> Panel {
    let all = || seen.iter().flat_map(|seen| &seen.sessions);
    let opened: Vec<_> = all().filter_map(|session| session.opened).collect();
    let struck: Vec<_> = all().filter_map(|session| session.first_fault).collect();
    let zero = span.0;
    let dials = seen.iter().flat_map(|seen| &seen.dials.list.list);
    let failed = dials.filter(|dial| !matches!(dial.end, End::Opened(_)));
    let failed: Vec<_> = failed.map(|dial| zero + dial.at).collect();
    Panel {
        title: "sessions a second".into(),
        limit: None,
        series: vec![
            rate("begun", &opened, span),
            rate("dials that came to nothing", &failed, span),
            rate("ended by a fault", &struck, span),
        ],
    }
}

/// The share of sessions that are not at the first of several models.
fn fallback(seen: &[Seen], span: Span) -> Option<Panel> {
    let (first, others) = seen
        .split_first()
        .filter(|(_, others)| !others.is_empty())?;
    let lives = |seen: &Seen| {
        let lives = seen.sessions.iter().filter_map(|session| {
            let ended = session.ended.map_or(span.1, |ended| ended.at);
            Some((session.opened?, ended))
        });
        lives.collect::<Vec<Span>>()
    };
    let (first, others) = (
        lives(first),
        others.iter().flat_map(lives).collect::<Vec<_>>(),
    );
    let under_way = |lives: &[Span], at: Duration| {
        number(
            lives
                .iter()
                .filter(|(from, to)| *from <= at && at < *to)
                .count(),
        )
    };
    let share = |at: Duration| {
        let elsewhere = under_way(&others, at);
        100.0 * elsewhere / (elsewhere + under_way(&first, at)).max(1.0)
    };
    Some(Panel {
        title: "sessions that are not at the first model, %".into(),
        limit: None,
        series: vec![Series {
            name: "of all sessions".into(),
            form: Form::Steps,
            points: steps(span.0, span.1).map(|at| (at, share(at))).collect(),
        }],
    })
}

/// How many of these are under way, step by step.
fn count(name: &str, spans: &[Span], (begin, over): Span) -> Series {
    let value = |at: Duration| {
        let now = spans.iter().filter(|(from, to)| *from <= at && at < *to);
        number(now.count())
    };
    let points = steps(begin, over).map(|at| (at, value(at)));
    Series {
        name: name.to_owned(),
        form: Form::Steps,
        points: points.collect(),
    }
}

/// How often it happened, step by step, a second.
fn rate(name: &str, times: &[Duration], (begin, over): Span) -> Series {
    let value = |at: Duration| {
        let now = times.iter().filter(|time| (at..at + STEP).contains(*time));
        number(now.count()) / STEP.as_secs_f64()
    };
    let points = steps(begin, over).map(|at| (at, value(at)));
    Series {
        name: name.to_owned(),
        form: Form::Steps,
        points: points.collect(),
    }
}

fn dots(name: &str, points: impl Iterator<Item = (Duration, Duration)>) -> Series {
    let points = points.map(|(at, long)| (at, long.as_secs_f64() * 1_000.0));
    let mut points: Vec<_> = points.take(POINTS_MAX).collect();
    points.sort_by_key(|(at, _)| *at);
    Series {
        name: name.to_owned(),
        form: Form::Dots,
        points,
    }
}

fn steps(begin: Duration, over: Duration) -> impl Iterator<Item = Duration> {
    let steps = (0..STEPS_MAX).map(move |nth| begin + STEP * nth);
    steps.take_while(move |at| *at <= over)
}

fn number(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
