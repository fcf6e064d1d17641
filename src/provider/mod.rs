//! Translates realtime models: their sockets, and one folder a protocol. Never decides.
