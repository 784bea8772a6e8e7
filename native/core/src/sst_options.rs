//! How an SST is written.
//!
//! Owns the settings of a file, what they are when nobody says, and what they may be. Must not write.

use crate::codec::Compression;
use crate::fault::{Fault, Result};
use crate::row_boundary::RowBoundary;

/// How a file is written; the fields of `NativeSstOptions`.
#[derive(Clone, Copy, Debug)]
pub struct SstOptions {
    /// Codec of data blocks and index.
    pub compression: Compression,
    /// zstd level; ignored for the others.
    pub level: i32,
    /// Uncompressed size at which a data block ends.
    pub block_bytes: usize,
    /// Entries between full keys in a data block.
    pub restart_interval: usize,
    /// Size at which the file is to be ended at the next boundary.
    pub target_file_bytes: u64,
    /// Where a file may end.
    pub row_boundary: RowBoundary,
    /// Whether values are written with their checksum cleared.
    pub clear_value_checksums: bool,
}

impl Default for SstOptions {
    fn default() -> SstOptions {
        SstOptions {
            compression: Compression::Snappy,
            level: 1,
            block_bytes: 32 << 10,
            restart_interval: 16,
            target_file_bytes: 128 << 20,
            row_boundary: RowBoundary::Sql,
            clear_value_checksums: true,
        }
    }
}

impl SstOptions {
    /// Refuses options that no file can have.
    pub(crate) fn check(&self) -> Result<()> {
        if !(64..=256 << 20).contains(&self.block_bytes) {
            return Err(Fault::usage(format!("block size {} is not in 64..{}", self.block_bytes, 256 << 20)));
        }
        if !(1..=1 << 20).contains(&self.restart_interval) {
            return Err(Fault::usage(format!("restart interval {} is not in 1..{}", self.restart_interval, 1 << 20)));
        }
        if self.target_file_bytes == 0 {
            return Err(Fault::usage("target file size is 0"));
        }
        Ok(())
    }
}
