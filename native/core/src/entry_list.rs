//! Entries that the SST writer encodes: a packed batch, or a list of entries that lie where a store keeps them.
//!
//! Owns the contract between the writer's inner loop and who holds the entries. Must not interpret keys or values.

use std::ops::Range;

use crate::ahead::{Ahead, LEAD};
use crate::batch::Batch;

/// Bytes that the writer's copies may read behind what they copy.
pub const SLACK: usize = 32;

/// One entry, and how many bytes can be read behind its key and behind its value.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Engine key.
    pub key: &'a [u8],
    /// Value.
    pub value: &'a [u8],
    /// Readable bytes behind the key.
    pub key_slack: usize,
    /// Readable bytes behind the value.
    pub value_slack: usize,
}

/// Entries in engine-key order, by position.
///
/// # Safety
/// Behind the key and the value of every entry lie at least as many bytes that can be read as the entry says, in the
/// same allocation or mapping, for as long as the list is borrowed.
pub unsafe trait EntryList {
    /// Number of entries.
    fn count(&self) -> usize;

    /// Entry `i`; None past the end.
    fn entry(&self, i: usize) -> Option<Entry<'_>>;

    /// Where entries from `i` on lie, about a block of them.
    fn ahead(&self, i: usize) -> Ahead;

    /// Addresses of about as many bytes as entry `i` has, which are read about [`LEAD`] bytes after it; a hint.
    fn later(&self, i: usize, entry: &Entry<'_>) -> Range<usize>;
}

// SAFETY: key and value are slices of the batch's bytes, the value directly behind the key; what is told to lie behind them
// ends with those bytes.
unsafe impl EntryList for Batch<'_> {
    #[inline]
    fn count(&self) -> usize {
        Batch::count(self)
    }

    #[inline]
    fn entry(&self, i: usize) -> Option<Entry<'_>> {
        let (key, value) = self.get(i)?;
        let value_slack = self.bytes().as_ptr_range().end as usize - value.as_ptr_range().end as usize;
        Some(Entry { key, value, key_slack: value.len() + value_slack, value_slack })
    }

    #[inline]
    fn ahead(&self, i: usize) -> Ahead {
        let mut ahead = Ahead::default();
        let bytes = self.bytes_from(i).as_ptr_range();
        ahead.add(bytes.start as usize..bytes.end as usize);
        ahead
    }

    #[inline]
    fn later(&self, _i: usize, entry: &Entry<'_>) -> Range<usize> {
        let start = (entry.key.as_ptr() as usize).wrapping_add(LEAD);
        start..start.wrapping_add(entry.key.len() + entry.value.len())
    }
}
