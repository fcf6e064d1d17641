//! `[overload]`: from when on the process leaves out what it can, and lets nobody new in.

use std::time::Duration;

use super::pool::Written;
use super::{Layers, MINUTE, TENTH};
use crate::core::overload::OverloadSettings;

const MILLI: Duration = Duration::from_millis(1);
const MIB: u64 = 1024 * 1024;

impl Layers {
    pub(super) fn read_overload(&mut self, written: &Written) -> OverloadSettings {
        let mut section = self.section("overload");
        let overload = OverloadSettings {
            sample_interval: section.duration("sample_interval", TENTH..=10 * TENTH),
            lag_lean: section.duration("lag_lean", MILLI..=MINUTE),
            lag_full: section.duration("lag_full", MILLI..=MINUTE),
            cpu_lean_percent: section.integer("cpu_lean_percent", 1..=100),
            cpu_full_percent: section.integer("cpu_full_percent", 1..=100),
            memory_lean_bytes: MIB * section.integer("memory_lean_mib", 0..=1_u64 << 30),
            memory_full_bytes: MIB * section.integer("memory_full_mib", 0..=1_u64 << 30),
            calls_lean_percent: section.integer("calls_lean_percent", 1..=100),
            calm: section.duration("calm", TENTH..=10 * MINUTE),
        };
        section.finish();
        let is_memory_limited = overload.memory_full_bytes > 0;
        let contradictions = [
            (
                overload.lag_lean > overload.lag_full,
                "overload.lag_lean",
                "overload.lag_full",
            ),
            (
                overload.cpu_lean_percent > overload.cpu_full_percent,
                "overload.cpu_lean_percent",
                "overload.cpu_full_percent",
            ),
            (
                is_memory_limited && overload.memory_lean_bytes > overload.memory_full_bytes,
                "overload.memory_lean_mib",
                "overload.memory_full_mib",
            ),
        ];
        for (is_one, key, limit) in contradictions {
            // Where values are wrong there are placeholders.
            if is_one && self.problems.is_empty() {
                self.exceeds(key, limit, written);
            }
        }
        overload
    }
}
