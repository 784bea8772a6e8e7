//! The order of keys in the `mvcc` table.

use std::cmp::Ordering;

use heed::Comparator;
use spanvault_core::engine_key;

/// `cockroach_comparator` as LMDB calls it: user key ascending, then newest version first.
pub(crate) enum EngineOrder {}

impl Comparator for EngineOrder {
    /// Called some twenty times for each entry that is put or sought, so keys that differ in their first eight bytes are
    /// told apart without a call.
    #[inline]
    fn compare(a: &[u8], b: &[u8]) -> Ordering {
        if let (Some(x), Some(y)) = (head(a), head(b)) {
            if x != y {
                return x.cmp(&y);
            }
        }
        engine_key::compare(a, b)
    }
}

/// The first eight bytes as a number, when all of them belong to the user key and its sentinel.
#[inline]
fn head(key: &[u8]) -> Option<u64> {
    let first = key.first_chunk::<8>()?;
    (engine_key::split(key) >= 8).then(|| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(0u8), Just(1), Just(9), Just(0x88), any::<u8>()];
        proptest::collection::vec(byte, 0..24)
    }

    proptest! {
        #[test]
        fn the_short_cut_changes_no_answer(a in key(), b in key(), shared in 0usize..12) {
            let mut c = a[..shared.min(a.len())].to_vec();
            c.extend_from_slice(&b);
            prop_assert_eq!(EngineOrder::compare(&a, &b), engine_key::compare(&a, &b));
            prop_assert_eq!(EngineOrder::compare(&a, &c), engine_key::compare(&a, &c));
        }
    }
}
