//! Decompression of block payloads: none, snappy and zstd, with contexts that are reused.
//!
//! Owns the check of declared lengths, before anything is allocated. Must not know what is in a block.

use std::borrow::Cow;

use zstd_safe::DCtx;

use crate::codec::{TYPE_NONE, TYPE_SNAPPY, TYPE_ZSTD};
use crate::varint;

/// A snappy tag of 3 bytes copies at most 64, so no stream grows more than this.
const SNAPPY_MAX_RATIO: usize = 22;
/// A zstd RLE block of 4 bytes stands for 128 KiB.
const ZSTD_MAX_RATIO: usize = 32 << 10;

/// Why a payload does not decompress.
pub type DecodeError = Cow<'static, str>;

/// A decompressor of blocks with reused contexts.
pub struct Decompressor {
    snappy: snap::raw::Decoder,
    zstd: Option<DCtx<'static>>,
}

impl Default for Decompressor {
    fn default() -> Self {
        Decompressor::new()
    }
}

impl Decompressor {
    /// A decompressor; its zstd context is made when first needed.
    pub fn new() -> Decompressor {
        Decompressor { snappy: snap::raw::Decoder::new(), zstd: None }
    }

    /// Decoded length that a payload of type 0, 1 or 7 declares, checked against `cap` and against what the codec can
    /// make of that many bytes, so that nothing is allocated for a lie.
    ///
    /// # Errors
    /// A reason, without object: for another type, a length that is cut short, impossible or above `cap`.
    pub fn decoded_len(block_type: u8, payload: &[u8], cap: usize) -> std::result::Result<usize, DecodeError> {
        let (declared, ratio) = match block_type {
            TYPE_NONE => (payload.len() as u64, 1),
            TYPE_SNAPPY => (varint::read_u64(payload).map(|v| v.0).ok_or("has no snappy length")?, SNAPPY_MAX_RATIO),
            TYPE_ZSTD => (varint::read_u64(payload).map(|v| v.0).ok_or("has no zstd length")?, ZSTD_MAX_RATIO),
            _ => return Err(format!("has compression type {block_type}, which is not read").into()),
        };
        let possible = payload.len().saturating_mul(ratio);
        if declared > cap as u64 {
            return Err(format!("declares {declared} bytes, more than the limit of {cap}").into());
        }
        match usize::try_from(declared) {
            Ok(length) if length <= possible => Ok(length),
            _ => Err(format!("declares {declared} bytes, which {} compressed bytes cannot hold", payload.len()).into()),
        }
    }

    /// Decompresses a payload of type 0, 1 or 7 into `out`, whose former content is lost; at most `cap` bytes.
    ///
    /// # Errors
    /// A reason, without object, as [`Decompressor::decoded_len`], or when the stream is damaged or has another length.
    pub fn decompress(
        &mut self,
        block_type: u8,
        payload: &[u8],
        cap: usize,
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), DecodeError> {
        let length = Decompressor::decoded_len(block_type, payload, cap)?;
        out.resize(length, 0);
        let written = match block_type {
            TYPE_SNAPPY => self.snappy.decompress(payload, out).map_err(|e| format!("does not decompress: {e}"))?,
            TYPE_ZSTD => {
                let skip = varint::read_u64(payload).map_or(0, |v| v.1);
                let frame = payload.get(skip..).unwrap_or_default();
                let context = match &mut self.zstd {
                    Some(context) => context,
                    none => none.insert(DCtx::try_create().ok_or("needs a zstd context and there is no memory")?),
                };
                context
                    .decompress(&mut out[..], frame)
                    .map_err(|code| format!("does not decompress: {}", zstd_safe::get_error_name(code)))?
            }
            _ => {
                out.copy_from_slice(payload);
                length
            }
        };
        if written != length {
            return Err(format!("decompresses to {written} bytes instead of {length}").into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Compression;
    use crate::codec::tests::kept;
    use proptest::prelude::*;

    #[test]
    fn declared_lengths_are_checked_before_anything_is_allocated() {
        let mut decompressor = Decompressor::new();
        let mut out = Vec::new();
        let lies: [(u8, &[u8]); 6] = [
            (TYPE_SNAPPY, b"\xff\xff\xff\xff\x07\0"),
            (TYPE_SNAPPY, b"\x80"),
            (TYPE_ZSTD, b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
            (TYPE_ZSTD, b"\xff\xff\x7f"),
            (4, b"\x05hello"),
            (TYPE_NONE, &[0; 2000]),
        ];
        for (block_type, payload) in lies {
            assert!(decompressor.decompress(block_type, payload, 1000, &mut out).is_err(), "{payload:?}");
            assert!(out.capacity() <= 1000);
        }
    }

    proptest! {
        #[test]
        fn what_is_compressed_decompresses(
            pieces in proptest::collection::vec((any::<u8>(), 1usize..300), 0..40),
            zstd: bool,
        ) {
            let input: Vec<u8> = pieces.iter().flat_map(|&(byte, n)| std::iter::repeat_n(byte, n)).collect();
            let compression = if zstd { Compression::Zstd } else { Compression::Snappy };
            if let Some(payload) = kept(compression, &input) {
                prop_assert!(payload.len() * 8 <= input.len() * 7);
                let mut out = vec![1, 2, 3];
                let mut decompressor = Decompressor::new();
                decompressor.decompress(compression.block_type(), &payload, input.len(), &mut out).unwrap();
                prop_assert_eq!(&out, &input);
                prop_assert!(decompressor.decompress(compression.block_type(), &payload, input.len() - 1, &mut out).is_err());
            }
        }

        #[test]
        fn no_payload_panics(payload: Vec<u8>, block_type in prop_oneof![Just(0u8), Just(1), Just(7), any::<u8>()]) {
            let _ = Decompressor::new().decompress(block_type, &payload, 1 << 20, &mut Vec::new());
        }
    }
}
