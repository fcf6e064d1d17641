//! Single calls whose whole story is told and kept.
