//! How the CRC-32 of a value changes when the prefix of its key is replaced: nothing of key or value is read again.
//!
//! A CRC is linear: two messages that begin differently and go on alike differ in their CRC by what the two beginnings
//! differ by, moved over the common rest. Owns those differences. Must not know of keys or values.

use crate::checksum::{crc32_ieee, crc32_ieee_shift};

/// Lengths of rests that are remembered; those of the rows of one table lie close together.
const REMEMBERED: usize = 256;

/// Differences between the CRCs of messages that begin with `old` and those that begin with `new`.
#[derive(Debug, Clone)]
pub struct CrcChange {
    beginnings: u32,
    /// By length modulo [`REMEMBERED`]: a length and its difference.
    by_length: Box<[(usize, u32); REMEMBERED]>,
}

impl CrcChange {
    /// The change from one beginning to another.
    #[must_use]
    pub fn new(old: &[u8], new: &[u8]) -> Self {
        let beginnings = crc32_ieee(old) ^ crc32_ieee(new);
        // No rest has the length that a fresh place holds, but that at place 0 may be empty.
        Self { beginnings, by_length: Box::new([(0, beginnings); REMEMBERED]) }
    }

    /// What the CRCs differ by when `rest` bytes follow that are the same in both.
    #[inline]
    pub fn over(&mut self, rest: usize) -> u32 {
        match self.by_length.get_mut(rest % REMEMBERED) {
            Some((length, difference)) if *length == rest => *difference,
            Some(place) => {
                *place = (rest, crc32_ieee_shift(self.beginnings, rest));
                place.1
            }
            None => crc32_ieee_shift(self.beginnings, rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_change_is_what_two_sums_differ_by(old: Vec<u8>, new: Vec<u8>, rests: Vec<Vec<u8>>, long in 0usize..2000) {
            let mut change = CrcChange::new(&old, &new);
            for rest in rests.into_iter().chain([Vec::new(), vec![7; long]]) {
                let sum = |beginning: &[u8]| crc32_ieee(&[beginning, &rest].concat());
                prop_assert_eq!(change.over(rest.len()), sum(&old) ^ sum(&new));
            }
        }
    }
}
