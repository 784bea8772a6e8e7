//! Engine keys as the store holds them: versioned, in the canonical form.

use spanvault_core::engine_key::{self, Timestamp};
use spanvault_core::fault::{Code, Fault, escape_key};

use crate::fault::Result;

/// User key and timestamp of a stored key.
#[inline]
pub(crate) fn split(engine: &[u8]) -> Result<(&[u8], Timestamp)> {
    match engine_key::decode(engine) {
        Ok((user, Some(timestamp))) => Ok((user, timestamp)),
        _ => Err(not_a_version(Code::CorruptStore, engine)),
    }
}

/// The canonical form of a key to be stored: the synthetic flag and a logical part of 0 are left out
/// (crdb-format.md 4.1), so that equal timestamps have equal bytes.
#[inline]
pub(crate) fn canonical<'a>(engine: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    match (engine_key::decode(engine), engine.last()) {
        (Ok((_, Some(_))), Some(9)) => Ok(engine),
        (Ok((_, Some(timestamp))), Some(13)) if timestamp.logical != 0 => Ok(engine),
        (Ok((user, Some(timestamp))), _) => {
            scratch.clear();
            engine_key::encode(scratch, user, Some(timestamp));
            Ok(scratch)
        }
        _ => Err(not_a_version(Code::CorruptValue, engine)),
    }
}

/// The key that sorts before every version of a user key.
pub(crate) fn bare(user: &[u8]) -> Vec<u8> {
    encode(user, None)
}

/// The key of a version.
pub(crate) fn versioned(user: &[u8], timestamp: Timestamp) -> Vec<u8> {
    encode(user, Some(timestamp))
}

fn encode(user: &[u8], timestamp: Option<Timestamp>) -> Vec<u8> {
    let mut engine = Vec::with_capacity(engine_key::encoded_len(user, timestamp));
    engine_key::encode(&mut engine, user, timestamp);
    engine
}

#[cold]
fn not_a_version(code: Code, engine: &[u8]) -> Fault {
    let reason = match engine_key::decode(engine) {
        Err(flaw) => flaw.words(),
        Ok(_) => "has no version",
    };
    Fault::new(code, format!("engine key {} {reason}", escape_key(engine)))
}
