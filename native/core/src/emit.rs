//! How a merge writes an entry: key and timestamp rewritten, header stripped, checksum kept, cleared or computed.
//!
//! Owns the rewritten key and the check that rewriting kept the order. Must not choose entries.

use crate::batch::{Full, Packer};
use crate::engine_key::{Timestamp, encoded_len};
use crate::fault::{Fault, escape_key};
use crate::neighbour::common_prefix;
use crate::rewrite::{KeyRewriter, Rewritten};
use crate::row_boundary::RowCounter;
use crate::value;

/// What happens to value checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// Bytes are kept.
    Keep,
    /// Set to 0, "not computed".
    Clear,
    /// Computed over the emitted key.
    Compute,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emitted {
    /// It is in the batch.
    Written,
    /// Its key lies under no prefix that is rewritten.
    Outside,
    /// The batch has no room.
    Full(Full),
}

/// Writes entries.
#[derive(Debug)]
pub struct Emitter {
    rewriter: KeyRewriter,
    timestamp: Option<Timestamp>,
    checksums: Checksums,
    key: Vec<u8>,
    last: Vec<u8>,
    rows: RowCounter,
    bytes: u64,
}

/// Writes `userkey 00 [version L]` into a slice of exactly that length.
#[inline]
fn write_key(room: &mut [u8], user: &[u8], version: Option<Timestamp>) {
    let Some((head, tail)) = room.split_at_mut_checked(user.len()) else { return };
    head.copy_from_slice(user);
    match (version, tail) {
        (None, [sentinel]) => *sentinel = 0,
        (Some(t), [sentinel, wall @ .., last]) if wall.len() == 8 => {
            *sentinel = 0;
            wall.copy_from_slice(&t.wall.to_be_bytes());
            *last = 9;
        }
        (Some(t), [sentinel, version @ .., last]) if version.len() == 12 => {
            *sentinel = 0;
            let (wall, logical) = version.split_at_mut(8);
            wall.copy_from_slice(&t.wall.to_be_bytes());
            logical.copy_from_slice(&t.logical.to_be_bytes());
            *last = 13;
        }
        _ => {}
    }
}

/// A key comes before another, with which it shares its first `shared` bytes and no more.
#[inline]
fn precedes(key: &[u8], other: &[u8], shared: usize) -> bool {
    other.get(shared).is_some_and(|theirs| key.get(shared).is_none_or(|own| own < theirs))
}

#[cold]
fn disorder(key: &[u8], last: &[u8]) -> Fault {
    Fault::internal(format!("rewriting puts the key {} behind {}", escape_key(key), escape_key(last)))
}

/// The sum of a value under its new key, of which `kept` bytes are those of the old one; none where it has to be computed.
#[inline]
fn sum_after(rewriter: &mut KeyRewriter, sum: u32, kept: Option<usize>, value: &[u8]) -> Option<u32> {
    if rewriter.is_empty() {
        return Some(sum);
    }
    // The four bytes of the checksum are no part of the sum.
    let rest = kept? + value::parse(value).ok()?.body.len().checked_sub(4)?;
    Some(sum ^ rewriter.crc_change(rest))
}

impl Emitter {
    /// An emitter; an empty rewriter keeps every key.
    #[must_use]
    pub fn new(rewriter: KeyRewriter, timestamp: Option<Timestamp>, checksums: Checksums) -> Self {
        Self { rewriter, timestamp, checksums, key: Vec::new(), last: Vec::new(), rows: RowCounter::new(), bytes: 0 }
    }

    /// Writes one entry. `sum` is that of its key and value, where checking them has computed it.
    ///
    /// # Errors
    /// `SV_CORRUPT_VALUE` for a malformed value whose header or checksum is to change, `SV_INTERNAL` when the given
    /// prefixes would put keys out of order.
    #[inline]
    pub fn write(
        &mut self,
        packer: &mut Packer<'_>,
        user: &[u8],
        version: Option<Timestamp>,
        stored: &[u8],
        sum: Option<u32>,
    ) -> Result<Emitted, Fault> {
        let (mut user, mut kept) = (user, None);
        if !self.rewriter.is_empty() {
            match self.rewriter.rewrite(user, &mut self.key) {
                Rewritten::Outside => return Ok(Emitted::Outside),
                Rewritten::Prefix(rest) => kept = Some(rest),
                Rewritten::Nested => {}
            }
            user = &self.key;
        }
        let shared = common_prefix(user, &self.last);
        if !self.rewriter.is_empty() && precedes(user, &self.last, shared) {
            return Err(disorder(user, &self.last));
        }
        let mut stored = stored;
        let mut version = version;
        if let (Some(_), Some(time)) = (version, self.timestamp) {
            version = Some(time);
            // The header tells of the cluster that wrote the value.
            stored = value::parse(stored)
                .map_err(|reason| Fault::corrupt_value(format!("the value of key {} {reason}", escape_key(user))))?
                .body;
        }
        let key_bytes = encoded_len(user, version);
        let room = match packer.reserve(key_bytes, stored.len()) {
            Ok(room) => room,
            Err(full) => return Ok(Emitted::Full(full)),
        };
        let (key_room, value_room) = room.split_at_mut(key_bytes);
        write_key(key_room, user, version);
        value_room.copy_from_slice(stored);
        if version.is_some() {
            match self.checksums {
                Checksums::Keep => {}
                Checksums::Clear => value::clear_checksum(user, value_room)?,
                Checksums::Compute => match sum.and_then(|sum| sum_after(&mut self.rewriter, sum, kept, stored)) {
                    Some(sum) => value::set_sum(user, value_room, sum)?,
                    None => value::set_checksum(user, value_room)?,
                },
            }
        }
        self.bytes += (user.len() + stored.len()) as u64;
        self.rows.count(user, shared);
        if self.rewriter.is_empty() {
            self.last.clear();
            self.last.extend_from_slice(user);
        } else {
            std::mem::swap(&mut self.key, &mut self.last);
        }
        Ok(Emitted::Written)
    }

    /// Prefixes (`[fe tenant] table index`) of emitted primary indexes whose id is not 1, for the counts.
    pub fn set_primaries(&mut self, prefixes: Vec<Vec<u8>>) {
        self.rows.primaries = prefixes;
    }

    /// User key and value bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Rows of primary indexes and entries of other indexes written so far.
    #[must_use]
    pub fn rows(&self) -> (u64, u64) {
        self.rows.counts()
    }
}
