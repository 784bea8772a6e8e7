//! Kernels on their own: ceilings for benches, references for tests.

use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;
use spanvault_core::ceiling;
use spanvault_core::checksum;
use spanvault_core::codec::Compression;

use crate::faults::{Result, thrown};
use crate::numbers::{size, small, whole};
use crate::packed::disjoint;

/// CRC-32C of `bytes` after bytes whose CRC-32C is `seed` (0 = none).
#[napi(js_name = "crc32c", catch_unwind)]
pub fn crc32c(bytes: &[u8], seed: f64) -> Result<u32> {
    Ok(checksum::crc32c_append(small(seed, "seed").map_err(thrown)?, bytes))
}

/// CRC-32C of what has CRC-32C `first`, followed by `second_bytes` bytes of CRC-32C `second`.
#[napi(js_name = "crc32cCombine", catch_unwind)]
pub fn crc32c_combine(first: f64, second: f64, second_bytes: f64) -> Result<u32> {
    let combine = || {
        let bytes = whole(second_bytes, "length")?;
        Ok(checksum::crc32c_combine(small(first, "first CRC")?, small(second, "second CRC")?, bytes))
    };
    combine().map_err(thrown)
}

/// CRC-32 IEEE of `bytes`.
#[napi(catch_unwind)]
pub fn crc32_ieee(bytes: &[u8]) -> u32 {
    checksum::crc32_ieee(bytes)
}

/// Compresses, checksums and copies `input` block by block: the ceiling of an encoder.
#[napi(catch_unwind)]
pub fn codec_ceiling(
    input: &[u8],
    compression: String,
    level: f64,
    block_bytes: f64,
    mut scratch: Uint8ArraySlice,
    published: bool,
) -> Result<f64> {
    disjoint(&scratch, input).map_err(thrown)?;
    // SAFETY: JavaScript of this thread waits for this call and the two do not overlap: this is the only borrow.
    let scratch = unsafe { scratch.as_mut() };
    Compression::parse(&compression)
        .and_then(|codec| {
            ceiling::codec_ceiling(input, codec, level as i32, size(block_bytes, "block size")?, scratch, published)
        })
        .map(|bytes| bytes as f64)
        .map_err(thrown)
}
