//! How loaded the process is, measured: a task that looks at itself a few times a second, and a number that all may read.
//!
//! What the stages mean and when they begin is decided by [`crate::core::overload`]. Live calls are never touched by it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::Shared;
use super::drain::Stage as Exit;
use crate::core::overload::{Overload, OverloadSettings, Sample, Stage};

/// The stage that holds now. Read without a lock.
#[derive(Debug)]
pub(super) struct Load {
    stage: AtomicU8,
    settings: OverloadSettings,
}

impl Load {
    /// All is well so far.
    pub(super) const fn new(settings: OverloadSettings) -> Self {
        Self {
            stage: AtomicU8::new(0),
            settings,
        }
    }

    /// The stage that holds now: a gauge for metrics as well (0, 1, 2).
    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Normal,
            1 => Stage::Lean,
            _ => Stage::Full,
        }
    }

    pub(super) fn set(&self, stage: Stage) {
        let number = match stage {
            Stage::Normal => 0,
            Stage::Lean => 1,
            Stage::Full => 2,
        };
        self.stage.store(number, Ordering::Relaxed);
    }
}

/// Looks at the process until it stops.
pub(super) async fn watch(shared: Arc<Shared>) {
    let tasks = shared.tasks.clone();
    let mut stopping = std::pin::pin!(tasks.reached(Exit::Stopping));
    let interval = shared.overload.settings.sample_interval;
    let mut overload = Overload::new(shared.overload.settings.clone());
    let mut worked = Worked::default();
    loop {
        let due = shared.clock.now() + interval;
        tokio::select! {
            () = &mut stopping => return,
            () = tokio::time::sleep_until(shared.clock.timer_at(due)) => {}
        }
        let now = shared.clock.now();
        let lag = now.since(due);
        shared.telemetry.loop_lagged(lag);
        let sample = Sample {
            lag,
            cpu_percent: worked.percent(interval + lag),
            memory_bytes: resident_bytes().unwrap_or_default(),
            calls: shared.calls.sockets(),
            calls_max: shared.calls.sockets_max(),
        };
        if let Some(before) = overload.record(now, sample) {
            let stage = overload.stage();
            shared.overload.set(stage);
            tell(before, stage, sample);
        }
    }
}

fn tell(before: Stage, stage: Stage, sample: Sample) {
    let Sample {
        lag,
        cpu_percent,
        memory_bytes,
        calls,
        calls_max,
    } = sample;
    let lag_ms = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    let (from, to) = (before.name(), stage.name());
    if stage > before {
        tracing::warn!(
            from,
            to,
            lag_ms,
            cpu_percent,
            memory_bytes,
            calls,
            calls_max,
            "overload"
        );
    } else {
        tracing::info!(from, to, "overload eases");
    }
}

/// The CPU time of the process, from sample to sample.
#[derive(Default)]
struct Worked {
    ticks: Option<u64>,
}

impl Worked {
    /// How much of the CPU that it may use the process took in the `passed` time since it was last asked, in percent.
    fn percent(&mut self, passed: Duration) -> u32 {
        let ticks = cpu_ticks();
        let before = std::mem::replace(&mut self.ticks, ticks);
        let (Some(before), Some(ticks)) = (before, ticks) else {
            return 0;
        };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let worked = u128::from(ticks.saturating_sub(before)) * TICK_MILLIS * 100;
        let could = passed.as_millis() * u128::try_from(cores).unwrap_or(1);
        let percent = worked.checked_div(could).unwrap_or_default();
        u32::try_from(percent.min(100)).unwrap_or(100)
    }
}

/// Linux counts CPU time for programs in hundredths of a second on all its machines.
const TICK_MILLIS: u128 = 10;

/// User and system time of this process. Reading it never waits: the kernel writes it as it is read.
fn cpu_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name stands in parentheses and may hold anything; what follows are numbers.
    let (_, numbers) = stat.rsplit_once(") ")?;
    let mut numbers = numbers.split(' ').skip(11);
    let user: u64 = numbers.next()?.parse().ok()?;
    let system: u64 = numbers.next()?.parse().ok()?;
    Some(user + system)
}

/// Memory that is resident; `None` where the system does not tell.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_its_memory_and_its_work() {
        assert!(resident_bytes().unwrap() > 1024 * 1024);
        let before = cpu_ticks().unwrap();
        let mut sum = 0_u64;
        // Until the kernel has counted at least one tick of it.
        while cpu_ticks().unwrap() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let mut worked = Worked {
            ticks: Some(before),
        };
        assert_eq!(worked.percent(Duration::from_millis(1)), 100);
        assert_eq!(worked.percent(Duration::from_hours(1)), 0);
    }
}
