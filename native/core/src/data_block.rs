//! The data block under construction: the inner loop of the SST writer (sst-format.md 5.1, 5.8, 5.9).
//!
//! Owns encoding of entries into memory of the caller, the order check, restarts, and the rule that ends a block. Must
//! not know where the block goes, of codecs or of checksums.
//!
//! What profiling taught (perf on `examples/encode_bench.rs`, none, 100-byte values, input streamed from memory): copying
//! the value is 40 % of this loop and waits for memory; CRC is 17 % of the whole, page faults of fresh memory 10 %, all
//! bookkeeping per key (lengths, order, prefix, rows) the rest, with no hot spot. Building blocks in the output instead
//! of a scratch block, and keeping counters in locals, are both within the noise; prefetching the input 2 KiB ahead won
//! a sixth on 1-KiB values without compression and nothing with a codec, and was left out. With snappy the compressor asks
//! for the next block's entries while it works ([`crate::snappy`]).

use std::cmp::Ordering;

use crate::ahead::{LEAD, ask_for};
use crate::engine_key::{self, SET_TRAILER, TRAILER_BYTES};
use crate::entry_list::{Entry, EntryList, SLACK};
use crate::fault::{Fault, Result, escape_key};
use crate::row_boundary::{RowBoundary, RowCounter};
use crate::value::{EXTENDED_SENTINEL, clear_checksum};

/// Three varints of 32 bits.
const HEADER_MAX: usize = 15;
/// Count of restarts (4), block type (1) and checksum (4).
const TAIL_FIXED: usize = 9;
/// Greatest key and value together; below what varints, blocks and readers allow (2^31 bytes) with room to spare.
const ENTRY_LIMIT: usize = 1 << 30;

/// Why encoding stopped before the next entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The list is consumed.
    Input,
    /// The block is full.
    Full,
    /// The file has its target size and the next entry begins a row.
    Cut,
    /// The memory handed in is too small: at least this much is needed.
    Room(usize),
}

/// What the loop needs to know of the options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockRules {
    pub(crate) block_bytes: usize,
    pub(crate) restart_interval: usize,
    pub(crate) boundary: RowBoundary,
    pub(crate) clear_checksums: bool,
}

impl BlockRules {
    /// Size above which a block ends rather than outgrow `block_bytes`: nine tenths, as in RocksDB.
    fn soft_bytes(&self) -> usize {
        self.block_bytes - self.block_bytes / 10
    }
}

/// Running facts of the entries of a file.
pub(crate) struct Entries {
    /// Engine key of the last entry; empty before the first.
    pub(crate) last_key: Vec<u8>,
    pub(crate) count: u64,
    /// Engine keys and values as stored, without trailers.
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    /// User keys.
    pub(crate) user_key_bytes: u64,
    pub(crate) rows: RowCounter,
}

impl Entries {
    pub(crate) fn new() -> Entries {
        Entries { last_key: Vec::new(), count: 0, key_bytes: 0, value_bytes: 0, user_key_bytes: 0, rows: RowCounter::new() }
    }
}

/// A block under construction; its bytes are in memory that the caller passes to every call.
pub(crate) struct DataBlock {
    rules: BlockRules,
    restarts: Vec<u32>,
    /// Bytes of the entries.
    len: usize,
    entries: u64,
    since_restart: usize,
}

impl DataBlock {
    pub(crate) fn new(rules: BlockRules) -> DataBlock {
        DataBlock { rules, restarts: Vec::new(), len: 0, entries: 0, since_restart: rules.restart_interval }
    }

    /// Bytes written so far, without restarts.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Begins a new block.
    pub(crate) fn reset(&mut self) {
        self.restarts.clear();
        self.len = 0;
        self.entries = 0;
        self.since_restart = self.rules.restart_interval;
    }

    /// Appends the restarts and their count and returns the length of the payload; `encode_run` kept room for them.
    pub(crate) fn seal(&self, memory: &mut [u8]) -> usize {
        let mut at = self.len;
        for word in self.restarts.iter().chain([&(self.restarts.len() as u32)]) {
            if let Some(room) = memory.get_mut(at..at + 4) {
                room.copy_from_slice(&word.to_le_bytes());
            }
            at += 4;
        }
        at
    }

    /// RocksDB's rule: the block ends before an entry that would outgrow it, once it is nine tenths full.
    fn is_full(&self, len: usize, since_restart: usize, key: usize, value: usize) -> bool {
        let block = self.rules.block_bytes;
        let current = len + 4 * self.restarts.len() + 4;
        let restart = if since_restart >= self.rules.restart_interval { 4 } else { 0 };
        let lengths = crate::varint::len(key as u64) + crate::varint::len(value as u64);
        let estimate = current + key + value + restart + 4 + lengths;
        len > 0 && (current >= block || (estimate > block && current > self.rules.soft_bytes()))
    }

    /// Position up to which no entry can end the block or the file.
    fn quiet_until(&self, file_room: usize) -> usize {
        let block = self.rules.soft_bytes().saturating_sub(4 * self.restarts.len() + 4);
        block.min(file_room)
    }

    /// Encodes entries `from…` of the list into `memory`, behind the [`DataBlock::len`] bytes that are there, until
    /// something stops it. `file_room` is what the file may grow before it is cut. With `stream`, entries and memory were
    /// not asked for before, and are asked for on the way. Returns the next entry.
    ///
    /// # Errors
    /// `SV_USAGE` when keys are malformed or do not ascend, `SV_LIMIT` for huge entries, `SV_CORRUPT_VALUE` when a
    /// checksum is to be cleared in a malformed value.
    pub(crate) fn encode_run(
        &mut self,
        entries: &mut Entries,
        list: &impl EntryList,
        from: usize,
        memory: &mut [u8],
        file_room: usize,
        stream: bool,
    ) -> Result<(usize, Stop)> {
        let mut held = std::mem::take(&mut entries.last_key);
        let mut previous = held.as_slice();
        let mut previous_prefix = engine_key::split(previous);
        let mut quiet = self.quiet_until(file_room);
        // What the loop changes per entry is local, so that the compiler may keep it in registers.
        let (mut len, mut since_restart) = (self.len, self.since_restart);
        let mut room = memory.len().saturating_sub(self.reserved());
        let mut rows = entries.rows.clone();
        let (mut key_bytes, mut value_bytes, mut user_key_bytes) = (0, 0, 0);
        let mut i = from;
        let stop = loop {
            let Some(entry) = list.entry(i) else { break Stop::Input };
            let Entry { key, value, .. } = entry;
            let prefix = checked_prefix(key, value)?;
            let shared = common_prefix(previous, key);
            if !ascends(previous, previous_prefix, key, prefix, shared) {
                return Err(disorder(previous, key));
            }
            if len > quiet {
                if len >= file_room && !previous.is_empty() && self.rules.boundary.between(previous, key) {
                    break Stop::Cut;
                }
                if self.is_full(len, since_restart, key.len() + TRAILER_BYTES, value.len()) {
                    break Stop::Full;
                }
            }
            let needed = len + key.len() + value.len();
            if needed > room {
                break Stop::Room(needed + self.reserved());
            }
            let stored_shared = if since_restart == self.rules.restart_interval {
                self.restarts.push(len as u32);
                since_restart = 0;
                quiet = self.quiet_until(file_room);
                room = memory.len().saturating_sub(self.reserved());
                0
            } else {
                shared + trailer_prefix(previous, key, shared)
            };
            since_restart += 1;
            // SAFETY: `needed <= room` means that `len` bytes, key and value fit into `memory` together with what `reserved`
            // counts, which includes header, trailer and SLACK. `room` may have shrunk since for the restart just pushed,
            // but only by what `reserved` had set aside for it. `stored_shared` is at most the length of the internal key. The
            // list promises what lies behind key and value, and neither is memory that is written.
            let end = unsafe { put_entry(memory, len, stored_shared, &entry) };
            if stream {
                ask_for(list.later(i, &entry));
                let base = (memory.as_ptr() as usize).wrapping_add(LEAD);
                ask_for(base.wrapping_add(len)..base.wrapping_add(end));
            }
            len = end;
            if self.rules.clear_checksums && !value.is_empty() {
                clear_at(&key[..prefix - 1], &mut memory[len - value.len()..len])?;
            }
            key_bytes += key.len() as u64;
            value_bytes += value.len() as u64;
            user_key_bytes += prefix as u64 - 1;
            rows.count(&key[..prefix - 1], shared.min(prefix - 1));
            previous = key;
            previous_prefix = prefix;
            i += 1;
        };
        (self.len, self.since_restart) = (len, since_restart);
        self.entries += (i - from) as u64;
        entries.rows = rows;
        entries.count += (i - from) as u64;
        entries.user_key_bytes += user_key_bytes;
        entries.key_bytes += key_bytes;
        entries.value_bytes += value_bytes;
        if i > from {
            held.clear();
            held.extend_from_slice(list.entry(i - 1).map_or(&[][..], |entry| entry.key));
        }
        entries.last_key = held;
        Ok((i, stop))
    }

    /// Room for one more entry beyond its key and value, and for one more restart, the end of the block and its trailer.
    pub(crate) fn reserved(&self) -> usize {
        HEADER_MAX + TRAILER_BYTES + SLACK + 4 * (self.restarts.len() + 1) + TAIL_FIXED
    }
}

/// Length of user key and sentinel of a well-formed engine key: unversioned or with a version of 8, 12 or 13 bytes.
#[inline]
fn checked_prefix(key: &[u8], value: &[u8]) -> Result<usize> {
    if let Some(&last) = key.last() {
        let prefix = key.len().wrapping_sub(usize::from(last));
        let sentinel = key.get(prefix.wrapping_sub(1)) == Some(&0);
        if matches!(last, 0 | 9 | 13 | 14) && sentinel && key.len() + value.len() <= ENTRY_LIMIT {
            return Ok(prefix);
        }
    }
    Err(refused(key, value))
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

/// Whether two engine keys ascend in the order of `cockroach_comparator`, given their common prefix.
#[inline]
fn ascends(a: &[u8], prefix_a: usize, b: &[u8], prefix_b: usize, shared: usize) -> bool {
    if shared < prefix_a.min(prefix_b) {
        return a[shared] < b[shared];
    }
    if prefix_a != prefix_b {
        return prefix_a < prefix_b;
    }
    engine_key::compare_suffixes(&a[prefix_a..], &b[prefix_b..]) == Ordering::Less
}

/// What the internal keys share beyond engine keys of which one begins with the other: bytes of the trailer.
#[inline]
fn trailer_prefix(a: &[u8], b: &[u8], shared: usize) -> usize {
    if shared < a.len().min(b.len()) { 0 } else { trailer_prefix_of(&a[shared..], &b[shared..]) }
}

#[cold]
fn trailer_prefix_of(a: &[u8], b: &[u8]) -> usize {
    a.iter().chain(&SET_TRAILER).zip(b.iter().chain(&SET_TRAILER)).take_while(|(x, y)| x == y).count()
}

/// Clears the checksum of the value that was just written.
#[inline]
fn clear_at(user: &[u8], value: &mut [u8]) -> Result<()> {
    match value {
        [a, b, c, d, tag, ..] if *tag != EXTENDED_SENTINEL => {
            [*a, *b, *c, *d] = [0; 4];
            Ok(())
        }
        _ => clear_checksum(user, value),
    }
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
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// Writes header, key tail, trailer and value at `at` and returns the end.
///
/// # Safety
/// `memory` has HEADER_MAX + internal key + value + SLACK bytes from `at`; `shared` is at most the internal key's
/// length; the entry's slack can be read, and neither it nor the entry overlaps `memory`.
#[inline]
unsafe fn put_entry(memory: &mut [u8], at: usize, shared: usize, entry: &Entry<'_>) -> usize {
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
#[inline]
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
#[inline]
unsafe fn copy_short(from: *const u8, to: *mut u8, n: usize, loose: bool) {
    // SAFETY: a step begins before n and moves 32 bytes, hence at most n + SLACK bytes are touched.
    unsafe {
        if loose && n <= 256 {
            let mut at = 0;
            while at < n {
                let step = from.add(at).cast::<[u8; SLACK]>().read_unaligned();
                to.add(at).cast::<[u8; SLACK]>().write_unaligned(step);
                at += SLACK;
            }
        } else {
            std::ptr::copy_nonoverlapping(from, to, n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn common_prefixes_follow_the_definition(a: Vec<u8>, tail: Vec<u8>, cut: proptest::sample::Index) {
            let b = [&a[..cut.index(a.len() + 1)], &tail[..]].concat();
            let slow = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            prop_assert_eq!(common_prefix(&a, &b), slow);
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
