//! One entry of a data block as bytes: lengths, key tail, trailer, value (sst-format.md 5.1).
//!
//! Owns the copies, which move 32 bytes at a time where memory allows. Must not decide what is shared or where a block ends.

use crate::engine_key::{SET_TRAILER, TRAILER_BYTES};
use crate::entry_list::{Entry, SLACK};

/// Three varints of 32 bits.
pub(crate) const HEADER_MAX: usize = 15;

/// Writes header, key tail, trailer and value at `at` and returns the end.
///
/// # Safety
/// `memory` has HEADER_MAX + internal key + value + SLACK bytes from `at`; `shared` is at most the internal key's
/// length; the entry's slack can be read, and neither it nor the entry overlaps `memory`.
#[inline(always)]
pub(crate) unsafe fn put_entry(memory: &mut [u8], at: usize, shared: usize, entry: &Entry<'_>) -> usize {
    let Entry { key, value, key_slack, value_slack } = *entry;
    let base = memory.as_mut_ptr();
    let unshared = key.len() + TRAILER_BYTES - shared;
    // SAFETY: every write below stays within what the caller guarantees: at most HEADER_MAX bytes of varints, then the
    // unshared part of the internal key, then the value; short copies write up to SLACK bytes beyond their end. Reads
    // beyond key and value are made only where SLACK bytes lie behind them.
    unsafe {
        let mut to = base.add(at);
        if (shared | unshared | value.len()) < 0x80 {
            let word = shared as u32 | (unshared as u32) << 8 | (value.len() as u32) << 16;
            to.cast::<u32>().write_unaligned(word.to_le());
            to = to.add(3);
        } else {
            to = put_varint(to, shared as u32);
            to = put_varint(to, unshared as u32);
            to = put_varint(to, value.len() as u32);
        }
        if shared <= key.len() {
            let tail = key.len() - shared;
            copy_short(key.as_ptr().add(shared), to, tail, key_slack >= SLACK);
            to = to.add(tail);
            to.cast::<[u8; TRAILER_BYTES]>().write_unaligned(SET_TRAILER);
            to = to.add(TRAILER_BYTES);
        } else {
            // The part of the trailer that is not shared: `unshared` is less than TRAILER_BYTES.
            let part = &SET_TRAILER[shared - key.len()..];
            std::ptr::copy_nonoverlapping(part.as_ptr(), to, part.len());
            to = to.add(part.len());
        }
        copy_short(value.as_ptr(), to, value.len(), value_slack >= SLACK);
        to.add(value.len()).offset_from(base) as usize
    }
}

/// Writes a varint and returns its end.
///
/// # Safety
/// 5 bytes can be written at `to`.
#[inline(always)]
unsafe fn put_varint(mut to: *mut u8, mut value: u32) -> *mut u8 {
    // SAFETY: a u32 takes at most 5 bytes, which the caller guarantees.
    unsafe {
        while value >= 0x80 {
            to.write(value as u8 | 0x80);
            to = to.add(1);
            value >>= 7;
        }
        to.write(value as u8);
        to.add(1)
    }
}

/// Copies `n` bytes in steps of 32 when they are few, which is faster than a call of `memcpy` of unknown length.
///
/// # Safety
/// `n` bytes can be read at `from`, `n + SLACK` written at `to`; with `loose`, `n + SLACK` can be read. No overlap.
#[inline(always)]
unsafe fn copy_short(from: *const u8, to: *mut u8, n: usize, loose: bool) {
    // SAFETY: a step begins before n, or at 0, and moves 32 bytes, hence at most n + SLACK bytes are touched.
    unsafe {
        if loose && n <= 256 {
            let mut at = 0;
            loop {
                let step = from.add(at).cast::<[u8; SLACK]>().read_unaligned();
                to.add(at).cast::<[u8; SLACK]>().write_unaligned(step);
                at += SLACK;
                if at >= n {
                    break;
                }
            }
        } else {
            std::ptr::copy_nonoverlapping(from, to, n);
        }
    }
}
