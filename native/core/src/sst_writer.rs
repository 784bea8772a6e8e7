//! The SST writer: packed batches or other lists of entries in, parts of a RocksDBv2 table out (sst-format.md 16; crdb-format.md 6 and 15).
//!
//! Owns the life of one file: data blocks, single-level index, tail, facts. The bytes of a file depend on its entries
//! and options alone, never on how batches and parts were cut. Memory: one block, the index, and a spill of at most one
//! block and the tail. Must not do I/O.

use crate::ahead::Ahead;
use crate::batch::Batch;
use crate::block_builder::{BlockBuilder, INDEX_INTERVAL};
use crate::block_output::{BlockOutput, Form, TRAILER_LEN};
use crate::codec::{Compression, Compressor};
use crate::data_block::{BlockRules, DataBlock, Entries, Place, Stop};
use crate::engine_key::{self, SEPARATOR_TRAILER, SET_TRAILER, TRAILER_BYTES};
use crate::entry_list::EntryList;
use crate::fault::{Fault, Result};
use crate::properties_writer::{BlockHandle, TableNumbers, footer, metaindex_payload, properties_payload};
pub use crate::sst_options::SstOptions;
pub use crate::sst_report::{Progress, Reason, SstFileFacts};
use crate::varint;

/// Room beyond the block size for the last entry, restarts and trailer.
const BLOCK_HEADROOM: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closing,
    Done,
    /// After an error the file is worthless.
    Failed,
}

/// One SST being written.
pub struct SstWriter {
    options: SstOptions,
    state: State,
    block: DataBlock,
    /// The block under construction, when it is not built in the output itself.
    scratch: Vec<u8>,
    entries: Entries,
    first_key: Vec<u8>,
    data_blocks: u64,
    index: BlockBuilder,
    output: BlockOutput,
    facts: SstFileFacts,
}

impl SstWriter {
    /// A writer of one file.
    ///
    /// # Errors
    /// `SV_USAGE` for options that no file can have.
    pub fn new(options: SstOptions) -> Result<SstWriter> {
        options.check()?;
        let rules = BlockRules {
            block_bytes: options.block_bytes,
            restart_interval: options.restart_interval,
            boundary: options.row_boundary,
            clear_checksums: options.clear_value_checksums,
        };
        Ok(SstWriter {
            options,
            state: State::Open,
            block: DataBlock::new(rules),
            scratch: vec![0; options.block_bytes + BLOCK_HEADROOM],
            entries: Entries::new(),
            first_key: Vec::new(),
            data_blocks: 0,
            index: BlockBuilder::new(INDEX_INTERVAL),
            output: BlockOutput::new(Compressor::new(options.compression, options.level)?),
            facts: SstFileFacts::default(),
        })
    }

    /// Prefixes (`[fe tenant] table index`) of primary indexes whose id is not 1, for the counts.
    pub fn set_primaries(&mut self, prefixes: Vec<Vec<u8>>) {
        self.entries.rows.primaries = prefixes;
    }

    /// Encodes entries `from…` of a list into `out` from `out_pos`, until the list, `out` or the file ends. What is
    /// behind the returned `out_pos` is undefined.
    ///
    /// # Errors
    /// `SV_USAGE` when keys do not strictly ascend or are no engine keys, or for positions outside; `SV_LIMIT` for huge
    /// entries; `SV_CORRUPT_VALUE` when the checksum of a malformed value is to be cleared. The file is lost then.
    pub fn write(&mut self, list: &impl EntryList, from: usize, out: &mut [u8], out_pos: usize) -> Result<Progress> {
        self.check_state(State::Open, "write")?;
        if from > list.count() || out_pos > out.len() {
            return Err(Fault::usage(format!(
                "write from entry {from} of {} at byte {out_pos} of {}",
                list.count(),
                out.len()
            )));
        }
        self.guarded(|writer| writer.encode(list, from, out, out_pos))
    }

    /// Writes what remains of the file; call until the second result is true.
    ///
    /// # Errors
    /// `SV_USAGE` for a file without entries.
    pub fn finish(&mut self, out: &mut [u8], out_pos: usize) -> Result<(usize, bool)> {
        if out_pos > out.len() {
            return Err(Fault::usage(format!("finish at byte {out_pos} of {}", out.len())));
        }
        if self.state != State::Closing {
            self.check_state(State::Open, "finish")?;
        }
        self.guarded(|writer| {
            let mut at = writer.output.drain(out, out_pos);
            if writer.state == State::Open {
                at = writer.close(out, at)?;
                writer.state = State::Closing;
            }
            let done = !writer.output.is_pending();
            if done {
                writer.state = State::Done;
            }
            Ok((at, done))
        })
    }

    /// Facts of the finished file.
    ///
    /// # Errors
    /// `SV_USAGE` before [`SstWriter::finish`] reported the end.
    pub fn facts(&self) -> Result<&SstFileFacts> {
        self.check_state(State::Done, "facts")?;
        Ok(&self.facts)
    }

    fn check_state(&self, wanted: State, call: &str) -> Result<()> {
        if self.state == wanted {
            return Ok(());
        }
        let state = match self.state {
            State::Open => "is not finished",
            State::Closing => "is being finished",
            State::Done => "is finished",
            State::Failed => "has failed",
        };
        Err(Fault::usage(format!("{call} of an sst that {state}")))
    }

    fn guarded<T>(&mut self, action: impl FnOnce(&mut SstWriter) -> Result<T>) -> Result<T> {
        let result = action(self);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn encode(&mut self, list: &impl EntryList, from: usize, out: &mut [u8], out_pos: usize) -> Result<Progress> {
        let mut at = self.output.drain(out, out_pos);
        let mut next = from;
        if self.output.is_pending() {
            return Ok(Progress { next, out_pos: at, reason: Reason::Out });
        }
        if self.entries.count == 0 {
            self.first_key = list.entry(from).map_or_else(Vec::new, |entry| engine_key::user_key(entry.key).to_vec());
        }
        // Set when `out` had no room for the first entry of a block, which then is built in the scratch memory.
        let mut oversized = false;
        loop {
            // Uncompressed blocks are built where they belong, which saves a copy.
            let direct = self.options.compression == Compression::None
                && self.block.is_empty()
                && !oversized
                && out.len() - at >= self.options.block_bytes + BLOCK_HEADROOM;
            let memory = if direct { out.get_mut(at..).unwrap_or_default() } else { &mut self.scratch[..] };
            let file_room = self.options.target_file_bytes.saturating_sub(self.output.file_bytes());
            let file_room = usize::try_from(file_room).unwrap_or(usize::MAX);
            let (reached, stop) =
                self.block.encode_run(&mut self.entries, list, next, Place { memory, file_room, stream: direct })?;
            next = reached;
            if stop == Stop::Full {
                at = self.end_block(Some((list, next)), direct, out, at)?;
                oversized = false;
                if self.output.is_pending() || at == out.len() {
                    return Ok(Progress { next, out_pos: at, reason: Reason::Out });
                }
                continue;
            }
            if let Stop::Room(needed) = stop {
                self.scratch.resize(needed.max(self.scratch.len()), 0);
                oversized = true;
            }
            if direct {
                // The caller may hand in other memory next time: keep the beginning of the block.
                let n = self.block.len();
                // An entry that is larger than the scratch memory may have found room in `out`.
                self.scratch.resize((n + self.block.reserved()).max(self.scratch.len()), 0);
                self.scratch[..n].copy_from_slice(&out[at..at + n]);
            }
            match stop {
                Stop::Input => return Ok(Progress { next, out_pos: at, reason: Reason::Input }),
                Stop::Cut => return Ok(Progress { next, out_pos: at, reason: Reason::Cut }),
                Stop::Full | Stop::Room(_) => {}
            }
        }
    }

    /// Ends the block: stores it and adds its index entry, which lies before the `next` entry of the list. Returns the end
    /// in `out`.
    fn end_block<L: EntryList>(
        &mut self,
        next: Option<(&L, usize)>,
        direct: bool,
        out: &mut [u8],
        at: usize,
    ) -> Result<usize> {
        let next_key = next.and_then(|(list, i)| list.entry(i)).map(|entry| entry.key);
        let (handle, at) = if direct {
            let length = self.block.seal(out.get_mut(at..).unwrap_or_default());
            self.output.seal_in_place(out, at, length)?
        } else {
            let length = self.block.seal(&mut self.scratch);
            // Entries of the next block come into the cache while this one keeps the processor busy.
            let mut ahead = next.map_or_else(Ahead::default, |(list, i)| list.ahead(i));
            self.output.write(&self.scratch[..length], Form::Compressed { ahead: &mut ahead }, out, at)?
        };
        self.data_blocks += 1;
        self.block.reset();
        let usual = self.options.block_bytes + BLOCK_HEADROOM;
        if self.scratch.len() > 4 * usual {
            // An oversized entry is over: give its memory back.
            self.scratch.truncate(usual);
            self.scratch.shrink_to_fit();
        }
        self.add_index_entry(next_key, handle);
        Ok(at)
    }

    fn add_index_entry(&mut self, next_key: Option<&[u8]>, handle: BlockHandle) {
        let last = self.entries.last_key.as_slice();
        let mut key = Vec::with_capacity(last.len() + TRAILER_BYTES);
        let shortened = match next_key {
            Some(next) => engine_key::separator(&mut key, last, next),
            None => {
                key.extend_from_slice(last);
                false
            }
        };
        key.extend_from_slice(if shortened { &SEPARATOR_TRAILER } else { &SET_TRAILER });
        let mut value = Vec::with_capacity(2 * varint::MAX_U64);
        handle.push(&mut value);
        self.index.add(&key, &value);
    }

    /// Writes the last block, index, properties, metaindex and footer.
    fn close(&mut self, out: &mut [u8], at: usize) -> Result<usize> {
        if self.entries.count == 0 {
            return Err(Fault::usage("an sst without entries cannot be finished"));
        }
        let at = self.end_block(None::<(&Batch<'_>, usize)>, false, out, at)?;
        let data_bytes = self.output.file_bytes();
        let index = std::mem::replace(&mut self.index, BlockBuilder::new(INDEX_INTERVAL)).finish();
        let numbers = TableNumbers {
            entries: self.entries.count,
            raw_key_bytes: self.entries.key_bytes + self.entries.count * TRAILER_BYTES as u64,
            raw_value_bytes: self.entries.value_bytes,
            data_blocks: self.data_blocks,
            data_bytes,
            index_bytes: (index.len() + TRAILER_LEN) as u64,
            compression: self.output.compression(),
        };
        let (index_handle, at) = self.output.write(&index, Form::Compressed { ahead: &mut Ahead::default() }, out, at)?;
        let (properties_handle, at) = self.output.write(&properties_payload(&numbers), Form::Plain, out, at)?;
        let (metaindex_handle, at) = self.output.write(&metaindex_payload(properties_handle), Form::Plain, out, at)?;
        let at = self.output.append(&footer(metaindex_handle, index_handle), out, at);
        let (rows, index_entries) = self.entries.rows.counts();
        self.facts = SstFileFacts {
            entries: numbers.entries,
            raw_key_bytes: numbers.raw_key_bytes,
            raw_value_bytes: numbers.raw_value_bytes,
            data_blocks: numbers.data_blocks,
            file_bytes: self.output.file_bytes(),
            first_key: std::mem::take(&mut self.first_key),
            last_key: engine_key::user_key(&self.entries.last_key).to_vec(),
            rows,
            index_entries,
            data_bytes: self.entries.user_key_bytes + self.entries.value_bytes,
        };
        Ok(at)
    }
}
