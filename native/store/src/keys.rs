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

/// User key and timestamp of a key to be stored.
#[inline]
pub(crate) fn given(engine: &[u8]) -> Result<(&[u8], Timestamp)> {
    match engine_key::decode(engine) {
        Ok((user, Some(timestamp))) => Ok((user, timestamp)),
        _ => Err(not_a_version(Code::CorruptValue, engine)),
    }
}

/// The canonical form of a key to be stored: the synthetic flag and a logical part of 0 are left out
/// (crdb-format.md 4.1), so that equal timestamps have equal bytes. `user` and `timestamp` are what `given` found.
#[inline]
pub(crate) fn canonical<'a>(engine: &'a [u8], user: &[u8], timestamp: Timestamp, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    match engine.last() {
        Some(9) => engine,
        Some(13) if timestamp.logical != 0 => engine,
        _ => {
            scratch.clear();
            engine_key::encode(scratch, user, Some(timestamp));
            scratch
        }
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

/// A key that sorts before every version of a user key at or before `as_of`, and behind nearly all later ones. It has
/// no logical part, so it is never longer than the key of a version.
pub(crate) fn versioned_at_most(user: &[u8], as_of: Timestamp) -> Vec<u8> {
    let after = as_of.wall.checked_add(1).map(|wall| Timestamp { wall, logical: 0 });
    encode(user, after)
}

/// The next user key.
pub(crate) fn successor(user: &[u8]) -> Vec<u8> {
    [user, &[0]].concat()
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
