//! Turns observations into logs and counts.
