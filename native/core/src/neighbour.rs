//! Engine keys that follow each other: their form, their order and what they share.
//!
//! Owns the checks that the writer makes of each key and of each pair of neighbours. Must not know of blocks.

use std::cmp::Ordering;

use crate::engine_key::{self, SET_TRAILER};
use crate::entry_list::{Entry, SLACK};
use crate::fault::{Fault, Result, escape_key};

/// Greatest key and value together; below what varints, blocks and readers allow (2^31 bytes) with room to spare.
const ENTRY_LIMIT: usize = 1 << 30;
/// Bytes of two keys that are compared at once.
const WIDE: usize = SLACK;

/// A well-formed engine key, or none.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    bytes: &'a [u8],
    /// Length of user key and sentinel; 0 for none.
    prefix: usize,
    /// Whether WIDE bytes can be read from the beginning of the key, whatever its length.
    wide: bool,
}

impl<'a> Key<'a> {
    /// A key that was checked before, or none.
    pub(crate) fn held(bytes: &'a [u8]) -> Key<'a> {
        Key { bytes, prefix: engine_key::split(bytes), wide: false }
    }

    /// The key of an entry: unversioned or with a version of 8, 12 or 13 bytes.
    ///
    /// # Errors
    /// `SV_USAGE` for another, `SV_LIMIT` when key and value are huge.
    #[inline(always)]
    pub(crate) fn checked(entry: &Entry<'a>) -> Result<Key<'a>> {
        let Entry { key, value, key_slack, .. } = *entry;
        if let Some(&last) = key.last() {
            let prefix = key.len().wrapping_sub(usize::from(last));
            let sentinel = key.get(prefix.wrapping_sub(1)) == Some(&0);
            if matches!(last, 0 | 9 | 13 | 14) && sentinel && key.len() + value.len() <= ENTRY_LIMIT {
                return Ok(Key { bytes: key, prefix, wide: key_slack >= WIDE });
            }
        }
        Err(refused(key, value))
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The user key.
    #[inline(always)]
    pub(crate) fn user(&self) -> &'a [u8] {
        // SAFETY: `checked` found the sentinel at `prefix - 1`; of a held key, `split` is at most the length.
        unsafe { self.bytes.get_unchecked(..self.prefix.saturating_sub(1)) }
    }

    /// What the internal key shares with that of the key before.
    ///
    /// # Errors
    /// `SV_USAGE` when this key does not sort behind the other.
    #[inline(always)]
    pub(crate) fn shared_with(&self, previous: &Key<'_>) -> Result<usize> {
        let (a, b) = (previous.bytes, self.bytes);
        let shared = if previous.wide && self.wide {
            // SAFETY: WIDE bytes can be read from both, as `wide` says.
            unsafe { wide_prefix(a, b) }
        } else {
            common_prefix(a, b)
        };
        if shared < previous.prefix.min(self.prefix) {
            // SAFETY: a prefix is at most as long as its key.
            let (x, y) = unsafe { (a.get_unchecked(shared), b.get_unchecked(shared)) };
            return if x < y { Ok(shared) } else { Err(disorder(a, b)) };
        }
        same_user_or_longer(previous, self, shared)
    }
}

/// [`Key::shared_with`] where one user key begins with the other.
#[inline(never)]
fn same_user_or_longer(previous: &Key<'_>, key: &Key<'_>, shared: usize) -> Result<usize> {
    let (a, b) = (previous.bytes, key.bytes);
    let ascends = if previous.prefix == key.prefix {
        engine_key::compare_suffixes(&a[previous.prefix..], &b[key.prefix..]) == Ordering::Less
    } else {
        previous.prefix < key.prefix
    };
    if !ascends {
        return Err(disorder(a, b));
    }
    Ok(shared + trailer_prefix(a, b, shared))
}

#[cold]
fn refused(key: &[u8], value: &[u8]) -> Fault {
    let name = escape_key(key);
    let size = key.len() + value.len();
    if size > ENTRY_LIMIT {
        return Fault::limit(format!("the entry of key {name} has {size} bytes, more than {ENTRY_LIMIT}"));
    }
    let reason = engine_key::decode(key).err().map_or("has no user key", engine_key::KeyFlaw::words);
    Fault::usage(format!("engine key {name} {reason}"))
}

#[cold]
fn disorder(previous: &[u8], key: &[u8]) -> Fault {
    let relation = if engine_key::compare(previous, key) == Ordering::Equal { "repeats" } else { "sorts before" };
    Fault::usage(format!("engine key {} {relation} its predecessor {}", escape_key(key), escape_key(previous)))
}

/// What the internal keys share beyond engine keys of which one begins with the other: bytes of the trailer.
fn trailer_prefix(a: &[u8], b: &[u8], shared: usize) -> usize {
    if shared < a.len().min(b.len()) {
        return 0;
    }
    let (a, b) = (&a[shared..], &b[shared..]);
    a.iter().chain(&SET_TRAILER).zip(b.iter().chain(&SET_TRAILER)).take_while(|(x, y)| x == y).count()
}

/// Length of the longest common prefix; keys are mostly shorter than WIDE.
///
/// # Safety
/// WIDE bytes can be read from the beginning of `a` and of `b`, whatever their lengths.
#[inline(always)]
unsafe fn wide_prefix(a: &[u8], b: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8};
        let n = a.len().min(b.len());
        // SAFETY: the caller's promise: 16 bytes from `at`, which is 0 or 16; every x86_64 has SSE2.
        let differ = |at: usize| unsafe {
            let x = _mm_loadu_si128(a.as_ptr().add(at).cast());
            let y = _mm_loadu_si128(b.as_ptr().add(at).cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) as u32 ^ 0xffff
        };
        let bits = differ(0) | differ(16) << 16;
        if bits != 0 {
            return n.min(bits.trailing_zeros() as usize);
        }
    }
    common_prefix(a, b)
}

/// Length of the longest common prefix, eight bytes at a time.
#[inline]
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let n = a.len().min(b.len());
    // SAFETY: `at + 8 <= n` at every call, and both slices have at least n bytes.
    let differ = |at: usize| unsafe {
        let x = a.as_ptr().add(at).cast::<u64>().read_unaligned();
        let y = b.as_ptr().add(at).cast::<u64>().read_unaligned();
        u64::from_le(x ^ y)
    };
    let mut at = 0;
    while at + 8 <= n {
        let bits = differ(at);
        if bits != 0 {
            return at + (bits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    if at == n {
        return n;
    }
    if n >= 8 {
        // The last word again, overlapping what is known to be equal.
        let bits = differ(n - 8);
        return if bits == 0 { n } else { n - 8 + (bits.trailing_zeros() / 8) as usize };
    }
    if n >= 4 {
        // SAFETY: `at + 4 <= n` at both calls, and both slices have at least n bytes.
        let differ = |at: usize| unsafe {
            let x = a.as_ptr().add(at).cast::<u32>().read_unaligned();
            let y = b.as_ptr().add(at).cast::<u32>().read_unaligned();
            u32::from_le(x ^ y)
        };
        let (first, last) = (differ(0), differ(n - 4));
        return match (first, last) {
            (0, 0) => n,
            (0, last) => n - 4 + (last.trailing_zeros() / 8) as usize,
            (first, _) => (first.trailing_zeros() / 8) as usize,
        };
    }
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn common_prefixes_follow_the_definition(a: Vec<u8>, tail: Vec<u8>, cut: proptest::sample::Index) {
            let mut a = a;
            let mut b = [&a[..cut.index(a.len() + 1)], &tail[..]].concat();
            let slow = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            prop_assert_eq!(common_prefix(&a, &b), slow);
            let lengths = (a.len(), b.len());
            // What lies behind them is equal, which must not count.
            a.resize(lengths.0 + WIDE, 7);
            b.resize(lengths.1 + WIDE, 7);
            // SAFETY: WIDE bytes were added to both.
            prop_assert_eq!(unsafe { wide_prefix(&a[..lengths.0], &b[..lengths.1]) }, slow);
        }
    }

    #[test]
    fn trailers_share_when_one_key_begins_with_the_other() {
        let (a, b) = (b"k\0".as_slice(), b"k\0\x01\0\0k".as_slice());
        assert_eq!(trailer_prefix(a, b, 2), 3);
        assert_eq!(trailer_prefix(b, a, 2), 3);
        assert_eq!(trailer_prefix(b"ab", b"ac", 1), 0);
    }
}
