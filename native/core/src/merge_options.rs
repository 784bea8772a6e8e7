//! What a merge is asked, answers and counts; the shapes of `src/native/contract.ts`. Plain data.

use crate::batch::Packer;
use crate::emit::Checksums;
use crate::engine_key::Timestamp;
use crate::selection::Mode;

/// What a merge does; see `NativeMergeOptions` of `src/native/contract.ts`.
#[derive(Debug, Clone)]
pub struct MergeOptions {
    /// First user key; empty = no bound.
    pub start_key: Vec<u8>,
    /// First user key no longer wanted; empty = none.
    pub end_key: Vec<u8>,
    /// Versions after this are skipped.
    pub as_of: Option<Timestamp>,
    /// Versions at or before this are skipped.
    pub after: Option<Timestamp>,
    /// Which of the remaining versions are emitted.
    pub mode: Mode,
    /// In mode latest: leave a deleted key out rather than emit its tombstone.
    pub drop_tombstones: bool,
    /// Key prefixes old, new, old, new, …; empty keeps every key.
    pub rewrites: Vec<Vec<u8>>,
    /// Timestamp of every emitted version.
    pub rewrite_timestamp: Option<Timestamp>,
    /// What happens to value checksums.
    pub checksums: Checksums,
    /// Check value checksums that are not zero.
    pub verify_checksums: bool,
}

impl Default for MergeOptions {
    fn default() -> Self {
        Self {
            start_key: Vec::new(),
            end_key: Vec::new(),
            as_of: None,
            after: None,
            mode: Mode::Latest,
            drop_tombstones: true,
            rewrites: Vec::new(),
            rewrite_timestamp: None,
            checksums: Checksums::Keep,
            verify_checksums: false,
        }
    }
}

/// Bytes of a file that are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Number of the file, as `add_file` gave it.
    pub file: usize,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// They were handed in before, and did not decode.
    pub again: bool,
}

/// What `next` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeStep {
    /// Entries are in the buffers; more may follow.
    Batch {
        /// Number of entries.
        count: usize,
        /// Bytes filled.
        bytes_used: usize,
    },
    /// Feed these and call again. A merge that can still go on names windows once, ahead of time; one that cannot names
    /// all that are outstanding.
    Need(Vec<Need>),
    /// The next entry alone needs this many bytes.
    Grow(usize),
    /// Nothing more.
    Done,
}

impl MergeStep {
    /// The step that hands out what is packed.
    pub(crate) fn of(packer: &Packer<'_>) -> MergeStep {
        MergeStep::Batch { count: packer.count(), bytes_used: packer.bytes_used() }
    }
}

/// Counters of a merge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MergeFacts {
    /// Entries within the bounds.
    pub entries_read: u64,
    /// Entries written to batches.
    pub entries_emitted: u64,
    /// User key and value bytes of the entries written.
    pub bytes_emitted: u64,
    /// Rows of primary indexes written, as the writer counts them.
    pub rows: u64,
    /// Entries of other indexes written.
    pub index_entries: u64,
    /// Bytes fed.
    pub bytes_read: u64,
    /// Data blocks decoded.
    pub blocks_read: u64,
    /// Keys left out because they are deleted.
    pub tombstones_dropped: u64,
    /// Keys left out because they lie under no rewritten prefix.
    pub keys_outside_rewrites: u64,
}
