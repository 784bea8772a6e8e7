//! What an encoder can reach: its codec, checksum and copy without the building of blocks.
//!
//! Owns a measure for benches. Must not be part of a file's way.

use crate::ahead::Ahead;
use crate::checksum::{crc32c, mask};
use crate::codec::{Compression, Compressor};
use crate::fault::{Fault, Result};

/// The ceiling of an encoder: compresses `input` in blocks of `block_bytes`, takes the CRC of what would be stored and
/// copies it once, into `scratch`, over and over. Returns the stored bytes, trailers not counted. With `published`, snappy is
/// that of the crate `snap` instead of ours: the same bytes by code that is not ours to tune.
///
/// # Errors
/// `SV_USAGE` when a block is empty or `scratch` cannot hold one.
pub fn codec_ceiling(
    input: &[u8],
    compression: Compression,
    level: i32,
    block_bytes: usize,
    scratch: &mut [u8],
    published: bool,
) -> Result<u64> {
    let new = if published { Compressor::published } else { Compressor::new };
    let mut compressor = new(compression, level)?;
    let needed = compressor.bound(block_bytes).max(block_bytes);
    if block_bytes == 0 || scratch.len() < needed {
        return Err(Fault::usage(format!(
            "scratch of {} bytes is too small for blocks of {block_bytes} bytes, which need {needed}",
            scratch.len()
        )));
    }
    let mut compressed = vec![0u8; compressor.bound(block_bytes)];
    let (mut total, mut at, mut sum) = (0u64, 0usize, 0u32);
    for block in input.chunks(block_bytes) {
        let stored = match compressor.compress(block, &mut compressed, &mut Ahead::default())? {
            Some(length) => compressed.get(..length).unwrap_or_default(),
            None => block,
        };
        sum ^= mask(crc32c(stored));
        if scratch.len() - at < stored.len() {
            at = 0;
        }
        if let Some(room) = scratch.get_mut(at..at + stored.len()) {
            room.copy_from_slice(stored);
        }
        at += stored.len();
        total += stored.len() as u64;
    }
    std::hint::black_box(sum);
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_counts_what_would_be_stored() {
        let input = vec![7u8; 100_000];
        let mut scratch = vec![0; 70_000];
        assert_eq!(codec_ceiling(&input, Compression::None, 0, 32 << 10, &mut scratch, false).unwrap(), 100_000);
        let snappy = [true, false]
            .map(|published| codec_ceiling(&input, Compression::Snappy, 0, 32 << 10, &mut scratch, published).unwrap());
        assert!(snappy[0] < 10_000 && snappy[0] == snappy[1]);
        assert!(codec_ceiling(&input, Compression::None, 0, 80_000, &mut scratch, false).is_err());
        assert!(codec_ceiling(&input, Compression::None, 0, 0, &mut scratch, false).is_err());
    }
}
