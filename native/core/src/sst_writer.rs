//! The SST writer.
