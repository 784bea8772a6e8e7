//! Where finished blocks go: memory of the caller while it has room, else a spill that the next call drains.
//!
//! Owns compression of a block into its place, the block trailer, offsets in the file, and the spill. Must not know what
//! is in a block.

use crate::ahead::Ahead;
use crate::checksum::crc32c_masked;
use crate::codec::{Compression, Compressor, TYPE_NONE};
use crate::fault::{Fault, Result};
use crate::properties_writer::BlockHandle;

/// Block type and checksum.
pub(crate) const TRAILER_LEN: usize = 5;

/// How a block is stored.
pub(crate) enum Form<'a> {
    /// As it is.
    Plain,
    /// Compressed, if that is worth it; `ahead` is what the caller reads next.
    Compressed { ahead: &'a mut Ahead },
}

/// The file as far as it is written.
pub(crate) struct BlockOutput {
    compressor: Compressor,
    spill: Vec<u8>,
    drained: usize,
    file_bytes: u64,
}

impl BlockOutput {
    pub(crate) fn new(compressor: Compressor) -> BlockOutput {
        BlockOutput { compressor, spill: Vec::new(), drained: 0, file_bytes: 0 }
    }

    pub(crate) fn compression(&self) -> Compression {
        self.compressor.compression()
    }

    /// Bytes of the file so far, spilled ones included.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// True while bytes wait for the next memory of the caller.
    pub(crate) fn is_pending(&self) -> bool {
        self.drained < self.spill.len()
    }

    /// Moves waiting bytes into `out` from `at`; returns the new end.
    pub(crate) fn drain(&mut self, out: &mut [u8], at: usize) -> usize {
        let waiting = self.spill.get(self.drained..).unwrap_or_default();
        let room = out.get_mut(at..).unwrap_or_default();
        let n = waiting.len().min(room.len());
        room[..n].copy_from_slice(&waiting[..n]);
        self.drained += n;
        if self.drained == self.spill.len() {
            self.spill.clear();
            self.drained = 0;
        }
        at + n
    }

    /// Finishes a block that was built, uncompressed, at `out[at..at + length]`, with room for the trailer behind it.
    pub(crate) fn seal_in_place(&mut self, out: &mut [u8], at: usize, length: usize) -> Result<(BlockHandle, usize)> {
        let block = out
            .get_mut(at..at + length + TRAILER_LEN)
            .ok_or_else(|| Fault::internal("a block has no room for its trailer"))?;
        put_trailer(block, length, TYPE_NONE);
        Ok((self.advance(length), at + length + TRAILER_LEN))
    }

    /// Writes a block to `out` from `at`, compressed if that is worth it unless it is to be `Plain`. What does not fit is
    /// spilled.
    pub(crate) fn write(
        &mut self,
        payload: &[u8],
        form: Form<'_>,
        out: &mut [u8],
        at: usize,
    ) -> Result<(BlockHandle, usize)> {
        let most = self.compressor.bound(payload.len()).max(payload.len()) + TRAILER_LEN;
        let place = out.get_mut(at..).unwrap_or_default();
        if !self.is_pending() && place.len() >= most {
            let length = self.fill(payload, form, place)?;
            return Ok((self.advance(length), at + length + TRAILER_LEN));
        }
        let mut spill = std::mem::take(&mut self.spill);
        let start = spill.len();
        spill.resize(start + most, 0);
        let length = self.fill(payload, form, spill.get_mut(start..).unwrap_or_default())?;
        spill.truncate(start + length + TRAILER_LEN);
        self.spill = spill;
        Ok((self.advance(length), self.drain(out, at)))
    }

    /// Appends bytes that are no block: the footer.
    pub(crate) fn append(&mut self, bytes: &[u8], out: &mut [u8], at: usize) -> usize {
        self.spill.extend_from_slice(bytes);
        self.file_bytes += bytes.len() as u64;
        self.drain(out, at)
    }

    /// Fills the front of `place` with what is stored of a payload and its trailer; returns the stored length.
    fn fill(&mut self, payload: &[u8], form: Form<'_>, place: &mut [u8]) -> Result<usize> {
        if let Form::Compressed { ahead } = form {
            if let Some(length) = self.compressor.compress(payload, place, ahead)? {
                put_trailer(place, length, self.compressor.compression().block_type());
                return Ok(length);
            }
        }
        place[..payload.len()].copy_from_slice(payload);
        put_trailer(place, payload.len(), TYPE_NONE);
        Ok(payload.len())
    }

    fn advance(&mut self, length: usize) -> BlockHandle {
        let handle = BlockHandle { offset: self.file_bytes, length: length as u64 };
        self.file_bytes += (length + TRAILER_LEN) as u64;
        handle
    }
}

/// Writes block type and checksum behind `length` bytes, while they are in the cache.
fn put_trailer(block: &mut [u8], length: usize, block_type: u8) {
    block[length] = block_type;
    let crc = crc32c_masked(&block[..=length]);
    block[length + 1..length + TRAILER_LEN].copy_from_slice(&crc.to_le_bytes());
}
