//! Turns files and environment into valid settings.
