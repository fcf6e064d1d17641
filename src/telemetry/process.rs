//! What the kernel says of this process: read when somebody asks, from `/proc`, and left out where there is none.

use std::fs;

/// The kernel counts processors' time in hundredths of a second, whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    /// Resident, in bytes.
    pub(super) memory: u64,
    /// In seconds.
    pub(super) cpu: f64,
    pub(super) open_fds: usize,
    pub(super) max_fds: u64,
}

impl Process {
    /// How it stands now; `None` where the kernel does not tell.
    pub(super) fn read() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        // The directory that is read is open itself.
        let open_fds = fs::read_dir("/proc/self/fd")
            .ok()?
            .count()
            .saturating_sub(1);
        Some(Self {
            memory: memory(&status)?,
            cpu: cpu(&stat)?,
            open_fds,
            max_fds: max_fds(&limits)?,
        })
    }
}

fn memory(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1_024)
}

/// User's and system's time are the 14th and 15th field; the second one is a name in brackets, which may hold anything.
fn cpu(stat: &str) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// The soft limit; one that is none reads as the greatest number.
fn max_fds(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_whitespace().next()?;
    Some(soft.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_process_confuses_nobody() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 1000";
        assert_eq!(cpu(stat), Some(3.0));
    }

    #[test]
    fn the_kernel_tells_of_this_process() {
        let process = Process::read().unwrap();
        assert!(process.memory > 100_000, "{process:?}");
        assert!(process.open_fds >= 3, "{process:?}");
        assert!(process.max_fds >= 64, "{process:?}");
    }
}
