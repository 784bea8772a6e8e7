//! The order of keys in the `mvcc` table.

use std::cmp::Ordering;

use heed::Comparator;

/// `cockroach_comparator` as LMDB calls it: user key ascending, then newest version first.
pub(crate) enum EngineOrder {}

impl Comparator for EngineOrder {
    fn compare(a: &[u8], b: &[u8]) -> Ordering {
        spanvault_core::engine_key::compare(a, b)
    }
}
