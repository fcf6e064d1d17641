//! When callers call: they come one by one, not all in the same millisecond.

use std::time::Duration;

use fastrand::Rng;

/// When each of `calls` callers first calls, if they come within `ramp`: evenly, but none on the beat.
///
/// Frames are paced from the moment of the call, so the place within a frame matters more than the place within the ramp: two
/// hundred callers in step would be two hundred frames at once.
pub fn arrivals(calls: u32, ramp: Duration, seed: u64) -> Vec<Duration> {
    let mut rng = Rng::with_seed(seed);
    let share = ramp / calls.max(1);
    (0..calls)
        .map(|number| share * number + share.mul_f64(rng.f64()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_come_in_order_within_the_ramp_and_out_of_step() {
        let ramp = Duration::from_secs(10);
        let times = arrivals(200, ramp, 1);
        assert_eq!(times.len(), 200);
        assert!(times.is_sorted());
        assert!(times.iter().all(|&at| at < ramp));
        let mut phases: Vec<_> = times.iter().map(|at| at.as_millis() % 20).collect();
        phases.sort_unstable();
        phases.dedup();
        assert!(phases.len() > 15, "callers are in step: {phases:?}");
        assert_eq!(times, arrivals(200, ramp, 1), "the seed decides");
        assert!(arrivals(0, ramp, 1).is_empty());
    }
}
