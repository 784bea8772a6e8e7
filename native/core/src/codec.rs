//! Block codecs: none, snappy (raw) and zstd, with contexts that are reused (sst-format.md 4.3 and 4.4).
//!
//! Owns compression ids and the rule that keeps or drops a compressed block. Must not know what is in a block.

use zstd_safe::{CCtx, CParameter};

use crate::ahead::Ahead;
pub use crate::decompressor::{DecodeError, Decompressor};
use crate::fault::{Fault, Result};
use crate::snappy::Snappy;
use crate::varint;

/// Block type of uncompressed payloads.
pub const TYPE_NONE: u8 = 0;
/// Block type of raw snappy payloads.
pub const TYPE_SNAPPY: u8 = 1;
/// Block type of zstd payloads: uvarint decoded length, then one frame.
pub const TYPE_ZSTD: u8 = 7;

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

    /// A compressor whose snappy is the crate `snap`: the same bytes by code that is not ours to tune.
    ///
    /// # Errors
    /// As [`Compressor::new`].
    pub(crate) fn published(compression: Compression, level: i32) -> Result<Compressor> {
        let mut compressor = Compressor::new(compression, level)?;
        if compression == Compression::Snappy {
            compressor.encoder = Encoder::Published(Box::new(snap::raw::Encoder::new()));
        }
        Ok(compressor)
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The compressed block, unless it is to be stored as it is.
    pub(crate) fn kept(compression: Compression, input: &[u8]) -> Option<Vec<u8>> {
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
}
