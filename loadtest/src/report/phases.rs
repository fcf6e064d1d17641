//! The table of faults by what the call was doing just then.

use std::fmt::Write as _;

use super::{Column, Figure};

/// A row: what the call was doing, how often, and the gap's median, 99 % and longest.
const ROWS: [(&str, Figure, [Figure; 3]); 3] = [
    (
        "caller speaking",
        Figure::StruckSpeaking,
        [
            Figure::GapSpeakingP50,
            Figure::GapSpeakingP99,
            Figure::GapSpeakingMax,
        ],
    ),
    (
        "caller waiting",
        Figure::StruckWaiting,
        [
            Figure::GapWaitingP50,
            Figure::GapWaitingP99,
            Figure::GapWaitingMax,
        ],
    ),
    (
        "mid-answer",
        Figure::StruckMidAnswer,
        [
            Figure::GapMidAnswerP50,
            Figure::GapMidAnswerP99,
            Figure::GapMidAnswerMax,
        ],
    ),
];

/// Writes how long the model was missing after faults, by phase; nothing where none happened.
pub fn phases(columns: &[Column]) -> String {
    let mut text = String::new();
    for column in columns {
        let of = |figure| column.figures.get(figure);
        let struck = ROWS.iter().filter_map(|&(_, count, _)| of(count));
        if struck.sum::<f64>() <= 0.0 {
            continue;
        }
        let name = format!("{}: faults by phase", column.name);
        let written = writeln!(
            text,
            "{name:<26}{:>8}{:>10}{:>10}{:>10}",
            "faults", "gap p50", "p99", "max"
        );
        written.expect(WRITES);
        for (phase, count, gaps) in ROWS {
            let ms = |figure| of(figure).map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0} ms"));
            let [p50, p99, max] = gaps.map(ms);
            let count = of(count).unwrap_or_default();
            let written = writeln!(text, "  {phase:<24}{count:>8}{p50:>10}{p99:>10}{max:>10}");
            written.expect(WRITES);
        }
    }
    text
}

/// Why writing cannot fail.
const WRITES: &str = "a String takes whatever is written to it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Figures;

    #[test]
    fn faults_are_told_by_phase_and_none_are_not_told() {
        let column = |struck| {
            let mut figures = Figures::default();
            figures.set(Figure::StruckWaiting, struck);
            figures.set(Figure::GapWaitingP99, 812.4);
            Column {
                name: "server".into(),
                figures,
                rounds: Vec::new(),
                dialled: Vec::new(),
            }
        };
        assert_eq!(phases(&[column(0.0)]), "");
        let text = phases(&[column(3.0)]);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("812 ms"), "{text}");
    }
}
