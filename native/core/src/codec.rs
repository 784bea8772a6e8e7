//! Block codecs: none, snappy (raw) and zstd, with contexts that are reused (sst-format.md 4.3 and 4.4).
//!
//! Owns compression ids, the rule that keeps or drops a compressed block, and decompression with a checked length.
//! Must not know what is in a block.

use std::borrow::Cow;

use zstd_safe::{CCtx, CParameter, DCtx};

use crate::ahead::Ahead;
use crate::checksum::{crc32c, mask};
use crate::fault::{Fault, Result};
use crate::snappy::Snappy;
use crate::varint;

/// Block type of uncompressed payloads.
pub const TYPE_NONE: u8 = 0;
/// Block type of raw snappy payloads.
pub const TYPE_SNAPPY: u8 = 1;
/// Block type of zstd payloads: uvarint decoded length, then one frame.
pub const TYPE_ZSTD: u8 = 7;

/// A snappy tag of 3 bytes copies at most 64, so no stream grows more than this.
const SNAPPY_MAX_RATIO: usize = 22;
/// A zstd RLE block of 4 bytes stands for 128 KiB.
const ZSTD_MAX_RATIO: usize = 32 << 10;

/// Codecs that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Blocks as they are.
    None,
    /// Raw snappy.
    Snappy,
    /// zstd at a level.
    Zstd,
}

impl Compression {
    /// The codec named `none`, `snappy` or `zstd`.
    ///
    /// # Errors
    /// `SV_USAGE` for another name.
    pub fn parse(name: &str) -> Result<Compression> {
        match name {
            "none" => Ok(Compression::None),
            "snappy" => Ok(Compression::Snappy),
            "zstd" => Ok(Compression::Zstd),
            _ => Err(Fault::usage(format!("compression {name:?} is none of none, snappy, zstd"))),
        }
    }

    /// Type byte of the block trailer.
    pub const fn block_type(self) -> u8 {
        match self {
            Compression::None => TYPE_NONE,
            Compression::Snappy => TYPE_SNAPPY,
            Compression::Zstd => TYPE_ZSTD,
        }
    }

    /// Value of the property `rocksdb.compression`.
    pub const fn property(self) -> &'static str {
        match self {
            Compression::None => "NoCompression",
            Compression::Snappy => "Snappy",
            Compression::Zstd => "ZSTD",
        }
    }
}

enum Encoder {
    None,
    Snappy(Snappy),
    Published(Box<snap::raw::Encoder>),
    Zstd(CCtx<'static>),
}

/// A compressor of blocks; one per writer, never shared by threads.
pub struct Compressor {
    encoder: Encoder,
    compression: Compression,
}

impl Compressor {
    /// A compressor; `level` counts for zstd only.
    ///
    /// # Errors
    /// `SV_USAGE` for a level that zstd does not have, `SV_LIMIT` without memory for its context.
    pub fn new(compression: Compression, level: i32) -> Result<Compressor> {
        let encoder = match compression {
            Compression::None => Encoder::None,
            Compression::Snappy => Encoder::Snappy(Snappy::new()),
            Compression::Zstd => {
                let (least, greatest) = (zstd_safe::min_c_level(), zstd_safe::max_c_level());
                if !(least..=greatest).contains(&level) || level == 0 {
                    return Err(Fault::usage(format!("zstd level {level} is not in {least}..-1 or 1..{greatest}")));
                }
                let mut context = CCtx::try_create().ok_or_else(|| Fault::limit("no memory for a zstd context"))?;
                context.set_parameter(CParameter::CompressionLevel(level)).map_err(|code| zstd_defect("level", code))?;
                Encoder::Zstd(context)
            }
        };
        Ok(Compressor { encoder, compression })
    }

    /// The codec.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes of output that [`Compressor::compress`] needs for `n` bytes of input, whatever they are.
    pub fn bound(&self, n: usize) -> usize {
        match self.encoder {
            Encoder::None => 0,
            Encoder::Snappy(_) | Encoder::Published(_) => Snappy::bound(n),
            Encoder::Zstd(_) => zstd_safe::compress_bound(n) + varint::MAX_U32,
        }
    }

    /// Compresses a block payload into `out`, which holds at least [`Compressor::bound`] bytes: the compressed length,
    /// or None when the block is to be stored as it is, because compression saves less than an eighth. `ahead` is memory that
    /// the caller reads next, which may be asked for meanwhile.
    ///
    /// # Errors
    /// `SV_INTERNAL` when the codec refuses, which it does for no input.
    pub fn compress(&mut self, input: &[u8], out: &mut [u8], ahead: &mut Ahead) -> Result<Option<usize>> {
        let length = match &mut self.encoder {
            Encoder::None => return Ok(None),
            Encoder::Snappy(encoder) => {
                encoder.compress(input, out, ahead).map_err(|e| Fault::internal(format!("snappy refused a block: {e}")))?
            }
            Encoder::Published(encoder) => {
                encoder.compress(input, out).map_err(|e| Fault::internal(format!("snappy refused a block: {e}")))?
            }
            Encoder::Zstd(context) => {
                ahead.keep_up_with(input.len());
                let mut prefix = [0u8; varint::MAX_U64];
                let n = varint::put(&mut prefix, input.len() as u64);
                let too_small = || Fault::internal("zstd output has no room for its length");
                let (head, frame) = out.split_at_mut_checked(n).ok_or_else(too_small)?;
                head.copy_from_slice(prefix.get(..n).unwrap_or_default());
                // The same capacity whatever the caller has: zstd decides differently when its output is tight.
                let bound = zstd_safe::compress_bound(input.len());
                let frame = frame.get_mut(..bound).ok_or_else(too_small)?;
                n + context.compress2(frame, input).map_err(|code| zstd_defect("block", code))?
            }
        };
        Ok((length <= input.len() - input.len().div_ceil(8)).then_some(length))
    }
}

fn zstd_defect(what: &str, code: usize) -> Fault {
    Fault::internal(format!("zstd refused a {what}: {}", zstd_safe::get_error_name(code)))
}

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
    let mut compressor = Compressor::new(compression, level)?;
    if published && compression == Compression::Snappy {
        compressor.encoder = Encoder::Published(Box::new(snap::raw::Encoder::new()));
    }
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
    use proptest::prelude::*;

    fn kept(compression: Compression, input: &[u8]) -> Option<Vec<u8>> {
        let mut compressor = Compressor::new(compression, 3).unwrap();
        let mut out = vec![0; compressor.bound(input.len())];
        let length = compressor.compress(input, &mut out, &mut Ahead::default()).unwrap()?;
        out.truncate(length);
        Some(out)
    }

    #[test]
    fn incompressible_blocks_are_stored_raw() {
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(4096)
        .collect();
        for compression in [Compression::Snappy, Compression::Zstd] {
            assert_eq!(kept(compression, &noise), None);
            assert_eq!(kept(compression, &[]), None);
            // Leading zeros that save more than an eighth flip the decision, fewer do not.
            let with_zeros = |n: usize| [&vec![0; n], &noise[..]].concat();
            assert_eq!(kept(compression, &with_zeros(500)), None);
            assert!(kept(compression, &with_zeros(700)).is_some());
        }
    }

    #[test]
    fn levels_that_zstd_does_not_have_are_refused() {
        for level in [0, 23, i32::MIN] {
            assert!(Compressor::new(Compression::Zstd, level).is_err(), "{level}");
        }
        assert!(Compression::parse("lz4").is_err());
    }

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
