//! Rewriting of key prefixes and timestamps.
