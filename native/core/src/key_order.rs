//! The order of user keys, bytewise, for loops that compare a pair or two per entry: a call of the C library costs them more
//! than the comparison. Must not know of versions; `engine_key` does.

use std::cmp::Ordering;

/// The order of two byte strings; the same as theirs, inline where they differ within their first eight bytes.
#[inline]
#[must_use]
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    match (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        (Some(x), Some(y)) if x != y => u64::from_be_bytes(*x).cmp(&u64::from_be_bytes(*y)),
        (Some(_), Some(_)) => a.cmp(b),
        _ => short(a, b),
    }
}

/// One of them has less than eight bytes.
#[inline]
fn short(a: &[u8], b: &[u8]) -> Ordering {
    let n = a.len().min(b.len());
    let word =
        |key: &[u8], at: usize| key.get(at..).and_then(|rest| rest.first_chunk()).map(|four| u32::from_be_bytes(*four));
    if n < 4 {
        return a.cmp(b);
    }
    // The last four bytes that both have overlap what is known to be equal.
    word(a, 0).cmp(&word(b, 0)).then_with(|| word(a, n - 4).cmp(&word(b, n - 4))).then(a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_order_of_slices(a in proptest::collection::vec(0u8..3, 0..20), tail in proptest::collection::vec(0u8..3, 0..20), cut in 0usize..20) {
            let b = [&a[..cut.min(a.len())], &tail].concat();
            prop_assert_eq!(compare(&a, &b), a.cmp(&b));
            prop_assert_eq!(compare(&b, &a), b.cmp(&a));
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        }
    }
}
