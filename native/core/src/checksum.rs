//! Checksums of the formats: CRC-32C (Castagnoli) with LevelDB's mask for blocks, CRC-32 IEEE for values.
//!
//! Owns the choice of kernel: the `crc-fast` crate picks the widest instructions of the processor at run time,
//! and short inputs of CRC-32 IEEE go to [`crate::crc32_short`].

use crc_fast::{CrcAlgorithm, Digest};

use crate::crc32_short::{self, SHORT_BYTES};

/// CRC-32C of `bytes`.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC-32C of what had CRC `before`, followed by `bytes`; `before` 0 begins.
pub fn crc32c_append(before: u32, bytes: &[u8]) -> u32 {
    append(CrcAlgorithm::Crc32Iscsi, before, bytes)
}

/// CRC-32C of what has CRC `first`, followed by `second_bytes` bytes of CRC `second`: nothing is read again.
pub fn crc32c_combine(first: u32, second: u32, second_bytes: u64) -> u32 {
    crc_fast::checksum_combine(CrcAlgorithm::Crc32Iscsi, u64::from(first), u64::from(second), second_bytes) as u32
}

/// CRC-32 IEEE (zlib's polynomial) of `bytes`.
#[inline]
pub fn crc32_ieee(bytes: &[u8]) -> u32 {
    if bytes.len() <= SHORT_BYTES {
        return crc32_short::append(0, bytes);
    }
    crc_fast::crc32_iso_hdlc(bytes)
}

/// CRC-32 IEEE of what had CRC `before`, followed by `bytes`; `before` 0 begins.
#[inline]
pub fn crc32_ieee_append(before: u32, bytes: &[u8]) -> u32 {
    if bytes.len() <= SHORT_BYTES {
        return crc32_short::append(before, bytes);
    }
    append(CrcAlgorithm::Crc32IsoHdlc, before, bytes)
}

/// CRC-32 IEEE of two pieces, one behind the other.
#[inline]
pub fn crc32_ieee_of_two(first: &[u8], second: &[u8]) -> u32 {
    if first.len().max(second.len()) <= SHORT_BYTES {
        return crc32_short::of_two(first, second);
    }
    crc32_ieee_append(crc32_ieee(first), second)
}

/// What a difference of two CRC-32 IEEE becomes when both go on with the same `bytes` bytes.
pub fn crc32_ieee_shift(difference: u32, bytes: usize) -> u32 {
    crc_fast::checksum_combine(CrcAlgorithm::Crc32IsoHdlc, u64::from(difference), 0, bytes as u64) as u32
}

/// Both algorithms start from and end with an inverted register; a `Digest` starts from the register itself.
fn append(algorithm: CrcAlgorithm, before: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new_with_init_state(algorithm, u64::from(!before));
    digest.update(bytes);
    digest.finalize() as u32
}

const MASK_DELTA: u32 = 0xa282_ead8;

/// The stored form of a CRC-32C: rotated and shifted, so that a CRC of bytes that hold CRCs stays strong.
#[inline]
pub const fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(MASK_DELTA)
}

/// The stored form of the CRC-32C of `bytes`, as block trailers and footers hold it.
#[inline]
pub fn crc32c_masked(bytes: &[u8]) -> u32 {
    mask(crc32c(bytes))
}

/// The inverse of [`mask`].
#[inline]
pub const fn unmask(masked: u32) -> u32 {
    masked.wrapping_sub(MASK_DELTA).rotate_left(15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vectors_of_the_reference() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(mask(0xe306_9283), 0xc78a_b0e5);
        assert_eq!(crc32_ieee(b"123456789"), 0xcbf4_3926);
        assert_eq!(mask(crc32c(b"\x00\x01\x02abcdefghij\x01")).to_le_bytes(), [0x7d, 0x7f, 0xa4, 0x0d]);
    }

    /// One bit at a time, as the definition says.
    fn slow(polynomial: u32, bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { (c >> 1) ^ polynomial } else { c >> 1 })
        })
    }

    proptest! {
        #[test]
        fn kernels_follow_the_definition(bytes in proptest::collection::vec(any::<u8>(), 0..700), cut: proptest::sample::Index) {
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(crc32c(&bytes), slow(0x82f6_3b78, &bytes));
            prop_assert_eq!(crc32_ieee(&bytes), slow(0xedb8_8320, &bytes));
            prop_assert_eq!(crc32c_append(crc32c_append(0, head), tail), crc32c(&bytes));
            prop_assert_eq!(crc32c_combine(crc32c(head), crc32c(tail), tail.len() as u64), crc32c(&bytes));
            prop_assert_eq!(crc32_ieee_append(crc32_ieee_append(0, head), tail), crc32_ieee(&bytes));
        }

        #[test]
        fn unmask_inverts_mask(crc: u32) {
            prop_assert_eq!(unmask(mask(crc)), crc);
        }
    }
}
