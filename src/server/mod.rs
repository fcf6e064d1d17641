//! Acts: the only home of tasks, the clock and `select`.
