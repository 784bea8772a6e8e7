//! One input file of a merge, pulled entry by entry through windows (sst-format.md 16.4).
//!
//! Opens itself when first advanced, asks for the windows it needs, skips what lies outside of its bounds. This module
//! must not compare files with each other; `merge` does.

use crate::bounds::judge_separator;
pub use crate::bounds::{Bounds, MergeFile, RangeTombstone};
use crate::codec::Decompressor;
use crate::entries::{Entries, KIND_SET, ValuePlace, Version};
use crate::fault::{Code, Fault, escape_key};
use crate::flaw::{BlockKind, Flaw, Place};
use crate::footer::{Handle, MAX_FOOTER_BYTES, TRAILER_BYTES};
use crate::range_key::RANGE_KEY_SET;
use crate::reader::{Comparer, SUFFIX_BYTES, Table};
use crate::source::{BlockReader, Stop, Window};
use crate::value_block::ValueCache;
use crate::windows::{Role, Windows, coalesce};

/// Two pieces of a file nearer than this are read as one.
const COALESCE_BYTES: u64 = 32 << 10;

/// Bytes of data blocks asked for at once of a file on this machine, and of one behind a network.
const LOCAL_WINDOW_BYTES: u64 = 1 << 20;
const REMOTE_WINDOW_BYTES: u64 = 4 << 20;

/// What advancing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The cursor is at an entry.
    Entry,
    /// Windows are needed first.
    Blocked,
    /// No more entries.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    NextBlock,
    InBlock,
    Value,
    End,
}

/// A cursor over one file.
#[derive(Debug)]
pub struct FileCursor {
    file: MergeFile,
    bounds: Bounds,
    windows: Windows,
    table: Option<Table>,
    entries: Entries,
    values: ValueCache,
    state: State,
    /// The block that `entries` is in, or loads next.
    block: usize,
    /// First block whose window was not asked for.
    requested: usize,
    past_start: bool,
    blocks_read: u64,
    tombstones: Vec<RangeTombstone>,
}

impl FileCursor {
    /// A cursor over the keys of a file that lie in `bounds` too.
    #[must_use]
    pub fn new(file: MergeFile, bounds: &Bounds) -> Self {
        let own = Bounds { start: file.start_key.clone(), end: file.end_key.clone(), end_inclusive: file.end_inclusive };
        let bounds = own.intersect(bounds);
        let state = if bounds.is_empty() { State::End } else { State::Opening };
        Self {
            entries: Entries::new(&file.elided_prefix, false),
            past_start: bounds.start.is_empty(),
            file,
            bounds,
            windows: Windows::default(),
            table: None,
            values: ValueCache::default(),
            state,
            block: 0,
            requested: 0,
            blocks_read: 0,
            tombstones: Vec::new(),
        }
    }

    /// Position of the file's layer.
    #[inline]
    #[must_use]
    pub fn layer(&self) -> u32 {
        self.file.layer
    }

    /// Name of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// No key of the file lies before this one.
    #[must_use]
    pub fn start_bound(&self) -> &[u8] {
        &self.bounds.start
    }

    /// Nothing (more) will come.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.state == State::End
    }

    /// The current entry.
    #[inline]
    #[must_use]
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Value of the current entry.
    ///
    /// # Errors
    /// Damage: a value handle that points beyond its block.
    #[inline]
    pub fn value(&self) -> Result<&[u8], Fault> {
        match self.entries.value_place() {
            ValuePlace::Block(_) => Ok(self.entries.value_in_block()),
            ValuePlace::OutOfLine(handle) => self.values.get(*handle).map_err(|flaw| self.place().fault(flaw)),
        }
    }

    /// Data blocks decoded.
    #[must_use]
    pub fn blocks_read(&self) -> u64 {
        self.blocks_read
    }

    /// Opens the file and asks for its first blocks, as far as the bytes at hand allow; moves to no entry.
    ///
    /// # Errors
    /// As [`FileCursor::advance`].
    pub fn prepare(&mut self, window: u64, codec: &mut Decompressor) -> Result<(), Fault> {
        if self.state != State::Opening || self.windows.has_outstanding() {
            return Ok(());
        }
        match self.open(window, codec) {
            Ok(_) => {
                self.request_ahead(window);
                Ok(())
            }
            Err(stop) => self.wait(stop),
        }
    }

    /// Asks for what is missing.
    #[cold]
    fn wait(&mut self, stop: Stop) -> Result<(), Fault> {
        let windows = match stop {
            Stop::Fault(fault) => return self.ask_again(fault),
            Stop::Missing(windows) => windows,
        };
        let role = match self.state {
            State::Opening => Role::Opening,
            State::Value => Role::Value,
            _ => Role::Data,
        };
        for window in coalesce(windows, COALESCE_BYTES) {
            self.windows.request(window, role);
        }
        Ok(())
    }

    /// Asks again for bytes from which a part of the file could not be read, when they may have been damaged on their way.
    #[cold]
    fn ask_again(&mut self, fault: Fault) -> Result<(), Fault> {
        let may_pass = self.file.remote && matches!(fault.code(), Code::CorruptSst | Code::UnsupportedFormat);
        let block = match self.state {
            State::NextBlock => self.handle().map(|h| Window { offset: h.offset, length: h.length + TRAILER_BYTES }),
            _ => None,
        };
        if may_pass && self.windows.ask_again(block) { Ok(()) } else { Err(fault) }
    }

    /// Range tombstones were found when the file was opened.
    #[inline]
    #[must_use]
    pub fn has_tombstones(&self) -> bool {
        !self.tombstones.is_empty()
    }

    /// Hands over the range tombstones found when the file was opened.
    pub fn take_tombstones(&mut self) -> Vec<RangeTombstone> {
        std::mem::take(&mut self.tombstones)
    }

    /// Windows of the file.
    pub fn windows_mut(&mut self) -> &mut Windows {
        &mut self.windows
    }

    /// Takes bytes that were asked for.
    ///
    /// # Errors
    /// The bytes were not asked for.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.windows.feed(&self.file.name, offset, bytes)
    }

    /// Some window was not reported yet.
    #[must_use]
    pub fn has_fresh(&self) -> bool {
        self.windows.has_fresh()
    }

    fn handle(&self) -> Option<Handle> {
        self.table.as_ref()?.blocks.get(self.block).copied()
    }

    fn place(&self) -> Place<'_> {
        Place::block(&self.file.name, BlockKind::Data, self.handle().map_or(0, |h| h.offset))
    }

    /// Moves to the next entry within the bounds. `window` is how many bytes of data blocks may be asked for at once.
    ///
    /// # Errors
    /// Damage, a format that is not read, or an entry that no backup holds.
    pub fn advance(&mut self, window: u64, codec: &mut Decompressor) -> Result<Progress, Fault> {
        loop {
            let step = match self.state {
                State::End => return Ok(Progress::End),
                State::Opening => self.open(window, codec),
                State::NextBlock => self.load_block(window, codec),
                State::InBlock => match self.next_in_block() {
                    Ok(false) => continue,
                    Ok(true) => self.load_value(codec),
                    Err(fault) => return Err(fault),
                },
                State::Value => self.load_value(codec),
            };
            match step {
                Ok(true) => return Ok(Progress::Entry),
                Ok(false) => {}
                Err(stop) => {
                    self.wait(stop)?;
                    return Ok(Progress::Blocked);
                }
            }
        }
    }

    #[cold]
    fn open(&mut self, window: u64, codec: &mut Decompressor) -> Result<bool, Stop> {
        self.ask_for_end(window)?;
        let (bounds, prefix) = (&self.bounds, self.file.elided_prefix.as_slice());
        let want = |separator: &[u8]| judge_separator(bounds, prefix, separator);
        let mut reader = BlockReader { source: &self.windows, file: &self.file.name, codec };
        let table = Table::open(&mut reader, self.file.file_bytes, &want)?;
        if table.head.comparer != Some(Comparer::Cockroach) {
            let name = table.head.properties.get("rocksdb.comparator").unwrap_or_default();
            return Err(Stop::Fault(Fault::unsupported(format!(
                "sst {}: its keys are in the order {}, a backup's are in that of cockroach_comparator",
                self.file.name,
                String::from_utf8_lossy(name)
            ))));
        }
        let deletions = table.head.properties.counter_or_zero("rocksdb.num.range-deletions");
        if deletions.map_err(|flaw| Place::footer(&self.file.name).fault(flaw))? > 0 {
            return Err(Stop::Fault(Fault::corrupt_sst(format!(
                "sst {}: it holds entries of kind 15 (RANGEDEL), which no backup holds",
                self.file.name
            ))));
        }
        self.tombstones = self.range_tombstones(&table)?;
        if self.file.file_bytes <= window.min(LOCAL_WINDOW_BYTES).max(self.file.tail_bytes) {
            self.windows.keep_opening_as_data();
        }
        self.windows.drop_before(Role::Opening, u64::MAX);
        self.table = Some(table);
        self.state = State::NextBlock;
        Ok(false)
    }

    /// Opening begins at the end of the file. Where windows are small, for memory is shared by many files, so is that one.
    fn ask_for_end(&self, window: u64) -> Result<(), Stop> {
        let end = |most: u64| {
            let length = self.file.file_bytes.min(most);
            Window { offset: self.file.file_bytes - length, length }
        };
        if self.windows.covers(end(MAX_FOOTER_BYTES as u64)) {
            return Ok(());
        }
        let most = if self.file.tail_bytes > 0 { self.file.tail_bytes } else { SUFFIX_BYTES.min(window) };
        Err(Stop::Missing(vec![end(most)]))
    }

    fn range_tombstones(&self, table: &Table) -> Result<Vec<RangeTombstone>, Fault> {
        let mut out = Vec::new();
        for key in &table.range_keys {
            let refuse = |why: &str| {
                Err(Fault::corrupt_sst(format!(
                    "sst {}: the range key of kind {} at {} {why}",
                    self.file.name,
                    key.kind,
                    escape_key(&key.start)
                )))
            };
            let (start, end) = match (key.start.split_last(), key.end.split_last()) {
                (Some((0, start)), Some((0, end))) => (start, end),
                _ => return refuse("has bounds that are no engine keys"),
            };
            let Some(timestamp) = key.timestamp() else { return refuse("has no timestamp") };
            if key.kind != RANGE_KEY_SET || !key.is_tombstone() {
                return refuse("is no range tombstone");
            }
            if start >= end {
                return refuse("covers no key");
            }
            if let Some(tombstone) = self.bounds.clip(&self.file.elided_prefix, start, end, timestamp) {
                out.push(tombstone);
            }
        }
        Ok(out)
    }

    /// Asks for windows of whole blocks out of a file's `share` of what is held, so that the next one is on its way while one is
    /// merged: of a store whose answers take long for a whole window before this one ends.
    fn request_ahead(&mut self, share: u64) {
        let Some(table) = &self.table else { return };
        let (window, enough) = if self.file.remote {
            let window = (share / 4 * 3).min(REMOTE_WINDOW_BYTES);
            (window, window)
        } else {
            let window = share.min(LOCAL_WINDOW_BYTES);
            (window, window / 2)
        };
        let blocks = &table.blocks;
        let mut ahead = 0;
        for handle in blocks.get(self.block..self.requested).unwrap_or_default() {
            ahead += handle.length + TRAILER_BYTES;
            if ahead > enough {
                return;
            }
        }
        self.requested = self.requested.max(self.block);
        let Some(first) = blocks.get(self.requested) else { return };
        let mut wanted = Window { offset: first.offset, length: first.length + TRAILER_BYTES };
        self.requested += 1;
        while let Some(next) = blocks.get(self.requested) {
            let near = next.offset >= wanted.end() && next.offset - wanted.end() <= COALESCE_BYTES;
            let end = next.offset + next.length + TRAILER_BYTES;
            if !near || end - wanted.offset > window {
                break;
            }
            wanted.length = end - wanted.offset;
            self.requested += 1;
        }
        self.windows.request(wanted, Role::Data);
    }

    fn load_block(&mut self, window: u64, codec: &mut Decompressor) -> Result<bool, Stop> {
        let Some(handle) = self.handle() else {
            self.finish()?;
            return Ok(false);
        };
        self.windows.drop_before(Role::Data, handle.offset);
        self.request_ahead(window);
        let Some(table) = &self.table else { return Ok(false) };
        let block = self.entries.block_mut();
        let mut reader = BlockReader { source: &self.windows, file: &self.file.name, codec };
        reader.read(&table.head.footer, handle, BlockKind::Data, block)?;
        // Of hundreds of files whose windows are one block each, only what is decoded is held.
        self.windows.drop_before(Role::Data, handle.offset + handle.length + TRAILER_BYTES);
        let opened = self.entries.open_block(&table.head);
        opened.map_err(|flaw| self.place().fault(flaw))?;
        self.blocks_read += 1;
        self.state = State::InBlock;
        Ok(false)
    }

    /// Moves within the block; `true` at an entry within the bounds.
    #[inline]
    fn next_in_block(&mut self) -> Result<bool, Fault> {
        let Some(table) = &self.table else { return Ok(false) };
        loop {
            match self.entries.advance(&table.head) {
                Ok(true) => {}
                Ok(false) => {
                    self.block += 1;
                    self.state = State::NextBlock;
                    return Ok(false);
                }
                Err(flaw) => return Err(self.place().fault(flaw)),
            }
            let user = self.entries.user_key();
            if !self.past_start {
                if user < self.bounds.start.as_slice() {
                    continue;
                }
                self.past_start = true;
            }
            if self.bounds.ends_before(user) {
                self.end();
                return Ok(false);
            }
            if self.entries.kind() != KIND_SET || self.entries.version() == Version::Other {
                return Err(self.refuse_entry());
            }
            return Ok(true);
        }
    }

    #[cold]
    fn refuse_entry(&self) -> Fault {
        let key = escape_key(self.entries.engine_key());
        if self.entries.kind() != KIND_SET {
            let kind = self.entries.kind();
            return self
                .place()
                .fault(Flaw::damaged_by(format!("holds an entry of kind {kind} at {key}, which no backup holds")));
        }
        self.place().fault(Flaw::damaged_by(format!("holds the key {key}, whose version is no timestamp")))
    }

    /// Decodes the value block of the current entry, when it has one.
    #[inline]
    fn load_value(&mut self, codec: &mut Decompressor) -> Result<bool, Stop> {
        if let (ValuePlace::OutOfLine(handle), Some(table)) = (self.entries.value_place(), &self.table) {
            self.state = State::Value;
            let offset = table.blocks.get(self.block).map_or(0, |h| h.offset);
            let mut reader = BlockReader { source: &self.windows, file: &self.file.name, codec };
            self.values.load(&mut reader, &table.head.footer, &table.values, *handle, offset)?;
            self.windows.drop_before(Role::Value, u64::MAX);
            self.state = State::InBlock;
        }
        Ok(true)
    }

    /// At the end of a file that was read whole, what was read must be what its properties count.
    fn finish(&mut self) -> Result<(), Fault> {
        if let Some(table) = self.table.as_ref().filter(|table| table.complete) {
            let flaw = crate::verify::check_sums(&table.head.properties, self.entries.sums(), table.blocks.len()).err();
            if let Some(flaw) = flaw {
                let offset = table.head.side.properties.map_or(0, |h| h.offset);
                return Err(Place::block(&self.file.name, BlockKind::Properties, offset).fault(flaw));
            }
        }
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        self.state = State::End;
        self.windows.clear();
        self.entries.release();
        self.values = ValueCache::default();
    }
}
