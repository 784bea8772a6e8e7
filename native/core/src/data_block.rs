//! The data block under construction: the inner loop of the SST writer (sst-format.md 5.1, 5.8, 5.9).
//!
//! Owns the run of entries into memory of the caller, restarts, and the rule that ends a block. Must not know where the
//! block goes, of codecs or of checksums.
//!
//! What profiling taught: copying the value is 40 % of this loop and waits for memory, for what is read and for what is
//! written; the rest is bookkeeping per key (lengths, order, prefix, rows) with no hot spot. So a block that is built in the
//! output asks for both a page before their use, and before the entry is written rather than behind it. With a codec, the
//! compressor asks for the next block's entries while it works ([`crate::snappy`]).

use crate::ahead::{LEAD, ask_for};
use crate::engine_key::TRAILER_BYTES;
use crate::entry_bytes::{HEADER_MAX, put_entry};
use crate::entry_list::{EntryList, SLACK};
use crate::fault::Result;
use crate::neighbour::Key;
use crate::row_boundary::{RowBoundary, RowCounter};
use crate::value::{EXTENDED_SENTINEL, clear_checksum};

/// Three varints of an entry whose value has more than 127 bytes.
const USUAL_HEADER: usize = 4;
/// Count of restarts (4), block type (1) and checksum (4).
const TAIL_FIXED: usize = 9;

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

/// Where a run of entries goes.
pub(crate) struct Place<'m> {
    /// Memory of the block, from its beginning.
    pub(crate) memory: &'m mut [u8],
    /// What the file may grow before it is cut.
    pub(crate) file_room: usize,
    /// Whether entries and memory were not asked for before, and are to be asked for on the way.
    pub(crate) stream: bool,
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

    /// Encodes entries `from…` of the list behind the [`DataBlock::len`] bytes that are in the memory, until something
    /// stops it. Returns the next entry.
    ///
    /// # Errors
    /// `SV_USAGE` when keys are malformed or do not ascend, `SV_LIMIT` for huge entries, `SV_CORRUPT_VALUE` when a
    /// checksum is to be cleared in a malformed value.
    pub(crate) fn encode_run<L: EntryList>(
        &mut self,
        entries: &mut Entries,
        list: &L,
        from: usize,
        place: Place<'_>,
    ) -> Result<(usize, Stop)> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has these features, as was just asked.
            return unsafe { encode_run_avx2(self, entries, list, from, place) };
        }
        self.encode_run_anywhere(entries, list, from, place)
    }

    #[inline(always)]
    fn encode_run_anywhere<L: EntryList>(
        &mut self,
        entries: &mut Entries,
        list: &L,
        from: usize,
        place: Place<'_>,
    ) -> Result<(usize, Stop)> {
        let Place { memory, file_room, stream } = place;
        let mut held = std::mem::take(&mut entries.last_key);
        let mut previous = Key::held(&held);
        let mut quiet = self.quiet_until(file_room);
        // What the loop changes per entry is local, so that the compiler may keep it in registers.
        let (mut len, mut since_restart) = (self.len, self.since_restart);
        let mut room = memory.len().saturating_sub(self.reserved());
        let mut rows = std::mem::take(&mut entries.rows);
        let (mut key_bytes, mut value_bytes, mut user_key_bytes) = (0, 0, 0);
        let mut i = from;
        let stop = loop {
            let Some(entry) = list.entry(i) else { break Stop::Input };
            let key = Key::checked(&entry)?;
            let shared = key.shared_with(&previous)?;
            let size = entry.key.len() + entry.value.len();
            if len > quiet {
                if len >= file_room && !previous.is_empty() && self.rules.boundary.between(previous.bytes(), entry.key) {
                    break Stop::Cut;
                }
                if self.is_full(len, since_restart, entry.key.len() + TRAILER_BYTES, entry.value.len()) {
                    break Stop::Full;
                }
            }
            if len + size > room {
                break Stop::Room(len + size + self.reserved());
            }
            let mut stored_shared = shared;
            if since_restart == self.rules.restart_interval {
                self.restarts.push(len as u32);
                since_restart = 0;
                quiet = self.quiet_until(file_room);
                room = memory.len().saturating_sub(self.reserved());
                stored_shared = 0;
            }
            since_restart += 1;
            if stream {
                ask_for(list.later(i, &entry));
                let to = (memory.as_ptr() as usize).wrapping_add(len + LEAD);
                ask_for(to..to.wrapping_add(size + TRAILER_BYTES + USUAL_HEADER - stored_shared));
            }
            // SAFETY: `len + size <= room` means that `len` bytes, key and value fit into `memory` together with what
            // `reserved` counts, which includes header, trailer and SLACK. `room` may have shrunk since for the restart just
            // pushed, but only by what `reserved` had set aside for it. `stored_shared` is at most the length of the
            // internal key. The list promises what lies behind key and value, and neither is memory that is written.
            len = unsafe { put_entry(memory, len, stored_shared, &entry) };
            if self.rules.clear_checksums && !entry.value.is_empty() {
                clear_at(key.user(), &mut memory[len - entry.value.len()..len])?;
            }
            key_bytes += entry.key.len() as u64;
            value_bytes += entry.value.len() as u64;
            user_key_bytes += key.user().len() as u64;
            rows.count(key.user(), shared.min(key.user().len()));
            previous = key;
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

/// [`DataBlock::encode_run_anywhere`] with wider copies and shorter bit counts.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn encode_run_avx2<L: EntryList>(
    block: &mut DataBlock,
    entries: &mut Entries,
    list: &L,
    from: usize,
    place: Place<'_>,
) -> Result<(usize, Stop)> {
    block.encode_run_anywhere(entries, list, from, place)
}

/// Clears the checksum of the value that was just written.
#[inline(always)]
fn clear_at(user: &[u8], value: &mut [u8]) -> Result<()> {
    match value {
        [a, b, c, d, tag, ..] if *tag != EXTENDED_SENTINEL => {
            [*a, *b, *c, *d] = [0; 4];
            Ok(())
        }
        _ => clear_checksum(user, value),
    }
}
