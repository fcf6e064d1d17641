//! What a run says at its end: figures, a table for people, JSON for machines, and a verdict.
//!
//! Owns the names of figures and the rules by which they are judged. Where the numbers come from: [`crate::run`].

mod course;
mod figure;
mod objective;
mod page;
mod phases;
mod svg;

use std::fmt::Write as _;

pub use course::{Course, Form, POINTS_MAX, Panel, Series};
pub use figure::{Figure, Figures};
pub use objective::{Objective, verdict};
pub use page::{Page, page};
pub use phases::phases;
use serde_json::{Map, Value, json};

use crate::model::dials::{Dials, Second};
use objective::Plain;

/// Figures of one subject: the server under test, or what it is compared with.
#[derive(Clone, Debug)]
pub struct Column {
    /// Whose: `server`, `relay`, `plain`.
    pub name: String,
    /// Over all rounds.
    pub figures: Figures,
    /// Of each round.
    pub rounds: Vec<Figures>,
    /// How its models were dialled in the last round.
    pub dialled: Vec<Dialled>,
}

/// How one model was dialled.
#[derive(Clone, Debug)]
pub struct Dialled {
    /// The model's name.
    pub model: String,
    /// By whom nobody knows; when, and what became of it.
    pub dials: Dials,
}

/// How models were dialled, second by second, where there is more to tell than that each dial was a session.
pub fn dials(columns: &[Column]) -> String {
    let mut text = String::new();
    for column in columns {
        let are_all_open = |it: &Dialled| it.dials.total().opened == it.dials.total().dials();
        if column.dialled.len() == 1 && column.dialled.iter().all(are_all_open) {
            continue;
        }
        for Dialled { model, dials } in &column.dialled {
            let total = dials.total();
            append(
                &mut text,
                format_args!(
                    "{}: {model} was dialled {} times: {} opened, {} refused, {} reset, {} hung\n",
                    column.name,
                    total.dials(),
                    total.opened,
                    total.refused,
                    total.reset,
                    total.hung,
                ),
            );
            let rates: Vec<_> = rates(dials).iter().map(ToString::to_string).collect();
            append(&mut text, format_args!("  a second: {}\n", rates.join(" ")));
        }
    }
    text
}

/// Dials of each second from the first on; an hour at most.
fn rates(dials: &Dials) -> Vec<u32> {
    const SECONDS_MAX: u64 = 3_600;
    let last = dials.seconds.keys().next_back().copied();
    let seconds = last.map_or(0, |last| last.min(SECONDS_MAX - 1) + 1);
    let of = |second| dials.seconds.get(&second).map_or(0, Second::dials);
    (0..seconds).map(of).collect()
}

/// Writes the figures of all subjects as a table.
pub fn table(columns: &[Column]) -> String {
    let mut text = format!("{:<26}", "");
    for column in columns {
        append(&mut text, format_args!("{:>14}", column.name));
    }
    text.push('\n');
    for &figure in Figure::ALL {
        if columns
            .iter()
            .all(|column| column.figures.get(figure).is_none())
        {
            continue;
        }
        append(&mut text, format_args!("{:<26}", figure.name()));
        for column in columns {
            let value = column.figures.get(figure);
            let value = value.map_or_else(
                || "–".to_owned(),
                |value| format!("{} {}", Plain(value), figure.unit()),
            );
            append(&mut text, format_args!("{:>14}", value.trim_end()));
        }
        text.push('\n');
    }
    text
}

/// The whole report as JSON.
pub fn to_json(plan: &str, columns: &[Column], verdict: &Result<String, String>) -> Value {
    let subjects: Map<_, _> = columns
        .iter()
        .map(|column| {
            let rounds: Vec<_> = column.rounds.iter().map(object).collect();
            let models: Map<_, _> = column.dialled.iter().map(dialled).collect();
            let figures = object(&column.figures);
            let value = json!({ "figures": figures, "rounds": rounds, "models": models });
            (column.name.clone(), value)
        })
        .collect();
    let line = match verdict {
        Ok(line) | Err(line) => line,
    };
    json!({ "plan": plan, "subjects": subjects, "objectives_hold": verdict.is_ok(), "verdict": line })
}

fn dialled(it: &Dialled) -> (String, Value) {
    let total = it.dials.total();
    let value = json!({
        "dials": total.dials(), "opened": total.opened, "refused": total.refused,
        "reset": total.reset, "hung": total.hung, "dials_a_second": rates(&it.dials),
    });
    (it.model.clone(), value)
}

fn object(figures: &Figures) -> Value {
    figures
        .iter()
        .map(|(figure, value)| (figure.name().to_owned(), json!(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn append(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("a String takes whatever is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_a_figure_and_a_column_a_subject() {
        let mut figures = Figures::default();
        figures.set(Figure::UpP99, 1.25);
        let columns = ["server", "relay"].map(|name| Column {
            name: name.into(),
            figures: figures.clone(),
            rounds: vec![figures.clone()],
            dialled: Vec::new(),
        });
        let text = table(&columns);
        assert!(text.contains("server"), "{text}");
        assert!(text.contains("1.25 ms"), "{text}");
        assert_eq!(text.lines().count(), 2, "what nobody measured is not shown");
        let json = to_json("steady", &columns, &Err("no".into()));
        assert_eq!(json["subjects"]["relay"]["figures"]["up_p99_ms"], 1.25);
        assert_eq!(json["objectives_hold"], false);
    }
}
