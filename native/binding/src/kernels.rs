//! Kernels on their own: ceilings for benches, references for tests.

use napi_derive::napi;
use spanvault_core::checksum;

use crate::faults::{Result, thrown};
use crate::numbers::small;

/// CRC-32C of `bytes` after bytes whose CRC-32C is `seed` (0 = none).
#[napi(js_name = "crc32c", catch_unwind)]
pub fn crc32c(bytes: &[u8], seed: f64) -> Result<u32> {
    Ok(checksum::crc32c_append(small(seed, "seed").map_err(thrown)?, bytes))
}

/// CRC-32 IEEE of `bytes`.
#[napi(catch_unwind)]
pub fn crc32_ieee(bytes: &[u8]) -> u32 {
    checksum::crc32_ieee(bytes)
}
