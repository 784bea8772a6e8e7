//! The elements of a raw snappy stream: length, literals, copies.
//!
//! Owns their tags and the splitting of long copies, as the crate `snap` does both. Must not search for matches.

use crate::varint;

/// Bytes copied at once.
const STEP: usize = 32;

/// Writes the length of what the stream stands for, its first element.
#[inline(always)]
pub(crate) fn put_length(dst: &mut [u8], length: usize) -> usize {
    let mut prefix = [0; varint::MAX_U64];
    let n = varint::put(&mut prefix, length as u64);
    dst[..n].copy_from_slice(&prefix[..n]);
    n
}

/// Emits `src[from..to]` as it is, if there is any of it.
#[inline(always)]
pub(crate) fn put_literal(dst: &mut [u8], d: usize, src: &[u8], from: usize, to: usize) -> usize {
    if from == to {
        return d;
    }
    let length = to - from;
    let n = length - 1;
    let at = match n {
        0..60 => {
            dst[d] = (n as u8) << 2;
            d + 1
        }
        60..256 => {
            dst[d..d + 2].copy_from_slice(&[60 << 2, n as u8]);
            d + 2
        }
        _ => {
            dst[d..d + 3].copy_from_slice(&[61 << 2, n as u8, (n >> 8) as u8]);
            d + 3
        }
    };
    let whole = length.next_multiple_of(STEP);
    if length <= 4 * STEP && from + whole <= src.len() && at + whole <= dst.len() {
        let mut done = 0;
        while done < length {
            // SAFETY: `done + STEP <= whole`, and so many bytes lie behind `from` in `src` and behind `at` in `dst`, which
            // are different memory. What is written beyond `length` is overwritten or beyond the returned end.
            unsafe {
                let step = src.as_ptr().add(from + done).cast::<[u8; STEP]>().read_unaligned();
                dst.as_mut_ptr().add(at + done).cast::<[u8; STEP]>().write_unaligned(step);
            }
            done += STEP;
        }
    } else {
        dst[at..at + length].copy_from_slice(&src[from..to]);
    }
    at + length
}

/// Emits copies of `length` bytes, at least 4, from `offset` before; of at most 64 bytes each, the last of at least 4.
#[inline(always)]
pub(crate) fn put_copy(dst: &mut [u8], mut d: usize, offset: usize, mut length: usize) -> usize {
    while length >= 68 {
        d = put_copy2(dst, d, offset, 64);
        length -= 64;
    }
    if length > 64 {
        d = put_copy2(dst, d, offset, 60);
        length -= 60;
    }
    if length <= 11 && offset <= 2047 {
        let tag = ((offset >> 8) as u8) << 5 | ((length - 4) as u8) << 2 | 1;
        dst[d..d + 2].copy_from_slice(&[tag, offset as u8]);
        return d + 2;
    }
    put_copy2(dst, d, offset, length)
}

#[inline(always)]
fn put_copy2(dst: &mut [u8], d: usize, offset: usize, length: usize) -> usize {
    dst[d..d + 3].copy_from_slice(&[((length - 1) as u8) << 2 | 2, offset as u8, (offset >> 8) as u8]);
    d + 3
}
