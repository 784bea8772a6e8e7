//! Where bytes of a file come from, and reading one block out of them: length, checksum and compression checked.
//!
//! A source may not hold the bytes yet: then the answer is which bytes are missing. This module must not interpret a
//! block's content.

use crate::checksum::crc32c_masked;
use crate::codec::Decompressor;
use crate::fault::Fault;
use crate::flaw::{BlockKind, Flaw, Place};
use crate::footer::{ChecksumKind, Footer, Handle, TRAILER_BYTES};
use crate::minlz;
use xxhash_rust::xxh64::xxh64;

/// Blocks that would be larger than this when decoded are refused (a block holds one value of at most 64 MiB by
/// CockroachDB's limits, or about 128 KiB of small ones).
pub const MAX_BLOCK_BYTES: usize = 256 << 20;

/// A range of bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

impl Window {
    /// First byte behind the window.
    #[must_use]
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// Why a step of reading stopped.
#[derive(Debug)]
pub enum Stop {
    /// These bytes are needed first.
    Missing(Vec<Window>),
    /// The file is refused.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Holds some or all bytes of a file.
pub trait Source {
    /// The bytes of a window, or `None` when not all of them are here.
    fn get(&self, offset: u64, length: u64) -> Option<&[u8]>;
}

/// A file held in memory.
#[derive(Debug, Clone, Copy)]
pub struct WholeFile<'a>(pub &'a [u8]);

impl Source for WholeFile<'_> {
    fn get(&self, offset: u64, length: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.0.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    }
}

/// Checks the checksum of a stored block; its payload and compression id.
///
/// # Errors
/// Damage.
pub fn check_block(stored: &[u8], checksum: ChecksumKind) -> Result<(&[u8], u8), Flaw> {
    let Some((covered, &[a, b, c, d])) = stored.split_last_chunk::<4>() else {
        return Err(Flaw::damaged("has no trailer"));
    };
    let wanted = u32::from_le_bytes([a, b, c, d]);
    let computed = match checksum {
        ChecksumKind::Crc32c => crc32c_masked(covered),
        ChecksumKind::XxHash64 => xxh64(covered, 0) as u32,
    };
    if wanted != computed {
        return Err(Flaw::damaged_by(format!(
            "fails its {} checksum (stored {wanted:08x}, computed {computed:08x})",
            checksum.name()
        )));
    }
    match covered.split_last() {
        Some((&id, payload)) => Ok((payload, id)),
        None => Err(Flaw::damaged("has no trailer")),
    }
}

/// Reads blocks of one file.
pub struct BlockReader<'a> {
    /// The bytes at hand.
    pub source: &'a dyn Source,
    /// Name of the file, for messages.
    pub file: &'a str,
    /// Decompression contexts, reused for every block.
    pub codec: &'a mut Decompressor,
}

impl<'a> BlockReader<'a> {
    /// Makes an error about a block of the file.
    #[cold]
    pub fn fault(&self, kind: BlockKind, offset: u64, flaw: Flaw) -> Stop {
        Stop::Fault(Place::block(self.file, kind, offset).fault(flaw))
    }

    /// The stored bytes of a block with its trailer.
    ///
    /// # Errors
    /// The handle reaches beyond the footer; or the bytes are missing.
    pub fn stored(&self, footer: &Footer, handle: Handle, kind: BlockKind) -> Result<&'a [u8], Stop> {
        if handle.end_within(footer.offset).is_none() || handle.length > MAX_BLOCK_BYTES as u64 {
            let flaw = format!("has {} bytes, and the footer begins at {}", handle.length, footer.offset);
            return Err(self.fault(kind, handle.offset, Flaw::damaged_by(flaw)));
        }
        let length = handle.length + TRAILER_BYTES;
        let window = Window { offset: handle.offset, length };
        self.source.get(handle.offset, length).ok_or_else(|| Stop::Missing(vec![window]))
    }

    /// Reads, checks and decodes a block into `out`, which is replaced; the compression id it was stored with.
    ///
    /// # Errors
    /// Damage, a compression that is not read, or missing bytes.
    pub fn read(&mut self, footer: &Footer, handle: Handle, kind: BlockKind, out: &mut Vec<u8>) -> Result<u8, Stop> {
        let stored = self.stored(footer, handle, kind)?;
        let decoded = check_block(stored, footer.checksum).and_then(|(payload, id)| {
            decode_payload(self.codec, id, payload, out)?;
            Ok(id)
        });
        decoded.map_err(|flaw| self.fault(kind, handle.offset, flaw))
    }
}

/// Decodes a payload by its compression id (section 4.3) into `out`, which is replaced.
///
/// # Errors
/// Damage, a compression that is not read, or a decoded length above [`MAX_BLOCK_BYTES`].
pub fn decode_payload(codec: &mut Decompressor, id: u8, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Flaw> {
    match id {
        0 | 1 | 7 => codec.decompress(id, payload, MAX_BLOCK_BYTES, out).map_err(Flaw::Damaged),
        8 if payload.first() == Some(&0) => minlz::decode(payload, out),
        // A payload that does not begin with 00 is Snappy's (section 4.3).
        8 => codec.decompress(1, payload, MAX_BLOCK_BYTES, out).map_err(Flaw::Damaged),
        2..=6 => Err(Flaw::unsupported(format!("is compressed with {}, which is not read", compression_name(id)))),
        _ => Err(Flaw::damaged_by(format!("has the unknown compression type {id}"))),
    }
}

/// Name of a compression id.
#[must_use]
pub fn compression_name(id: u8) -> &'static str {
    match id {
        0 => "none",
        1 => "snappy",
        2 => "zlib",
        3 => "bzip2",
        4 => "lz4",
        5 => "lz4hc",
        6 => "xpress",
        7 => "zstd",
        8 => "minlz",
        _ => "unknown",
    }
}
