//! Numbers and timestamps of JavaScript.

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use spanvault_core::engine_key::Timestamp;
use spanvault_core::fault::{Fault, Result as Checked};

/// The greatest whole number that a JavaScript number holds exactly.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// A JavaScript number that counts something.
pub(crate) fn whole(value: f64, what: &str) -> Checked<u64> {
    if value.fract() == 0.0 && (0.0..=MAX_SAFE).contains(&value) {
        Ok(value as u64)
    } else {
        Err(Fault::usage(format!("{what} {value} is not a whole number")))
    }
}

/// A count of things in memory.
pub(crate) fn size(value: f64, what: &str) -> Checked<usize> {
    usize::try_from(whole(value, what)?).map_err(|_| Fault::limit(format!("{what} {value} exceeds the address space")))
}

/// A small whole number.
pub(crate) fn small(value: f64, what: &str) -> Checked<u32> {
    u32::try_from(whole(value, what)?).map_err(|_| Fault::usage(format!("{what} {value} exceeds 32 bits")))
}

/// A hybrid-logical timestamp.
#[napi(object)]
pub struct NativeTimestamp {
    /// Nanoseconds since 1970.
    pub wall: BigInt,
    /// Counter within the nanosecond.
    pub logical: f64,
}

impl NativeTimestamp {
    pub(crate) fn parse(&self) -> Checked<Timestamp> {
        let (negative, wall, lossless) = self.wall.get_u64();
        if negative && wall != 0 || !lossless && !negative || wall > i64::MAX as u64 {
            return Err(Fault::usage("a timestamp's wall time is not between 0 and 2^63 - 1"));
        }
        Ok(Timestamp { wall, logical: small(self.logical, "a timestamp's logical part")? })
    }

    pub(crate) fn of(timestamp: Timestamp) -> Self {
        NativeTimestamp { wall: BigInt::from(timestamp.wall), logical: f64::from(timestamp.logical) }
    }
}

/// 64 bits of a BigInt that is not negative.
pub(crate) fn word(value: &BigInt, what: &str) -> Checked<u64> {
    match value.get_u64() {
        (false, word, true) => Ok(word),
        _ => Err(Fault::usage(format!("{what} is not between 0 and 2^64 - 1"))),
    }
}
