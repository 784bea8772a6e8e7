//! Row blocks (sst-format.md section 5): prefix-compressed entries and a restart array, read front to back.
//!
//! Everything is by position, so that a cursor can own the block and its place in it. This module must not know what
//! the keys or values of a block mean.

use std::ops::Range;

use crate::flaw::Flaw;
use crate::varint;

/// Bytes of the trailer of an internal key.
pub const KEY_TRAILER_BYTES: usize = 8;

/// Where the entries of a row block end, and its restart array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowFrame {
    /// End of the entries, start of the restart array.
    pub entries_end: usize,
    /// Restart points.
    pub restarts: usize,
}

fn u32_at(block: &[u8], at: usize) -> Option<u32> {
    let four: [u8; 4] = block.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u32::from_le_bytes(four))
}

impl RowFrame {
    /// Finds the restart array at the end of a block. RocksDB may put a hash index between it and the last word (bit
    /// 31); its other flag bits change how entries are stored and are refused.
    ///
    /// # Errors
    /// Damage, or a flag that is not read.
    pub fn read(block: &[u8]) -> Result<Self, Flaw> {
        let cut = || Flaw::damaged("is too short for its restart array");
        let word_at = block.len().checked_sub(4).ok_or_else(cut)?;
        let word = u32_at(block, word_at).ok_or_else(cut)?;
        if word & 0x7000_0000 != 0 {
            return Err(Flaw::unsupported(format!("has the flag bits {:x}, which are not read", word >> 28)));
        }
        let mut restarts_end = word_at;
        if word & 0x8000_0000 != 0 {
            let count_at = word_at.checked_sub(2).ok_or_else(cut)?;
            let buckets = match block.get(count_at..word_at) {
                Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
                _ => return Err(cut()),
            };
            restarts_end = count_at.checked_sub(buckets).ok_or_else(cut)?;
        }
        let restarts = (word & 0x0fff_ffff) as usize;
        if restarts == 0 {
            return Err(Flaw::damaged("has no restart point"));
        }
        let entries_end = restarts.checked_mul(4).and_then(|bytes| restarts_end.checked_sub(bytes)).ok_or_else(cut)?;
        Ok(Self { entries_end, restarts })
    }

    /// Offset of restart point `i`; the flag bit of Pebble 3 and 4 is masked off.
    #[must_use]
    pub fn restart(&self, block: &[u8], i: usize) -> Option<usize> {
        let word = u32_at(block, self.entries_end.checked_add(i.checked_mul(4)?)?)?;
        Some((word & 0x7fff_ffff) as usize)
    }
}

/// One entry of a row block, by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowEntry {
    /// Bytes shared with the previous key.
    pub shared: usize,
    /// Own bytes of the key.
    pub tail: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

impl RowEntry {
    /// Where the next entry begins.
    #[must_use]
    pub fn next(&self) -> usize {
        self.value.end
    }
}

/// Reads the entry at `at`; the caller stops when `at` reaches `end` (see [`RowFrame::entries_end`]).
///
/// # Errors
/// Damage: an entry that reaches beyond `end`.
#[inline]
pub fn read_entry(block: &[u8], at: usize, end: usize) -> Result<RowEntry, Flaw> {
    let head = block.get(at..end).unwrap_or_default();
    // Nearly every entry has three one-byte integers.
    let (shared, unshared, length, used) = match head {
        [a, b, c, ..] if (a | b | c) < 0x80 => (usize::from(*a), usize::from(*b), usize::from(*c), 3),
        _ => read_sizes(head).ok_or_else(|| Flaw::damaged_by(format!("has no entry at its byte {at}")))?,
    };
    let tail = at + used;
    let value = tail.checked_add(unshared);
    match value.and_then(|v| v.checked_add(length)) {
        Some(next) if next <= end => Ok(RowEntry { shared, tail: tail..tail + unshared, value: tail + unshared..next }),
        _ => Err(Flaw::damaged_by(format!("has an entry at its byte {at} that reaches beyond the entries' end {end}"))),
    }
}

#[cold]
fn read_sizes(head: &[u8]) -> Option<(usize, usize, usize, usize)> {
    let (shared, a) = varint::read_u32(head)?;
    let (unshared, b) = varint::read_u32(head.get(a..)?)?;
    let (length, c) = varint::read_u32(head.get(a + b..)?)?;
    Some((shared as usize, unshared as usize, length as usize, a + b + c))
}

/// Rebuilds a key in `key`, which holds the previous one: keeps `shared` bytes after the first `keep` (a prefix that is
/// no part of the block) and appends the entry's own bytes.
///
/// # Errors
/// Damage: more bytes shared than the previous key has.
#[inline]
pub fn rebuild_key(block: &[u8], entry: &RowEntry, keep: usize, key: &mut Vec<u8>) -> Result<(), Flaw> {
    let base = keep + entry.shared;
    if base > key.len() {
        return Err(Flaw::damaged("has an entry that shares more bytes than the previous key has"));
    }
    key.truncate(base);
    key.extend_from_slice(block.get(entry.tail.clone()).unwrap_or_default());
    Ok(())
}

/// Walks a whole small row block (metaindex, properties, spans): calls `visit` with each key and value.
///
/// # Errors
/// Damage, or what `visit` returns.
pub fn walk_rows(block: &[u8], mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Flaw>) -> Result<(), Flaw> {
    let frame = RowFrame::read(block)?;
    let mut key = Vec::new();
    let mut at = 0;
    while at < frame.entries_end {
        let entry = read_entry(block, at, frame.entries_end)?;
        rebuild_key(block, &entry, 0, &mut key)?;
        visit(&key, block.get(entry.value.clone()).unwrap_or_default())?;
        at = entry.next();
    }
    Ok(())
}

/// Checks that every restart point is the start of an entry that shares nothing, as seekers rely on.
///
/// # Errors
/// Damage.
pub fn check_restarts(block: &[u8], frame: &RowFrame) -> Result<(), Flaw> {
    let (mut at, mut next) = (0, 0);
    while at < frame.entries_end {
        let entry = read_entry(block, at, frame.entries_end)?;
        if next < frame.restarts && frame.restart(block, next) == Some(at) {
            if entry.shared != 0 {
                return Err(Flaw::damaged_by(format!("has a restart point at its byte {at} that shares bytes")));
            }
            next += 1;
        }
        at = entry.next();
    }
    // An empty block still has one restart point, at 0.
    let empty = frame.entries_end == 0 && frame.restarts == 1 && frame.restart(block, 0) == Some(0);
    if next == frame.restarts || empty {
        return Ok(());
    }
    Err(Flaw::damaged_by(format!("has a restart point ({next}) at no entry")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Vec<u8> {
        let mut b = Vec::new();
        b.extend_from_slice(b"\x00\x05\x01apple1");
        b.extend_from_slice(b"\x02\x05\x02ricot22");
        b.extend_from_slice(b"\x00\x06\x03banana333");
        b.extend_from_slice(&0u32.to_le_bytes());
        b.extend_from_slice(&1u32.to_le_bytes());
        b
    }

    #[test]
    fn walks_entries() {
        let mut seen = Vec::new();
        walk_rows(&block(), |k, v| {
            seen.push((k.to_vec(), v.to_vec()));
            Ok(())
        })
        .expect("a sound block");
        let want: Vec<(Vec<u8>, Vec<u8>)> = vec![
            (b"apple".to_vec(), b"1".to_vec()),
            (b"apricot".to_vec(), b"22".to_vec()),
            (b"banana".to_vec(), b"333".to_vec()),
        ];
        assert_eq!(seen, want);
        let b = block();
        check_restarts(&b, &RowFrame::read(&b).expect("frame")).expect("restart 0");
    }

    #[test]
    fn every_cut_and_every_flip_is_an_answer_or_an_error() {
        let whole = block();
        for cut in 0..whole.len() {
            let _answer = walk_rows(&whole[..cut], |_, _| Ok(()));
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut b = whole.clone();
                b[at] ^= 1 << bit;
                let _answer = walk_rows(&b, |_, _| Ok(()));
            }
        }
        assert!(RowFrame::read(&[0, 0, 0]).is_err());
        assert!(RowFrame::read(&[0, 0, 0, 0]).is_err());
        assert!(RowFrame::read(&[0, 0, 0, 0x20]).is_err());
    }
}
