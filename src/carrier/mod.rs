//! Translates carriers: their sockets, and one folder a dialect. Never decides.
