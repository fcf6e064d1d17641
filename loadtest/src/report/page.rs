//! A report as one page for a browser: nothing in it is fetched from anywhere, and no script runs.

use std::{fmt::Write as _, time::Duration};

use super::{
    Figures, Objective,
    course::{Course, Panel},
    objective::Plain,
    svg::{self, COLOURS, escaped},
};

/// What a page tells.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The name of what was run.
    pub name: &'a str,
    /// What it is about, in a sentence.
    pub about: &'a str,
    /// What chance was drawn from.
    pub seed: u64,
    /// Calls at a time.
    pub calls: u32,
    /// What must hold.
    pub objectives: &'a [Objective],
    /// What was measured.
    pub figures: &'a Figures,
    /// What was told, and when.
    pub told: &'a [(Duration, String)],
    /// What there is to draw.
    pub course: &'a Course,
}

/// Why writing cannot fail.
const WRITES: &str = "a String takes whatever is written to it";

const STYLE: &str = "
:root{--ink:#1b1f24;--paper:#fff;--faint:#d8dde3;--good:#1a7f37;--bad:#cf222e;--c0:#0969da;--c1:#bf8700;--c2:#cf222e;--c3:#8250df}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--faint:#30363d;--good:#3fb950;--bad:#f85149;--c0:#58a6ff;--c1:#d29922;--c2:#f85149;--c3:#a371f7}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:1040px;margin:2em auto;padding:0 1em}
h1{margin-bottom:0}h2{margin:1.6em 0 .3em;font-size:1.1em}.good{color:var(--good)}.bad{color:var(--bad)}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.2em .6em;border-bottom:1px solid var(--faint);vertical-align:top}
td.o{white-space:nowrap}td.n{text-align:right;white-space:nowrap;width:1%;font-variant-numeric:tabular-nums}svg{width:100%;height:auto;display:block}
.grid{stroke:var(--faint)}.axis{fill:var(--ink);opacity:.7;font:10px sans-serif}.mark{stroke:var(--ink);stroke-dasharray:3 3;opacity:.6}
text.mark{stroke:none;fill:var(--ink);font:10px sans-serif}.limit{stroke:var(--bad);stroke-dasharray:6 4}path{fill:none;stroke-width:1.6}circle{opacity:.7}
path.c0{stroke:var(--c0)}path.c1{stroke:var(--c1)}path.c2{stroke:var(--c2)}path.c3{stroke:var(--c3)}
circle.c0{fill:var(--c0)}circle.c1{fill:var(--c1)}circle.c2{fill:var(--c2)}circle.c3{fill:var(--c3)}
.k{display:inline-block;margin-right:1.2em}.k i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}
.k0{background:var(--c0)}.k1{background:var(--c1)}.k2{background:var(--c2)}.k3{background:var(--c3)}
pre{overflow-x:auto;border:1px solid var(--faint);padding:.6em}
";

/// The page.
pub fn page(page: &Page<'_>) -> String {
    let Page {
        name,
        about,
        seed,
        calls,
        ..
    } = page;
    let all_hold = page
        .objectives
        .iter()
        .all(|it| it.failure(page.figures).is_none());
    let (class, verdict) = if all_hold {
        ("good", "All objectives hold.")
    } else {
        ("bad", "Objectives do not hold.")
    };
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{0}</title><style>{STYLE}</style>\n<h1>{0}</h1>\n<p>{1} {calls} calls at a time, seed {seed}.</p>\n\
         <p class=\"{class}\"><strong>{verdict}</strong></p>\n",
        escaped(name),
        escaped(about),
    );
    objectives(&mut html, page);
    marks(&mut html, page.course);
    for panel in &page.course.panels {
        self::panel(&mut html, page.course, panel);
    }
    told(&mut html, page);
    figures(&mut html, page.figures);
    html.push_str("</html>\n");
    html
}

fn objectives(html: &mut String, page: &Page<'_>) {
    html.push_str("<h2>Objectives</h2>\n<table>");
    for objective in page.objectives {
        let holds = objective.failure(page.figures).is_none();
        let (class, word) = if holds {
            ("good", "holds")
        } else {
            ("bad", "fails")
        };
        let value = objective.value(page.figures);
        let value = value.map_or_else(|| "not measured".to_owned(), |it| Plain(it).to_string());
        let about = escaped(objective.about());
        writeln!(
            html,
            "<tr><td class=\"{class}\">{word}<td class=\"o\">{objective}<td class=\"n\">{value}<td>{about}"
        )
        .expect(WRITES);
    }
    html.push_str("</table>\n");
}

fn marks(html: &mut String, course: &Course) {
    if course.marks.is_empty() {
        return;
    }
    html.push_str("<h2>What was done</h2>\n<table>");
    for (nth, (at, what)) in course.marks.iter().enumerate() {
        let at = at.saturating_sub(course.span.0).as_secs_f64();
        let (nth, what) = (nth + 1, escaped(what));
        writeln!(
            html,
            "<tr><td class=\"n\">{nth}<td class=\"n\">{at:.1} s<td>{what}"
        )
        .expect(WRITES);
    }
    html.push_str("</table>\n");
}

fn panel(html: &mut String, course: &Course, panel: &Panel) {
    writeln!(html, "<h2>{}</h2>\n<div>", escaped(&panel.title)).expect(WRITES);
    for (nth, series) in panel.series.iter().enumerate() {
        let (colour, name) = (nth % COLOURS, escaped(&series.name));
        writeln!(
            html,
            "<span class=\"k\"><i class=\"k{colour}\"></i>{name}</span>"
        )
        .expect(WRITES);
    }
    html.push_str("</div>\n");
    html.push_str(&svg::panel(course, panel));
}

fn told(html: &mut String, page: &Page<'_>) {
    html.push_str("<h2>Line by line</h2>\n<pre>");
    let begin = page.course.span.0;
    for (at, what) in page.told {
        let at = at.as_secs_f64() - begin.as_secs_f64();
        writeln!(html, "{at:>8.1} s  {}", escaped(what)).expect(WRITES);
    }
    html.push_str("</pre>\n");
}

fn figures(html: &mut String, figures: &Figures) {
    html.push_str("<h2>All figures</h2>\n<table>");
    for (figure, value) in figures.iter() {
        let (name, unit, about) = (figure.name(), figure.unit(), escaped(figure.about()));
        let value = Plain(value);
        writeln!(
            html,
            "<tr><td>{name}<td class=\"n\">{value} {unit}<td>{about}"
        )
        .expect(WRITES);
    }
    html.push_str("</table>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Figure, Form, Series};

    #[test]
    fn a_page_says_what_does_not_hold_draws_what_there_is_and_fetches_nothing() {
        let secs = Duration::from_secs;
        let mut figures = Figures::default();
        figures.set(Figure::CallsLost, 3.0);
        let series = |form| Series {
            name: "live <calls>".into(),
            form,
            points: vec![(secs(10), 2.0), (secs(12), 40.0)],
        };
        let course = Course {
            span: (secs(10), secs(20)),
            marks: vec![(secs(11), "east-1 is killed".into())],
            panels: vec![Panel {
                title: "calls".into(),
                limit: Some(30.0),
                series: vec![series(Form::Steps), series(Form::Dots)],
            }],
        };
        let objectives = ["calls_lost_max", "kills_min"].map(|key| Objective::parse(key, 0.0));
        let objectives = objectives.map(Result::unwrap);
        let html = page(&Page {
            name: "kill-node",
            about: "A node dies.",
            seed: 1,
            calls: 40,
            objectives: &objectives,
            figures: &figures,
            told: &[(secs(11), "east-1 is killed".into())],
            course: &course,
        });
        for expected in [
            "Objectives do not hold",
            "calls_lost ≤ 0<td class=\"n\">3<td>",
            "kills ≥ 0<td class=\"n\">not measured",
            "1.0 s<td>east-1 is killed",
            "live &lt;calls&gt;",
            "<path class=\"c0\"",
            "<circle class=\"c1\"",
            "class=\"limit\"",
        ] {
            assert!(html.contains(expected), "{expected}\n{html}");
        }
        for foreign in ["<script", "http://", "https://", "src=", "@import"] {
            assert!(!html.contains(foreign), "{foreign}");
        }
    }
}
