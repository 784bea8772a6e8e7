//! MVCC values and their checksums (crdb-format.md 4.2 and 4.3).
//!
//! Owns the extended header (sentinel 0x65), tombstones, and the CRC-32 of a value over its user key. Must not decode
//! the datum behind the tag.

use crate::checksum::crc32_ieee_of_two;
use crate::fault::{Fault, Result, escape_key};

/// Fifth byte of a value with an extended header.
pub const EXTENDED_SENTINEL: u8 = 0x65;
/// Bytes of checksum and tag, the least that a value has.
const HEAD: usize = 5;

/// What an MVCC value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MvccValue<'a> {
    /// The protobuf of the extended header; empty for a simple value.
    pub header: &'a [u8],
    /// Where the value proper begins: 0, or behind the extended header.
    pub body_at: usize,
    /// The value proper: checksum, tag, data; empty for a tombstone.
    pub body: &'a [u8],
}

impl MvccValue<'_> {
    /// True when the key is deleted at this version.
    pub fn is_tombstone(&self) -> bool {
        self.body.is_empty()
    }
}

/// What a check of a value's checksum says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is a checksum and it is right; the sum, as [`sum`] gives it.
    Verified(u32),
    /// A tombstone, or a checksum of 0, which means "not computed".
    Unverifiable,
}

/// Splits an MVCC value into its extended header and the value proper. The reason, without object, when it is malformed.
#[inline]
pub fn parse(value: &[u8]) -> std::result::Result<MvccValue<'_>, &'static str> {
    match value {
        [] => Ok(MvccValue { header: &[], body_at: 0, body: value }),
        [a, b, c, d, EXTENDED_SENTINEL, rest @ ..] => {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let (header, body) = rest.split_at_checked(length).ok_or("has an extended header longer than the value")?;
            if !body.is_empty() && body.len() < HEAD {
                return Err("is shorter than checksum and tag");
            }
            Ok(MvccValue { header, body_at: HEAD + length, body })
        }
        _ if value.len() < HEAD => Err("is shorter than checksum and tag"),
        _ => Ok(MvccValue { header: &[], body_at: 0, body: value }),
    }
}

/// True when an MVCC value says that its key is deleted; false for a malformed one.
#[inline]
pub fn is_tombstone(value: &[u8]) -> bool {
    value.is_empty() || parse(value).is_ok_and(|v| v.is_tombstone())
}

/// The CRC-32 of a user key (full key, without version, with tenant prefix) and what of a value proper its checksum covers.
#[inline]
pub fn sum(user_key: &[u8], body: &[u8]) -> u32 {
    crc32_ieee_of_two(user_key, body.get(4..).unwrap_or_default())
}

/// The checksum that is stored for a sum: 0 means "not computed".
#[inline]
const fn checksum(sum: u32) -> u32 {
    if sum == 0 { 1 } else { sum }
}

fn fault(user_key: &[u8], reason: &str) -> Fault {
    Fault::corrupt_value(format!("the value of key {} {reason}", escape_key(user_key)))
}

/// Checks the checksum of an MVCC value.
///
/// # Errors
/// `SV_CORRUPT_VALUE` when it is malformed or its checksum is neither 0 nor right.
pub fn verify(user_key: &[u8], value: &[u8]) -> Result<Verdict> {
    let body = parse(value).map_err(|reason| fault(user_key, reason))?.body;
    let Some(&stored) = body.first_chunk::<4>() else {
        return Ok(Verdict::Unverifiable);
    };
    let stored = u32::from_be_bytes(stored);
    if stored == 0 {
        return Ok(Verdict::Unverifiable);
    }
    let sum = sum(user_key, body);
    let computed = checksum(sum);
    if stored != computed {
        return Err(fault(user_key, &format!("has checksum {stored:08x}, computed {computed:08x}")));
    }
    Ok(Verdict::Verified(sum))
}

/// Where the 4 checksum bytes of an MVCC value begin; None for a tombstone.
///
/// # Errors
/// The reason, without object, when the value is malformed.
#[inline]
pub fn checksum_at(value: &[u8]) -> std::result::Result<Option<usize>, &'static str> {
    let value = parse(value)?;
    Ok((!value.is_tombstone()).then_some(value.body_at))
}

/// Sets the checksum of an MVCC value to 0, "not computed".
///
/// # Errors
/// `SV_CORRUPT_VALUE` when the value is malformed.
pub fn clear_checksum(user_key: &[u8], value: &mut [u8]) -> Result<()> {
    store(user_key, value, |_| 0)
}

/// Sets the checksum of an MVCC value to that of its user key and data.
///
/// # Errors
/// `SV_CORRUPT_VALUE` when the value is malformed.
pub fn set_checksum(user_key: &[u8], value: &mut [u8]) -> Result<()> {
    store(user_key, value, |body| checksum(sum(user_key, body)))
}

/// Sets the checksum of an MVCC value to that of a sum that is known.
///
/// # Errors
/// `SV_CORRUPT_VALUE` when the value is malformed.
#[inline]
pub fn set_sum(user_key: &[u8], value: &mut [u8], sum: u32) -> Result<()> {
    store(user_key, value, |_| checksum(sum))
}

#[inline]
fn store(user_key: &[u8], value: &mut [u8], crc: impl FnOnce(&[u8]) -> u32) -> Result<()> {
    let Some(at) = checksum_at(value).map_err(|reason| fault(user_key, reason))? else {
        return Ok(());
    };
    let Some(body) = value.get_mut(at..) else { return Ok(()) };
    let crc = crc(body);
    if let Some(stored) = body.first_chunk_mut::<4>() {
        *stored = crc.to_be_bytes();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extended(header: &[u8], body: &[u8]) -> Vec<u8> {
        let mut value = (header.len() as u32).to_be_bytes().to_vec();
        value.push(EXTENDED_SENTINEL);
        value.extend_from_slice(header);
        value.extend_from_slice(body);
        value
    }

    #[test]
    fn tombstones_are_empty_values_with_or_without_a_header() {
        assert!(is_tombstone(b""));
        assert!(is_tombstone(&extended(b"\x0a\0", b"")));
        assert!(!is_tombstone(&extended(b"\x0a\0", b"\0\0\0\0\x03")));
        assert!(!is_tombstone(b"\0\0\0\0\x0a"));
    }

    #[test]
    fn malformed_values_are_named() {
        let reason = |value: &[u8]| verify(b"k\0", value).unwrap_err().message().to_string();
        assert_eq!(reason(b"\0\0\0\0"), "the value of key \"k\\x00\" is shorter than checksum and tag");
        assert_eq!(reason(b"\0\0\0\x09\x65abc"), "the value of key \"k\\x00\" has an extended header longer than the value");
        assert_eq!(reason(&extended(b"", b"\0\0\0")), "the value of key \"k\\x00\" is shorter than checksum and tag");
        assert!(reason(b"\0\0\0\x01\x03").contains("has checksum 00000001, computed "));
    }

    proptest! {
        #[test]
        fn checksums_are_set_verified_and_cleared(key: Vec<u8>, tag in 0u8..0x65, data: Vec<u8>, header: Option<Vec<u8>>, flip: proptest::sample::Index) {
            let body = [&[9, 9, 9, 9, tag], &data[..]].concat();
            let mut value = header.as_ref().map_or(body.clone(), |h| extended(h, &body));
            let at = checksum_at(&value).unwrap().unwrap();
            prop_assert_eq!(at, header.as_ref().map_or(0, |h| 5 + h.len()));
            set_checksum(&key, &mut value).unwrap();
            prop_assert_eq!(verify(&key, &value).unwrap(), Verdict::Verified(sum(&key, &body)));
            let mut flipped = value.clone();
            // The checksum and what it covers; a flip inside could leave a checksum of 0, which is not an error.
            let i = at + flip.index(body.len());
            flipped[i] ^= 0x10;
            if flipped[at..at + 4] != [0; 4] && flipped[4] == value[4] {
                prop_assert!(verify(&key, &flipped).is_err());
            }
            clear_checksum(&key, &mut value).unwrap();
            prop_assert_eq!(verify(&key, &value).unwrap(), Verdict::Unverifiable);
        }

        #[test]
        fn no_bytes_panic(key: Vec<u8>, mut value: Vec<u8>) {
            let _ = (verify(&key, &value), is_tombstone(&value));
            let _ = (set_checksum(&key, &mut value), clear_checksum(&key, &mut value));
        }
    }
}
