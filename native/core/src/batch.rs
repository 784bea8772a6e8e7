//! Packed batches of engine keys and values.
