//! What a run says at its end: figures, a table for people, JSON for machines, and a verdict.
//!
//! Owns the names of figures and the rules by which they are judged. Where the numbers come from: [`crate::run`].

mod figure;
mod objective;

use std::fmt::Write as _;

pub use figure::{Figure, Figures};
pub use objective::{Objective, verdict};
use serde_json::{Map, Value, json};

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
            let value = json!({ "figures": object(&column.figures), "rounds": rounds });
            (column.name.clone(), value)
        })
        .collect();
    let line = match verdict {
        Ok(line) | Err(line) => line,
    };
    json!({ "plan": plan, "subjects": subjects, "objectives_hold": verdict.is_ok(), "verdict": line })
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
