//! What the network is like at a moment: a pure function of the plan and the time.

use std::time::Duration;

use super::plan::{Row, Way, What};

/// What the network is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// From whoever connected to where it leads.
    pub up: Road,
    /// Back.
    pub down: Road,
    /// New connections are reset.
    pub refuses: bool,
    /// How often by now all connections were to be reset; a connection that sees it grow is.
    pub resets: u64,
    /// How often they were to be closed.
    pub closes: u64,
    /// How often the far side was to be closed without the near one being told.
    pub half_up: u64,
    /// And the near side without the far one being told.
    pub half_down: u64,
}

/// One direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Road {
    /// Everything takes this much longer.
    pub latency: Duration,
    /// And up to this much more, drawn for each piece; pieces do not overtake each other.
    pub jitter: Duration,
    /// So much goes through in a second; `None`: all of it.
    pub bytes_per_second: Option<u32>,
    /// What comes is swallowed, the end of the connection too.
    pub black_hole: bool,
}

impl Weather {
    /// The weather that these rows make `now`. Latencies add up, the narrowest bandwidth holds.
    pub fn of(rows: &[Row], now: Duration) -> Self {
        let mut weather = Self::default();
        for row in rows {
            if row.what.is_moment() {
                weather.count(row, now);
            } else if row.span.is_open(now) {
                weather.add(row);
            }
        }
        weather
    }

    fn count(&mut self, row: &Row, now: Duration) {
        let times = row.begun(now);
        match row.what {
            What::Reset => self.resets += times,
            What::Close => self.closes += times,
            What::HalfOpen if row.way == Way::Down => self.half_down += times,
            What::HalfOpen => self.half_up += times,
            // These last.
            What::Latency { .. } | What::Bandwidth { .. } | What::BlackHole | What::Refuse => {}
        }
    }

    fn add(&mut self, row: &Row) {
        let (up, down) = (row.way != Way::Down, row.way != Way::Up);
        for road in [up.then_some(&mut self.up), down.then_some(&mut self.down)] {
            let Some(road) = road else { continue };
            match row.what {
                What::Latency { ms, jitter_ms } => {
                    road.latency += Duration::from_millis(ms.into());
                    road.jitter += Duration::from_millis(jitter_ms.into());
                }
                What::Bandwidth { bytes_per_second } => {
                    let before = road.bytes_per_second.unwrap_or(u32::MAX);
                    road.bytes_per_second = Some(before.min(bytes_per_second.max(1)));
                }
                What::BlackHole => road.black_hole = true,
                // The first is no matter of a direction, and the others do not last.
                What::Refuse | What::Reset | What::Close | What::HalfOpen => {}
            }
        }
        self.refuses |= row.what == What::Refuse;
    }
}
