//! How loaded this process is, in stages: what can be spared goes first, new calls next, live calls never.
//!
//! Told samples and time; reads no clock and no file. Who samples and who acts: the server's module of the same name.

use std::time::Duration;

use crate::core::time::Instant;

/// How much is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// All is well.
    #[default]
    Normal,
    /// What no caller misses is left out: probes, and second dials beside slow ones.
    Lean,
    /// No new call is let in.
    Full,
}

impl Stage {
    /// Whether there is time for what no caller misses.
    pub const fn allows_extras(self) -> bool {
        matches!(self, Self::Normal)
    }

    /// Whether new calls are let in.
    pub const fn allows_calls(self) -> bool {
        !matches!(self, Self::Full)
    }

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Lean => "lean",
            Self::Full => "full",
        }
    }
}

/// Where each stage begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverloadSettings {
    /// How often is looked.
    pub sample_interval: Duration,
    /// [`Stage::Lean`] begins where each of the last five samples woke this much too late.
    pub lag_lean: Duration,
    /// [`Stage::Full`] begins where each of them did this much too late.
    pub lag_full: Duration,
    /// [`Stage::Lean`] begins where the process took this share of the CPU at each of the last five samples, in percent.
    pub cpu_lean_percent: u32,
    /// [`Stage::Full`] begins where it took this share at each of them.
    pub cpu_full_percent: u32,
    /// [`Stage::Lean`] begins at this much resident memory; 0: whatever it is.
    pub memory_lean_bytes: u64,
    /// [`Stage::Full`] begins at this much; 0: whatever it is.
    pub memory_full_bytes: u64,
    /// [`Stage::Lean`] begins at this share of all the calls that there may be, in percent.
    pub calls_lean_percent: u32,
    /// How long all must be well before a stage is left.
    pub calm: Duration,
}

/// What was seen at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How much too late the sampler woke: what every call waits as well.
    pub lag: Duration,
    /// How much of the CPU that it may use the process took since the last sample, in percent.
    pub cpu_percent: u32,
    /// Resident memory; 0 if it cannot be told.
    pub memory_bytes: u64,
    /// Sockets of carriers that are open.
    pub calls: usize,
    /// How many there may be.
    pub calls_max: usize,
}

/// The samples of lag and CPU that must agree: one late waking is nothing, a row of them is load.
const ROW: usize = 5;

/// A stage is left at nine tenths of where it begins.
const LEAVE_PERCENT: u32 = 90;

/// The stage, and how it came about.
#[derive(Clone, Debug)]
pub struct Overload {
    settings: OverloadSettings,
    stage: Stage,
    /// Lag and CPU of the last samples.
    row: [(Duration, u32); ROW],
    next: usize,
    /// Since when the stage could be left; `None`: it cannot.
    calm_since: Option<Instant>,
}

impl Overload {
    /// All is well so far.
    pub const fn new(settings: OverloadSettings) -> Self {
        Self {
            settings,
            stage: Stage::Normal,
            row: [(Duration::ZERO, 0); ROW],
            next: 0,
            calm_since: None,
        }
    }

    /// The stage as of the last sample.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Takes in a sample; the stage before, if it is another one now.
    ///
    /// A stage is entered at once, and left, one by one, after a while in which all was well.
    pub fn record(&mut self, now: Instant, sample: Sample) -> Option<Stage> {
        if let Some(place) = self.row.get_mut(self.next) {
            *place = (sample.lag, sample.cpu_percent);
        }
        self.next = (self.next + 1) % ROW;
        let before = self.stage;
        let wanted = self.wanted(sample, 100);
        if wanted > before {
            self.stage = wanted;
            self.calm_since = None;
        } else if self.wanted(sample, LEAVE_PERCENT) < before {
            let since = *self.calm_since.get_or_insert(now);
            if now.since(since) >= self.settings.calm {
                self.stage = match before {
                    Stage::Full => Stage::Lean,
                    Stage::Lean | Stage::Normal => Stage::Normal,
                };
                self.calm_since = None;
            }
        } else {
            self.calm_since = None;
        }
        (self.stage != before).then_some(before)
    }

    /// The stage that the samples ask for, with thresholds at this many percent.
    fn wanted(&self, sample: Sample, percent: u32) -> Stage {
        let settings = &self.settings;
        let row = |all: &dyn Fn(&(Duration, u32)) -> bool| self.row.iter().all(all);
        let lags = |threshold: Duration| row(&|(lag, _)| *lag >= threshold * percent / 100);
        let works = |threshold: u32| row(&|(_, cpu)| *cpu * 100 >= threshold * percent);
        let memory = |threshold: u64| {
            threshold > 0 && sample.memory_bytes >= threshold / 100 * u64::from(percent)
        };
        let share = |of_max: u32| {
            let calls = u64::try_from(sample.calls).unwrap_or(u64::MAX);
            let calls_max = u64::try_from(sample.calls_max).unwrap_or(u64::MAX);
            calls.saturating_mul(10_000)
                >= calls_max.saturating_mul(u64::from(of_max) * u64::from(percent))
        };
        if lags(settings.lag_full)
            || works(settings.cpu_full_percent)
            || memory(settings.memory_full_bytes)
        {
            Stage::Full
        } else if lags(settings.lag_lean)
            || works(settings.cpu_lean_percent)
            || memory(settings.memory_lean_bytes)
            || share(settings.calls_lean_percent)
        {
            Stage::Lean
        } else {
            Stage::Normal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(200);

    fn settings() -> OverloadSettings {
        OverloadSettings {
            sample_interval: STEP,
            lag_lean: Duration::from_millis(100),
            lag_full: Duration::from_millis(300),
            cpu_lean_percent: 80,
            cpu_full_percent: 95,
            memory_lean_bytes: 800,
            memory_full_bytes: 1_000,
            calls_lean_percent: 90,
            calm: Duration::from_secs(2),
        }
    }

    /// A process whose samples are given one after the other.
    struct Process {
        overload: Overload,
        now: Instant,
    }

    impl Process {
        fn new() -> Self {
            Self {
                overload: Overload::new(settings()),
                now: Instant::ZERO,
            }
        }

        /// The stage after so many samples like this one.
        fn after(&mut self, count: usize, sample: Sample) -> Stage {
            for _ in 0..count {
                self.now = self.now + STEP;
                self.overload.record(self.now, sample);
            }
            self.overload.stage()
        }
    }

    fn lag(millis: u64) -> Sample {
        Sample {
            lag: Duration::from_millis(millis),
            calls_max: 100,
            ..Sample::default()
        }
    }

    #[test]
    fn one_late_waking_is_nothing_and_a_row_of_them_is_load() {
        let mut process = Process::new();
        assert_eq!(process.after(1, lag(5_000)), Stage::Normal);
        assert_eq!(process.after(10, lag(0)), Stage::Normal);
        assert_eq!(process.after(4, lag(150)), Stage::Normal);
        assert_eq!(process.after(1, lag(150)), Stage::Lean);
        assert_eq!(process.after(5, lag(400)), Stage::Full);
    }

    #[test]
    fn a_busy_moment_is_nothing_and_a_busy_second_is_load() {
        let mut process = Process::new();
        let cpu = |cpu_percent| Sample {
            cpu_percent,
            ..lag(0)
        };
        assert_eq!(process.after(4, cpu(100)), Stage::Normal);
        assert_eq!(process.after(1, cpu(79)), Stage::Normal);
        assert_eq!(process.after(5, cpu(80)), Stage::Lean);
        assert_eq!(process.after(5, cpu(95)), Stage::Full);
    }

    #[test]
    fn a_stage_is_left_one_by_one_and_only_after_a_calm_time() {
        let mut process = Process::new();
        process.after(5, lag(400));
        assert_eq!(process.after(10, lag(0)), Stage::Full);
        assert_eq!(process.after(1, lag(0)), Stage::Lean);
        assert_eq!(process.after(10, lag(0)), Stage::Lean);
        assert_eq!(process.after(1, lag(0)), Stage::Normal);
    }

    #[test]
    fn a_load_at_the_threshold_does_not_make_it_flap() {
        let mut process = Process::new();
        let memory = |bytes| Sample {
            memory_bytes: bytes,
            ..lag(0)
        };
        assert_eq!(process.after(1, memory(1_000)), Stage::Full);
        // Below the threshold, but not by a tenth: it stays.
        assert_eq!(process.after(50, memory(950)), Stage::Full);
        assert_eq!(process.after(11, memory(850)), Stage::Lean);
        // What interrupts the calm begins it anew.
        process.after(9, memory(0));
        process.after(1, memory(790));
        assert_eq!(process.after(10, memory(0)), Stage::Lean);
        assert_eq!(process.after(1, memory(0)), Stage::Normal);
    }

    #[test]
    fn nearly_all_calls_taken_leaves_out_what_no_caller_misses() {
        let mut process = Process::new();
        let calls = |calls| Sample { calls, ..lag(0) };
        assert_eq!(process.after(5, calls(89)), Stage::Normal);
        assert_eq!(process.after(1, calls(90)), Stage::Lean);
        // How many calls there may be is the seats' affair.
        assert_eq!(process.after(5, calls(100)), Stage::Lean);
    }
}
