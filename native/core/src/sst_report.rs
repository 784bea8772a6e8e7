//! What the SST writer tells: how far a call came and why it returned, and the facts of a finished file.
//!
//! Owns plain numbers and keys. Must not write.

/// Why a call of [`crate::sst_writer::SstWriter::write`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The list is consumed.
    Input,
    /// The output memory is full: hand over another.
    Out,
    /// The target size is reached and entry `next` begins a new row: finish this file.
    Cut,
}

impl Reason {
    /// The word of `SstWriteProgress.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Input => "input",
            Reason::Out => "out",
            Reason::Cut => "cut",
        }
    }
}

/// Result of one call of [`crate::sst_writer::SstWriter::write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// First entry that is not encoded.
    pub next: usize,
    /// Filled bytes of the output memory.
    pub out_pos: usize,
    /// Why the call returned.
    pub reason: Reason,
}

/// Facts of a finished file; the fields of `SstFileFacts`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SstFileFacts {
    /// Points.
    pub entries: u64,
    /// Engine keys with their 8-byte trailers, as the property `rocksdb.raw.key.size`.
    pub raw_key_bytes: u64,
    /// Values.
    pub raw_value_bytes: u64,
    /// Data blocks.
    pub data_blocks: u64,
    /// Bytes of the whole file.
    pub file_bytes: u64,
    /// User key of the first entry.
    pub first_key: Vec<u8>,
    /// User key of the last entry.
    pub last_key: Vec<u8>,
    /// Rows of primary indexes, as CockroachDB counts them.
    pub rows: u64,
    /// Entries of other indexes.
    pub index_entries: u64,
    /// User keys and values.
    pub data_bytes: u64,
}
