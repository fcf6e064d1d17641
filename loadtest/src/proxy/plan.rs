//! The words for a bad network: rows of a TOML plan, and orders in lines of text.

use std::time::Duration;

use serde::Deserialize;

use crate::span::Span;

/// A plan for a proxy, as it stands in its file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// What goes wrong.
    pub faults: Vec<Row>,
    /// What chance is drawn from.
    pub seed: u64,
}

/// Something that goes wrong, and when: since the proxy began.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Row {
    pub(super) span: Span,
    /// In which direction.
    pub way: Way,
    /// What goes wrong.
    pub what: What,
}

/// A direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Both.
    #[default]
    Both,
    /// From whoever connected to where the proxy leads.
    Up,
    /// Back.
    Down,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// Everything comes later.
    Latency {
        /// By this.
        ms: u32,
        /// And by up to this much more.
        #[serde(default)]
        jitter_ms: u32,
    },
    /// Less goes through.
    Bandwidth {
        /// So much.
        bytes_per_second: u32,
    },
    /// What comes is taken and swallowed.
    BlackHole,
    /// New connections are reset.
    Refuse,
    /// All connections are reset, at this moment.
    Reset,
    /// All connections are closed in order, at this moment.
    Close,
    /// All connections are closed on one side, at this moment: on the far one, or with the way `down` on the near one. The other
    /// side is not told; what it sends is swallowed.
    HalfOpen,
}

/// What may be ordered, for messages.
const ORDERS: &str = "allowed: latency MS [JITTER_MS], bandwidth BYTES_PER_SECOND, black_hole, refuse, reset, close, half_open, each with up, down or both; clear";

impl Row {
    /// It is so from the beginning on, or happens then.
    pub fn new(what: What, way: Way) -> Self {
        Self {
            span: Span::from(Duration::ZERO),
            way,
            what,
        }
    }

    /// An order in words: what, its numbers, and the way. The error says what is allowed.
    pub fn parse(order: &str) -> Result<Self, String> {
        let wrong = || format!("{order}: {ORDERS}");
        let mut words: Vec<_> = order.split_ascii_whitespace().collect();
        let way = match words.last() {
            Some(&"up") => Some(Way::Up),
            Some(&"down") => Some(Way::Down),
            Some(&"both") => Some(Way::Both),
            Some(_) | None => None,
        };
        if way.is_some() {
            words.pop();
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let what = match words.as_slice() {
            ["latency", ms] => What::Latency {
                ms: number(ms)?,
                jitter_ms: 0,
            },
            ["latency", ms, jitter_ms] => What::Latency {
                ms: number(ms)?,
                jitter_ms: number(jitter_ms)?,
            },
            ["bandwidth", bytes_per_second] => What::Bandwidth {
                bytes_per_second: number(bytes_per_second)?,
            },
            ["black_hole"] => What::BlackHole,
            ["refuse"] => What::Refuse,
            ["reset"] => What::Reset,
            ["close"] => What::Close,
            ["half_open"] => What::HalfOpen,
            _ => return Err(wrong()),
        };
        Ok(Self::new(what, way.unwrap_or_default()))
    }

    /// As it is, but from then on.
    pub(super) fn at(self, from: Duration) -> Self {
        Self {
            span: Span::from(from),
            ..self
        }
    }

    /// How often it has begun by now.
    pub(super) fn begun(&self, now: Duration) -> u64 {
        self.span.begun(now)
    }
}

/// A row as it stands in a plan.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    from_ms: u64,
    to_ms: Option<u64>,
    every_ms: Option<u64>,
    #[serde(default)]
    way: Way,
    what: What,
}

impl TryFrom<Written> for Row {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written {
            from_ms,
            to_ms,
            every_ms,
            way,
            what,
        } = written;
        let span = Span::parse(from_ms, to_ms, every_ms, what.is_moment())?;
        Ok(Self { span, way, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::weather::Weather;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_plan_makes_the_weather_of_each_moment() {
        let plan: Plan = toml::from_str(
            r#"
            seed = 7
            faults = [
                { from_ms = 100, to_ms = 200, every_ms = 1000, what = { latency = { ms = 50, jitter_ms = 5 } } },
                { from_ms = 150, way = "up", what = { latency = { ms = 10 } } },
                { from_ms = 150, way = "down", what = { bandwidth = { bytes_per_second = 8000 } } },
                { from_ms = 300, to_ms = 400, way = "down", what = "black_hole" },
                { from_ms = 500, every_ms = 100, what = "reset" },
                { from_ms = 500, way = "down", what = "half_open" },
                { from_ms = 600, what = "refuse" },
            ]
            "#,
        )
        .unwrap();
        let weather = |ms| Weather::of(&plan.faults, MS(ms));
        assert_eq!(weather(99), Weather::default());
        assert_eq!(weather(100).up.latency, MS(50));
        assert_eq!(
            (weather(150).up.latency, weather(150).down.latency),
            (MS(60), MS(50))
        );
        assert_eq!(weather(1_199).up.latency, MS(60));
        assert_eq!(
            (
                weather(150).up.bytes_per_second,
                weather(150).down.bytes_per_second
            ),
            (None, Some(8_000))
        );
        assert!(weather(399).down.black_hole && !weather(399).up.black_hole);
        assert!(!weather(400).down.black_hole);
        assert_eq!(
            (
                weather(499).resets,
                weather(500).resets,
                weather(725).resets
            ),
            (0, 1, 3)
        );
        assert_eq!((weather(500).half_up, weather(500).half_down), (0, 1));
        assert!(!weather(599).refuses && weather(600).refuses);
    }

    #[test]
    fn an_order_is_a_line_and_a_wrong_one_says_what_is_allowed() {
        let row = Row::parse(" latency 100 20  up ").unwrap();
        let what = What::Latency {
            ms: 100,
            jitter_ms: 20,
        };
        assert_eq!(row, Row::new(what, Way::Up));
        assert_eq!(
            Row::parse("half_open").unwrap(),
            Row::new(What::HalfOpen, Way::Both)
        );
        for wrong in [
            "latency",
            "latency fast",
            "black hole",
            "reset 3",
            "up",
            "bandwidth -1",
        ] {
            let error = Row::parse(wrong).unwrap_err();
            assert!(
                error.contains(wrong) && error.contains("half_open"),
                "{error}"
            );
        }
        assert!(toml::from_str::<Plan>("faults = [{ what = 'reset', to_ms = 5 }]").is_err());
    }
}
