//! Reads and checks whole files.
