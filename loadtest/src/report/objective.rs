//! What a plan asks of its figures.

use std::fmt;

use super::figure::{Figure, Figures};

/// A bound on a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    figure: Figure,
    bound: Bound,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Min,
    Max,
}

impl Objective {
    /// An objective as a plan writes it: the name of a figure with `_min` or `_max`. The error says what is allowed.
    pub fn parse(key: &str, limit: f64) -> Result<Self, String> {
        let (name, bound) = if let Some(name) = key.strip_suffix("_min") {
            (name, Bound::Min)
        } else if let Some(name) = key.strip_suffix("_max") {
            (name, Bound::Max)
        } else {
            return Err("allowed: a figure's name followed by _min or _max".into());
        };
        let figure = Figure::named(name).ok_or_else(|| {
            let names: Vec<_> = Figure::ALL.iter().map(|figure| figure.name()).collect();
            format!("allowed figures: {}", names.join(", "))
        })?;
        Ok(Self {
            figure,
            bound,
            limit,
        })
    }

    /// What was measured of it; `None`: nothing.
    pub fn value(&self, figures: &Figures) -> Option<f64> {
        figures.get(self.figure)
    }

    /// What it is about, in a sentence.
    pub fn about(&self) -> &'static str {
        self.figure.about()
    }

    /// `None` if it holds, else what to say about it. What could not be measured does not hold.
    pub fn failure(&self, figures: &Figures) -> Option<String> {
        let Some(value) = figures.get(self.figure) else {
            return Some(format!("{self}: not measured"));
        };
        let holds = match self.bound {
            Bound::Min => value >= self.limit,
            Bound::Max => value <= self.limit,
        };
        (!holds).then(|| format!("{self}: was {}", Plain(value)))
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.bound {
            Bound::Min => "≥",
            Bound::Max => "≤",
        };
        write!(f, "{} {sign} {}", self.figure.name(), Plain(self.limit))
    }
}

/// The last line of a run: whether all objectives hold, and if not, which did not and why.
pub fn verdict(objectives: &[Objective], figures: &Figures) -> Result<String, String> {
    let failures: Vec<_> = objectives
        .iter()
        .filter_map(|objective| objective.failure(figures))
        .collect();
    if failures.is_empty() {
        Ok("all objectives hold".into())
    } else {
        Err(format!(
            "objectives that do not hold: {}",
            failures.join("; ")
        ))
    }
}

/// A number with as many decimals as it needs, three at most.
pub(super) struct Plain(pub f64);

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.3}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_fails_with_its_figure_and_what_is_not_measured_fails_too() {
        let objectives = [
            Objective::parse("frames_lost_max", 0.0).unwrap(),
            Objective::parse("calls_completed_min", 10.0).unwrap(),
            Objective::parse("cpu_ratio_to_relay_max", 1.5).unwrap(),
        ];
        let mut figures = Figures::default();
        figures.set(Figure::FramesLost, 2.0);
        figures.set(Figure::CallsCompleted, 10.0);
        let verdict_of = |figures: &Figures| verdict(&objectives, figures);
        assert_eq!(
            verdict_of(&figures).unwrap_err(),
            "objectives that do not hold: frames_lost ≤ 0: was 2; cpu_ratio_to_relay ≤ 1.5: not measured"
        );
        figures.set(Figure::FramesLost, 0.0);
        figures.set(Figure::CpuRatioToRelay, 1.25);
        assert_eq!(verdict_of(&figures).unwrap(), "all objectives hold");
    }

    #[test]
    fn an_objective_on_nothing_says_what_there_is() {
        let wrong = Objective::parse("frame_lost_max", 0.0).unwrap_err();
        assert!(wrong.contains("frames_lost, "), "{wrong}");
        assert!(Objective::parse("frames_lost", 0.0).is_err());
    }
}
