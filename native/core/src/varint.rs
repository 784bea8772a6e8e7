//! LEB128 varints of row blocks, handles and properties (sst-format.md, notation).
//!
//! Owns reading from foreign bytes (bounded, overlong forms refused by length) and writing into buffers.

/// Longest varint of a u32.
pub const MAX_U32: usize = 5;
/// Longest varint of a u64.
pub const MAX_U64: usize = 10;

/// Reads a u64 at the front of `bytes`: the value and its length; None when cut short or longer than 64 bits.
#[inline]
pub fn read_u64(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().take(MAX_U64).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if i == MAX_U64 - 1 && byte > 1 {
            return None;
        }
        value |= bits << (7 * i);
        if byte < 0x80 {
            return Some((value, i + 1));
        }
    }
    None
}

/// Reads a u32 at the front of `bytes`: the value and its length; None when cut short or greater than 32 bits.
#[inline]
pub fn read_u32(bytes: &[u8]) -> Option<(u32, usize)> {
    if let Some(&first) = bytes.first() {
        if first < 0x80 {
            return Some((u32::from(first), 1));
        }
    }
    let (value, length) = read_u64(bytes.get(..MAX_U32.min(bytes.len()))?)?;
    Some((u32::try_from(value).ok()?, length))
}

/// Bytes that `value` takes.
#[inline]
pub const fn len(value: u64) -> usize {
    // 7 bits a byte; zero takes one byte.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends `value`.
#[inline]
pub fn push(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes `value` at the front of a fixed array and returns its length.
#[inline]
pub fn put(out: &mut [u8; MAX_U64], mut value: u64) -> usize {
    let mut n = 0;
    for byte in out.iter_mut() {
        n += 1;
        if value < 0x80 {
            *byte = value as u8;
            break;
        }
        *byte = value as u8 | 0x80;
        value >>= 7;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cut_and_overlong_forms_are_refused() {
        assert_eq!(read_u64(&[]), None);
        assert_eq!(read_u64(&[0x80]), None);
        assert_eq!(read_u64(&[0xff; 10]), None);
        assert_eq!(read_u64(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), Some((u64::MAX, 10)));
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some((u32::MAX, 5)));
        assert_eq!(read_u32(&[0x80, 0x80, 0x80, 0x80, 0x80, 0]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            push(&mut bytes, value);
            prop_assert_eq!(bytes.len(), len(value));
            let mut array = [0; MAX_U64];
            let n = put(&mut array, value);
            prop_assert_eq!(&array[..n], &bytes[..]);
            prop_assert_eq!(read_u64(&bytes), Some((value, bytes.len())));
            prop_assert_eq!(read_u32(&bytes), u32::try_from(value).ok().map(|v| (v, bytes.len())));
        }
    }
}
