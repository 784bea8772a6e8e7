//! Sizes of spans and where to cut them.

use std::ops::Bound;

use spanvault_core::engine_key::{self, row_prefix};
use spanvault_core::fault::Fault;

use crate::fault::{Doing, Result};
use crate::keys;
use crate::resident::Touched;
use crate::store::Store;

/// What a walk of a span found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SpanStats {
    /// Versions.
    pub entries: u64,
    /// User key and value bytes of every version.
    pub bytes: u64,
    /// User keys, first of their row, that cut the span into pieces of about the asked size.
    pub split_keys: Vec<Vec<u8>>,
    /// User key to go on with; `None` when the walk reached the end. Entries and bytes are those before it.
    pub resume_key: Option<Vec<u8>>,
}

fn bound(from: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    from.as_ref().map(Vec::as_slice)
}

impl Store {
    /// Walks `[start_key, end_key)` and proposes a split key whenever `split_bytes` have gone by and a row begins. After
    /// `limit_bytes` it stops at the next row, and the size since the last split key is forgotten: ask for several
    /// times `split_bytes`. Extents that were ingested lately are counted without being read, so that cuts and stops may come
    /// later by a half.
    pub fn stats(&self, start_key: &[u8], end_key: &[u8], split_bytes: u64, limit_bytes: u64) -> Result<SpanStats> {
        if split_bytes == 0 || limit_bytes == 0 {
            return Err(Fault::usage("split size and limit of a walk must be at least 1 byte"));
        }
        let txn = self.snapshot()?;
        let mut from = Bound::Included(keys::bare(start_key));
        let extents = self.weighed.at(txn.id());
        let mut extents = extents.iter().peekable();
        let mut stats = SpanStats::default();
        let (mut row, mut piece): (Option<&[u8]>, u64) = (None, 0);
        let mut touched = Touched::default();
        let mut entries = self.mvcc.range(&txn, &(bound(&from), Bound::Unbounded)).doing("walk a span")?;
        while let Some(entry) = entries.next() {
            let (engine, value) = entry.doing("walk a span")?;
            let (user, _) = keys::split(engine)?;
            if user >= end_key {
                break;
            }
            if piece >= split_bytes || stats.bytes >= limit_bytes {
                let begins = row_prefix(user);
                if row.is_some_and(|row| row != begins) {
                    if stats.bytes >= limit_bytes {
                        stats.resume_key = Some(begins.to_vec());
                        break;
                    }
                    stats.split_keys.push(begins.to_vec());
                    piece = 0;
                }
            }
            while extents.next_if(|extent| engine_key::compare(&extent.first, engine).is_lt()).is_some() {}
            if let Some(extent) = extents.next_if(|extent| extent.first == engine) {
                let last = keys::split(&extent.last)?.0;
                if last < end_key && extent.bytes <= split_bytes.min(limit_bytes) / 2 {
                    stats.entries += extent.entries;
                    stats.bytes += extent.bytes;
                    piece += extent.bytes;
                    row = Some(row_prefix(last));
                    touched.note_search(engine, value);
                    touched.settle(&self.mapping);
                    from = Bound::Excluded(extent.last.clone());
                    entries = self.mvcc.range(&txn, &(bound(&from), Bound::Unbounded)).doing("walk a span")?;
                    continue;
                }
            }
            row = Some(row_prefix(user));
            let size = (user.len() + value.len()) as u64;
            stats.entries += 1;
            stats.bytes += size;
            piece += size;
            touched.note(engine, value);
            touched.settle(&self.mapping);
        }
        touched.release(&self.mapping);
        Ok(stats)
    }
}
