//! MVCC values.
