//! Panels as SVG: lines, steps and dots over time, without a script.
//!
//! Owns places and sizes. Colours are classes, which the [page](super::page) knows.

use std::{fmt::Write as _, time::Duration};

use super::course::{Course, Form, Panel, Series};

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 22.0;
/// Lines across, above the lowest.
const GRID: u32 = 4;
/// Times below, at most.
const TICKS_MAX: f64 = 12.0;
/// Colours that there are.
pub(super) const COLOURS: usize = 4;
/// Why writing cannot fail.
const WRITES: &str = "a String takes whatever is written to it";

/// From time and value to places.
struct Scale {
    begin: f64,
    seconds: f64,
    most: f64,
}

impl Scale {
    fn of(course: &Course, panel: &Panel) -> Self {
        let (begin, over) = course.span;
        let values = panel.series.iter().flat_map(|series| &series.points);
        let values = values.map(|(_, value)| *value).chain(panel.limit);
        Self {
            begin: begin.as_secs_f64(),
            seconds: over.saturating_sub(begin).as_secs_f64().max(1.0),
            most: round_up(values.fold(1.0, f64::max)),
        }
    }

    fn x(&self, at: Duration) -> f64 {
        let share = (at.as_secs_f64() - self.begin) / self.seconds;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = (value / self.most).clamp(0.0, 1.0);
        TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM)
    }
}

/// The next of 1, 2, 5, 10, 20 and so on that is no less.
fn round_up(value: f64) -> f64 {
    let mut decade = 1.0;
    loop {
        for step in [1.0, 2.0, 5.0] {
            if step * decade >= value || !value.is_finite() {
                return step * decade;
            }
        }
        decade *= 10.0;
    }
}

/// One panel.
pub(super) fn panel(course: &Course, panel: &Panel) -> String {
    let scale = Scale::of(course, panel);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escaped(&panel.title)
    );
    grid(&mut svg, &scale, course);
    marks(&mut svg, &scale, course);
    if let Some(limit) = panel.limit {
        let y = scale.y(limit);
        let line = format!(
            "<line class=\"limit\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n",
            WIDTH - RIGHT
        );
        svg.push_str(&line);
    }
    for (nth, series) in panel.series.iter().enumerate() {
        draw(&mut svg, &scale, series, nth % COLOURS);
    }
    svg.push_str("</svg>\n");
    svg
}

fn grid(svg: &mut String, scale: &Scale, course: &Course) {
    for nth in 0..=GRID {
        let value = scale.most * f64::from(nth) / f64::from(GRID);
        let y = scale.y(value);
        writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"axis\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 3.5,
            trimmed(value),
        )
        .expect(WRITES);
    }
    let every = round_up(scale.seconds / TICKS_MAX);
    let mut at = 0.0;
    while at <= scale.seconds {
        let x = scale.x(course.span.0 + Duration::from_secs_f64(at));
        let y = HEIGHT - 6.0;
        writeln!(
            svg,
            "<text class=\"axis\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{} s</text>",
            trimmed(at)
        )
        .expect(WRITES);
        at += every;
    }
}

fn marks(svg: &mut String, scale: &Scale, course: &Course) {
    for (nth, (at, what)) in course.marks.iter().enumerate() {
        let (x, bottom) = (scale.x(*at), HEIGHT - BOTTOM);
        writeln!(
            svg,
            "<g><title>{}</title><line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
             <text class=\"mark\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{}</text></g>",
            escaped(what),
            TOP - 4.0,
            nth + 1,
        )
        .expect(WRITES);
    }
}

fn draw(svg: &mut String, scale: &Scale, series: &Series, colour: usize) {
    match series.form {
        Form::Dots => {
            for (at, value) in &series.points {
                let (x, y) = (scale.x(*at), scale.y(*value));
                writeln!(
                    svg,
                    "<circle class=\"c{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>"
                )
                .expect(WRITES);
            }
        }
        Form::Steps => {
            let mut path = String::new();
            for (nth, (at, value)) in series.points.iter().enumerate() {
                let (x, y) = (scale.x(*at), scale.y(*value));
                let step = if nth == 0 {
                    format!("M{x:.1} {y:.1}")
                } else {
                    format!("H{x:.1}V{y:.1}")
                };
                path.push_str(&step);
            }
            writeln!(svg, "<path class=\"c{colour}\" d=\"{path}\"/>").expect(WRITES);
        }
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Text as it may stand in a page.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
